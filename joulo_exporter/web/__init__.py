"""The HTTP side: what a scraper, a probe and a person get to see; see ``application``."""

from joulo_exporter.web.application import SERVICES, WebServices, make_application
from joulo_exporter.web.landing import AccountRow, ChargerRow, EndpointRow, LandingPage
from joulo_exporter.web.listening import (
    ListenAddress,
    ListenError,
    make_runner,
    parse_listen_address,
    start_listening,
)
from joulo_exporter.web.negotiation import Format
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
    "WebServices",
    "make_application",
    "make_runner",
    "make_tls_context",
    "parse_listen_address",
    "start_listening",
]
