"""Frozen typed records of what the API answers, each next to the reading of its wire format."""

from joulo_exporter.models.charger import KNOWN_STATUSES, Charger, LiveSession, parse_chargers
from joulo_exporter.models.energy import Energy, Month, parse_energy
from joulo_exporter.models.ere_position import ErePosition, ErePositionQuarter, parse_ere_position
from joulo_exporter.models.ere_price import ErePrice, parse_ere_price
from joulo_exporter.models.session import Session, parse_sessions
from joulo_exporter.models.wire import Answer

__all__ = [
    "KNOWN_STATUSES",
    "Answer",
    "Charger",
    "Energy",
    "ErePosition",
    "ErePositionQuarter",
    "ErePrice",
    "LiveSession",
    "Month",
    "Session",
    "parse_chargers",
    "parse_energy",
    "parse_ere_position",
    "parse_ere_price",
    "parse_sessions",
]
