"""The ledger's database: one SQLite file, whose transactions are written in batches by one thread."""

import asyncio
import contextlib
import logging
import os
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from pathlib import Path
from typing import Any, ParamSpec, TypeVar, cast

from joulo_exporter.errors import LedgerDamagedError, LedgerError, LedgerLockedError, LedgerVersionError
from joulo_exporter.ledger import storage
from joulo_exporter.logs import event

_logger = logging.getLogger(__name__)

Params = ParamSpec("Params")
Result = TypeVar("Result")
Work = Callable[[], Any]
Done = tuple[Any, Exception | None]
"""The result of a piece of work, or the error that it raised."""

MIGRATIONS = Path(__file__).with_name("migrations")
"""SQL files, applied in the order of their names. Ledgers store the names: a released file never changes."""

_CACHE_KIB = 16 * 1024
"""Cache of the file's pages; holds all that a thousand accounts change in a minute, so that none is read again."""

_JOURNAL_PAGES = 4000
"""Pages in the journal before they are copied to the file: a page that changes often is copied only once."""

LARGEST_IN_MEMORY_BYTES = 64 * 1024 * 1024
"""Largest ledger that goes on in memory while the disk refuses writes: that of some hundred accounts. A larger one
would end a process in a container with little memory; its refreshes fail instead."""

LARGEST_BATCH = 100
"""Most pieces of work in one commit; bounds the time for which a failed batch is retried piece by piece."""

_DISK_ERRORS = frozenset(
    {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN}
)
_DAMAGE = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})


