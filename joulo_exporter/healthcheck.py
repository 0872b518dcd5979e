"""``python -m joulo_exporter.healthcheck [URL]``: whether an exporter responds, for a container's HEALTHCHECK.

Only the standard library: this starts twice a minute, next to the exporter.
"""

import contextlib
import sys
from collections.abc import Sequence
from http.client import HTTPConnection, HTTPException
from urllib.parse import urlsplit

DEFAULT_URL = "http://127.0.0.1:9973/-/healthy"

_TIMEOUT_S = 2.0
_FIRST_FAULT_STATUS = 500
_PORTS = {"http": 80, "https": 443}


def main(arguments: Sequence[str] | None = None) -> int:
    """Return 0 if the exporter is alive; 1 if it is not, 2 for bad usage, both with a line on standard error.

    Any status below 500 is a sign of life: 401 where a password is asked for, 404 behind a route prefix. So is the
    end of the connection, as when TLS is spoken on this port: an exporter that hangs ends none.

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
    with contextlib.closing(HTTPConnection(host, port, timeout=_TIMEOUT_S)) as connection:
        try:
            connection.request("GET", path, headers={"Connection": "close"})
            status = connection.getresponse().status
        except (HTTPException, ConnectionResetError, BrokenPipeError):
            return 0
        except OSError as error:
            fault = f"port {port} does not respond: {error.strerror or 'timeout'}"
        else:
            fault = f"the exporter responds with status {status}"
            if status < _FIRST_FAULT_STATUS:
                return 0
    sys.stderr.write(f"healthcheck: {fault}\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
