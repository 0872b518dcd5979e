"""Energy and ERE credits of the last months, by the local month in which each session began.

The page shows them, and they equal ``joulo-exporter sessions --by=month``: they are what the sessions say now, and
never held as counters are. Sessions that have ended change seldom, so that the caller can keep their sums.
"""

from __future__ import annotations

import sys
from datetime import datetime
from itertools import pairwise
from typing import TYPE_CHECKING

import msgspec

from joulo_exporter.clock import local_month, local_time

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Mapping

MONTHS = 13
"""Months that are summed: this one, and all back to the same one of last year."""

_COLUMNS = "charger_id, COALESCE(started_at, live_at, ended_at, 0.0), kwh_hundredths, credits_hundredths"
"""A session that began at a time that is not known counts by ``RecordedSession.began_seconds``, too."""


class Month(msgspec.Struct, frozen=True, gc=False):
    """Sums over the sessions that began in one month, those in progress included."""

    month: str
    """Such as ``2026-06``."""
    kwh_hundredths: int
    credits_hundredths: int


Sums = dict[tuple[str, str], tuple[int, int]]
"""Energy and credits in hundredths, by charger id and month."""


def recent_months(now_seconds: float) -> tuple[str, ...]:
    """Return the months that are summed, the earliest first."""
    now = local_time(now_seconds)
    return tuple(_name(now.year, now.month - back) for back in reversed(range(MONTHS)))


def finished_sums(connection: sqlite3.Connection, account: int, months: tuple[str, ...]) -> Sums:
    """Return the sums over the sessions that have ended."""
    # The index is named: the primary key would lead through every session that there ever was.
    first_moments = [*map(_first_moment, months), _first_moment(months[-1], after=1)]
    sums: Sums = {}
    for month, span in zip(months, pairwise(first_moments), strict=True):
        rows = connection.execute(
            "SELECT charger_id, SUM(kwh_hundredths), SUM(credits_hundredths) "
            "FROM sessions INDEXED BY sessions_by_start WHERE account = ? "
            "AND started_at >= ? AND started_at < ? AND ended_at IS NOT NULL AND withdrawn = 0 "
            "GROUP BY charger_id",
            (account, *span),
        )
        sums.update({(charger_id, month): (kwh or 0, ere_credits or 0) for charger_id, kwh, ere_credits in rows})
    rows = connection.execute(
        f"SELECT {_COLUMNS} FROM sessions INDEXED BY sessions_by_start "  # noqa: S608 -- constants of ours
        "WHERE account = ? AND started_at IS NULL AND ended_at IS NOT NULL AND withdrawn = 0",
        (account,),
    )
    return _with(sums, rows, months)


def with_sessions_in_progress(
    connection: sqlite3.Connection, account: int, sums: Sums, months: tuple[str, ...]
) -> Sums:
    """Return the sums with the sessions that have not ended, whose energy changes with each refresh."""
    rows = connection.execute(
        f"SELECT {_COLUMNS} FROM sessions INDEXED BY sessions_open "  # noqa: S608 -- constants of ours
        "WHERE account = ? AND ended_at IS NULL AND withdrawn = 0",
        (account,),
    )
    return _with(sums, rows, months)


def of_account(sums: Sums) -> tuple[Month, ...]:
    """Return the sums of all chargers together, of each month that has sessions, the earliest first."""
    totals: dict[str, tuple[int, int]] = {}
    for (_, month), (kwh, ere_credits) in sums.items():
        so_far = totals.get(month, (0, 0))
        totals[month] = (so_far[0] + kwh, so_far[1] + ere_credits)
    return tuple(Month(month, *totals[month]) for month in sorted(totals))


def of_chargers(sums: Sums, month: str) -> Mapping[str, Month]:
    """Return the sums of a month, by charger id, of the chargers with sessions in it."""
    return {charger_id: Month(month, *sums[charger_id, its]) for charger_id, its in sums if its == month}


def _with(
    sums: Sums, sessions: Iterable[tuple[str, float, int | None, int | None]], months: tuple[str, ...]
) -> Sums:
    added = dict(sums)
    for charger_id, began_seconds, kwh, ere_credits in sessions:
        key = (charger_id, sys.intern(local_month(began_seconds)))
        if key[1] in months:
            so_far = added.get(key, (0, 0))
            added[key] = (so_far[0] + (kwh or 0), so_far[1] + (ere_credits or 0))
    return added


def _name(year: int, month: int) -> str:
    """Return the name of a month, which may be 0 or less for one of an earlier year; one text for all accounts."""
    years, position = divmod(month - 1, 12)
    return sys.intern(f"{year + years:04}-{position + 1:02}")


def _first_moment(month: str, *, after: int = 0) -> float:
    """Return the Unix seconds at which a month, or the one so many months after it, begins."""
    year, number = map(int, month.split("-"))
    years, position = divmod(number - 1 + after, 12)
    return datetime(year + years, position + 1, 1).astimezone().timestamp()
