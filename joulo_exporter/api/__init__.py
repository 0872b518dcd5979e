"""The client of the Joulo API: what can be asked, and one door through which every request goes."""

from joulo_exporter.api.client import BODY_LIMIT_BYTES, JouloClient, open_session
from joulo_exporter.api.endpoint import (
    CHARGERS,
    ENERGY,
    ERE_POSITION,
    ERE_PRICE,
    SESSIONS,
    Endpoint,
)
from joulo_exporter.api.unknown import UnknownFields

__all__ = [
    "BODY_LIMIT_BYTES",
    "CHARGERS",
    "ENERGY",
    "ERE_POSITION",
    "ERE_PRICE",
    "SESSIONS",
    "Endpoint",
    "JouloClient",
    "UnknownFields",
    "open_session",
]
