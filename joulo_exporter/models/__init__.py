"""Frozen typed records of the API's responses, each next to the reading of its wire format."""

from joulo_exporter.models.charger import KNOWN_STATUSES, Charger, LiveSession, parse_chargers
from joulo_exporter.models.energy import Energy, Month, parse_energy
from joulo_exporter.models.ere import (
    ErePosition,
    ErePositionQuarter,
    ErePrice,
    parse_ere_position,
    parse_ere_price,
)
from joulo_exporter.models.session import UNKNOWN_CHARGER, EreEstimate, Session, SessionPage, parse_sessions
from joulo_exporter.models.wire import ApiResponse, MalformedField, Plausibility

__all__ = [
    "KNOWN_STATUSES",
    "UNKNOWN_CHARGER",
    "ApiResponse",
    "Charger",
    "Energy",
    "EreEstimate",
    "ErePosition",
    "ErePositionQuarter",
    "ErePrice",
    "LiveSession",
    "MalformedField",
    "Month",
    "Plausibility",
    "Session",
    "SessionPage",
    "parse_chargers",
    "parse_energy",
    "parse_ere_position",
    "parse_ere_price",
    "parse_sessions",
]
