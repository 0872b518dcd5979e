"""A session as the simulator plans it, from beginning to end."""

from __future__ import annotations

import math

import msgspec

WH_PER_HUNDREDTH = 10
_CREDITS_PER_KWH = 0.3327
"""About what the vendor's example answers show: 13.67 credits for 41.08 kWh."""


class PlannedSession(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One session with its future known; what is seen of it depends on the moment, in Unix seconds."""

    id: str
    charger_id: str
    started_at_seconds: int
    ended_at_seconds: int
    kwh_hundredths: int
    """The energy at the end; on the way there it grows evenly."""
    id_tag: str | None
    counts_for_ere: bool

    @property
    def wh(self) -> int:
        """The energy at the end, in Wh."""
        return self.kwh_hundredths * WH_PER_HUNDREDTH

    def kwh_hundredths_at(self, moment_seconds: float) -> int:
        """Return the energy delivered until a moment, in hundredths of a kWh."""
        return self._share(self.kwh_hundredths, moment_seconds)

    def wh_at(self, moment_seconds: float) -> int:
        """Return the energy delivered until a moment, in Wh."""
        return self._share(self.wh, moment_seconds)

    def cut(self, moment_seconds: float) -> PlannedSession:
        """Return the session as it is when it ends at a moment before its planned end."""
        end = max(self.started_at_seconds, math.floor(moment_seconds))
        return msgspec.structs.replace(
            self, ended_at_seconds=end, kwh_hundredths=self.kwh_hundredths_at(moment_seconds)
        )

    def _share(self, amount: int, moment_seconds: float) -> int:
        elapsed = math.floor(moment_seconds) - self.started_at_seconds
        duration = self.ended_at_seconds - self.started_at_seconds
        return amount if elapsed >= duration else max(0, amount * elapsed // duration)


def credits_hundredths(kwh_hundredths: int) -> int | None:
    """Return the ERE credits for an amount of eligible energy; ``None`` for 0 kWh, as the API does it."""
    return round(kwh_hundredths * _CREDITS_PER_KWH) if kwh_hundredths else None
