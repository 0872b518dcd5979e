"""The present: the sessions that follow each other on one charger after the start."""

from __future__ import annotations

from bisect import bisect_right
from operator import attrgetter
from typing import TYPE_CHECKING

from joulo_exporter.simulator.scenario import stream, uuid_from
from joulo_exporter.simulator.session import PlannedSession

if TYPE_CHECKING:
    from collections.abc import Sequence

    from joulo_exporter.simulator.chargers import SimulatedCharger
    from joulo_exporter.simulator.scenario import Scenario

_STARTED = attrgetter("started_at_seconds")


class Timeline:
    """Sessions of one charger, planned as far as anybody has asked.

    The plan follows from the seed alone, in order; how far it has been computed changes no answer.
    """

    def __init__(
        self, scenario: Scenario, charger: SimulatedCharger, start_seconds: int, *, begins_charging: bool
    ) -> None:
        """Begin the plan.

        Args:
            scenario: seed and cadence.
            charger: where it happens.
            start_seconds: the household's start, Unix seconds.
            begins_charging: whether a session is in progress at the start, else it begins with a pause.
        """
        self._cadence = scenario.cadence
        self._charger = charger
        self._numbers = stream(scenario.seed, "live", charger.id)
        self._sessions: list[PlannedSession] = []
        self._wh_before = [0]
        """Energy of all sessions before the one at the same index, and at the end that of all."""
        if begins_charging:
            duration_s = self._whole_seconds(self._cadence.session_s)
            self._next_start = start_seconds - int(duration_s * (0.3 + 0.3 * self._numbers.random()))
            self._add(duration_s)
        else:
            self._next_start = start_seconds + self._whole_seconds(self._cadence.pause_s)

    def started_until(self, moment_seconds: float) -> Sequence[PlannedSession]:
        """Return the sessions that have started by a moment, oldest first."""
        return self._sessions[: self._count(moment_seconds)]

    def wh_until(self, moment_seconds: float) -> int:
        """Return the energy delivered from the first session up to a moment, in Wh."""
        count = self._count(moment_seconds)
        if count == 0:
            return 0
        return self._wh_before[count - 1] + self._sessions[count - 1].wh_at(moment_seconds)

    def _count(self, moment_seconds: float) -> int:
        while self._next_start <= moment_seconds:
            self._add(self._whole_seconds(self._cadence.session_s))
        return bisect_right(self._sessions, moment_seconds, key=_STARTED)

    def _add(self, duration_s: int) -> None:
        car = self._charger.draw_car(self._numbers)
        kwh = car.power_kw * self._cadence.time_lapse * max(1, duration_s) / 3600
        session = PlannedSession(
            id=uuid_from(self._numbers),
            charger_id=self._charger.id,
            started_at_seconds=self._next_start,
            ended_at_seconds=self._next_start + max(1, duration_s),
            kwh_hundredths=int(kwh * 100),
            id_tag=car.id_tag,
            counts_for_ere=self._charger.mid_certified,
        )
        self._sessions.append(session)
        self._wh_before.append(self._wh_before[-1] + session.wh)
        self._next_start = session.ended_at_seconds + self._whole_seconds(self._cadence.pause_s)

    def _whole_seconds(self, bounds: tuple[float, float]) -> int:
        return round(self._numbers.uniform(*bounds))
