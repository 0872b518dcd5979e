"""Sessions of a simulated household: its history before the start, and its timeline from then on.

Each charger's history is cut into equal slots with one session in each. With room to spare, as in a real
household, the session moves to the evening or night of its day; in the dense histories of load tests it
stays in its slot, and is as short as that makes it.
"""

import math
import random
from bisect import bisect_right
from collections.abc import Sequence
from itertools import pairwise
from operator import attrgetter

from joulo_exporter.simulator.scenario import (
    DAY_S,
    SHORTEST_SLOT_S,
    PlannedSession,
    Scenario,
    SimulatedCharger,
    stream,
    uuid_from,
)

_HOUR_S = 3600
_YEAR_S = 31_556_952
_COLDEST = 15 / 365
"""The share of the year that has passed on its coldest day."""
_WINTER_EXTRA = 0.3
_KWH_LEAST, _KWH_MOST, _KWH_USUAL = 5.0, 42.0, 14.0
_STARTED = attrgetter("started_at_seconds")
_EMPTY_SHARE = 0.03
"""Sessions of some seconds without energy: a plug that was pulled at once, a car that was full."""
_EVENING_FROM_S, _EVENING_TO_S = 16 * _HOUR_S, 26 * _HOUR_S
_ROOMY_SLOT_S = 1.2 * DAY_S
_LEAST_APART_S = 900


def history_of(
    scenario: Scenario, chargers: tuple[SimulatedCharger, ...], start_seconds: int
) -> list[PlannedSession]:
    """Return all sessions of the past, newest first.

    The last one ends an hour or more before the start, so that none touches the live part.
    """
    end = start_seconds - max(_HOUR_S, 2 * scenario.cadence.session_s[1])
    begin = end - scenario.history_days * DAY_S
    sessions: list[PlannedSession] = []
    for charger, count in zip(chargers, _counts(scenario, chargers), strict=True):
        numbers = stream(scenario.seed, "history", charger.id)
        starts = _starts(begin, end, count, numbers) if count else []
        sessions += [
            _session(charger, start, following - start, numbers)
            for start, following in pairwise((*starts, math.floor(end)))
        ]
    sessions.sort(key=attrgetter("started_at_seconds", "id"), reverse=True)
    return sessions


def _counts(scenario: Scenario, chargers: tuple[SimulatedCharger, ...]) -> list[int]:
    """Return the number of sessions of each charger, in proportion to its use; they add up exactly."""
    per_day = [charger.sessions_per_day for charger in chargers]
    total = scenario.history_sessions
    if total is None:
        total = round(scenario.history_days * sum(per_day))
    bounds = [round(total * sum(per_day[:index]) / sum(per_day)) for index in range(len(per_day) + 1)]
    return [after - before for before, after in pairwise(bounds)]


def _starts(begin: float, end: float, count: int, numbers: random.Random) -> list[int]:
    """Return when the sessions of a charger start, oldest first, with room between them."""
    slot_s = (end - begin) / count
    starts = []
    for index in range(count):
        moment = begin + (index + numbers.random() / 2) * slot_s
        starts.append(_evening(moment, end, numbers) if slot_s >= _ROOMY_SLOT_S else moment)
    starts.sort()
    latest, apart_s = end, min(_LEAST_APART_S, slot_s / 2)
    for index in reversed(range(count)):
        latest = starts[index] = min(starts[index], latest - apart_s)
    return [math.floor(start) for start in starts]


def _evening(moment: float, end: float, numbers: random.Random) -> float:
    """Return a moment in the evening or the night of the same day, or of the day before at the end."""
    evening = moment - moment % DAY_S + numbers.triangular(_EVENING_FROM_S, _EVENING_TO_S, 18 * _HOUR_S)
    return evening if evening < end - _HOUR_S else evening - DAY_S


def _session(charger: SimulatedCharger, start: int, room_s: int, numbers: random.Random) -> PlannedSession:
    car = charger.draw_past_car(numbers)
    longest_s = max(1, room_s - SHORTEST_SLOT_S // 4)
    if numbers.random() < _EMPTY_SHARE:
        kwh, duration_s = 0.0, 20 + 40 * numbers.random()
    else:
        kwh = min(_kwh(start, numbers), car.power_kw * longest_s / _HOUR_S)
        duration_s = kwh / car.power_kw * _HOUR_S * (1.0 + 0.05 * numbers.random())  # at the end it draws less
    return PlannedSession(
        id=uuid_from(numbers),
        charger_id=charger.id,
        started_at_seconds=start,
        ended_at_seconds=start + max(1, math.floor(min(duration_s, longest_s))),
        kwh_hundredths=math.floor(kwh * 100),
        id_tag=car.id_tag,
        counts_for_ere=charger.mid_certified,
    )


def _kwh(start: int, numbers: random.Random) -> float:
    """Return the energy of one session: more in winter, when cars heat themselves."""
    coldness = math.cos(2 * math.pi * (start / _YEAR_S - _COLDEST))
    return numbers.triangular(_KWH_LEAST, _KWH_MOST, _KWH_USUAL) * (1 + _WINTER_EXTRA * coldness)


class Timeline:
    """Sessions of one charger, planned as far as it has been needed.

    The plan follows from the seed alone, in order; how far it has been computed changes no API response.

    Args:
        scenario: seed and cadence.
        charger: where it happens.
        start_seconds: the household's start, Unix seconds.
        begins_charging: whether a session is in progress at the start, else it begins with a pause.
    """

    def __init__(
        self, scenario: Scenario, charger: SimulatedCharger, start_seconds: int, *, begins_charging: bool
    ) -> None:
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
        self._wh_before.append(self._wh_before[-1] + session.wh_at())
        self._next_start = session.ended_at_seconds + self._whole_seconds(self._cadence.pause_s)

    def _whole_seconds(self, bounds: tuple[float, float]) -> int:
        return round(self._numbers.uniform(*bounds))
