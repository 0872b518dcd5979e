"""Chargers of the ledger: an API response of ``/chargers`` written down, meter readings, labels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from joulo_exporter.ledger.sessions import (
    goes_on,
    save_session,
    seen_live,
    sessions_by_id,
    sessions_in_progress,
    vanished,
)
from joulo_exporter.models import UNKNOWN_CHARGER

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Mapping

    from joulo_exporter.models import Charger

_ID_START = 8


class Meter(msgspec.Struct, frozen=True, gc=False):
    """The two latest readings of a charger's meter that differ in time."""

    wh: float
    at_seconds: float
    former_wh: float | None = None
    former_at_seconds: float | None = None

    def mean_power_watts(self) -> float | None:
        """Return the mean power between the readings; ``None`` for a single one, or after a falling one."""
        if self.former_wh is None or self.former_at_seconds is None:
            return None
        hours = (self.at_seconds - self.former_at_seconds) / 3600
        return (self.wh - self.former_wh) / hours if hours > 0 and self.wh >= self.former_wh else None


def record_chargers(
    connection: sqlite3.Connection,
    account: int,
    chargers: Iterable[Charger],
    configured_labels: Mapping[str, str],
    meters: Mapping[str, Meter],
    now_seconds: float,
) -> tuple[bool, bool]:
    """Store sessions in progress, and end those that a charger of the API response no longer shows.

    A charger that is not in the response changes nothing.

    Returns:
        Whether a session has ended; whether anything but energy and readings has changed.
    """
    session_ended = changed = False
    in_progress = sessions_in_progress(connection, account)
    labels = pinned_labels(connection, account)
    for charger in chargers:
        session = charger.session
        if charger.id not in labels:
            slug = configured_labels.get(charger.id) or charger.slug
            _pin_label(connection, account, labels, charger.id, slug or _slug(charger.nickname))
            changed = True
        for stored in [stored for stored in in_progress.values() if stored.charger_id == charger.id]:
            if not charger.session_unreadable and (session is None or stored.id != session.id):
                del in_progress[stored.id]
                save_session(connection, account, stored, vanished(stored))
                session_ended = changed = True
        if session is not None:
            old = in_progress.get(session.id) or sessions_by_id(connection, account, [session.id]).get(session.id)
            in_progress[session.id] = seen_live(old, charger.id, session, now_seconds)
            save_session(connection, account, old, in_progress[session.id])
            changed = changed or not goes_on(old, in_progress[session.id])
        _save_meter(connection, account, charger, meters.get(charger.id))
    return session_ended, changed


# Meters -------------------------------------------------------------------------------------------


def read_meters(connection: sqlite3.Connection, account: int) -> dict[str, Meter]:
    """Return the readings, by charger id."""
    rows = connection.execute(
        "SELECT charger_id, wh, at, former_wh, former_at FROM meters WHERE account = ?", (account,)
    )
    return {charger_id: Meter(*readings) for charger_id, *readings in rows}


def _save_meter(connection: sqlite3.Connection, account: int, charger: Charger, known: Meter | None) -> None:
    """Keep a reading that is new, and the one before it; one older than the known one is not new."""
    wh, at_seconds = charger.meter_wh, charger.meter_at_seconds
    if wh is None or at_seconds is None:
        return
    if known is None:
        meter = Meter(wh, at_seconds)
    elif at_seconds > known.at_seconds:
        meter = Meter(wh, at_seconds, known.wh, known.at_seconds)
    elif at_seconds == known.at_seconds:
        meter = msgspec.structs.replace(known, wh=wh)
    else:
        return
    if meter != known:
        connection.execute(
            "INSERT OR REPLACE INTO meters (account, charger_id, wh, at, former_wh, former_at) "
            "VALUES (?, ?, ?, ?, ?, ?)",
            (account, charger.id, *msgspec.structs.astuple(meter)),
        )


# Labels: chosen once, kept for ever, taken by no two chargers of an account -------------------------


def pinned_labels(connection: sqlite3.Connection, account: int) -> dict[str, str]:
    """Return the labels given so far, by charger id."""
    rows = connection.execute("SELECT charger_id, label FROM chargers WHERE account = ?", (account,))
    return dict(rows.fetchall())


def pin_unlinked(connection: sqlite3.Connection, account: int, configured_labels: Mapping[str, str]) -> None:
    """Give a label to chargers that only sessions name: they are no longer linked to the account."""
    rows = connection.execute(
        """SELECT charger_id FROM totals t WHERE account = ? AND entries > 0 AND NOT EXISTS
             (SELECT 1 FROM chargers c WHERE c.account = t.account AND c.charger_id = t.charger_id)
           GROUP BY charger_id""",
        (account,),
    ).fetchall()
    labels = pinned_labels(connection, account) if rows else {}
    for (charger_id,) in rows:
        (nickname,) = connection.execute(
            "SELECT charger_nickname FROM sessions WHERE account = ? AND charger_id = ? "
            "ORDER BY charger_nickname IS NULL, started_at DESC, id LIMIT 1",
            (account, charger_id),
        ).fetchone()
        # Sessions whose charger is not known can have nicknames of several.
        wanted = UNKNOWN_CHARGER if charger_id == UNKNOWN_CHARGER else _slug(nickname)
        _pin_label(connection, account, labels, charger_id, configured_labels.get(charger_id) or wanted)


def apply_configured_labels(connection: sqlite3.Connection, account: int, configured: Mapping[str, str]) -> None:
    """Let the configuration's ``chargers:`` decide: the only way in which a label changes.

    Entries for chargers that the account does not have wait until it has them.
    """
    labels = pinned_labels(connection, account)
    changing = {
        charger_id: wanted
        for charger_id, wanted in configured.items()
        if charger_id in labels and labels[charger_id] != wanted
    }
    # Together: two chargers may swap their labels, and neither is to get another one at the next start.
    for charger_id in changing:
        connection.execute("DELETE FROM chargers WHERE account = ? AND charger_id = ?", (account, charger_id))
        del labels[charger_id]
    for charger_id, wanted in changing.items():
        _pin_label(connection, account, labels, charger_id, wanted)


def _pin_label(
    connection: sqlite3.Connection, account: int, labels: dict[str, str], charger_id: str, wanted: str
) -> None:
    """Give a charger the label, else the start of its id; if another charger has it, with the id behind it.

    Args:
        connection: within a transaction.
        account: the account's number.
        labels: those given so far, by charger id; the new one is added.
        charger_id: the charger.
        wanted: the label; empty for none.
    """
    wanted, taken = wanted or charger_id[:_ID_START], set(labels.values())
    candidates = (wanted, f"{wanted}-{charger_id[:_ID_START]}", f"{wanted}-{charger_id}")
    label = next((label for label in candidates if label not in taken), f"{wanted}-{charger_id}-{len(taken)}")
    labels[charger_id] = label
    connection.execute("INSERT INTO chargers VALUES (?, ?, ?)", (account, charger_id, label))


def _slug(name: str | None) -> str:
    from slugify import slugify  # noqa: PLC0415 -- its tables are large, and needed once in the life of a charger

    return slugify(name, max_length=64) if name else ""
