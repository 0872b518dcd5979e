"""The ledger's SQLite file: locked against a second process, opened, written in transactions."""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import re
import sqlite3
import time
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

LARGEST_IN_MEMORY_BYTES = 64 * 1024 * 1024
"""Ledger that goes on in memory while the disk refuses it: that of some hundred accounts. A larger one, in a
container with little memory, would end the process, and its refreshes fail instead."""

_DISK_ERRORS = frozenset(
    {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN}
)


class Database:
    """The ledger's file, used by one thread at a time.

    When the disk refuses to write, the ledger goes on in memory, with all that it has; when the file was deleted
    or replaced, in the one that is still open. ``tend`` writes it again.

    Args:
        folder: the storage path; ``None`` for a ledger in memory.
    """

    def __init__(self, folder: Path | None) -> None:
        self.persistent = folder is not None
        """Whether what is written outlives the process."""
        self._folder = folder
        self._place = ":memory:" if folder is None else str(folder / FILE_NAME)
        self._lock_fd: int | None = None
        self._in_batch = self._batch_failed = False
        self._refusal = ""
        self.rollbacks = 0
        """Transactions that were rolled back."""
        if folder is not None:
            self._lock_fd = _locked(folder)
        try:
            self._connection = _opened(self._place)
        except BaseException:
            self._unlock()
            raise
        self._disk: sqlite3.Connection | None = None if folder is None else self._connection
        """Stays open while the ledger is in memory, unless the file is no longer there."""
        self._file = None if folder is None else _identity(self._place)

    @contextlib.contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Yield the connection within a transaction: all of it is written, or nothing.

        Within ``run_batch`` it is durable only when the whole batch is.

        Raises:
            LedgerError: it could not be read or written; nothing of the transaction was kept.
        """
        try:
            if self._in_batch:
                yield self._connection
            else:
                self._connection.execute("BEGIN IMMEDIATE")
                with self._committed():
                    yield self._connection
        except BaseException as error:
            self._batch_failed = True
            if isinstance(error, sqlite3.Error):
                raise as_ledger_error(error, self._place) from error
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
            failure = as_ledger_error(error, self._place)
            return self._retried([(work, (None, failure)) for work in works], error)
        self._in_batch, self._batch_failed = True, False
        try:
            with self._committed():
                return [self._run_in_batch(work) for work in works]
        except sqlite3.Error:
            self._in_batch = False
            done = [_run(work) for work in works]
            causes = (error.__cause__ for _, error in done if isinstance(error, LedgerError))
            refusal = next((cause for cause in causes if _of_the_disk(cause)), None)
            return self._retried(list(zip(works, done, strict=True)), refusal)
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

    def _retried(self, tried: list[tuple[Work, Done]], refusal: BaseException | None) -> list[Done]:
        """Return the results; work that the disk has refused is done in memory, if the ledger fits in there."""
        if not _of_the_disk(refusal) or not self._go_on_in_memory(refusal):
            return [done for _, done in tried]
        return [
            _run(work) if isinstance(done[1], LedgerError) and done[1].__cause__ is not None else done
            for work, done in tried
        ]

    def tend(self) -> None:
        """Look after the file, between two batches: notice that it is not in place, or write it again."""
        if self._folder is None:
            return
        if self._disk is not None and not self._in_place(self._folder):
            if self.persistent:  # the connection still has the file that is gone, with all that is in it
                self._leave_disk(LedgerError("it was deleted or replaced"))
            else:
                self._disk.close()
            self._disk = None
        elif not self.persistent:
            self._return_to_disk(self._folder)

    def _in_place(self, folder: Path) -> bool:
        """Return whether the path still leads to the file that is open, and the lock is held."""
        return _identity(self._place) == self._file and self._holds_lock(folder)

    def _holds_lock(self, folder: Path) -> bool:
        return self._lock_fd is not None and _identity(self._lock_fd) == _identity(folder / LOCK_NAME)

    def _go_on_in_memory(self, reason: BaseException | None) -> bool:
        """Copy the ledger into memory; return whether that was possible."""
        if not self.persistent:
            return False
        memory = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
        try:
            (pages,), (page_bytes,) = (
                self._connection.execute(f"PRAGMA {size}").fetchone() for size in ("page_count", "page_size")
            )
            if pages * page_bytes > LARGEST_IN_MEMORY_BYTES:
                raise sqlite3.OperationalError("too large to go on in memory")
            self._connection.backup(memory)
        except sqlite3.Error as error:
            memory.close()
            self._say(f"the ledger cannot be used: {reason}; {error}")
            return False
        self._connection = memory
        self._leave_disk(reason)
        return True

    def _leave_disk(self, reason: BaseException | None) -> None:
        self.persistent = False
        self.rollbacks += 1  # what was read before says that it is on disk
        self._say(
            f"the ledger is no longer on disk: {reason}; its counters stand still, "
            "and it is written again as soon as that is possible"
        )

    def _return_to_disk(self, folder: Path) -> None:
        """Write the ledger to its file, or to a new one in its place."""
        try:
            if not self._holds_lock(folder):
                self._unlock()
                self._lock_fd = _locked(folder)
            if self._disk is None:
                self._disk = _written_anew(self._connection, folder)
                self._file = _identity(self._place)
            else:
                self._connection.backup(self._disk)
        except (sqlite3.Error, OSError, LedgerError) as error:
            self._say(f"the ledger is still not on disk: {error}")
            return
        self._connection.close()
        self._connection, self.persistent, self._refusal = self._disk, True, ""
        self.rollbacks += 1  # as above
        event(_logger, "info", "the ledger is on disk again", path=self._place)

    def _say(self, refusal: str) -> None:
        """Log an error, once as long as it is the same."""
        if refusal != self._refusal:
            self._refusal = refusal
            event(_logger, "error", refusal, path=self._place)

    def close(self) -> None:
        """Close the file and let another process have it."""
        if self._lock_fd is not None and not self.persistent:
            self.tend()
        for connection in filter(None, (self._connection, self._disk)):
            with contextlib.suppress(sqlite3.Error):
                connection.close()
        self._unlock()

    def _unlock(self) -> None:
        if self._lock_fd is not None:
            os.close(self._lock_fd)
            self._lock_fd = None


def _of_the_disk(error: BaseException | None) -> bool:
    """Return whether it is the disk that refuses: it is full, out of order, or read-only."""
    return isinstance(error, sqlite3.Error) and getattr(error, "sqlite_errorcode", 0) & 0xFF in _DISK_ERRORS


def _identity(file: int | str | Path) -> tuple[int, int] | None:
    """Return what tells a file from all others; ``None`` where there is none."""
    try:
        status = os.stat(file)  # noqa: PTH116 -- it may be a descriptor
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _written_anew(source: sqlite3.Connection, folder: Path) -> sqlite3.Connection:
    """Write a ledger to a new file, put it in place once it is on the disk whole, and open it.

    Raises:
        LedgerError: it cannot be done; also as ``sqlite3.Error`` or ``OSError``.
    """
    path, new = folder / FILE_NAME, folder / f"{FILE_NAME}.new"
    new.unlink(missing_ok=True)
    _make_private(new)
    with contextlib.closing(sqlite3.connect(new)) as target:
        source.backup(target)
    if path.exists():
        put_aside(folder, time.time())
    for suffix in ("-wal", "-shm"):  # of the file that is gone; SQLite would take them for the new one's
        Path(f"{path}{suffix}").unlink(missing_ok=True)
    new.replace(path)
    return _opened(str(path))


def _keep_private(place: str) -> None:
    """Make the ledger's file and a journal that is left the owner's alone; SQLite makes new ones like the file."""
    for path in (Path(place), *(Path(f"{place}{suffix}") for suffix in ("-wal", "-shm"))):
        with contextlib.suppress(OSError):  # what cannot be opened is said by SQLite
            if path.exists() or str(path) == place:
                _make_private(path)


def _make_private(path: Path) -> None:
    """Make the file if there is none; let nobody but its owner read it, as it has tags, whatever the umask is."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        os.fchmod(descriptor, 0o600)
    finally:
        os.close(descriptor)


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
        text = MOUNTS.read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return None
    types = {}  # a later mount hides an earlier one at the same place
    for line in filter(None, text.split("\n")):
        _, place, kind, *_ = line.split(" ")
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
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise LedgerError(f"{folder} cannot be written: {error.strerror}") from error
    try:
        os.fchmod(descriptor, 0o600)  # whatever the umask is
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        with contextlib.suppress(OSError):  # a full disk: the lock is held all the same
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
        if place != ":memory:":
            _keep_private(place)
        # Used by the ledger's own thread after it was made by another; never by two at a time.
        connection = sqlite3.connect(place, isolation_level=None, check_same_thread=False, timeout=5.0)
        try:
            _prepare(connection, place)
        except BaseException:
            connection.close()
            raise
    except sqlite3.Error as error:
        raise as_ledger_error(error, place) from error
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
    newer = applied_migrations(connection) - dict(MIGRATIONS).keys()
    if newer:
        raise LedgerVersionError(
            f"{place} was written by a newer version of joulo-exporter ({min(newer)}); "
            "run that version, or give this one another --storage.path"
        )
    migrate(connection)


def as_ledger_error(error: sqlite3.Error, place: object) -> LedgerError:
    """Return an error of SQLite's, about the file at a place, as one of the ledger's."""
    text = " ".join(str(error).split())
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}:
        return LedgerDamagedError(f"{place} is damaged: {text}")
    return LedgerError(f"{place}: {text}")
