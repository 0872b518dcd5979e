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
from joulo_exporter.models.wire import Plausibility

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Mapping

    from joulo_exporter.models import Charger

_ID_START = 8


_MEAN_OF_S = 60.0
"""Shortest time between two readings whose mean power is shown: over seconds it is noise."""

_STANDSTILL_S = 1200.0
"""A session's energy that has not grown for so long stands still: some chargers report every 15 minutes."""


class Meter(msgspec.Struct, frozen=True, gc=False):
    """The two latest readings that were believed and lie a minute apart, and one that was not."""

    wh: float
    at_seconds: float
    former_wh: float | None = None
    former_at_seconds: float | None = None
    doubted_wh: float | None = None
    """It fell, or rose faster than any charger: believed once the next reading goes on from it."""
    doubted_at_seconds: float | None = None
    session_id: str | None = None
    """Of a charger that gives no meter readings, the session whose energy stands in for them."""

    def mean_power_watts(self) -> float | None:
        """Return the mean power between the readings; ``None`` for a single one."""
        if self.former_wh is None or self.former_at_seconds is None:
            return None
        span_s = self.at_seconds - self.former_at_seconds
        known = span_s >= _MEAN_OF_S and self.wh >= self.former_wh  # earlier versions kept others, too
        return (self.wh - self.former_wh) / span_s * 3600 if known else None

    def followed_by(self, wh: float, at_seconds: float, max_power_kw: float) -> Meter:
        """Return the meter after a reading that goes on from the latest one, a minute or more later.

        Above the greatest power it has none: the API was late with the reading before.
        """
        if (wh - self.wh) / (at_seconds - self.at_seconds) * 3600 > 1000 * max_power_kw:
            return Meter(wh, at_seconds, session_id=self.session_id)
        return Meter(wh, at_seconds, self.wh, self.at_seconds, session_id=self.session_id)

    def after(self, wh: float, at_seconds: float, max_power_kw: float) -> Meter:
        """Return the meter after a reading that is not older than the latest one."""
        if _goes_on(self.wh, self.at_seconds, wh, at_seconds, max_power_kw):
            if at_seconds - self.at_seconds >= _MEAN_OF_S:
                return self.followed_by(wh, at_seconds, max_power_kw)
            return msgspec.structs.replace(self, doubted_wh=None, doubted_at_seconds=None)
        if self.doubted_wh is not None and self.doubted_at_seconds is not None and wh > self.doubted_wh:
            doubted = Meter(self.doubted_wh, self.doubted_at_seconds)
            if at_seconds > doubted.at_seconds and _goes_on(
                doubted.wh, doubted.at_seconds, wh, at_seconds, max_power_kw
            ):
                after = doubted.after(wh, at_seconds, max_power_kw)
                return Meter(wh, at_seconds) if after == doubted else after
        return msgspec.structs.replace(self, doubted_wh=wh, doubted_at_seconds=at_seconds)

    def is_replaced_by(self, after: Meter, max_power_kw: float) -> bool:
        """Return whether a doubted reading was believed: the meter is another one, or its former one was wrong."""
        return (
            self.doubted_wh is not None
            and after.doubted_wh is None
            and not _goes_on(self.wh, self.at_seconds, after.wh, after.at_seconds, max_power_kw)
        )


def _goes_on(
    former_wh: float, former_at_seconds: float, wh: float, at_seconds: float, max_power_kw: float
) -> bool:
    max_kwh = Plausibility(at_seconds, max_power_kw).max_kwh(former_at_seconds, at_seconds)
    return 0 <= wh - former_wh <= 1000 * max_kwh


def record_chargers(
    connection: sqlite3.Connection,
    account: int,
    chargers: Iterable[Charger],
    configured_labels: Mapping[str, str],
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
    return session_ended, changed


# Meters -------------------------------------------------------------------------------------------


def read_meters(connection: sqlite3.Connection, account: int) -> dict[str, Meter]:
    """Return the readings, by charger id."""
    rows = connection.execute(
        "SELECT charger_id, wh, at, former_wh, former_at, doubted_wh, doubted_at, session_id FROM meters "
        "WHERE account = ?",
        (account,),
    )
    return {charger_id: Meter(*readings) for charger_id, *readings in rows}


def record_meters(
    connection: sqlite3.Connection,
    account: int,
    chargers: Iterable[Charger],
    now_seconds: float,
    max_power_kw: float,
) -> tuple[dict[str, float], list[str]]:
    """Store the meter readings, and the energy of sessions on chargers that never gave any.

    Returns:
        The readings that are news and believed, by charger id; the charger ids whose meter is another one.
    """
    meters = read_meters(connection, account)
    believed: dict[str, float] = {}
    replaced: list[str] = []
    for charger in chargers:
        known = meters.get(charger.id)
        if charger.meter_wh is None:
            meter = _session_meter(known, charger, now_seconds, max_power_kw)
        else:
            known = None if known is None or known.session_id is not None else known
            meter = _meter_after(known, charger.meter_wh, charger.meter_at_seconds, now_seconds, max_power_kw)
            if meter is not None and meter.doubted_wh is None and (known is None or charger.meter_wh != known.wh):
                believed[charger.id] = charger.meter_wh
            if known is not None and meter is not None and known.is_replaced_by(meter, max_power_kw):
                replaced.append(charger.id)
        if meter is not None and meter != known:
            connection.execute(
                "INSERT OR REPLACE INTO meters (account, charger_id, wh, at, former_wh, former_at, doubted_wh, "
                "doubted_at, session_id) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (account, charger.id, *msgspec.structs.astuple(meter)),
            )
    return believed, replaced


def _meter_after(
    known: Meter | None, wh: float, at_seconds: float | None, now_seconds: float, max_power_kw: float
) -> Meter | None:
    """Return the meter after a reading; ``None`` if the reading is not new."""
    if at_seconds is None:  # one without a date counts from when it is first seen
        if known is not None and wh in {known.wh, known.doubted_wh}:
            return None
        at_seconds = now_seconds
    if known is None:
        return Meter(wh, at_seconds)
    if at_seconds < known.at_seconds:
        # One that a wrong clock of ours has dated after now would stop all that follow.
        return Meter(wh, at_seconds) if known.at_seconds > now_seconds else None
    return known.after(wh, at_seconds, max_power_kw)


def _session_meter(known: Meter | None, charger: Charger, now_seconds: float, max_power_kw: float) -> Meter | None:
    """Return the meter of a charger without meter readings: the energy of its session; ``None`` without news.

    A figure counts from when it is first seen: the API gives it no date.
    """
    session = charger.session
    if session is None or session.kwh_hundredths is None or (known is not None and known.session_id is None):
        return None
    wh = session.kwh_hundredths * 10.0
    if known is None or known.session_id != session.id or wh < known.wh or now_seconds < known.at_seconds:
        return Meter(wh, now_seconds, session_id=session.id)
    if now_seconds - known.at_seconds >= (_MEAN_OF_S if wh > known.wh else _STANDSTILL_S):
        return known.followed_by(wh, now_seconds, max_power_kw)
    return None


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
        _pin_label(connection, account, labels, charger_id, configured_labels.get(charger_id) or _slug(nickname))


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
