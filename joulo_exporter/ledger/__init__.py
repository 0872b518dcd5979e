"""The ledger: every session of every account in one SQLite file, and what must outlive the process."""

from joulo_exporter.ledger.account import AccountLedger
from joulo_exporter.ledger.batches import Batches
from joulo_exporter.ledger.database import FILE_NAME, Database, put_aside
from joulo_exporter.ledger.endpoints import PUBLIC_ACCOUNT, EndpointRecord
from joulo_exporter.ledger.opening import open_ledger
from joulo_exporter.ledger.walk import PAGE_SIZE, Walk, begin_head

__all__ = [
    "FILE_NAME",
    "PAGE_SIZE",
    "PUBLIC_ACCOUNT",
    "AccountLedger",
    "Batches",
    "Database",
    "EndpointRecord",
    "Walk",
    "begin_head",
    "open_ledger",
    "put_aside",
]
