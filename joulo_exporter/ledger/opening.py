"""How a service gets its ledger: from the storage path, or in memory when that cannot be."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from joulo_exporter.errors import LedgerDamagedError, LedgerError, LedgerLockedError
from joulo_exporter.ledger.database import Database, put_aside
from joulo_exporter.logs import event

if TYPE_CHECKING:
    from pathlib import Path

_logger = logging.getLogger(__name__)


def open_ledger(folder: Path, now_seconds: float) -> Database:
    """Open the ledger; put a damaged one aside and begin anew; without a usable path keep it in memory.

    Args:
        folder: the storage path.
        now_seconds: wall-clock time, for the name of a damaged file.

    Raises:
        LedgerLockedError: another process has it; two exporters would ask the API twice as often.
    """
    try:
        try:
            return Database(folder)
        except LedgerDamagedError as error:
            kept = put_aside(folder, now_seconds)
            event(_logger, "error", "the ledger is damaged; it is kept aside, and the history is read anew",
                  err=error, kept=kept)  # fmt: skip
            return Database(folder)
    except LedgerLockedError:
        raise
    except LedgerError as error:
        event(
            _logger,
            "error",
            "no ledger on disk: it is in memory now, and a restart reads the whole history again; "
            "give the exporter a folder that it may write, with --storage.path",
            err=error,
        )
        return Database(None)
