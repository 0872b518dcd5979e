"""The client of the Joulo API: its endpoints, and the one function through which every request goes."""

from joulo_exporter.api.client import (
    BODY_LIMIT_BYTES,
    CHARGERS,
    ENERGY,
    ERE_POSITION,
    ERE_PRICE,
    SESSIONS,
    Endpoint,
    JouloClient,
    open_session,
)

__all__ = [
    "BODY_LIMIT_BYTES",
    "CHARGERS",
    "ENERGY",
    "ERE_POSITION",
    "ERE_PRICE",
    "SESSIONS",
    "Endpoint",
    "JouloClient",
    "open_session",
]