class Database:
    """The ledger's file, used by one thread at a time.

    When the disk refuses writes, the whole ledger goes on in memory; when its file is deleted or replaced, it goes
    on in the deleted file, which is still open. ``tend`` brings it back to the disk.

    Args:
        folder: the storage path; ``None`` for a ledger in memory.
    """

    def __init__(self, folder: Path | None) -> None:
        self.rollbacks = 0
        """Number of rollbacks, and of moves to memory or disk: data that was read before may be untrue."""
        self._folder = folder
        self._place = ":memory:" if folder is None else str(folder / storage.FILE_NAME)
        self._lock_fd = None if folder is None else storage.lock(folder)
        self._in_batch = False
        self._refusal = ""
        try:
            self._connection = _opened(self._place)
        except BaseException:
            self._unlock()
            raise
        self._disk = None if folder is None else self._connection
        """Stays open while the ledger is in memory, unless the file is no longer there."""
        self._file = storage.identity(self._place)

    @property
    def persistent(self) -> bool:
        """Return whether the written data outlives the process."""
        return self._connection is self._disk

    @contextlib.contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Yield the connection within a transaction, of which either everything is written or nothing.

        Within ``run_batch``, the transaction is durable only when the whole batch is.

        Raises:
            LedgerError: the ledger could not be read or written; nothing of the transaction was kept.
        """
        connection, is_part = self._connection, self._in_batch
        if is_part and not connection.in_transaction:
            raise LedgerError("the batch was rolled back")
        try:
            if not is_part:
                connection.execute("BEGIN IMMEDIATE")
            yield connection
            if not is_part:
                connection.execute("COMMIT")
        except BaseException as error:
            self.rollbacks += 1
            # If the disk is full or broken, SQLite itself has rolled everything back.
            with contextlib.suppress(sqlite3.Error):
                connection.execute("ROLLBACK")
            if isinstance(error, sqlite3.Error):
                raise as_ledger_error(error, self._place) from error
            raise

    def run_batch(self, works: Sequence[Work]) -> list[Done]:
        """Run pieces of work, each with its own transactions, and make all their writes durable with one commit.

        When a transaction or the commit fails, everything is rolled back, and each piece is run again with commits
        of its own; it must therefore change nothing but the ledger. This is rare, while a savepoint for each piece
        would slow down every batch. Work that the disk refuses again is done in memory, if the ledger fits.
        """
        results: list[Done] = []
        try:
            with self.transaction() as connection:
                self._in_batch = True
                for work in works:
                    results.append(_run(work))
                    if not connection.in_transaction:  # rolled back: the commit fails then
                        break
        except LedgerError as error:
            self._in_batch = False
            # A batch that could not begin has no results; each piece alone would wait just as long.
            results = [_run(work) if results else (None, error) for work in works]
        finally:
            self._in_batch = False
        causes = [error.__cause__ for _, error in results if error is not None]
        refusals = [cause for cause in causes if error_code(cause) in _DISK_ERRORS]
        if not refusals or not self._go_on_in_memory(refusals[0]):
            return results
        return [
            _run(work) if isinstance(result[1], LedgerError) else result
            for work, result in zip(works, results, strict=True)
        ]

    def tend(self) -> None:
        """Look after the file, between two batches: notice that it is not in place, or write the ledger back."""
        if self._folder is None:
            return
        is_in_place = storage.identity(self._place) == self._file and self._holds_lock(self._folder)
        if self._disk is not None and not is_in_place:
            gone, self._disk = self._disk, None
            if gone is self._connection:  # it still has all that was in the file
                self._leave_disk("it was deleted or replaced")
            else:
                gone.close()
        elif not self.persistent:
            self._return_to_disk(self._folder)

    def _holds_lock(self, folder: Path) -> bool:
        lock = storage.identity(folder / storage.LOCK_NAME)
        return self._lock_fd is not None and storage.identity(self._lock_fd) == lock

    def _go_on_in_memory(self, reason: BaseException | None) -> bool:
        """Copy the ledger into memory; return whether that was possible."""
        if not self.persistent:
            return False
        memory = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
        try:
            query = "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size"
            if self._connection.execute(query).fetchone()[0] > LARGEST_IN_MEMORY_BYTES:
                raise sqlite3.OperationalError("too large to go on in memory")
            self._connection.backup(memory)
        except sqlite3.Error as error:
            memory.close()
            self._say(f"the ledger cannot be used: {reason}; {error}")
            return False
        self._connection = memory
        self._leave_disk(reason)
        return True

    def _leave_disk(self, reason: object) -> None:
        self.rollbacks += 1  # books read before say that the ledger is on disk
        self._say(
            f"the ledger is no longer on disk: {reason}; its counters stand still, "
            "and it is written again as soon as that is possible"
        )

    def _return_to_disk(self, folder: Path) -> None:
        """Write the ledger to its file, or write a new file and, once that is complete, put it in place."""
        try:
            if not self._holds_lock(folder):
                self._unlock()
                self._lock_fd = storage.lock(folder)
            if self._disk is None:
                new = folder / f"{storage.FILE_NAME}.new"
                new.unlink(missing_ok=True)
                storage.keep_private(new)
                with contextlib.closing(sqlite3.connect(new)) as target:
                    self._connection.backup(target)
                storage.put_aside(folder, time.time())  # a file that has appeared in its place
                new.replace(self._place)
                self._disk = _opened(self._place)
                self._file = storage.identity(self._place)
            else:
                self._connection.backup(self._disk)
        except (sqlite3.Error, OSError, LedgerError) as error:
            self._say(f"the ledger is still not on disk: {error}")
            return
        self._connection.close()
        self._connection, self._refusal = self._disk, ""
        self.rollbacks += 1  # as above
        event(_logger, "info", "the ledger is on disk again", path=self._place)

    def _say(self, refusal: str) -> None:
        """Log an error, unless it is the same as the one before."""
        if refusal != self._refusal:
            self._refusal = refusal
            event(_logger, "error", refusal, path=self._place)

    def close(self) -> None:
        """Close the file and release its lock."""
        if not self.persistent:
            self.tend()
        for connection in filter(None, (self._connection, self._disk)):
            connection.close()
        self._unlock()

    def _unlock(self) -> None:
        if self._lock_fd is not None:
            os.close(self._lock_fd)
            self._lock_fd = None


class AccountTables:
    """The rows of one account in the ledger's tables, within a transaction."""

    def __init__(self, connection: sqlite3.Connection, account: int) -> None:
        self.connection = connection
        self._account = account

    def execute(self, statement: str, **values: object) -> sqlite3.Cursor:
        """Run a statement, in which ``:account`` is the account's number, and each value stands under its name."""
        values["account"] = self._account
        return self.connection.execute(statement, values)

    def insert(self, table: str, **row: object) -> None:
        """Write a new row; each value has the name of its column. A row with the same key is an error."""
        self.execute(_insert(table, *row), **row)

    def put(
        self, table: str, key: Mapping[str, object], values: Mapping[str, object] | None = None, **counts: int
    ) -> None:
        """Replace the values of the row with this key, and add to its counts; a new row begins with them."""
        values = values or {}
        row = {"account": self._account, **key, **values, **counts}
        self.connection.execute(_put(table, tuple(key), tuple(values), tuple(counts)), row)


