"""The ledger of one account: each method is one transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from joulo_exporter.ledger import endpoints, history, labels, totals
from joulo_exporter.models.book import Book, FinishedSession, Meter, Totals

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping

    from joulo_exporter.errors import ApiError
    from joulo_exporter.ledger.database import Database
    from joulo_exporter.ledger.endpoints import EndpointRecord
    from joulo_exporter.ledger.walk import Walk
    from joulo_exporter.models import Answer, Charger, Energy, Session
    from joulo_exporter.schedule import Pause

NEWS_SHOWN_S = 3600.0
"""How long a session that has ended is among ``Book.ended``."""

_MOST_NEWS = 200
"""Bounds the series of an account that has been away for a day."""

API_COUNTERS = ("meter_wh", "account_kwh", "account_credits", "account_sessions")
"""Series of ``Book.marks``: counters that the API itself states; keys are charger ids, or scopes."""


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
            endpoints.count_request(connection, self._account, endpoint, error.code)
            endpoints.save_failure(connection, self._account, endpoint, str(error))

    def record_chargers(self, answer: Answer[Charger], pause: Pause, now_seconds: float) -> bool:
        """Store an answer of ``/chargers``; return whether it shows that a session has ended."""
        with self._database.transaction() as connection:
            self._succeeded(
                connection, "chargers", pause, now_seconds, answer.records, malformed=len(answer.malformed)
            )
            has_ended = history.record_chargers(
                connection, self._account, answer.records, self._labels, now_seconds
            )
            marks = totals.Marks(connection, self._account)
            for charger in answer.records:
                if charger.meter_wh is not None:
                    marks.hold("meter_wh", charger.id, charger.meter_wh)
        return has_ended

    def record_sessions(
        self, answer: Answer[Session], pause: Pause, walk_now: Walk, *, offset: int, now_seconds: float
    ) -> Walk:
        """Store a page of ``/sessions``; return the walk after it."""
        with self._database.transaction() as connection:
            self._succeeded(connection, "sessions", pause, now_seconds, None, malformed=len(answer.malformed))
            return history.record_page(
                connection, self._account, answer, walk_now, offset=offset, now_seconds=now_seconds
            )

    def record_energy(self, energy: Energy, pause: Pause, now_seconds: float) -> None:
        """Store an answer of ``/energy``, and hold its totals."""
        with self._database.transaction() as connection:
            self._succeeded(connection, "energy", pause, now_seconds, energy, malformed=len(energy.malformed))
            marks = totals.Marks(connection, self._account)
            for (series, scope), value in _stated(energy).items():
                if value is not None:
                    marks.hold(series, scope, value)

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
        with self._database.transaction() as connection:
            if name_unlinked:
                history.pin_unlinked(connection, self._account, self._labels)
            return self._book(connection, now_seconds)

    def _book(self, connection: sqlite3.Connection, now_seconds: float) -> Book:
        account = self._account
        walk_now = history.load_walk(connection, account)
        marks = totals.Marks(connection, account)
        chargers, vehicles = self._held_totals(connection, marks) if walk_now.complete else ({}, {})
        sessions, back_to_seconds = connection.execute(
            "SELECT (SELECT SUM(entries) FROM totals WHERE account = ?1), "
            "(SELECT MIN(started_at) FROM sessions WHERE account = ?1 AND withdrawn = 0)",
            (account,),
        ).fetchone()
        return Book(
            labels=labels.pinned_labels(connection, account),
            chargers=chargers,
            vehicles=vehicles,
            last_sessions=_last_sessions(connection, account),
            ended=_recently_ended(connection, account, now_seconds),
            id_tags=_open_tags(connection, account),
            meters=_meters(connection, account),
            marks=marks.of_series(*API_COUNTERS),
            complete=walk_now.complete,
            sessions=sessions or 0,
            back_to_seconds=back_to_seconds,
            persistent=self._database.persistent,
        )

    def _held_totals(
        self, connection: sqlite3.Connection, marks: totals.Marks
    ) -> tuple[dict[str, Totals], dict[str, Totals]]:
        rows = totals.totals_by_tag(connection, self._account)
        known = labels.pinned_labels(connection, self._account)
        sums = totals.by_charger(rows)
        chargers = {
            charger_id: marks.hold_totals("charger", charger_id, sums.get(charger_id, Totals()))
            for charger_id in known
        }
        vehicles = {
            vehicle: marks.hold_totals("vehicle", totals.vehicle_definition(vehicle, self._vehicles), truth)
            for vehicle, truth in totals.by_vehicle(rows, self._vehicles).items()
        }
        return chargers, vehicles

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
        body = None if answer is None else msgspec.json.encode(answer)
        endpoints.save_request(connection, self._account, endpoint, pause)
        endpoints.count_request(connection, self._account, endpoint, "200")
        endpoints.save_success(
            connection, self._account, endpoint, at_seconds=now_seconds, body=body, malformed=malformed
        )


def _stated(energy: Energy) -> dict[tuple[str, str], int | None]:
    return {
        ("account_kwh", "ere"): energy.kwh_hundredths,
        ("account_kwh", "all"): energy.kwh_all_hundredths,
        ("account_credits", ""): energy.credits_hundredths,
        ("account_sessions", "ere"): energy.sessions,
        ("account_sessions", "all"): energy.sessions_all,
    }


def _last_sessions(connection: sqlite3.Connection, account: int) -> dict[str, FinishedSession]:
    rows = connection.execute(
        """SELECT s.id, s.charger_id, s.started_at, s.ended_at, s.kwh_hundredths, s.credits_hundredths,
                  s.id_tag, s.end_seen_at
           FROM (SELECT DISTINCT charger_id FROM totals WHERE account = ?1 AND entries > 0) c
           JOIN sessions s ON s.account = ?1 AND s.id = (
             SELECT id FROM sessions
             WHERE account = ?1 AND charger_id = c.charger_id AND ended_at IS NOT NULL AND withdrawn = 0
             ORDER BY ended_at DESC, started_at DESC, id LIMIT 1)""",
        (account,),
    )
    return {row[1]: FinishedSession(*row) for row in rows}


def _recently_ended(
    connection: sqlite3.Connection, account: int, now_seconds: float
) -> tuple[FinishedSession, ...]:
    """Return the sessions whose end was news in the last hour; one that goes on after all stays among them."""
    rows = connection.execute(
        """SELECT id, charger_id, started_at, COALESCE(ended_at, live_at), kwh_hundredths, credits_hundredths,
                  id_tag, end_seen_at
           FROM sessions INDEXED BY sessions_by_news
           WHERE account = ? AND end_seen_at > ? AND withdrawn = 0 ORDER BY end_seen_at DESC, id LIMIT ?""",
        (account, now_seconds - NEWS_SHOWN_S, _MOST_NEWS),
    )
    return tuple(FinishedSession(*row) for row in rows)


def _open_tags(connection: sqlite3.Connection, account: int) -> dict[str, str]:
    rows = connection.execute(
        # Named, since SQLite prefers the primary key, and with it every session that there ever was.
        """SELECT id, id_tag FROM sessions INDEXED BY sessions_open
           WHERE account = ? AND ended_at IS NULL AND live_at IS NOT NULL AND id_tag IS NOT NULL""",
        (account,),
    )
    return dict(rows.fetchall())


def _meters(connection: sqlite3.Connection, account: int) -> dict[str, Meter]:
    rows = connection.execute(
        "SELECT charger_id, wh, at, former_wh, former_at FROM meters WHERE account = ?", (account,)
    )
    return {charger_id: Meter(*readings) for charger_id, *readings in rows}
