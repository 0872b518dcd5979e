"""Sessions that a whole walk through the history has not listed: withdrawn, or kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from joulo_exporter.ledger.sessions import save_session, select_sessions
from joulo_exporter.models.session import UNKNOWN_CHARGER

if TYPE_CHECKING:
    import sqlite3

    from joulo_exporter.ledger.history import Walk

FEW_MISSING = 10
_FEW_MISSING_SHARE = 0.1
"""A walk that has not listed more than so many sessions, and this share of all, is not believed at once."""

_LISTING_LAG_S = 86_400.0
"""A session that ``/chargers`` showed in the last day may still be on its way into ``/sessions``."""


def withdraw_missing(
    connection: sqlite3.Connection, account: int, walk: Walk, former_generation: int
) -> tuple[int, bool]:
    """Mark the sessions that a whole walk has not listed.

    Those of a charger that ``/chargers`` no longer shows stay: its history may have left the API along with it.
    Where a listed session has the same start, and the same end or energy, it is that one under another id, and
    does not count twice. If another charger has the name by now, or the end is not final, the start is enough.

    A walk that lists no session at all proves nothing about the many that were there. One that misses many may
    have ended with a page that the API cut short: it is believed when the next one says so too. A record that
    could not be read may be any of the missing sessions, so that each has to be missing from two walks then.
    Sessions that another account has by now are no doubt: their charger has moved there.

    Args:
        connection: within a transaction.
        account: the account's number.
        walk: the one that has come to its end.
        former_generation: number of the whole walk before it; 0 if there was none.

    Returns:
        How many it has not listed, but for a walk that lists none at all; whether it was believed.
    """
    seen_any = connection.execute(
        "SELECT 1 FROM sessions WHERE account = ? AND generation = ? LIMIT 1", (account, walk.generation)
    ).fetchone()
    missing = select_sessions(
        connection,
        "account = ? AND generation < ? AND withdrawn = 0 AND (live_at IS NULL OR live_at < ?)",
        (
            account,
            former_generation if walk.lost else walk.generation,
            walk.started_at_seconds - _LISTING_LAG_S,
        ),
    )
    moved = {session_id for session_id in missing if _has_moved(connection, account, session_id)}
    for session_id in _sessions_that_stay(connection, account, walk.generation) - moved:
        missing.pop(session_id, None)
    (counted,) = connection.execute("SELECT SUM(entries) FROM totals WHERE account = ?", (account,)).fetchone()
    too_many = len(missing) - len(moved) > max(FEW_MISSING, _FEW_MISSING_SHARE * (counted or 0))
    believed = walk.doubtful or seen_any is None or not too_many
    for stored in missing.values():
        if stored.id in moved or (believed and seen_any):
            save_session(connection, account, stored, msgspec.structs.replace(stored, withdrawn=True))
    return len(missing if seen_any else moved), believed


def _sessions_that_stay(connection: sqlite3.Connection, account: int, generation: int) -> set[str]:
    """Return the ids of sessions of chargers that are gone, which stay although the walk has not listed them."""
    rows = connection.execute(
        """SELECT s.id FROM chargers c JOIN sessions s USING (account, charger_id)
           WHERE account = :account AND NOT c.linked AND charger_id != :unknown
             AND s.generation BETWEEN 1 AND :generation - 1
             AND EXISTS (SELECT 1 FROM endpoints
                         WHERE account = :account AND endpoint = 'chargers' AND succeeded_at IS NOT NULL)
             AND NOT EXISTS (SELECT 1 FROM sessions copy
                             WHERE copy.account = :account AND copy.started_at = s.started_at
                               AND copy.generation = :generation
                               AND (c.walks_due IS NOT NULL OR NOT s.end_is_final OR copy.ended_at = s.ended_at
                                 OR copy.kwh_hundredths = s.kwh_hundredths))
             AND NOT (c.walks_due IS NOT NULL AND s.started_at IS NULL AND EXISTS (
                        SELECT 1 FROM sessions copy WHERE copy.account = :account
                        AND copy.ended_at = s.ended_at AND copy.generation = :generation))""",
        {"account": account, "generation": generation, "unknown": UNKNOWN_CHARGER},
    )
    return {session_id for (session_id,) in rows}


def _has_moved(connection: sqlite3.Connection, account: int, session_id: str) -> bool:
    """Return whether another account of the ledger has the session."""
    row = connection.execute(
        "SELECT 1 FROM sessions WHERE account IN (SELECT id FROM accounts WHERE id != ?) AND id = ? "
        "AND withdrawn = 0 LIMIT 1",
        (account, session_id),
    ).fetchone()
    return row is not None
