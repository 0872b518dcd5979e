"""The ledger's database: one SQLite file, written in transactions, and these in batches by one thread."""

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
from typing import Any, ParamSpec, TypeVar

from joulo_exporter.errors import LedgerDamagedError, LedgerError, LedgerLockedError, LedgerVersionError
from joulo_exporter.ledger.migrations import MIGRATIONS, applied_migrations, migrate
from joulo_exporter.ledger.storage import (
    FILE_NAME,
    LOCK_NAME,
    identity,
    keep_private,
    lock,
    make_private,
    network_file_system,
    put_aside,
    replace_ledger,
)
from joulo_exporter.logs import event

_logger = logging.getLogger(__name__)

Params = ParamSpec("Params")
Result = TypeVar("Result")
Work = Callable[[], Any]
Done = tuple[Any, BaseException | None]
"""The result of a piece of work, or the error that it raised."""

_CACHE_KIB = 16 * 1024
"""Cache of the file's pages; holds all that a thousand accounts change in a minute, so that none is read again."""

_JOURNAL_PAGES = 4000
"""Pages in the journal before the file is brought up to date: a page that changes often is copied once."""

_JOURNAL_LIMIT_BYTES = 4200 * _JOURNAL_PAGES

LARGEST_IN_MEMORY_BYTES = 64 * 1024 * 1024
"""Ledger that goes on in memory while the disk refuses it: that of some hundred accounts. A larger one, in a
container with little memory, would end the process, and its refreshes fail instead."""

LARGEST_BATCH = 100
"""Work in one commit; bounds how long a failure of all is tried again, one by one."""

_RESULTS_AT_ONCE = 6
"""Each caller that gets its result goes on at once, with a snapshot to render or a request to send: the event loop
serves others in between."""

_RESULTS_APART_S = 0.005
"""Between those, so that the API responses to their requests do not come all at once either."""

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
        self.rollbacks = 0
        """Transactions that were rolled back."""
        self._folder = folder
        self._place = ":memory:" if folder is None else str(folder / FILE_NAME)
        self._lock_fd = None if folder is None else lock(folder)
        self._in_batch = self._batch_failed = False
        self._refusal = ""
        try:
            self._connection = _opened(self._place)
        except BaseException:
            self._unlock()
            raise
        self._disk = None if folder is None else self._connection
        """Stays open while the ledger is in memory, unless the file is no longer there."""
        self._file = None if folder is None else identity(self._place)

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
        would cost every one of them. What the disk has refused even then is done in memory, if the ledger fits.
        """
        try:
            self._connection.execute("BEGIN IMMEDIATE")
        except sqlite3.Error as error:  # each on its own would wait as long
            results: list[Done] = [(None, as_ledger_error(error, self._place))] * len(works)
        else:
            self._in_batch, self._batch_failed = True, False
            try:
                with self._committed():
                    return [self._run_in_batch(work) for work in works]
            except sqlite3.Error:
                self._in_batch = False
                results = [_run(work) for work in works]
            finally:
                self._in_batch = False
        refusals = [error.__cause__ for _, error in results if error is not None and _of_the_disk(error.__cause__)]
        if not refusals or not self._go_on_in_memory(refusals[0]):
            return results
        return [
            _run(work) if isinstance(result[1], LedgerError) else result
            for work, result in zip(works, results, strict=True)
        ]

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

    def tend(self) -> None:
        """Look after the file, between two batches: notice that it is not in place, or write it again."""
        if self._folder is None:
            return
        is_in_place = identity(self._place) == self._file and self._holds_lock(self._folder)
        if self._disk is not None and not is_in_place:
            if self.persistent:  # the connection still has the file that is gone, with all that is in it
                self._leave_disk("it was deleted or replaced")
            else:
                self._disk.close()
            self._disk = None
        elif not self.persistent:
            self._return_to_disk(self._folder)

    def _holds_lock(self, folder: Path) -> bool:
        return self._lock_fd is not None and identity(self._lock_fd) == identity(folder / LOCK_NAME)

    def _go_on_in_memory(self, reason: BaseException | None) -> bool:
        """Copy the ledger into memory; return whether that was possible."""
        if not self.persistent:
            return False
        memory = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
        try:
            (pages,) = self._connection.execute("PRAGMA page_count").fetchone()
            (page_bytes,) = self._connection.execute("PRAGMA page_size").fetchone()
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

    def _leave_disk(self, reason: object) -> None:
        self.persistent = False
        self.rollbacks += 1  # what was read before says that it is on disk
        self._say(
            f"the ledger is no longer on disk: {reason}; its counters stand still, "
            "and it is written again as soon as that is possible"
        )

    def _return_to_disk(self, folder: Path) -> None:
        """Write the ledger to its file, or to a new one in its place, once that is on the disk whole."""
        try:
            if not self._holds_lock(folder):
                self._unlock()
                self._lock_fd = lock(folder)
            if self._disk is None:
                new = folder / f"{FILE_NAME}.new"
                new.unlink(missing_ok=True)
                make_private(new)
                with contextlib.closing(sqlite3.connect(new)) as target:
                    self._connection.backup(target)
                replace_ledger(folder, new, time.time())
                self._disk = _opened(self._place)
                self._file = identity(self._place)
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


class AccountTables:
    """The rows of one account in the ledger's tables, within a transaction."""

    def __init__(self, connection: sqlite3.Connection, account: int) -> None:
        self._connection = connection
        self._account = account

    def execute(self, statement: str, **values: object) -> sqlite3.Cursor:
        """Run a statement, in which ``:account`` is the number of the account, and each value has its name."""
        values["account"] = self._account
        return self._connection.execute(statement, values)

    def put(self, table: str, **row: object) -> None:
        """Write a row, in place of one that has its key; each value has the name of its column."""
        statement = _put(table, *row)
        row["account"] = self._account
        self._connection.execute(statement, row)

    def add(
        self, table: str, key: Mapping[str, object], replaced: Mapping[str, object] | None = None, **counts: int
    ) -> None:
        """Add to the counts of the row that has a key, and replace other values; a new row begins with them."""
        others = replaced or {}
        values = {"account": self._account, **key, **others, **counts}
        self._connection.execute(_add(table, tuple(key), tuple(others), tuple(counts)), values)

    @property
    def rows_written(self) -> int:
        """Return how many rows the connection has written, ever."""
        return self._connection.total_changes


