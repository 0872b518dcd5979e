"""``python -m joulo_exporter.healthcheck [URL]``: whether an exporter responds, for a container's HEALTHCHECK.

Only the standard library: this starts twice a minute, next to the exporter.
"""

import contextlib
import ssl
import sys
from collections.abc import Sequence
from http.client import HTTPConnection, HTTPException
from urllib.parse import urlsplit

DEFAULT_URL = "http://127.0.0.1:9973/-/healthy"

_TIMEOUT_S = 2.0
_FIRST_FAULT_STATUS = 500
_PORTS = {"http": 80, "https": 443}
_NOT_HTTP = "neither HTTP nor TLS is spoken on this port"


def main(arguments: Sequence[str] | None = None) -> int:
    """Return 0 if the exporter is alive; 1 if it is not, 2 for bad usage, both with a line on standard error.

    Any status below 500 is a sign of life: 401 where a password is asked for, 404 behind a route prefix. A server
    that does not speak plain HTTP is asked over TLS, without a check of its certificate.

    Args:
        arguments: one URL or none; ``sys.argv`` if ``None``.
    """
    given = sys.argv[1:] if arguments is None else arguments
    text = given[0] if given else DEFAULT_URL
    try:
        url = urlsplit(text)
        host, port, path = url.hostname or "", url.port or _PORTS[url.scheme], url.path or "/"
        host.encode("idna")  # as the look-up does: an empty label is a UnicodeError, which is a ValueError
    except (KeyError, ValueError):
        host = ""
    if len(given) > 1 or not host or not text.isascii() or {"@", " "} & set(text):
        sys.stderr.write(f"healthcheck: write one URL, such as {DEFAULT_URL}, or none\n")
        return 2
    fault = _NOT_HTTP if url.scheme == "https" else _fault(host, port, path, tls=False)
    if fault == _NOT_HTTP:
        fault = _fault(host, port, path, tls=True)
    if fault is not None:
        sys.stderr.write(f"healthcheck: {fault}\n")
    return 0 if fault is None else 1


def _fault(host: str, port: int, path: str, *, tls: bool) -> str | None:
    encrypted = False
    with contextlib.closing(HTTPConnection(host, port, timeout=_TIMEOUT_S)) as connection:
        try:
            connection.connect()
            if tls:
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
                # The certificate is for another host name.
                context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
                encryption = context.wrap_socket(
                    connection.sock, do_handshake_on_connect=False, server_hostname=host
                )
                connection.sock = encryption
                try:
                    encryption.do_handshake()
                finally:
                    encrypted = encryption.cipher() is not None
            connection.request("GET", path, headers={"Connection": "close"})
            status = connection.getresponse().status
        except (ssl.SSLError, ConnectionResetError, BrokenPipeError, HTTPException) as error:
            # A server that refuses a client without a certificate is alive. The refusal comes once a cipher is
            # chosen, in TLS 1.3 after the handshake, and its alert can be lost, as it is with asyncio.
            refused = "ALERT" in str(getattr(error, "reason", "")) or (encrypted and isinstance(error, OSError))
            return None if refused else _NOT_HTTP
        except OSError as error:
            return f"port {port} does not respond: {error.strerror or 'timeout'}"
    return f"the exporter responds with status {status}" if status >= _FIRST_FAULT_STATUS else None


if __name__ == "__main__":
    sys.exit(main())
