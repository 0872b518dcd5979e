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

__all__ = [
    "SERVICES",
    "AccountRow",
    "ChargerRow",
    "EndpointRow",
    "Format",
    "LandingPage",
    "ListenAddress",
    "ListenError",
    "WebServices",
    "make_application",
    "make_runner",
    "parse_listen_address",
    "start_listening",
]
