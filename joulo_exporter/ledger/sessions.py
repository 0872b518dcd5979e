"""Rows of the sessions' table, and the totals that are kept along with every change of a row."""

from __future__ import annotations

from enum import IntEnum
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
_NAMES = tuple(_COLUMNS.split(", "))


def entries(connection: sqlite3.Connection, account: int, ids: Iterable[str]) -> dict[str, Entry]:
    """Return the entries of these sessions, as far as the ledger has them."""
    wanted = tuple(ids)
    if not wanted:
        return {}
    marks = ", ".join("?" * len(wanted))
    return {
        entry.id: entry for entry in select(connection, f"account = ? AND id IN ({marks})", (account, *wanted))
    }


def select(
    connection: sqlite3.Connection, condition: str, values: tuple[object, ...], *, index: str | None = None
) -> list[Entry]:
    """Return the entries that meet an SQL condition, which is a constant of the caller's, as is the index."""
    table = "sessions" if index is None else f"sessions INDEXED BY {index}"
    rows = connection.execute(f"SELECT {_COLUMNS} FROM {table} WHERE {condition}", values)  # noqa: S608
    return [_entry(row) for row in rows]


def still_open(connection: sqlite3.Connection, account: int) -> dict[str, Entry]:
    """Return the sessions in progress that ``/chargers`` has shown."""
    # The index is named, since SQLite prefers the primary key, and with it every session that there ever was.
    found = select(
        connection,
        "account = ? AND ended_at IS NULL AND live_at IS NOT NULL AND withdrawn = 0",
        (account,),
        index="sessions_open",
    )
    return {entry.id: entry for entry in found}


class Change(IntEnum):
    """How much of an account's book a change concerns."""

    NONE = 0
    SUMS = 1
    """Totals, and nothing that says which sessions there are."""
    SESSIONS = 2


def save(connection: sqlite3.Connection, account: int, old: Entry | None, new: Entry) -> Change:
    """Write the entry, and what its change does to the totals; nothing if nothing changed."""
    if old == new:
        return Change.NONE
    if old is None:
        connection.execute(
            f"INSERT INTO sessions (account, {_COLUMNS}) "  # noqa: S608 -- no value in it
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (account, *msgspec.structs.astuple(new)),
        )
    else:
        _update(connection, account, old, new)
    former, now = contribution(old) if old else None, contribution(new)
    if former != now:
        _shift(connection, account, former, now)
    if old is None or _identity(old) != _identity(new):
        return Change.SESSIONS
    return Change.SUMS if former != now else Change.NONE


def _identity(entry: Entry) -> Entry:
    """Return what lists of sessions show of one in progress; one that has ended is there with all that it has."""
    if entry.ended_at_seconds is not None:
        return entry
    # Not when it was seen live, but whether it was: from then on its tag is among the known ones.
    seen_live = None if entry.live_at_seconds is None else 0.0
    return msgspec.structs.replace(entry, kwh_hundredths=None, live_at_seconds=seen_live, generation=0)


def _update(connection: sqlite3.Connection, account: int, old: Entry, new: Entry) -> None:
    """Write the columns that differ: what an index holds is costly to write again."""
    pairs = zip(_NAMES, msgspec.structs.astuple(old), msgspec.structs.astuple(new), strict=True)
    changed = {name: value for name, former, value in pairs if value != former}
    connection.execute(
        f"UPDATE sessions SET {', '.join(f'{name} = ?' for name in changed)} "  # noqa: S608 -- names of ours
        "WHERE account = ? AND id = ?",
        (*changed.values(), account, old.id),
    )


def _shift(
    connection: sqlite3.Connection, account: int, former: Contribution | None, now: Contribution | None
) -> None:
    """Take what the session added to the totals out, and put what it adds now in."""
    if former and now and (former.charger_id, former.tag) == (now.charger_id, now.tag):
        _add(
            connection,
            account,
            now.charger_id,
            now.tag,
            [a - b for a, b in zip(_sums(now), _sums(former), strict=True)],
        )
        return
    if former is not None:
        _add(connection, account, former.charger_id, former.tag, [-figure for figure in _sums(former)])
    if now is not None:
        _add(connection, account, now.charger_id, now.tag, _sums(now))


def _sums(part: Contribution) -> list[int]:
    return [part.kwh_hundredths, part.credits_hundredths, part.sessions, part.duration_ms, 1]


def _add(connection: sqlite3.Connection, account: int, charger_id: str, tag: str, figures: list[int]) -> None:
    connection.execute(
        """INSERT INTO totals VALUES (?, ?, ?, ?, ?, ?, ?, ?)
           ON CONFLICT (account, charger_id, tag) DO UPDATE SET
             kwh_hundredths = kwh_hundredths + excluded.kwh_hundredths,
             credits_hundredths = credits_hundredths + excluded.credits_hundredths,
             sessions = sessions + excluded.sessions,
             duration_ms = duration_ms + excluded.duration_ms,
             entries = entries + excluded.entries""",
        (account, charger_id, tag, *figures),
    )


def _entry(row: tuple[Any, ...]) -> Entry:
    """Return the entry of a row, whose columns stand in the order of the entry's fields."""
    entry = Entry(*row)
    return msgspec.structs.replace(entry, end_is_final=bool(row[5]), withdrawn=bool(row[12]))
