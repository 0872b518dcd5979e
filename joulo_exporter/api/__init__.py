"""The client of the Joulo API: what can be asked, and one door through which every request goes."""

from joulo_exporter.api.client import BODY_LIMIT_BYTES, JouloClient, open_session
from joulo_exporter.api.endpoint import CHARGERS, ENDPOINTS, ENERGY, SESSIONS, Endpoint

__all__ = [
    "BODY_LIMIT_BYTES",
    "CHARGERS",
    "ENDPOINTS",
    "ENERGY",
    "SESSIONS",
    "Endpoint",
    "JouloClient",
    "open_session",
]
