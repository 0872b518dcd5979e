"""HTTP server: metrics for scrapers, health for probes, a page for people; see ``app``."""

from joulo_exporter.web.app import SERVICES, WebPaths, WebServices, make_application, web_paths
from joulo_exporter.web.auth import Gate, Protection, RateLimit
from joulo_exporter.web.negotiation import Format
from joulo_exporter.web.server import (
    ListenAddress,
    ListenError,
    UnixAddress,
    activated_sockets,
    make_runner,
    parse_listen_address,
    start_listening,
)

__all__ = [
    "SERVICES",
    "Format",
    "Gate",
    "ListenAddress",
    "ListenError",
    "Protection",
    "RateLimit",
    "UnixAddress",
    "WebPaths",
    "WebServices",
    "activated_sockets",
    "make_application",
    "make_runner",
    "parse_listen_address",
    "start_listening",
    "web_paths",
]
