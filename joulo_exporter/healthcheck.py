"""``python -m joulo_exporter.healthcheck [URL]``: whether an exporter responds, for a container's HEALTHCHECK.

Only the standard library: this starts twice a minute, next to the exporter.
"""

import contextlib
import sys
from collections.abc import Sequence
from http.client import HTTPConnection, HTTPException, InvalidURL
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
    try:
        [text] = given or [DEFAULT_URL]
        url = urlsplit(text)
        host, port = url.hostname or ".", url.port or _PORTS[url.scheme]  # a lone dot is no name
        with contextlib.closing(HTTPConnection(host, port, timeout=_TIMEOUT_S)) as connection:
            connection.request("GET", url.path or "/", headers={"Connection": "close"})
            status = connection.getresponse().status
        if status < _FIRST_FAULT_STATUS:
            return 0
        fault = f"the exporter responds with status {status}"
    except (KeyError, ValueError, InvalidURL):
        sys.stderr.write(f"healthcheck: write one URL, such as {DEFAULT_URL}, or none\n")
        return 2
    except (ConnectionResetError, BrokenPipeError):
        return 0
    except HTTPException:
        fault = f"something else than HTTP is spoken on port {port}"
    except OSError as error:
        fault = f"port {port} does not respond: {error.strerror or 'timeout'}"
    sys.stderr.write(f"healthcheck: {fault}\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
