"""Chargers of the ledger: an API response of ``/chargers`` written down, meter readings, labels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from joulo_exporter.ledger.sessions import (
    Change,
    save_session,
    seen_live,
    sessions_in_progress,
    stored_session,
    vanished,
)

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


class KnownChargers(msgspec.Struct, frozen=True):
    """Labels and meters of an account's chargers, by charger id, before an API response."""

    labels: Mapping[str, str]
    meters: Mapping[str, Meter]


class ChargersUpdate(msgspec.Struct, frozen=True):
    """Changes that an API response of ``/chargers`` has made."""

    session_ended: bool
    change: Change
    meters: dict[str, Meter]
    """Readings that are new, by charger id."""


def record_chargers(
    connection: sqlite3.Connection,
    account: int,
    chargers: Iterable[Charger],
    configured_labels: Mapping[str, str],
    known: KnownChargers,
    now_seconds: float,
) -> ChargersUpdate:
    """Store sessions in progress, and end those that a charger of the API response no longer shows.

    A charger that is not in the response changes nothing.
    """
    session_ended, changes, meters = False, [Change.NONE], {}
    in_progress = sessions_in_progress(connection, account)
    for charger in chargers:
        session = charger.session
        if charger.id not in known.labels:
            slug = configured_labels.get(charger.id) or charger.slug
            pin_label(connection, account, charger.id, slug=slug, name=charger.nickname)
            changes.append(Change.SESSIONS)
        for stored in [stored for stored in in_progress.values() if stored.charger_id == charger.id]:
            if not charger.session_unreadable and (session is None or stored.id != session.id):
                del in_progress[stored.id]
                changes.append(save_session(connection, account, stored, vanished(stored)))
                session_ended = True
        if session is not None:
            old = in_progress.get(session.id) or stored_session(connection, account, session.id)
            in_progress[session.id] = seen_live(old, charger.id, session, now_seconds)
            changes.append(save_session(connection, account, old, in_progress[session.id]))
        meter = _new_reading(charger, known.meters.get(charger.id))
        if meter is not None:
            meters[charger.id] = meter
    _save_meters(connection, account, meters)
    return ChargersUpdate(session_ended, max(changes), meters)


# Meters -------------------------------------------------------------------------------------------


def read_meters(connection: sqlite3.Connection, account: int) -> dict[str, Meter]:
    """Return the readings, by charger id."""
    rows = connection.execute(
        "SELECT charger_id, wh, at, former_wh, former_at FROM meters WHERE account = ?", (account,)
    )
    return {charger_id: Meter(*readings) for charger_id, *readings in rows}


def _new_reading(charger: Charger, known: Meter | None) -> Meter | None:
    """Return a reading that is new, and the one before it; one older than the known one is not new."""
    wh, at_seconds = charger.meter_wh, charger.meter_at_seconds
    if wh is None or at_seconds is None:
        return None
    if known is None:
        return Meter(wh, at_seconds)
    if at_seconds > known.at_seconds:
        return Meter(wh, at_seconds, known.wh, known.at_seconds)
    if at_seconds == known.at_seconds and wh != known.wh:
        return Meter(wh, at_seconds, known.former_wh, known.former_at_seconds)
    return None


def _save_meters(connection: sqlite3.Connection, account: int, meters: Mapping[str, Meter]) -> None:
    connection.executemany(
        "INSERT OR REPLACE INTO meters (account, charger_id, wh, at, former_wh, former_at) "
        "VALUES (?, ?, ?, ?, ?, ?)",
        [(account, charger_id, *msgspec.structs.astuple(meter)) for charger_id, meter in meters.items()],
    )


# Labels: chosen once, kept for ever, taken by no two chargers of an account -------------------------


def pinned_labels(connection: sqlite3.Connection, account: int) -> dict[str, str]:
    """Return the labels given so far, by charger id."""
    rows = connection.execute("SELECT charger_id, label FROM chargers WHERE account = ?", (account,))
    return dict(rows.fetchall())


def pin_label(
    connection: sqlite3.Connection,
    account: int,
    charger_id: str,
    *,
    slug: str | None = None,
    name: str | None = None,
) -> None:
    """Give a charger its label, unless it has one: slug, else the name as a slug, else the start of its id."""
    labels = pinned_labels(connection, account)
    if charger_id not in labels:
        wanted = slug or _slug(name or "") or charger_id[:_ID_START]
        _insert_label(connection, account, charger_id, _free_label(wanted, charger_id, set(labels.values())))


def pin_unlinked(connection: sqlite3.Connection, account: int, configured_labels: Mapping[str, str]) -> None:
    """Give a label to chargers that only sessions name: they are no longer linked to the account."""
    rows = connection.execute(
        """SELECT charger_id FROM totals t WHERE account = ? AND entries > 0 AND NOT EXISTS
             (SELECT 1 FROM chargers c WHERE c.account = t.account AND c.charger_id = t.charger_id)
           GROUP BY charger_id""",
        (account,),
    ).fetchall()
    for (charger_id,) in rows:
        (nickname,) = connection.execute(
            "SELECT charger_nickname FROM sessions WHERE account = ? AND charger_id = ? "
            "ORDER BY charger_nickname IS NULL, started_at DESC, id LIMIT 1",
            (account, charger_id),
        ).fetchone()
        slug = configured_labels.get(charger_id)
        pin_label(connection, account, charger_id, slug=slug, name=nickname)


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
    taken = {label for charger_id, label in labels.items() if charger_id not in changing}
    for charger_id in changing:
        connection.execute("DELETE FROM chargers WHERE account = ? AND charger_id = ?", (account, charger_id))
    for charger_id, wanted in changing.items():
        label = _free_label(wanted, charger_id, taken)
        _insert_label(connection, account, charger_id, label)
        taken.add(label)


def _insert_label(connection: sqlite3.Connection, account: int, charger_id: str, label: str) -> None:
    connection.execute("INSERT INTO chargers VALUES (?, ?, ?)", (account, charger_id, label))


def _slug(name: str) -> str:
    from slugify import slugify  # noqa: PLC0415 -- its tables are large, and needed once in the life of a charger

    return slugify(name, max_length=64) if name else ""


def _free_label(wanted: str, charger_id: str, taken: set[str]) -> str:
    """Return the label; if another charger has it, with the id's start behind it, or the whole id."""
    candidates = (wanted, f"{wanted}-{charger_id[:_ID_START]}", f"{wanted}-{charger_id}")
    return next((label for label in candidates if label not in taken), f"{wanted}-{charger_id}-{len(taken)}")
