"""The chargers of a simulated household and the cars that use them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from joulo_exporter.simulator.scenario import Scenario, stream, uuid_from

if TYPE_CHECKING:
    import random

_BRANDS = ("easee", "ocpp", "wallbox", "zaptec", "enphase", "smappee", "v2c", "cloud_api", "other")
_WITH_MID = (True, False, True)
_OTHER_CAR_SHARE = 0.12
_OWN_CAR_SHARE = 0.85
"""The rest of the sessions has no tag: a visitor, or a charger that starts by itself."""


class Car(msgspec.Struct, frozen=True):
    """A car, or with ``id_tag=None`` any car that was not recognised."""

    id_tag: str | None
    power_kw: float


CARS = (Car("04A1B2C3D4E580", 11.0), Car("DEADBEEF12345678", 7.4))
"""The household's cars; the same tags for every seed, so that a configuration can name the vehicles."""
_VISITOR = Car(None, 7.4)


class SimulatedCharger(msgspec.Struct, frozen=True, kw_only=True):
    """What stays the same about a charger."""

    id: str
    slug: str | None
    nickname: str
    connection_type: str
    mid_certified: bool
    busy_status: str
    """The status while charging: both ``online`` and ``charging`` are seen in real answers."""
    first_meter_wh: int
    """The meter reading at the beginning of the history."""
    sessions_per_day: float
    own_car: int
    """Which of ``CARS`` usually charges here."""

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
