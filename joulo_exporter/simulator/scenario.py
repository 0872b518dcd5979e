"""Scenario of a simulated household: size, history and pace, its chargers and cars, and a planned session."""

import math
import random

import msgspec

DAY_S = 86_400
SHORTEST_SLOT_S = 60
"""Room that each session of the history needs on its charger."""

_BRANDS = ("easee", "ocpp", "wallbox", "zaptec", "enphase", "smappee", "v2c", "cloud_api", "other")
_WITH_MID = (True, False, True)
_OTHER_CAR_SHARE = 0.12
_OWN_CAR_SHARE = 0.85
"""The rest of the sessions has no tag: a visitor, or a charger that starts by itself."""
WH_PER_HUNDREDTH = 10
_CREDITS_PER_KWH = 0.3327
"""About what the vendor's example API responses show: 13.67 credits for 41.08 kWh."""


class Cadence(msgspec.Struct, frozen=True, kw_only=True):
    """Pace of the sessions after the start.

    A real session takes a night, a person watches for five minutes. Energy arrives ``time_lapse`` times as fast as
    the car's power would bring it: with the defaults at 7.4 or 11 kW, so that the power computed from the meter
    readings is a real one, and a session of two minutes brings a few tenths of a kWh. All timestamps are real.
    """

    session_s: tuple[float, float] = (100, 200)
    """Shortest and longest session; the true duration is a whole number of seconds, at least 1."""
    pause_s: tuple[float, float] = (20, 60)
    """Shortest and longest pause between two sessions on a charger."""
    credits_delay_s: float = 20
    """Time from a session's end to its ERE credits."""
    sync_s: int = 5
    """Step in which meter readings and the energy of live sessions advance; the vendor's own is 900."""
    time_lapse: float = 1


class Scenario(msgspec.Struct, frozen=True, kw_only=True):
    """All that a household is computed from, besides its start and the clock."""

    seed: int = 1
    chargers: int = 2
    history_days: int = 548
    """Length of the history before the start: a year and a half."""
    history_sessions: int | None = None
    """Exact number of sessions in the history; ``None`` for what such a household plausibly has."""
    cadence: Cadence = Cadence()


def stream(seed: int, *names: object) -> random.Random:
    """Return the random numbers that belong to ``names``: the same on every machine, and independent."""
    return random.Random("/".join(map(str, (seed, *names))))  # noqa: S311 (plausible, not secret)


def uuid_from(numbers: random.Random) -> str:
    """Return a UUID of version 4, drawn from ``numbers``; far quicker than :mod:`uuid` for long histories."""
    digits = f"{numbers.getrandbits(122):031x}"
    variant = "89ab"[int(digits[0], 16)]
    return f"{digits[1:9]}-{digits[9:13]}-4{digits[13:16]}-{variant}{digits[16:19]}-{digits[19:31]}"


class Car(msgspec.Struct, frozen=True):
    """A car, or with ``id_tag=None`` any car that was not recognised."""

    id_tag: str | None
    power_kw: float


CARS = (Car("04A1B2C3D4E580", 11.0), Car("DEADBEEF12345678", 7.4))
"""The household's cars; the same tags for every seed, so that a configuration can name the vehicles."""
_VISITOR = Car(None, 7.4)


class SimulatedCharger(msgspec.Struct, frozen=True, kw_only=True):
    """A charger, as far as it never changes."""

    id: str
    slug: str | None
    nickname: str
    connection_type: str
    mid_certified: bool
    busy_status: str
    """The status while charging: both ``online`` and ``charging`` are seen in real API responses."""
    first_meter_wh: int
    """The meter reading at the beginning of the history."""
    sessions_per_day: float
    own_car: int
    """Index in ``CARS`` of the car that usually charges here."""

    def draw_car(self, numbers: random.Random) -> Car:
        """Return the car of one session: its own or a visitor's, so that no car charges twice at once."""
        return CARS[self.own_car] if numbers.random() < _OWN_CAR_SHARE else _VISITOR

    def draw_past_car(self, numbers: random.Random) -> Car:
        """Return the car of a session long past; now and then the household's other car."""
        if numbers.random() < _OTHER_CAR_SHARE:
            return CARS[1 - self.own_car]
        return self.draw_car(numbers)


def chargers_of(scenario: Scenario) -> tuple[SimulatedCharger, ...]:
    """Return the household's chargers: a driveway, a garage, then numbered ones of other brands."""
    return tuple(_charger(scenario.seed, index) for index in range(scenario.chargers))


def _charger(seed: int, index: int) -> SimulatedCharger:
    numbers = stream(seed, "charger", index)
    return SimulatedCharger(
        id=uuid_from(numbers),
        slug="oprit" if index == 0 else None,
        nickname=("Oprit", "Garage achter")[index] if index < len(CARS) else f"Laadpaal {index + 1}",
        connection_type=_BRANDS[index % len(_BRANDS)],
        mid_certified=_WITH_MID[index % len(_WITH_MID)],
        busy_status="online" if index % 2 == 0 else "charging",
        first_meter_wh=numbers.randrange(400_000, 2_000_000),
        sessions_per_day=0.45 if index == 0 else 0.2,
        own_car=index % len(CARS),
    )


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

    def wh_at(self, moment_seconds: float = math.inf) -> int:
        """Return the energy delivered until a moment, in Wh; without one, that at the end."""
        wh = self.kwh_hundredths * WH_PER_HUNDREDTH
        if moment_seconds >= self.ended_at_seconds:
            return wh
        elapsed = math.floor(moment_seconds) - self.started_at_seconds
        return max(0, wh * elapsed // (self.ended_at_seconds - self.started_at_seconds))


def credits_hundredths(kwh_hundredths: int) -> int | None:
    """Return the ERE credits for an amount of eligible energy; ``None`` for 0 kWh, as the API does it."""
    return round(kwh_hundredths * _CREDITS_PER_KWH) if kwh_hundredths else None
