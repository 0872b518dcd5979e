"""A household with chargers, as the vendor's API would show it at any moment, in the API's wire format.

Everything follows from the scenario (with its seed), the start and the moment: the number and the order of
requests change nothing.

Each charger's history is cut into equal slots with one session in each. In slots of more than a day, as in a real
home, it begins in the evening or night; in the dense histories of tests it is shortened to fit.
"""

import math
import random
import time
import uuid
from bisect import bisect_right
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from itertools import pairwise
from operator import attrgetter
from typing import Any, NamedTuple

import msgspec

Json = dict[str, Any]

_DAY_S = 86_400
_HOUR_S = 3600
_YEAR_S = 31_556_952
_NEWEST_FIRST = attrgetter("start", "id")
"""Sort key of ``/sessions``, in descending order."""

_BRANDS = ("easee", "ocpp", "wallbox", "zaptec", "enphase", "smappee", "v2c", "cloud_api", "other")
_CREDITS_PER_KWH = 0.3327
"""About what the vendor's example API responses show: 13.67 credits for 41.08 kWh."""
_OWN_CAR_SHARE = 0.85
"""All other sessions have no tag: a visitor, or a charger that starts by itself."""
_COLDEST = 15 / 365
"""The share of the year that has passed on its coldest day."""
_WINTER_EXTRA = 0.3
_KWH_LEAST, _KWH_MOST, _KWH_USUAL = 5.0, 42.0, 14.0
_EVENING_FROM_S, _EVENING_TO_S, _EVENING_USUAL_S = 16 * _HOUR_S, 26 * _HOUR_S, 18 * _HOUR_S
_ROOMY_SLOT_S = 1.2 * _DAY_S
_OFTEN, _SELDOM = 0.45, 0.2
"""Sessions a day on the first charger, and on each of the others."""


