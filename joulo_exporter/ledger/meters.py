"""Meters of the chargers: readings that are believed, those in doubt, and the power between them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from joulo_exporter.models.wire import Plausibility

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable

    from joulo_exporter.models.charger import Charger

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
