"""Tariffs of the electricity, and the cost of a session's energy in whole cents."""

import contextlib
import re
from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Decimal
from operator import attrgetter
from typing import Annotated, ClassVar

import msgspec
from msgspec import Meta, field

_PRICE = re.compile(r"[0-9]{1,3}(?:\.[0-9]{1,6})?", re.ASCII)
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)
_HIGHEST_EURO = 5
"""No electricity for a home costs as much a kWh; a price in cents is above it."""


def parse_price(text: str) -> Decimal:
    """Return a price in euros a kWh; the ``ValueError`` for another text is a predicate without it."""
    if not _PRICE.fullmatch(text):
        raise ValueError("is not a price; write euros a kWh with a decimal point, such as 0.2534")
    if Decimal(text) > _HIGHEST_EURO:
        raise ValueError(f"is more than {_HIGHEST_EURO} euros a kWh; write euros, not cents, such as 0.2534")
    return Decimal(text)


def parse_day(text: str) -> date:
    """Return a day; the ``ValueError`` for another text is a predicate without it."""
    with contextlib.suppress(ValueError):  # there is no such day, as of 2026-02-30
        if _DAY.fullmatch(text):
            return date.fromisoformat(text)
    raise ValueError("is not a day; write one such as 2026-01-01")


class Tariff(msgspec.Struct, frozen=True):
    """A price of the electricity, by the day on which a session began, local time; as in the configuration."""

    EXAMPLE: ClassVar = "{from: 2026-01-01, euro_per_kwh: 0.2534}"

    from_day: Annotated[date, Meta(examples=["2026-01-01"], extra={"read": parse_day})] = field(name="from")
    euro_per_kwh: Annotated[Decimal, Meta(examples=["0.2534"], extra={"read": parse_price})]
    vehicle: Annotated[str, Meta(examples=["tesla"], extra={"read": str})] | None = None
    """The vehicle that it is for; ``None`` for all that have none of their own."""

    def cost_cents(self, kwh_hundredths: int) -> int:
        """Return the cost of energy, rounded half up: a hundredth of a kWh costs as many cents as a kWh euros."""
        return int((kwh_hundredths * self.euro_per_kwh).quantize(Decimal(1), ROUND_HALF_UP))


class Tariffs(msgspec.Struct, frozen=True):
    """All tariffs, in any order."""

    entries: tuple[Tariff, ...] = ()

    def of(self, vehicle: str, day: date) -> Tariff | None:
        """Return the tariff in force on a day, the latest that has begun: a vehicle's own goes first."""
        for whose in (vehicle, None):
            begun = [each for each in self.entries if each.vehicle == whose and each.from_day <= day]
            if begun:
                return max(begun, key=attrgetter("from_day"))
        return None

    def last_day(self, tariff: Tariff) -> date | None:
        """Return the day before the next tariff for the same vehicle; ``None`` if there is none."""
        days = [each.from_day for each in self.entries if each.vehicle == tariff.vehicle]
        later = [day for day in days if day > tariff.from_day]
        return min(later) - timedelta(days=1) if later else None
