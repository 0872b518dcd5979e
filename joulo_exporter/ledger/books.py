"""The book of an account as it is read from the ledger: whole, or what has changed of one that was read before."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from joulo_exporter.ledger import history, labels, totals
from joulo_exporter.models.book import Book, FinishedSession, Meter, Totals

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping

NEWS_SHOWN_S = 3600.0
"""How long a session that has ended is among ``Book.ended``."""

_MOST_NEWS = 200
"""Bounds the series of an account that has been away for a day."""

API_COUNTERS = ("meter_wh", "account_kwh", "account_credits", "account_sessions")
"""Series of ``Book.marks``: counters that the API itself states; keys are charger ids, or scopes."""


def read_book(
    connection: sqlite3.Connection,
    account: int,
    vehicles: Mapping[str, str],
    now_seconds: float,
    *,
    persistent: bool,
) -> Book:
    """Return the account as it is to be served; what is returned is held from now on."""
    walk_now = history.load_walk(connection, account)
    marks = totals.Marks(connection, account)
    known = labels.pinned_labels(connection, account)
    held = _held_totals(connection, account, marks, known, vehicles) if walk_now.complete else ({}, {})
    marks.save()
    sessions, back_to_seconds = connection.execute(
        "SELECT (SELECT SUM(entries) FROM totals WHERE account = :account), "
        "(SELECT MIN(started_at) FROM sessions WHERE account = :account AND withdrawn = 0)",
        {"account": account},
    ).fetchone()
    return Book(
        labels=known,
        chargers=held[0],
        vehicles=held[1],
        last_sessions=_last_sessions(connection, account),
        ended=_recently_ended(connection, account, now_seconds),
        id_tags=_open_tags(connection, account),
        meters=read_meters(connection, account),
        marks=marks.of_series(*API_COUNTERS),
        complete=walk_now.complete,
        sessions=sessions or 0,
        back_to_seconds=back_to_seconds,
        persistent=persistent,
    )


def with_new_sums(connection: sqlite3.Connection, account: int, book: Book, vehicles: Mapping[str, str]) -> Book:
    """Return a book of the same sessions with their energy of today."""
    if not book.complete:
        return book
    rows = totals.totals_by_tag(connection, account)
    definitions = {vehicle: totals.vehicle_definition(vehicle, vehicles) for vehicle in book.vehicles}
    return msgspec.structs.replace(
        book,
        chargers=totals.raised_totals(
            connection, account, "charger", {charger_id: charger_id for charger_id in book.chargers},
            former=book.chargers, truth=totals.by_charger(rows),
        ),
        vehicles=totals.raised_totals(
            connection, account, "vehicle", definitions,
            former=book.vehicles, truth=totals.by_vehicle(rows, vehicles),
        ),
    )  # fmt: skip


def read_meters(connection: sqlite3.Connection, account: int) -> dict[str, Meter]:
    """Return the readings, by charger id."""
    rows = connection.execute(
        "SELECT charger_id, wh, at, former_wh, former_at FROM meters WHERE account = ?", (account,)
    )
    return {charger_id: Meter(*readings) for charger_id, *readings in rows}


def _held_totals(
    connection: sqlite3.Connection,
    account: int,
    marks: totals.Marks,
    known: Mapping[str, str],
    vehicles: Mapping[str, str],
) -> tuple[dict[str, Totals], dict[str, Totals]]:
    rows = totals.totals_by_tag(connection, account)
    sums = totals.by_charger(rows)
    return (
        {
            charger_id: marks.hold_totals("charger", charger_id, sums.get(charger_id, Totals()))
            for charger_id in known
        },
        {
            vehicle: marks.hold_totals("vehicle", totals.vehicle_definition(vehicle, vehicles), truth)
            for vehicle, truth in totals.by_vehicle(rows, vehicles).items()
        },
    )


def _last_sessions(connection: sqlite3.Connection, account: int) -> dict[str, FinishedSession]:
    rows = connection.execute(
        """SELECT s.id, s.charger_id, s.started_at, s.ended_at, s.kwh_hundredths, s.credits_hundredths,
                  s.id_tag, s.end_seen_at
           FROM (SELECT DISTINCT charger_id FROM totals WHERE account = :account AND entries > 0) c
           JOIN sessions s ON s.account = :account AND s.id = (
             SELECT id FROM sessions
             WHERE account = :account AND charger_id = c.charger_id AND ended_at IS NOT NULL AND withdrawn = 0
             ORDER BY ended_at DESC, started_at DESC, id LIMIT 1)""",
        {"account": account},
    )
    return {row[1]: FinishedSession(*row) for row in rows}


def _recently_ended(
    connection: sqlite3.Connection, account: int, now_seconds: float
) -> tuple[FinishedSession, ...]:
    """Return the sessions whose end was news in the last hour; one that goes on after all stays among them.

    What a clock that was fast has dated ahead is none: it would be news, and messages, until that time has come.
    """
    rows = connection.execute(
        """SELECT id, charger_id, started_at, COALESCE(ended_at, live_at), kwh_hundredths, credits_hundredths,
                  id_tag, end_seen_at
           FROM sessions INDEXED BY sessions_by_news
           WHERE account = ? AND end_seen_at > ? AND end_seen_at <= ? AND withdrawn = 0
           ORDER BY end_seen_at DESC, id LIMIT ?""",
        (account, now_seconds - NEWS_SHOWN_S, now_seconds, _MOST_NEWS),
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
