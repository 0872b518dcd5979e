"""Frozen typed records of what the API answers, each next to the reading of its wire format."""

from joulo_exporter.models.charger import KNOWN_STATUSES, Charger, LiveSession, parse_chargers
from joulo_exporter.models.energy import Energy, Month, parse_energy
from joulo_exporter.models.session import Session, parse_sessions
from joulo_exporter.models.wire import Answer

__all__ = [
    "KNOWN_STATUSES",
    "Answer",
    "Charger",
    "Energy",
    "LiveSession",
    "Month",
    "Session",
    "parse_chargers",
    "parse_energy",
    "parse_sessions",
]