@cache
def _put(table: str, *names: str) -> str:
    values = ", ".join(f":{name}" for name in names)
    return f"INSERT OR REPLACE INTO {table} (account, {', '.join(names)}) VALUES (:account, {values})"  # noqa: S608


@cache
def _add(table: str, key: tuple[str, ...], replaced: tuple[str, ...], counts: tuple[str, ...]) -> str:
    insert = _put(table, *key, *replaced, *counts).replace("OR REPLACE ", "")
    changes = [f"{name} = excluded.{name}" for name in replaced]
    changes += [f"{name} = {name} + excluded.{name}" for name in counts]
    return f"{insert} ON CONFLICT (account, {', '.join(key)}) DO UPDATE SET {', '.join(changes)}"


def _run(work: Work) -> Done:
    try:
        return work(), None
    except Exception as error:  # noqa: BLE001 -- whatever it is, it is raised where the work was asked for
        return None, error


def _of_the_disk(error: BaseException | None) -> bool:
    """Return whether it is the disk that refuses: it is full, out of order, or read-only."""
    return isinstance(error, sqlite3.Error) and getattr(error, "sqlite_errorcode", 0) & 0xFF in _DISK_ERRORS


class Batches:
    """Runs the ledger's work of many accounts by one thread, with one commit for all that waits.

    A commit waits for the disk and costs far more than the statements of an account. No caller gets its result
    before the commit that holds it.

    Args:
        database: the ledger's file, used by this alone.
    """

    def __init__(self, database: Database) -> None:
        self.interval_s = 0.0
        """The least time from the beginning of a batch to that of the next, unless that one is full."""
        self._database = database
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="ledger")
        self._waiting: list[tuple[Work, asyncio.Future[Any]]] = []
        self._timer: asyncio.TimerHandle | None = None
        self._began_at_s = float("-inf")
        self._writing: asyncio.Future[list[Done]] | None = None

    def __call__(
        self, work: Callable[Params, Result], *args: Params.args, **kwargs: Params.kwargs
    ) -> asyncio.Future[Result]:
        """Return the result of ``work(*args, **kwargs)``, or raise its error, once its writes are durable."""
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._waiting.append((partial(work, *args, **kwargs), future))
        self._schedule()
        return future

    async def tend(self) -> None:
        """Look after the file by the ledger's own thread, between two batches."""
        await asyncio.get_running_loop().run_in_executor(self._thread, self._database.tend)

    async def close(self) -> None:
        """Write what waits, then close the file, by the ledger's own thread."""
        self.interval_s = 0.0
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        while self._writing is not None or self._waiting:
            self._schedule()
            await asyncio.sleep(0) if self._writing is None else await asyncio.wait([self._writing])
        await asyncio.get_running_loop().run_in_executor(self._thread, self._database.close)
        self._thread.shutdown()

    def _schedule(self) -> None:
        """See to it that waiting work is done: at once, or when enough time has passed."""
        if self._writing is not None or not self._waiting:
            return
        if self._timer is not None:
            if len(self._waiting) != LARGEST_BATCH:
                return
            self._timer.cancel()
        loop = asyncio.get_running_loop()
        wait_s = 0.0 if len(self._waiting) >= LARGEST_BATCH else self._began_at_s + self.interval_s - loop.time()
        # Never in this event-loop iteration: work that comes in the same one is done along with it.
        self._timer = loop.call_later(max(0.0, wait_s), self._write)

    def _write(self) -> None:
        loop = asyncio.get_running_loop()
        self._timer = None
        self._began_at_s = loop.time()
        taken, self._waiting = self._waiting[:LARGEST_BATCH], self._waiting[LARGEST_BATCH:]
        batch = [(work, future) for work, future in taken if not future.done()]  # cancelled work is not done
        works, futures = [work for work, _ in batch], [future for _, future in batch]
        self._writing = loop.run_in_executor(self._thread, self._database.run_batch, works)
        self._writing.add_done_callback(partial(self._written, futures))

    def _written(self, futures: list[asyncio.Future[Any]], written: asyncio.Future[list[Done]]) -> None:
        self._writing = None
        self._schedule()
        error = written.exception()
        results = [(None, error)] * len(futures) if error else written.result()
        self._deliver(list(zip(futures, results, strict=True)))

    def _deliver(self, results: list[tuple[asyncio.Future[Any], Done]]) -> None:
        for future, (result, error) in results[:_RESULTS_AT_ONCE]:
            if future.done():  # cancelled while it was written
                continue
            if error is None:
                future.set_result(result)
            else:
                future.set_exception(error)
        if results[_RESULTS_AT_ONCE:]:
            asyncio.get_running_loop().call_later(_RESULTS_APART_S, self._deliver, results[_RESULTS_AT_ONCE:])