class Scenario(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that a household is computed from, besides its start and the clock.

    A real session takes a night, but a person watches for five minutes: those after the start are short. With a
    ``time_lapse`` of 1, a session of two minutes brings a few tenths of a kWh.
    """

    seed: int = 1
    chargers: int = 2
    history_days: int = 548
    """Length of the history before the start: a year and a half."""
    history_sessions: int | None = None
    """Exact number of sessions in the history; ``None`` for a plausible number."""
    session_s: tuple[float, float] = (100, 200)
    """Shortest and longest session after the start, in whole seconds, at least 1."""
    pause_s: tuple[float, float] = (20, 60)
    """Shortest and longest pause between two sessions on a charger."""
    credits_delay_s: float = 20
    """Time from a session's end to its ERE credits."""
    time_lapse: float = 1
    """Factor by which energy arrives faster than the car's power would bring it."""


class Car(NamedTuple):
    """A car, or with ``id_tag=None`` any car that was not recognised."""

    id_tag: str | None
    power_kw: float


CARS = (Car("04A1B2C3D4E580", 11.0), Car("DEADBEEF12345678", 7.4))
"""The household's cars; the same tags for every seed, so that a configuration can name the vehicles."""
_VISITOR = Car(None, 7.4)


class Session(NamedTuple):
    """A session from its start to its end, in Unix seconds; its energy grows evenly."""

    id: str
    charger: "SimulatedCharger"
    id_tag: str | None
    start: int
    end: int
    wh: int
    """Energy at the end, in whole hundredths of a kWh."""

    def wh_at(self, moment_seconds: float) -> int:
        """Return the energy until a moment after the start; it changes with each whole second."""
        return self.wh * (min(int(moment_seconds), self.end) - self.start) // (self.end - self.start)

    def kwh_at(self, moment_seconds: float) -> float:
        """Return the energy until a moment, cut to two decimals as the API does it."""
        return self.wh_at(moment_seconds) // 10 / 100

    def shown(self, moment_seconds: float) -> Json:
        """Return the session as ``/sessions`` lists it at a moment: without energy, it never has credits."""
        has_ended, certified = moment_seconds >= self.end, self.charger.fixed["mid_certified"]
        kwh = self.kwh_at(moment_seconds)
        has_credits = certified and kwh and moment_seconds >= self.end + self.charger.scenario.credits_delay_s
        return {
            "id": self.id,
            "charger_id": self.charger.fixed["id"],
            "charger_nickname": self.charger.fixed["nickname"],
            "started_at": timestamp(self.start),
            "ended_at": timestamp(self.end) if has_ended else None,
            "kwh": kwh,
            "status": "completed" if has_ended else "charging",
            "id_tag": self.id_tag,
            "counts_for_ere": certified,
            "ere_credits": round(kwh * _CREDITS_PER_KWH, 2) if has_credits else None,
        }


class SimulatedCharger:
    """A charger and its sessions: those of the past, and those after the start, planned as far as they are needed.

    The first one is on the driveway, the second in the garage; the others are numbered, and of other brands.
    """

    def __init__(self, scenario: Scenario, index: int, start_seconds: int) -> None:
        numbers = _stream(scenario.seed, "charger", index)
        self.scenario = scenario
        self.fixed: Json = {
            "id": _uuid(numbers),
            "nickname": ("Oprit", "Garage achter")[index] if index < len(CARS) else f"Laadpaal {index + 1}",
            "connection_type": _BRANDS[index % len(_BRANDS)],
            "mid_certified": index % 3 != 1,
        }
        """The fields of ``/chargers`` that do not change."""
        if index == 0:
            self.fixed["slug"] = "oprit"
        self._busy_status = "online" if index % 2 == 0 else "charging"
        """The status while charging: both are seen in real API responses."""
        self._first_meter_wh = numbers.randrange(4_000_000, 20_000_000)
        """The meter reading at the start."""
        self._own_car = CARS[index % len(CARS)]
        # On the driveway a session is in progress; elsewhere one comes after a pause.
        first_s = -scenario.session_s[0] / 2 if index == 0 else scenario.pause_s[1]
        self._plan = self._planned(start_seconds + math.floor(first_s))
        self._sessions: list[Session] = []

    def shown(self, moment_seconds: float) -> Json:
        """Return the charger as ``/chargers`` shows it at a moment; what it does not have is absent."""
        started = self.started(moment_seconds)
        fields = {
            "status": "online",
            "is_charging": False,
            "latest_meter_wh": self._first_meter_wh + sum(session.wh_at(moment_seconds) for session in started),
            "meter_updated_at": timestamp(moment_seconds),
        }
        if started and moment_seconds < started[-1].end:
            live = started[-1]
            fields |= {"status": self._busy_status, "is_charging": True}
            fields["current_session"] = {
                "id": live.id,
                "started_at": timestamp(live.start),
                "kwh_so_far": live.kwh_at(moment_seconds),
                "id_tag": live.id_tag,
            }
        return self.fixed | fields

    def started(self, moment_seconds: float) -> list[Session]:
        """Return the sessions after the start that have started by a moment, oldest first."""
        while not self._sessions or self._sessions[-1].start <= moment_seconds:
            self._sessions.append(next(self._plan))
        return self._sessions[: bisect_right(self._sessions, moment_seconds, key=attrgetter("start"))]

    def _planned(self, start: int) -> Iterator[Session]:
        """Yield sessions without end, the first one at the start."""
        pace, numbers = self.scenario, _stream(self.scenario.seed, "planned", self.fixed["id"])
        while True:
            duration_s, car = max(1, round(numbers.uniform(*pace.session_s))), self._drawn_car(numbers)
            kwh = car.power_kw * pace.time_lapse * duration_s / _HOUR_S
            yield self._session(car, numbers, start, duration_s, kwh)
            start += duration_s + round(numbers.uniform(*pace.pause_s))

    def past(self, begin: float, end: float, count: int) -> Iterator[Session]:
        """Yield so many sessions between two moments, one in each of as many equal slots, oldest first."""
        numbers, slot_s = _stream(self.scenario.seed, "history", self.fixed["id"]), (end - begin) / max(count, 1)
        starts = [_start(begin + index * slot_s, slot_s, numbers) for index in range(count)]
        for start, following in pairwise((*starts, math.floor(end))):
            car, longest_s = self._drawn_car(numbers), max(1, following - start)
            coldness = math.cos(2 * math.pi * (start / _YEAR_S - _COLDEST))  # in winter cars heat themselves
            wanted = numbers.triangular(_KWH_LEAST, _KWH_MOST, _KWH_USUAL) * (1 + _WINTER_EXTRA * coldness)
            kwh = min(wanted, car.power_kw * longest_s / _HOUR_S)
            duration_s = kwh / car.power_kw * _HOUR_S * (1.0 + 0.05 * numbers.random())  # less near the end
            yield self._session(car, numbers, start, max(1, math.floor(min(duration_s, longest_s))), kwh)

    def _drawn_car(self, numbers: random.Random) -> Car:
        """Return the charger's own car or a visitor's, so that no car charges twice at once."""
        return self._own_car if numbers.random() < _OWN_CAR_SHARE else _VISITOR

    def _session(self, car: Car, numbers: random.Random, start: int, duration_s: int, kwh: float) -> Session:
        return Session(_uuid(numbers), self, car.id_tag, start, start + duration_s, 10 * math.floor(kwh * 100))


def _stream(seed: int, *names: object) -> random.Random:
    """Return the random numbers that belong to ``names``: the same on every machine, and independent."""
    return random.Random("/".join(map(str, (seed, *names))))  # noqa: S311 (plausible, not secret)


def _uuid(numbers: random.Random) -> str:
    return str(uuid.UUID(int=numbers.getrandbits(128), version=4))


def _start(slot_begin: float, slot_s: float, numbers: random.Random) -> int:
    """Return when the session of a slot starts, with room before the next one."""
    if slot_s < _ROOMY_SLOT_S:
        return math.floor(slot_begin + slot_s * numbers.random() / 2)
    evening_s = numbers.triangular(_EVENING_FROM_S, _EVENING_TO_S, _EVENING_USUAL_S)
    return math.floor(slot_begin - slot_begin % _DAY_S + evening_s)


# The household ----------------------------------------------------------------------------------


class Household:
    """Chargers, their past and their present.

    Args:
        scenario: size, history, pace and seed; the default is two chargers with 18 months of history.
        clock: gives Unix seconds. It is read here once, for the start; later only by the server.
        start_seconds: the start of a household that is resumed, Unix seconds; now if ``None``.
    """

    def __init__(
        self,
        scenario: Scenario | None = None,
        clock: Callable[[], float] = time.time,
        start_seconds: int | None = None,
    ) -> None:
        self.clock = clock
        self._scenario = scenario or Scenario()
        if start_seconds is None:
            start_seconds = math.floor(clock())
        numbers = range(self._scenario.chargers)
        self._chargers = [SimulatedCharger(self._scenario, index, start_seconds) for index in numbers]
        self._history = self._past(start_seconds)

    def _past(self, start_seconds: int) -> list[Session]:
        """Return the sessions before the start, newest first; the first charger is used most.

        The last one ends an hour or more before the start, so that none touches those after it.
        """
        scenario, (first, *others) = self._scenario, self._chargers
        end = start_seconds - max(_HOUR_S, 2 * scenario.session_s[1])
        begin = end - scenario.history_days * _DAY_S
        per_day = _OFTEN + _SELDOM * len(others)
        total = scenario.history_sessions
        if total is None:
            total = round(scenario.history_days * per_day)
        seldom = int(total * _SELDOM / per_day)
        sessions = list(first.past(begin, end, total - seldom * len(others)))
        for charger in others:
            sessions += charger.past(begin, end, seldom)
        return sorted(sessions, key=_NEWEST_FIRST, reverse=True)

    def chargers_at(self, moment_seconds: float) -> list[Json]:
        """Return the chargers of ``/chargers`` at a moment, with their sessions in progress."""
        return [charger.shown(moment_seconds) for charger in self._chargers]

    def sessions_at(self, moment_seconds: float, page: slice = slice(None)) -> list[Json]:
        """Return sessions of ``/sessions`` at a moment, newest first; all, or those at some positions."""
        live = [session for charger in self._chargers for session in charger.started(moment_seconds)]
        started = sorted(live, key=_NEWEST_FIRST, reverse=True) + self._history
        return [session.shown(moment_seconds) for session in started[page]]


def timestamp(seconds: float) -> str:
    """Return ``YYYY-MM-DDTHH:MM:SSZ``, as the API normally writes it."""
    return datetime.fromtimestamp(int(seconds), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
