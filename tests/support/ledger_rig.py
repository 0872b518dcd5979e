"""A ledger of one account that a test can close and open again."""

from __future__ import annotations

import contextlib
import copy
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from msgspec.structs import replace

from joulo_exporter.ledger.account import AccountLedger, Pause
from joulo_exporter.ledger.book import Book, HeldTotals
from joulo_exporter.ledger.database import Database, migrations
from joulo_exporter.ledger.history import PAGE_SIZE, Walk, next_page
from joulo_exporter.ledger.sessions import Totals
from joulo_exporter.ledger.storage import FILE_NAME
from joulo_exporter.models.charger import Charger, LiveSession
from joulo_exporter.models.session import Session, SessionPage
from joulo_exporter.models.wire import ApiResponse

RESYNC_S = 7 * 86_400.0
NOW = 1_781_810_000.0


class LedgerRig:
    """An account's ledger, with the poller's calls in the poller's order."""

    def __init__(self, folder: Path | None, **options) -> None:
        self.folder = folder
        self.options = {"name": "home", "configured_labels": {}, "vehicles": {}} | options
        self.now_seconds = NOW
        self.open()

    def open(self) -> None:
        self.database = Database(self.folder)
        self.ledger = AccountLedger(self.database, **self.options)

    def reopen(self, **options) -> None:
        self.options |= options
        self.database.close()
        self.open()

    def close(self) -> None:
        self.database.close()

    def of_account(self, name: str) -> LedgerRig:
        """Return the rig of another account in the same file."""
        other = copy.copy(self)
        other.ledger = AccountLedger(self.database, **(self.options | {"name": name}))
        return other

    @property
    def walk(self) -> Walk:
        return self.ledger.load()[1]

    @property
    def pause(self) -> Pause:
        return Pause(self.now_seconds, 600.0)

    def book(self, *, name_unlinked: bool = True) -> Book:
        return self.ledger.book(name_unlinked=name_unlinked, now_seconds=self.now_seconds)

    def chargers(self, *chargers: Charger) -> bool:
        self.ledger.begin_request("chargers", self.pause)
        return self.ledger.record_chargers(ApiResponse(tuple(chargers)), self.pause).session_ended

    def page(self, answer: ApiResponse[SessionPage], *, offset: int) -> Walk:
        asked = self.newest_page() if offset == 0 else replace(self.walk, newest_was_last=False)
        assert asked.asked_offset == offset
        self.ledger.begin_request("sessions", self.pause, asked)
        return self.ledger.record_page(answer, self.pause, asked).walk

    def newest_page(self) -> Walk:
        """Return the walk that asks for the newest page, as after an interval and another page."""
        walk = replace(self.walk, newest_was_last=False)
        return next_page(walk, self.now_seconds, interval_s=0.0, resync_interval_s=RESYNC_S)

    def whole_walk(self, history: Sequence[Session], size: int = PAGE_SIZE, **paging) -> list[int]:
        """Refresh and page on to the end; return the offsets asked for."""
        self.page(page_of(history, 0, size), offset=0)
        return [0, *self.walk_on(history, size, **paging)]

    def walk_on(self, history: Sequence[Session], size: int = PAGE_SIZE, *, same_page: bool = False) -> list[int]:
        """Page on to the end; return the offsets asked for. The API may ignore them, and give the same page."""
        asked: list[int] = []
        while (offset := self.walk.offset) is not None:
            assert len(asked) < 60, f"the walk does not end: {asked}"
            asked.append(offset)
            self.page(page_of(history, 0 if same_page else offset, size), offset=offset)
        return asked

    def stored_ids(self) -> set[str]:
        with self.database.transaction() as connection:
            return {session_id for (session_id,) in connection.execute("SELECT id FROM sessions")}


@contextlib.contextmanager
def earlier_ledger(rig: LedgerRig, count: int) -> Iterator[sqlite3.Connection]:
    """Yield a connection to the rig's ledger, begun anew as the version with so many migrations made it."""
    rig.close()
    (rig.folder / FILE_NAME).unlink()
    with contextlib.closing(sqlite3.connect(rig.folder / FILE_NAME)) as connection, connection:
        connection.execute("CREATE TABLE migrations (name TEXT PRIMARY KEY) WITHOUT ROWID")
        for name, script in list(migrations().items())[:count]:
            connection.executescript(script)
            connection.execute("INSERT INTO migrations VALUES (?)", (name,))
        connection.execute("INSERT INTO accounts VALUES (1, 'home')")
        yield connection
    rig.open()


@contextlib.contextmanager
def full_disk(database: Database) -> Iterator[None]:
    """Let the ledger's file grow no more."""
    with database.transaction() as connection:
        (pages,) = connection.execute("PRAGMA page_count").fetchone()
        connection.execute(f"PRAGMA max_page_count = {pages}")
    yield
    connection.execute("PRAGMA max_page_count = 100000")  # of the file's connection, wherever the ledger is now


def statements_of(database: Database) -> list[str]:
    """Return a list of the statements that go through a ledger's connection from now on."""
    statements: list[str] = []
    with database.transaction() as connection:
        connection.set_trace_callback(statements.append)
    statements.clear()
    return statements


def held(totals: Mapping[str, HeldTotals]) -> dict[str, Totals]:
    """Return the totals of chargers or vehicles as they are served."""
    return {name: each.held for name, each in totals.items()}


def page_of(history: Sequence[Session], offset: int, size: int) -> ApiResponse[SessionPage]:
    """Return a page; a ``None`` in the history is a record that cannot be read."""
    records = history[offset : offset + size]
    readable = tuple(record for record in records if record is not None)
    lost = tuple(len(history) - offset - place for place, record in enumerate(records) if record is None)
    return ApiResponse(SessionPage(readable), ("malformed",) * len(lost), lost=lost)


def finished(session_id: str, *, at_seconds: float = 1_781_000_000.0, **fields) -> Session:
    values = {
        "charger_id": "c1",
        "started_at_seconds": at_seconds,
        "ended_at_seconds": at_seconds + 60,
        "kwh_hundredths": 100,
    }
    return Session(session_id, **(values | fields))


def history_of(count: int, *, prefix: str = "s", **fields) -> list[Session]:
    """Return so many finished sessions of 1 kWh, newest first: ``s9`` is newer than ``s8``."""
    begin = 1_780_000_000.0
    return [finished(f"{prefix}{n}", at_seconds=begin + 100 * n, **fields) for n in reversed(range(count))]


def live(session_id: str | None, charger_id: str = "c1", **fields) -> Charger:
    session = None if session_id is None else LiveSession(session_id, **fields)
    return Charger(charger_id, nickname=charger_id, session=session)


def written(
    folder: Path,
    *sessions: Session,
    chargers: Sequence[Charger] = (live(None),),
    now_seconds: float = NOW,
    **options,
) -> Book:
    """Write the ledger of an account, without a name if no other is given; return its book."""
    with contextlib.closing(LedgerRig(folder, **({"name": ""} | options))) as rig:
        rig.now_seconds = now_seconds
        rig.chargers(*chargers)
        rig.whole_walk(sessions)
        return rig.book()