def open_ledger(folder: Path, now_seconds: float) -> Database:
    """Open the ledger; put a damaged one aside and begin anew; without a usable path keep it in memory.

    Args:
        folder: the storage path.
        now_seconds: wall-clock time, for the name of a damaged file.

    Raises:
        LedgerLockedError: another process has it; two exporters would ask the API twice as often.
    """
    if kind := network_file_system(folder):
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


def _opened(place: str) -> sqlite3.Connection:
    if place != ":memory:":
        keep_private(Path(place))
    try:
        with contextlib.ExitStack() as failure:
            # Used by the ledger's own thread after it was made by another; never by two at a time.
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
    connection.execute(f"PRAGMA journal_size_limit = {_JOURNAL_LIMIT_BYTES}")
    connection.execute(f"PRAGMA wal_autocheckpoint = {_JOURNAL_PAGES}")
    connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
    if place != ":memory:" and connection.execute("PRAGMA quick_check(1)").fetchone() != ("ok",):
        raise LedgerDamagedError(f"{place} is damaged")
    if newer := applied_migrations(connection) - dict(MIGRATIONS).keys():
        raise LedgerVersionError(
            f"{place} was written by a newer version of joulo-exporter ({min(newer)}); "
            "run that version, or give this one another --storage.path"
        )
    migrate(connection)


def as_ledger_error(error: sqlite3.Error, place: object) -> LedgerError:
    """Return an error of SQLite's, which is its cause, about the file at a place as one of the ledger's."""
    text = " ".join(str(error).split())
    is_damage = getattr(error, "sqlite_errorcode", 0) & 0xFF in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
    fault = LedgerDamagedError(f"{place} is damaged: {text}") if is_damage else LedgerError(f"{place}: {text}")
    fault.__cause__ = error
    return fault
