"""``python -m joulo_exporter.healthcheck [URL]``: whether an exporter responds, for a container's HEALTHCHECK.

Only the standard library: this starts twice a minute, next to the exporter.
"""

from __future__ import annotations

import contextlib
import ssl
import sys
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Sequence
    from urllib.parse import SplitResult

DEFAULT_URL = "http://127.0.0.1:9973/-/healthy"

_TIMEOUT_S = 2.0
_FIRST_FAULT_STATUS = 500
_PORTS = {"http": 80, "https": 443}
_REFUSED = 0
"""In place of a status: a TLS server that works, and refuses a client without a certificate."""


class UnhealthyError(Exception):
    """There is no response, or it is a fault; the message says which."""


class _NotHttpError(UnhealthyError):
    """The connection is taken, and the response is not plain HTTP."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Return 0 if the exporter responds; 1 if it does not, 2 for bad usage, both with a line on standard error.

    Args:
        arguments: one URL or none; ``sys.argv`` if ``None``.
    """
    given = sys.argv[1:] if arguments is None else arguments
    text = given[0] if given else DEFAULT_URL
    if len(given) > 1 or not _is_url(text):
        return _complain(2, f"write one URL, such as {DEFAULT_URL}, or none")
    try:
        check(text)
    except UnhealthyError as error:
        return _complain(1, str(error))
    return 0


def check(text: str) -> None:
    """Return if the exporter at a URL is alive.

    Any status below 500 is a sign of life: 401 where a password is asked for, 404 behind a route prefix. A server
    that does not speak plain HTTP is asked over TLS, without a look at its certificate; its refusal of a client
    that has no certificate is a response too.

    Raises:
        UnhealthyError: there is no response (each step may take two seconds), or its status is 500 or more.
    """
    url = urlsplit(text)
    try:
        status = _status(url, tls=url.scheme == "https")
    except _NotHttpError:
        if url.scheme == "https":
            raise
        status = _status(url, tls=True)
    if status >= _FIRST_FAULT_STATUS:
        raise UnhealthyError(f"the exporter responds with status {status}")


def _status(url: SplitResult, *, tls: bool) -> int:
    port = url.port or _PORTS[url.scheme]
    connection = HTTPConnection(url.hostname or "", port, timeout=_TIMEOUT_S)
    if tls:
        connection = HTTPSConnection(url.hostname or "", port, timeout=_TIMEOUT_S, context=_trusting_context())
    with contextlib.closing(connection):
        try:
            connection.connect()
        except (ssl.SSLError, ConnectionResetError) as error:
            if "ALERT" in (getattr(error, "reason", None) or ""):
                return _REFUSED
            raise _NotHttpError("neither HTTP nor TLS is spoken on this port") from error
        except OSError as error:
            raise UnhealthyError(f"no connection to port {port}: {error.strerror or 'timeout'}") from error
        try:
            connection.request("GET", url.path or "/", headers={"Connection": "close"})
            return connection.getresponse().status
        except TimeoutError as error:
            raise UnhealthyError("it takes connections and does not respond") from error
        except (HTTPException, OSError) as error:
            # In TLS 1.3 the refusal comes after the handshake, and its words can be lost with the connection.
            if tls and isinstance(error, OSError):
                return _REFUSED
            raise _NotHttpError("no HTTP server responds on this port") from error


def _trusting_context() -> ssl.SSLContext:
    """Return a context for a server on this machine, whose certificate has another name."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _is_url(text: str) -> bool:
    try:
        url = urlsplit(text)
        usable = url.scheme in _PORTS and bool(url.hostname) and url.port != 0
    except ValueError:
        return False
    return usable and text.isascii() and text.isprintable() and not {"@", " "} & set(text)


def _complain(status: int, text: str) -> int:
    sys.stderr.write(f"healthcheck: {text}\n")
    return status


if __name__ == "__main__":
    sys.exit(main())
