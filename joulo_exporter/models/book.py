"""What the ledger tells about one account: totals, finished sessions, meter readings."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping


class Totals(msgspec.Struct, frozen=True, gc=False):
    """Sums over sessions, as they are served: held wherever the truth has fallen behind."""

    kwh_hundredths: int = 0
    credits_hundredths: int = 0
    sessions: int = 0
    """Finished ones."""
    duration_ms: int = 0
    """Of the finished ones."""


class FinishedSession(msgspec.Struct, frozen=True, gc=False):
    """A session that has ended; ``None`` is a value that the API has not given."""

    id: str
    charger_id: str
    started_at_seconds: float | None
    ended_at_seconds: float
    kwh_hundredths: int | None
    credits_hundredths: int | None
    id_tag: str | None
    end_seen_at_seconds: float | None
    """When ``/sessions`` first listed the end; ``None`` if it has not, or if that was no news."""


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


class Book(msgspec.Struct, frozen=True, gc=False):
    """The ledger's view of one account at one moment."""

    labels: Mapping[str, str]
    """The ``charger`` label, by charger id."""
    chargers: Mapping[str, Totals]
    """By charger id."""
    vehicles: Mapping[str, Totals]
    """By vehicle, ``unknown`` among them."""
    last_sessions: Mapping[str, FinishedSession]
    """The finished session that ended last, by charger id."""
    ended: tuple[FinishedSession, ...]
    """Every session whose end was news in the last hour, the latest first."""
    id_tags: Mapping[str, str]
    """Tag of sessions in progress that have shown one before, by session id."""
    meters: Mapping[str, Meter]
    """By charger id."""
    marks: Mapping[tuple[str, str], float]
    """The highest value ever shown of counters that the API states, by series and key."""
    complete: bool
    """Whether the whole history is in the ledger."""
    sessions: int
    """Sessions in the ledger."""
    back_to_seconds: float | None
    """Start of the earliest of them."""
    persistent: bool
    """Whether the ledger outlives the process."""
