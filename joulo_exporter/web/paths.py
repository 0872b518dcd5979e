"""Under which paths the application answers, and how its page links to them, as in Prometheus.

``--web.external-url`` says how people reach the exporter, ``--web.route-prefix`` what its own paths begin with.
The prefix is the path of the external URL unless it is given: a proxy that strips its path wants ``/`` there.
Source: Prometheus' ``cmd/prometheus/main.go`` (``computeExternalURL`` and the defaults) and ``web/web.go``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from joulo_exporter.errors import ConfigError

# Without dot segments, empty segments and anything that a route or a link would read as more than a path.
_PATH = re.compile(r"/|(?:/(?!\.{1,2}(?:/|$))[A-Za-z0-9._~-]+)+/?")
_CHARACTERS = "of letters, digits and -._~"
_RESERVED = "/-"


@dataclass(frozen=True, slots=True)
class WebPaths:
    """What the paths begin with; neither ends in a slash."""

    prefix: str = ""
    """Of all paths that the application answers on; empty for none."""
    links: str = "."
    """Of the links on the page: the path of the external URL, or ``.``, which fits wherever the page is."""


def web_paths(external_url: str | None, route_prefix: str | None) -> WebPaths:
    """Return what the flags ask for; ``None`` is a flag that is not given.

    Raises:
        ConfigError: one of them cannot be used.
    """
    external = _external_path(external_url) if external_url else None
    if not route_prefix:
        return WebPaths(external or "", "." if external is None else external)
    prefix = "/" + route_prefix.strip("/")
    if not _PATH.fullmatch(prefix):
        raise ConfigError(
            f"--web.route-prefix: {route_prefix!r} is not a plain path; write one such as /joulo, {_CHARACTERS}"
        )
    return WebPaths(prefix.rstrip("/"), "." if external is None else external)


def checked_telemetry_path(path: str) -> str:
    """Return the path of the metrics, which comes after the prefix.

    Raises:
        ConfigError: it cannot be one.
    """
    if not _PATH.fullmatch(path):
        raise ConfigError(
            f"--web.telemetry-path: {path!r} is not a plain path; write one such as /metrics, {_CHARACTERS}"
        )
    if path == _RESERVED or path.startswith(_RESERVED + "/"):
        raise ConfigError(
            f"--web.telemetry-path: {path!r} is taken by health and reload; choose another than /-/…"
        )
    return path


def _external_path(url: str) -> str:
    """Return the path of the URL without the slash at its end."""
    try:
        parts = urlsplit(url)
    except ValueError:
        parts = None
    whole = parts is not None and parts.scheme in ("http", "https") and bool(parts.hostname)
    if parts is None or not (whole or (not parts.scheme and not parts.netloc)) or parts.query or parts.fragment:
        raise _no_external_url(url)
    path = "/" + parts.path.strip("/")
    if not _PATH.fullmatch(path) or "@" in parts.netloc:
        raise _no_external_url(url)
    return path.rstrip("/")


def _no_external_url(url: str) -> ConfigError:
    shown = repr(url) if "@" not in url else "the value"  # a password may stand before the @
    return ConfigError(
        f"--web.external-url: {shown} is not a URL to link to; write one such as https://example.org/joulo, "
        f"with a path {_CHARACTERS}"
    )
