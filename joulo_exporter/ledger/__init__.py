"""The ledger: one SQLite file with every session of every account, and the state that must survive a restart."""

from joulo_exporter.ledger.account import (
    PUBLIC_ACCOUNT,
    AccountLedger,
    ClockJump,
    EndpointRecord,
    Pause,
    Refreshes,
    keep_configured,
)
from joulo_exporter.ledger.book import Book, Completeness, HeldTotals, vehicle_of
from joulo_exporter.ledger.chargers import Meter
from joulo_exporter.ledger.database import Batches, Database, open_ledger
from joulo_exporter.ledger.history import FEW_MISSING, PAGE_SIZE, Outcome, Walk, next_page
from joulo_exporter.ledger.sessions import StoredSession, Totals
from joulo_exporter.ledger.storage import FILE_NAME

__all__ = [
    "FEW_MISSING",
    "FILE_NAME",
    "PAGE_SIZE",
    "PUBLIC_ACCOUNT",
    "AccountLedger",
    "Batches",
    "Book",
    "ClockJump",
    "Completeness",
    "Database",
    "EndpointRecord",
    "HeldTotals",
    "Meter",
    "Outcome",
    "Pause",
    "Refreshes",
    "StoredSession",
    "Totals",
    "Walk",
    "keep_configured",
    "next_page",
    "open_ledger",
    "vehicle_of",
]
