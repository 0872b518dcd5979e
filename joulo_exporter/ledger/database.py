"""The ledger's SQLite file: locked against a second process, opened, written in transactions and batches."""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import re
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from joulo_exporter.errors import LedgerDamagedError, LedgerError, LedgerLockedError, LedgerVersionError
from joulo_exporter.ledger.migrations import MIGRATIONS, applied_migrations, migrate
from joulo_exporter.logs import event

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_logger = logging.getLogger(__name__)

Work = Callable[[], Any]
Done = tuple[Any, BaseException | None]
"""The result of a piece of work, or the error that it raised."""

FILE_NAME = "ledger.sqlite3"
LOCK_NAME = "ledger.lock"

MOUNTS = Path("/proc/self/mounts")
"""Linux' list of what is mounted where, with its file system."""

_NETWORK_FILE_SYSTEMS = frozenset({"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "fuse.sshfs"})
_OCTAL = re.compile(r"\\([0-7]{3})")

_CACHE_KIB = 16 * 1024
"""Cache of the file's pages; holds all that a thousand accounts change in a minute, so that none is read again."""

_JOURNAL_PAGES = 4000
"""Pages in the journal before the file is brought up to date: a page that changes often is copied once."""

_JOURNAL_LIMIT_BYTES = 4200 * _JOURNAL_PAGES


class Database:
    """One connection to the ledger's file, used by one thread at a time.

    Args:
        folder: the storage path; ``None`` for a ledger in memory.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._lock_fd: int | None = None
        self._in_batch = self._batch_failed = False
        self.rollbacks = 0
        """Transactions that were rolled back: what was read in one of them may never have been true."""
        if folder is not None:
            self._lock_fd = _locked(folder)
        try:
            self._connection = _opened(":memory:" if folder is None else str(folder / FILE_NAME))
        except BaseException:
            self._unlock()
            raise

    @property
    def persistent(self) -> bool:
        """Return whether the ledger outlives the process."""
        return self._folder is not None

    @contextlib.contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Yield the connection within a transaction: all of it is written, or nothing.

        Within ``run_batch`` it is durable only when the whole batch is.

        Raises:
            LedgerError: it could not be read or written; nothing of the transaction was kept.
        """
        try:
            if self._in_batch:
                with self._part_of_batch():
                    yield self._connection
            else:
                self._connection.execute("BEGIN IMMEDIATE")
                with self._committed():
                    yield self._connection
        except sqlite3.Error as error:
            raise _as_ledger_error(error, self._place) from error

    @contextlib.contextmanager
    def _part_of_batch(self) -> Iterator[None]:
        try:
            yield
        except BaseException:
            self._batch_failed = True
            raise

    def run_batch(self, works: Sequence[Work]) -> list[Done]:
        """Run pieces of work, each with transactions of its own, and make all that they wrote durable at once.

        When a transaction fails, or the disk refuses the whole, all is rolled back and each piece is run again,
        with commits of its own: it must change nothing but the ledger. That is rare; a savepoint for each piece
        would cost every one of them.
        """
        try:
            self._connection.execute("BEGIN IMMEDIATE")
        except sqlite3.Error as error:
            return [(None, _as_ledger_error(error, self._place))] * len(works)
        self._in_batch, self._batch_failed = True, False
        try:
            with self._committed():
                return [self._run_in_batch(work) for work in works]
        except sqlite3.Error:
            self._in_batch = False
            return [_run(work) for work in works]
        finally:
            self._in_batch = False

    @contextlib.contextmanager
    def _committed(self) -> Iterator[None]:
        """Commit at the end of the block, or roll back after an error in it."""
        try:
            yield
            self._connection.execute("COMMIT")
        except BaseException:
            self.rollbacks += 1
            with contextlib.suppress(sqlite3.Error):
                self._connection.execute("ROLLBACK")
            raise

    def _run_in_batch(self, work: Work) -> Done:
        done = _run(work)
        # SQLite itself rolls all back, when a disk is full or out of order.
        if self._batch_failed or not self._connection.in_transaction:
            raise sqlite3.OperationalError("the transaction was rolled back")
        return done

    def close(self) -> None:
        """Close the file and let another process have it."""
        with contextlib.suppress(sqlite3.Error):
            self._connection.close()
        self._unlock()

    @property
    def _place(self) -> str:
        return "memory" if self._folder is None else str(self._folder / FILE_NAME)

    def _unlock(self) -> None:
        if self._lock_fd is not None:
            os.close(self._lock_fd)
            self._lock_fd = None


def _run(work: Work) -> Done:
    try:
        return work(), None
    except Exception as error:  # noqa: BLE001 -- whatever it is, it is raised where the work was asked for
        return None, error


def open_ledger(folder: Path, now_seconds: float) -> Database:
    """Open the ledger; put a damaged one aside and begin anew; without a usable path keep it in memory.

    Args:
        folder: the storage path.
        now_seconds: wall-clock time, for the name of a damaged file.

    Raises:
        LedgerLockedError: another process has it; two exporters would ask the API twice as often.
    """
    if (kind := _file_system(folder)) in _NETWORK_FILE_SYSTEMS:
        event(
            _logger,
            "warn",
            "SQLite's journal does not work on a network file system, and the ledger can be damaged; "
            "give the exporter a folder on a local disk, with --storage.path",
            path=folder,
            type=kind,
        )
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


def _file_system(folder: Path) -> str | None:
    """Return the type of the file system that holds a folder; ``None`` where the system does not tell."""
    try:
        lines = MOUNTS.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return None
    types = {}  # a later mount hides an earlier one at the same place
    for _, place, kind, *_ in map(str.split, lines):
        types[Path(_OCTAL.sub(lambda escape: chr(int(escape[1], 8)), place))] = kind
    resolved = folder.resolve()
    return next((types[path] for path in (resolved, *resolved.parents) if path in types), None)


def put_aside(folder: Path, now_seconds: float) -> Path:
    """Rename a damaged ledger and its journal; return the new name.

    Raises:
        LedgerError: it cannot be renamed.
    """
    kept = folder / f"{FILE_NAME}.damaged-{int(now_seconds)}"
    while kept.exists():  # an earlier one's bytes are not written over, whatever the clock says
        kept = kept.with_name(f"{kept.name}-again")
    try:
        (folder / FILE_NAME).rename(kept)
        for suffix in ("-wal", "-shm"):
            with contextlib.suppress(FileNotFoundError):
                (folder / (FILE_NAME + suffix)).rename(folder / (kept.name + suffix))
    except OSError as error:
        raise LedgerError(f"{folder / FILE_NAME} is damaged and cannot be renamed: {error.strerror}") from error
    return kept


def _locked(folder: Path) -> int:
    """Take the lock of the storage path, and write our process id into it, for the message of a second process."""
    path = folder / LOCK_NAME
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise LedgerError(f"{folder} cannot be written: {error.strerror}") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
    except BlockingIOError:
        holder = os.pread(descriptor, 32, 0).decode(errors="replace").strip() or "unknown"
        os.close(descriptor)
        raise LedgerLockedError(
            f"{folder} is in use by process {holder}; stop it, or give this one another --storage.path"
        ) from None
    except OSError as error:
        os.close(descriptor)
        raise LedgerError(f"{path} cannot be written: {error.strerror}") from error
    return descriptor


def _opened(place: str) -> sqlite3.Connection:
    try:
        # Used by the ledger's own thread after it was made by another; never by two at a time.
        connection = sqlite3.connect(place, isolation_level=None, check_same_thread=False, timeout=5.0)
    except sqlite3.Error as error:
        raise _as_ledger_error(error, place) from error
    try:
        _prepare(connection, place)
    except sqlite3.Error as error:
        connection.close()
        raise _as_ledger_error(error, place) from error
    except LedgerError:
        connection.close()
        raise
    return connection


def _prepare(connection: sqlite3.Connection, place: str) -> None:
    connection.execute("PRAGMA journal_mode = WAL")
    # FULL: what a scrape has shown is on the disk, so that a power cut makes no counter fall.
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute(f"PRAGMA journal_size_limit = {_JOURNAL_LIMIT_BYTES}")
    connection.execute(f"PRAGMA wal_autocheckpoint = {_JOURNAL_PAGES}")
    connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
    if place != ":memory:" and connection.execute("PRAGMA quick_check(1)").fetchone() != ("ok",):
        raise LedgerDamagedError(f"{place} is damaged")
    _refuse_newer(connection, place)
    migrate(connection)


def _refuse_newer(connection: sqlite3.Connection, place: str) -> None:
    """Leave a file alone that has migrations which this version does not know."""
    newer = applied_migrations(connection) - dict(MIGRATIONS).keys()
    if newer:
        raise LedgerVersionError(
            f"{place} was written by a newer version of joulo-exporter ({min(newer)}); "
            "run that version, or give this one another --storage.path"
        )


def _as_ledger_error(error: sqlite3.Error, place: str) -> LedgerError:
    text = " ".join(str(error).split())
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}:
        return LedgerDamagedError(f"{place} is damaged: {text}")
    return LedgerError(f"{place}: {text}")
