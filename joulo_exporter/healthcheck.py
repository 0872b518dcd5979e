"""``python -m joulo_exporter.healthcheck [URL]``: whether an exporter answers, for a container's HEALTHCHECK.

Only the standard library, and little of it: this starts twice a minute, next to the exporter.
"""

from __future__ import annotations

import re
import socket
import sys
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Sequence
    from ssl import SSLContext
    from urllib.parse import SplitResult

DEFAULT_URL = "http://127.0.0.1:9973/-/healthy"

_TIMEOUT_S = 2.0
_FIRST_FAULT_STATUS = 500
_PORTS = {"http": 80, "https": 443}
# RFC 9112, section 4.
_STATUS_LINE = re.compile(rb"HTTP/1\.[01] ([1-5][0-9]{2})[ \r]")
_STATUS_LINE_BYTES = 16
# Not a status: the words of a TLS server that works, and wants a certificate from its clients.
_REFUSED = 0


class UnhealthyError(Exception):
    """Nobody answers, or the answer is a fault; the message says which."""


class _NotHttpError(UnhealthyError):
    """Somebody takes the connection, and does not answer in plain HTTP."""


class _ClosedError(_NotHttpError):
    """Somebody takes the connection, and closes it without a word."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Return 0 if the exporter answers; 1 if it does not, 2 for bad usage, both with a line on standard error.

    Args:
        arguments: at most one, the URL to ask; ``DEFAULT_URL`` without one. ``sys.argv`` if ``None``.
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

    Any answer below 500 is a sign of life: 401 where a password is asked for, 404 behind a route prefix. A server
    that does not speak plain HTTP is asked over TLS, without a look at its certificate; its refusal of a client
    that has no certificate is an answer too.

    Raises:
        UnhealthyError: nobody answers (each step may take two seconds), or the answer is 500 or more.
    """
    url = urlsplit(text)
    try:
        status = _status(url, tls=url.scheme == "https")
    except _NotHttpError:
        if url.scheme == "https":
            raise
        status = _status(url, tls=True)
    if status >= _FIRST_FAULT_STATUS:
        raise UnhealthyError(f"the exporter answers {status}")


def _status(url: SplitResult, *, tls: bool) -> int:
    address = (url.hostname or "", url.port or _PORTS[url.scheme])
    try:
        connection = socket.create_connection(address, _TIMEOUT_S)
    except OSError as error:
        raise UnhealthyError(f"no connection to port {address[1]}: {error.strerror or 'timeout'}") from error
    with connection:
        return _status_over_tls(connection, url) if tls else _answer(connection, url)


def _status_over_tls(connection: socket.socket, url: SplitResult) -> int:
    import ssl  # noqa: PLC0415  half of the time that a start takes, and rarely needed

    try:
        with _trusting_context().wrap_socket(connection, server_hostname=url.hostname) as wrapped:
            return _answer_after_handshake(wrapped, url)
    except ssl.SSLError as error:
        if error.reason and "ALERT" in error.reason:
            return _REFUSED
        raise _NotHttpError("neither HTTP nor TLS is spoken on this port") from error
    except OSError as error:
        raise _NotHttpError("neither HTTP nor TLS is spoken on this port") from error


def _answer_after_handshake(connection: socket.socket, url: SplitResult) -> int:
    try:
        return _answer(connection, url)
    except _ClosedError:
        # In TLS 1.3 the refusal comes after the handshake, and its words can be lost with the connection.
        return _REFUSED


def _trusting_context() -> SSLContext:
    """Return a context for a server on this machine, whose certificate has another name."""
    import ssl  # noqa: PLC0415  as above

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _answer(connection: socket.socket, url: SplitResult) -> int:
    request = f"GET {url.path or '/'} HTTP/1.1\r\nHost: {url.netloc}\r\nConnection: close\r\n\r\n"
    line = b""
    try:
        connection.sendall(request.encode("ascii"))
        while len(line) < _STATUS_LINE_BYTES and (received := connection.recv(_STATUS_LINE_BYTES - len(line))):
            line += received
    except TimeoutError as error:
        raise UnhealthyError("it takes connections and does not answer") from error
    except OSError as error:
        raise _ClosedError("the connection is closed without an answer") from error
    if not line:
        raise _ClosedError("the connection is closed without an answer")
    found = _STATUS_LINE.match(line)
    if found is None:
        raise _NotHttpError("what answers is not an HTTP server")
    return int(found[1])


def _is_url(text: str) -> bool:
    try:
        url = urlsplit(text)
        return url.scheme in _PORTS and bool(url.hostname) and url.port != 0 and text.isascii() and "@" not in text
    except ValueError:
        return False


def _complain(status: int, text: str) -> int:
    sys.stderr.write(f"healthcheck: {text}\n")
    return status


if __name__ == "__main__":
    sys.exit(main())
