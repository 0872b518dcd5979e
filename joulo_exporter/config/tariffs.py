"""The tariffs of the configuration, checked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from joulo_exporter.models.tag import UNKNOWN_VEHICLE
from joulo_exporter.models.tariff import Tariff, Tariffs, parse_day, parse_price

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable
    from typing import TypeVar

    from joulo_exporter.config.files import Where
    from joulo_exporter.config.schema import TariffSection

    Value = TypeVar("Value")


def read_tariffs(where: Where, sections: Iterable[TariffSection], vehicles: Collection[str]) -> Tariffs:
    """Return the tariffs.

    Args:
        where: the place of the list.
        sections: its entries.
        vehicles: the vehicles of the configuration.

    Raises:
        ConfigError: one line that names the entry, the key and the remedy.
    """
    tariffs: dict[tuple[object, object], Tariff] = {}
    for position, section in enumerate(sections):
        here = where.item(position)
        vehicle = None if section.vehicle is None else str(section.vehicle)
        if vehicle not in {None, UNKNOWN_VEHICLE, *vehicles}:
            raise here.child("vehicle").fault(
                "is no vehicle of the configuration; write one of the names under vehicles, or unknown"
            )
        tariff = Tariff(
            from_day=_read(here, "from", section.from_day, parse_day),
            euro_per_kwh=_read(here, "euro_per_kwh", section.euro_per_kwh, parse_price),
            vehicle=vehicle,
        )
        if tariffs.setdefault((tariff.from_day, vehicle), tariff) is not tariff:
            raise here.fault("begins on the same day as an entry above, for the same vehicle; keep one")
    return Tariffs(tuple(tariffs.values()))


def _read(where: Where, key: str, text: str | None, parse: Callable[[str], Value]) -> Value:
    if text is None:
        raise where.fault(f"has no {key}; write it as in {{from: 2026-01-01, euro_per_kwh: 0.2534}}")
    try:
        return parse(text)
    except ValueError as error:
        raise where.child(key).fault(str(error)) from None
