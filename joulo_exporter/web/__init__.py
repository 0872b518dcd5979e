"""The HTTP side: what a scraper, a probe and a person get to see; see ``application``."""

from joulo_exporter.web.activation import activated_sockets
from joulo_exporter.web.addresses import ListenAddress, ListenError, UnixAddress, parse_listen_address
from joulo_exporter.web.application import SERVICES, WebServices, make_application
from joulo_exporter.web.landing import AccountRow, ChargerRow, EndpointRow, LandingPage
from joulo_exporter.web.listening import make_runner, start_listening
from joulo_exporter.web.negotiation import Format
from joulo_exporter.web.paths import WebPaths, web_paths
from joulo_exporter.web.security import Gate, Protection, RateLimit
from joulo_exporter.web.tls import CurrentContext, TlsFaultError, TlsSettings, make_tls_context

__all__ = [
    "SERVICES",
    "AccountRow",
    "ChargerRow",
    "CurrentContext",
    "EndpointRow",
    "Format",
    "Gate",
    "LandingPage",
    "ListenAddress",
    "ListenError",
    "Protection",
    "RateLimit",
    "TlsFaultError",
    "TlsSettings",
    "UnixAddress",
    "WebPaths",
    "WebServices",
    "activated_sockets",
    "make_application",
    "make_runner",
    "make_tls_context",
    "parse_listen_address",
    "start_listening",
    "web_paths",
]