@cache
def _insert(table: str, *names: str) -> str:
    values = ", ".join(f":{name}" for name in names)
    return f"INSERT INTO {table} (account, {', '.join(names)}) VALUES (:account, {values})"  # noqa: S608 -- of ours


@cache
def _put(table: str, key: tuple[str, ...], values: tuple[str, ...], counts: tuple[str, ...]) -> str:
    changes = [f"{name} = excluded.{name}" for name in values]
    changes += [f"{name} = {name} + excluded.{name}" for name in counts]
    insert = _insert(table, *key, *values, *counts)
    return f"{insert} ON CONFLICT (account, {', '.join(key)}) DO UPDATE SET {', '.join(changes)}"


def _run(work: Work) -> Done:
    try:
        return work(), None
    except Exception as error:  # noqa: BLE001 -- whatever it is, it is raised where the work was asked for
        return None, error


class Batches:
    """Runs the ledger's work for many accounts in one thread, with one commit for all the work that waits.

    A commit waits for the disk and costs far more than the statements of an account. No caller gets its result
    before the commit that holds it.

    Args:
        database: the ledger's file, which nothing else uses.
    """

    def __init__(self, database: Database) -> None:
        self.interval_s = 0.0
        """The least time from the start of a batch to the start of the next, unless the next one is full."""
        self._database = database
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="ledger")
        self._writing = asyncio.Lock()
        """Held by the batch that is written next."""
        self._began_at_s = float("-inf")
        self._hurry = asyncio.Event()
        """Set when the batch that waits is full, or the last one."""
        self._works: list[Work] = []
        """Work of the batch that still takes some."""
        self._written: asyncio.Task[list[Done]] | None = None
        """Writes that batch, or wrote the last one."""

    async def __call__(
        self, work: Callable[Params, Result], *args: Params.args, **kwargs: Params.kwargs
    ) -> Result:
        """Return the result of ``work(*args, **kwargs)``, or raise its error, once its writes are durable."""
        if self._written is None or not 0 < len(self._works) < LARGEST_BATCH:
            self._works = []
            self._written = asyncio.create_task(self._write(self._works), name="ledger batch")
        works, written, place = self._works, self._written, len(self._works)
        works.append(partial(work, *args, **kwargs))
        if len(works) == LARGEST_BATCH:
            self._hurry.set()
        try:
            result, error = (await asyncio.shield(written))[place]
        except asyncio.CancelledError:
            works[place] = bool  # it writes nothing, unless it has begun
            raise
        if error is not None:
            raise error
        return cast("Result", result)

    async def _write(self, works: list[Work]) -> list[Done]:
        """Write a batch after those before it, with all the work that has come until then."""
        loop = asyncio.get_running_loop()
        async with self._writing:
            if len(works) < LARGEST_BATCH:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._hurry.wait(), self._began_at_s + self.interval_s - loop.time())
            self._hurry.clear()
            self._began_at_s = loop.time()
            if works is self._works:
                self._works = []
            return await loop.run_in_executor(self._thread, self._database.run_batch, works)

    async def tend(self) -> None:
        """Look after the file in the ledger's own thread, between two batches."""
        await asyncio.get_running_loop().run_in_executor(self._thread, self._database.tend)

    async def close(self) -> None:
        """Do the work that waits, then close the file, in the ledger's own thread."""
        self.interval_s = 0.0
        self._hurry.set()
        if self._written is not None:
            await asyncio.wait([self._written])
        await asyncio.get_running_loop().run_in_executor(self._thread, self._database.close)
        self._thread.shutdown()


