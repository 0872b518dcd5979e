"""The ledger's file opened for reading only: no lock, and one consistent moment, whatever is written meanwhile."""

from __future__ import annotations

import contextlib
import sqlite3
from typing import TYPE_CHECKING

from joulo_exporter.errors import LedgerDamagedError, LedgerError, LedgerVersionError
from joulo_exporter.ledger.database import FILE_NAME
from joulo_exporter.ledger.migrations import MIGRATIONS
from joulo_exporter.ledger.reading import LedgerReader

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextlib.contextmanager
def read_ledger(folder: Path) -> Iterator[LedgerReader]:
    """Open the ledger of a storage path for reading, as it is now.

    An exporter may be writing it meanwhile; the file is not changed, and no exporter is kept from starting.

    Raises:
        LedgerError: there is none, it cannot be read, or another version has written it; also from within the
            block, when reading on fails.
    """
    path = folder / FILE_NAME
    try:
        with contextlib.closing(_connected(path)) as connection:
            connection.execute("BEGIN")
            _refuse_other_versions(connection, path)
            yield LedgerReader(connection)
    except sqlite3.Error as error:
        raise _as_ledger_error(error, path) from error


def _connected(path: Path) -> sqlite3.Connection:
    try:
        exists = path.is_file()
    except OSError as error:
        raise LedgerError(f"{path} cannot be read: {error.strerror}") from error
    if not exists:
        raise LedgerError(
            f"{path} does not exist; start the exporter first, or name its folder with --storage.path"
        )
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None, timeout=5.0
    )
    try:
        connection.execute("SELECT 1 FROM sqlite_schema LIMIT 1").fetchone()
    except sqlite3.OperationalError as error:
        connection.close()
        # In a folder that may not be written SQLite cannot make the journal's index. Without a journal nobody
        # writes, and the file alone is the ledger.
        if error.sqlite_errorcode & 0xFF not in {sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY} or _has_journal(
            path
        ):
            raise
        return sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True, isolation_level=None)
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def _has_journal(path: Path) -> bool:
    journal = path.with_name(f"{path.name}-wal")
    return journal.exists() and journal.stat().st_size > 0


def _refuse_other_versions(connection: sqlite3.Connection, path: Path) -> None:
    known = {name for name, _ in MIGRATIONS}
    has_table = connection.execute("SELECT 1 FROM sqlite_schema WHERE name = 'migrations'").fetchone()
    applied = {name for (name,) in connection.execute("SELECT name FROM migrations")} if has_table else set()
    if applied - known:
        raise LedgerVersionError(
            f"{path} was written by a newer version of joulo-exporter ({min(applied - known)}); "
            "read it with that one"
        )
    if known - applied:
        raise LedgerError(f"{path} is empty or from an older version of joulo-exporter; start the exporter first")


def _as_ledger_error(error: sqlite3.Error, path: Path) -> LedgerError:
    text = " ".join(str(error).split())
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}:
        return LedgerDamagedError(
            f"{path} is damaged: {text}; restart the exporter, which puts it aside and reads the history anew, "
            "or restore a backup"
        )
    return LedgerError(f"{path} cannot be read: {text}")
