"""The ledger: every session of every account in one SQLite file, and what must outlive the process."""

from joulo_exporter.ledger.account import (
    PUBLIC_ACCOUNT,
    AccountLedger,
    ClockJump,
    EndpointRecord,
    Outcome,
    Pause,
)
from joulo_exporter.ledger.batches import Batches
from joulo_exporter.ledger.book import Book, Totals
from joulo_exporter.ledger.database import FILE_NAME, Database, open_ledger
from joulo_exporter.ledger.history import PAGE_SIZE, PageRequest, Walk, next_page
from joulo_exporter.ledger.meters import Meter
from joulo_exporter.ledger.sessions import StoredSession
from joulo_exporter.ledger.withdrawal import FEW_MISSING

__all__ = [
    "FEW_MISSING",
    "FILE_NAME",
    "PAGE_SIZE",
    "PUBLIC_ACCOUNT",
    "AccountLedger",
    "Batches",
    "Book",
    "ClockJump",
    "Database",
    "EndpointRecord",
    "Meter",
    "Outcome",
    "PageRequest",
    "Pause",
    "StoredSession",
    "Totals",
    "Walk",
    "next_page",
    "open_ledger",
]