def open_ledger(folder: Path, now_seconds: float) -> Database:
    """Open the ledger; put a damaged one aside and begin anew; without a usable path keep it in memory.

    Args:
        folder: the storage path.
        now_seconds: wall-clock time, for the name of a damaged file.

    Raises:
        LedgerLockedError: another process has it; two exporters would ask the API twice as often.
    """
    if kind := storage.network_file_system(folder):
        message = (
            "SQLite's journal does not work on a network file system, and the ledger can be damaged; "
            "give the exporter a folder on a local disk, with --storage.path"
        )
        event(_logger, "warn", message, path=folder, type=kind)
    try:
        try:
            return Database(folder)
        except LedgerDamagedError as error:
            kept = storage.put_aside(folder, now_seconds)
            message = "the ledger is damaged; it is kept aside, and the history is read anew"
            event(_logger, "error", message, err=error, kept=kept)
            return Database(folder)
    except LedgerLockedError:
        raise
    except LedgerError as error:
        message = (
            "no ledger on disk: it is in memory now, and a restart reads the whole history again; "
            "give the exporter a folder that it may write, with --storage.path"
        )
        event(_logger, "error", message, err=error)
        return Database(None)


def _opened(place: str) -> sqlite3.Connection:
    if place != ":memory:":
        storage.keep_private(Path(place))
    try:
        with contextlib.ExitStack() as failure:
            # Made in one thread and used in another, the ledger's own; never in two at a time.
            connection = sqlite3.connect(place, isolation_level=None, check_same_thread=False, timeout=5.0)
            failure.callback(connection.close)
            _prepare(connection, place)
            failure.pop_all()
    except sqlite3.Error as error:
        raise as_ledger_error(error, place) from error
    return connection


def _prepare(connection: sqlite3.Connection, place: str) -> None:
    connection.execute("PRAGMA journal_mode = WAL")
    # FULL: what a scrape has shown is on the disk, so that a power cut makes no counter fall.
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute(f"PRAGMA journal_size_limit = {4200 * _JOURNAL_PAGES}")
    connection.execute(f"PRAGMA wal_autocheckpoint = {_JOURNAL_PAGES}")
    connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
    if connection.execute("PRAGMA quick_check(1)").fetchone() != ("ok",):
        raise LedgerDamagedError(f"{place} is damaged")
    missing = missing_migrations(connection, place)
    connection.execute("CREATE TABLE IF NOT EXISTS migrations (name TEXT PRIMARY KEY) WITHOUT ROWID")
    for name, script in missing.items():  # if one fails, closing the connection rolls it back
        record = f"INSERT INTO migrations VALUES ('{name}')"  # noqa: S608 -- a name of ours
        connection.executescript(f"BEGIN IMMEDIATE; {script}; {record}; COMMIT")


def migrations() -> dict[str, str]:
    """Return the SQL of each migration by its name, in the order of the names."""
    return {path.stem: path.read_text(encoding="utf-8") for path in sorted(MIGRATIONS.glob("*.sql"))}


def missing_migrations(connection: sqlite3.Connection, place: object) -> dict[str, str]:
    """Return those of the migrations that have not been applied to a database; all for an empty one.

    Raises:
        LedgerVersionError: it has others, of a newer version.
    """
    applied: set[str] = set()
    if connection.execute("SELECT 1 FROM sqlite_schema WHERE name = 'migrations'").fetchone() is not None:
        applied = {name for (name,) in connection.execute("SELECT name FROM migrations")}
    known = migrations()
    if newer := applied - known.keys():
        raise LedgerVersionError(
            f"{place} was written by a newer version of joulo-exporter ({min(newer)}); "
            "run that version, or give this one another --storage.path"
        )
    return {name: script for name, script in known.items() if name not in applied}


def as_ledger_error(error: sqlite3.Error, place: object) -> LedgerError:
    """Return the ledger's error for an error of SQLite about the file at a place."""
    text = " ".join(str(error).split())
    if error_code(error) in _DAMAGE:
        return LedgerDamagedError(f"{place} is damaged: {text}")
    return LedgerError(f"{place}: {text}")


def error_code(error: BaseException | None) -> int:
    """Return the primary result code of an error of SQLite; 0 for any other error."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF
