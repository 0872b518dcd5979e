"""The past: sessions that had ended before the household's start.

Each charger's history is cut into equal slots with one session in each. With room to spare, as in a real
household, the session moves to the evening or night of its day; in the dense histories of load tests it
stays in its slot, and is as short as that makes it.
"""

from __future__ import annotations

import math
from itertools import pairwise
from operator import attrgetter
from typing import TYPE_CHECKING

import msgspec

from joulo_exporter.simulator.scenario import DAY_S, SHORTEST_SLOT_S, stream, uuid_from
from joulo_exporter.simulator.session import PlannedSession

if TYPE_CHECKING:
    import random

    from joulo_exporter.simulator.chargers import SimulatedCharger
    from joulo_exporter.simulator.scenario import Scenario

_HOUR_S = 3600
_YEAR_S = 31_556_952
_COLDEST = 15 / 365
"""The share of the year that has passed on its coldest day."""
_WINTER_EXTRA = 0.3
_KWH_LEAST, _KWH_MOST, _KWH_USUAL = 5.0, 42.0, 14.0
_EMPTY_SHARE = 0.03
"""Sessions of some seconds without energy: a plug that was pulled at once, a car that was full."""
_EVENING_FROM_S, _EVENING_TO_S = 16 * _HOUR_S, 26 * _HOUR_S
_ROOMY_SLOT_S = 1.2 * DAY_S
_LEAST_APART_S = 900


class _Span(msgspec.Struct, frozen=True):
    """Where one charger's history lies, and how many sessions are in it."""

    begin_seconds: float
    end_seconds: float
    count: int

    @property
    def slot_s(self) -> float:
        return (self.end_seconds - self.begin_seconds) / self.count

    @property
    def apart_s(self) -> float:
        return min(_LEAST_APART_S, self.slot_s / 2)


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
        if count:
            numbers = stream(scenario.seed, "history", charger.id)
            sessions += _sessions(charger, _Span(begin, end, count), numbers)
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


def _sessions(charger: SimulatedCharger, span: _Span, numbers: random.Random) -> list[PlannedSession]:
    starts = _starts(span, numbers)
    return [
        _session(charger, start, following - start, numbers)
        for start, following in pairwise((*starts, math.floor(span.end_seconds)))
    ]


def _starts(span: _Span, numbers: random.Random) -> list[int]:
    """Return when the sessions start, oldest first, each at least ``apart_s`` before the next."""
    roomy = span.slot_s >= _ROOMY_SLOT_S
    starts = []
    for index in range(span.count):
        moment = span.begin_seconds + (index + numbers.random() / 2) * span.slot_s
        starts.append(_evening(moment, span.end_seconds, numbers) if roomy else moment)
    starts.sort()
    latest = span.end_seconds
    for index in reversed(range(span.count)):
        latest = starts[index] = min(starts[index], latest - span.apart_s)
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
        # Most cars stay plugged in after they are full.
        duration_s = kwh / car.power_kw * _HOUR_S * (1.02 + numbers.random())
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
