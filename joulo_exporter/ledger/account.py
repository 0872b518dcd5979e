"""The ledger of one account: each method is one transaction."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

import msgspec

from joulo_exporter.ledger import books, endpoints, history, labels, totals
from joulo_exporter.ledger.sessions import Change

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping

    from joulo_exporter.errors import ApiError
    from joulo_exporter.ledger.database import Database
    from joulo_exporter.ledger.endpoints import EndpointRecord
    from joulo_exporter.ledger.walk import Walk
    from joulo_exporter.models import Answer, Charger, Energy, Session
    from joulo_exporter.models.book import Book, Meter
    from joulo_exporter.schedule import Pause


class AccountLedger:
    """Everything that is kept of one account.

    Args:
        database: the ledger's file.
        name: the account's name; an empty one for the single account without a name.
        configured_labels: the configuration's labels, by charger id.
        vehicles: the configuration's vehicles, by tag as ``models.tag.normal_tag`` spells it.
    """

    def __init__(
        self,
        database: Database,
        name: str,
        *,
        configured_labels: Mapping[str, str],
        vehicles: Mapping[str, str],
    ) -> None:
        self._database = database
        self._labels = configured_labels
        self._vehicles = vehicles
        self._book: Book | None = None
        self._undone = -1
        self._named_unlinked = False
        self._change = Change.SESSIONS
        self._meters: Mapping[str, Meter] = {}  # read since the last book, as are the marks
        self._raised: Mapping[tuple[str, str], float] = {}
        with database.transaction() as connection:
            connection.execute("INSERT OR IGNORE INTO accounts (name) VALUES (?)", (name,))
            (self._account,) = connection.execute("SELECT id FROM accounts WHERE name = ?", (name,)).fetchone()
            labels.apply_configured(connection, self._account, dict(configured_labels))

    def load(self) -> tuple[dict[str, EndpointRecord], Walk]:
        """Return what is known of each endpoint, and how far the history has been read."""
        with self._database.transaction() as connection:
            return endpoints.load_endpoints(connection, self._account), history.load_walk(
                connection, self._account
            )

    def begin_request(self, endpoint: str, pause: Pause) -> None:
        """Note a request before it goes out, with a pause that holds if its outcome is never noted."""
        with self._database.transaction() as connection:
            endpoints.save_request(connection, self._account, endpoint, pause)

    def begin_page(self, endpoint: str, pause: Pause, walk_now: Walk) -> None:
        """Note a request for a page of the history before it goes out."""
        with self._database.transaction() as connection:
            endpoints.save_request(connection, self._account, endpoint, pause)
            history.save_walk(connection, self._account, walk_now)

    def record_failure(self, endpoint: str, error: ApiError, pause: Pause) -> None:
        """Note a request that failed; what is known stays."""
        with self._database.transaction() as connection:
            endpoints.save_request(connection, self._account, endpoint, pause)
            endpoints.count_failure(connection, self._account, endpoint, error.code)
            endpoints.save_failure(connection, self._account, endpoint, str(error))

    def record_chargers(self, answer: Answer[Charger], pause: Pause, now_seconds: float) -> bool:
        """Store an answer of ``/chargers``; return whether it shows that a session has ended."""
        with self._database.transaction() as connection:
            self._succeeded(
                connection, "chargers", pause, now_seconds, answer.records, malformed=len(answer.malformed)
            )
            known = self._known(connection)
            news = history.record_chargers(
                connection, self._account, answer.records, self._labels, known, now_seconds
            )
            marks = self._marks(connection)
            for charger in answer.records:
                if charger.meter_wh is not None:
                    marks.hold("meter_wh", charger.id, charger.meter_wh)
            marks.save()
            self._changed(news.change, meters=news.meters, raised=marks.raised)
        return news.session_ended

    def record_sessions(
        self, answer: Answer[Session], pause: Pause, walk_now: Walk, *, offset: int, now_seconds: float
    ) -> Walk:
        """Store a page of ``/sessions``; return the walk after it."""
        with self._database.transaction() as connection:
            self._succeeded(connection, "sessions", pause, now_seconds, None, malformed=len(answer.malformed))
            self._changed(Change.SESSIONS)
            return history.record_page(
                connection, self._account, answer, walk_now, offset=offset, now_seconds=now_seconds
            )

    def record_energy(self, energy: Energy, pause: Pause, now_seconds: float) -> None:
        """Store an answer of ``/energy``, and hold its totals."""
        with self._database.transaction() as connection:
            self._succeeded(connection, "energy", pause, now_seconds, energy, malformed=len(energy.malformed))
            marks = self._marks(connection)
            for (series, scope), value in _stated(energy).items():
                if value is not None:
                    marks.hold(series, scope, value)
            marks.save()
            self._changed(Change.NONE, raised=marks.raised)

    def record_answer(
        self, endpoint: str, answer: object, malformed: int, pause: Pause, now_seconds: float
    ) -> None:
        """Store an answer that is shown as it is, and adds to no total."""
        with self._database.transaction() as connection:
            self._succeeded(connection, endpoint, pause, now_seconds, answer, malformed=malformed)

    def book(self, *, name_unlinked: bool, now_seconds: float) -> Book:
        """Return the account as it is to be served; what is returned is held from now on.

        Args:
            name_unlinked: give labels to chargers that ``/chargers`` does not show, which is right only after
                it has answered, since its slug would come first.
            now_seconds: wall-clock time.
        """
        former = self._former()
        if former is None or name_unlinked != self._named_unlinked:
            with self._database.transaction() as connection:
                if name_unlinked:
                    history.pin_unlinked(connection, self._account, self._labels)
                book = books.read_book(
                    connection, self._account, self._vehicles, now_seconds, persistent=self._database.persistent
                )
        else:
            book = self._brought_up_to_date(former)
        self._keep(book, name_unlinked=name_unlinked)
        return book

    def _former(self) -> Book | None:
        """Return the last book, if it can be brought up to date; one with news in it changes with the time."""
        book = self._last_book()
        return None if book is None or self._change == Change.SESSIONS or book.ended else book

    def _last_book(self) -> Book | None:
        """Return the last book, unless something was undone since, which may have been part of it."""
        return self._book if self._undone == self._database.undone else None

    def _keep(self, book: Book, *, name_unlinked: bool) -> None:
        self._book, self._undone, self._named_unlinked = book, self._database.undone, name_unlinked
        self._change, self._meters, self._raised = Change.NONE, {}, {}

    def _brought_up_to_date(self, book: Book) -> Book:
        if self._change:
            with self._database.transaction() as connection:
                book = books.with_new_sums(connection, self._account, book, self._vehicles)
        if not (self._meters or self._raised):
            return book
        return msgspec.structs.replace(
            book, meters={**book.meters, **self._meters}, marks={**book.marks, **self._raised}
        )

    def _marks(self, connection: sqlite3.Connection) -> totals.Marks:
        """Return the marks of the counters that the API states."""
        book = self._last_book()
        known = None if book is None else {**book.marks, **self._raised}
        return totals.Marks(connection, self._account, known)

    def _known(self, connection: sqlite3.Connection) -> history.Known:
        book = self._last_book()
        if book is None or self._change == Change.SESSIONS:
            return history.Known(
                labels.pinned_labels(connection, self._account), books.read_meters(connection, self._account)
            )
        return history.Known(book.labels, {**book.meters, **self._meters})

    def _succeeded(
        self,
        connection: sqlite3.Connection,
        endpoint: str,
        pause: Pause,
        now_seconds: float,
        answer: object,
        *,
        malformed: int,
    ) -> None:
        endpoints.save_success(
            connection, self._account, endpoint, pause, at_seconds=now_seconds, malformed=malformed
        )
        if answer is not None:
            endpoints.save_answer(connection, self._account, endpoint, msgspec.json.encode(answer))

    def _changed(
        self,
        change: Change,
        *,
        meters: Mapping[str, Meter] = MappingProxyType({}),
        raised: Mapping[tuple[str, str], float] = MappingProxyType({}),
    ) -> None:
        """Note in what the next book differs."""
        self._change = max(self._change, change)
        self._meters = {**self._meters, **meters}
        self._raised = {**self._raised, **raised}


def _stated(energy: Energy) -> dict[tuple[str, str], int | None]:
    return {
        ("account_kwh", "ere"): energy.kwh_hundredths,
        ("account_kwh", "all"): energy.kwh_all_hundredths,
        ("account_credits", ""): energy.credits_hundredths,
        ("account_sessions", "ere"): energy.sessions,
        ("account_sessions", "all"): energy.sessions_all,
    }
