"""Rows of the sessions' table, and the totals that are kept along with every change of a row."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from joulo_exporter.ledger.entry import Contribution, Entry, contribution

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable

_COLUMNS = (
    "id, charger_id, charger_nickname, started_at, ended_at, end_is_final, kwh_hundredths, "
    "credits_hundredths, id_tag, live_at, end_seen_at, generation, withdrawn"
)


def entries(connection: sqlite3.Connection, account: int, ids: Iterable[str]) -> dict[str, Entry]:
    """Return the entries of these sessions, as far as the ledger has them."""
    found = {}
    for session_id in ids:
        row = connection.execute(
            f"SELECT {_COLUMNS} FROM sessions WHERE account = ? AND id = ?",  # noqa: S608 -- no value in it
            (account, session_id),
        ).fetchone()
        if row is not None:
            found[session_id] = _entry(row)
    return found


def select(connection: sqlite3.Connection, condition: str, values: tuple[object, ...]) -> list[Entry]:
    """Return the entries that meet an SQL condition, which is a constant of the caller's."""
    rows = connection.execute(f"SELECT {_COLUMNS} FROM sessions WHERE {condition}", values)  # noqa: S608
    return [_entry(row) for row in rows]


def save(connection: sqlite3.Connection, account: int, old: Entry | None, new: Entry) -> None:
    """Write the entry, and what its change does to the totals; nothing if nothing changed."""
    if old == new:
        return
    connection.execute(
        f"INSERT OR REPLACE INTO sessions (account, {_COLUMNS}) "  # noqa: S608 -- no value in it
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (account, *msgspec.structs.astuple(new)),
    )
    former, now = contribution(old) if old else None, contribution(new)
    if former != now:
        _add(connection, account, former, -1)
        _add(connection, account, now, 1)


def _add(connection: sqlite3.Connection, account: int, part: Contribution | None, sign: int) -> None:
    if part is None:
        return
    connection.execute(
        """INSERT INTO totals VALUES (?, ?, ?, ?, ?, ?, ?, ?)
           ON CONFLICT (account, charger_id, tag) DO UPDATE SET
             kwh_hundredths = kwh_hundredths + excluded.kwh_hundredths,
             credits_hundredths = credits_hundredths + excluded.credits_hundredths,
             sessions = sessions + excluded.sessions,
             duration_ms = duration_ms + excluded.duration_ms,
             entries = entries + excluded.entries""",
        (
            account,
            part.charger_id,
            part.tag,
            sign * part.kwh_hundredths,
            sign * part.credits_hundredths,
            sign * part.sessions,
            sign * part.duration_ms,
            sign,
        ),
    )


def _entry(row: tuple[Any, ...]) -> Entry:
    """Return the entry of a row, whose columns stand in the order of the entry's fields."""
    entry = Entry(*row)
    return msgspec.structs.replace(entry, end_is_final=bool(row[5]), withdrawn=bool(row[12]))
