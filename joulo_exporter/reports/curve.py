"""The course of a quantity over time, from sessions in the order of their beginning: pure arithmetic.

Everything is an integer: times are milliseconds, energy and credits hundredths. What a session brings is
spread evenly over its duration, rounded down, so that a sum over sessions never falls from tick to tick.
"""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator


class Charge(msgspec.Struct, frozen=True):
    """A session as a course needs it."""

    start_ms: int
    end_ms: int
    """Not before the start; of a session in progress, the present."""
    kwh_hundredths: int
    credits_hundredths: int
    finished: bool

    def kwh_hundredths_at(self, moment_ms: int) -> int:
        """Return the energy until a moment between start and end."""
        return self.kwh_hundredths * (moment_ms - self.start_ms) // (self.end_ms - self.start_ms)


class Quantity(msgspec.Struct, frozen=True):
    """What a session adds to a quantity while it lasts, and from its end on."""

    during: Callable[[Charge, int], int]
    after: Callable[[Charge], int]
    decimals: bool
    """Whether its values are hundredths."""
    of_the_moment: bool
    """Whether nothing of a session remains after its end."""


TOTAL_KWH = Quantity(
    Charge.kwh_hundredths_at, lambda charge: charge.kwh_hundredths, decimals=True, of_the_moment=False
)
TOTAL_CREDITS = Quantity(
    lambda _charge, _moment: 0, lambda charge: charge.credits_hundredths, decimals=True, of_the_moment=False
)
FINISHED_SESSIONS = Quantity(
    lambda _charge, _moment: 0, lambda charge: int(charge.finished), decimals=False, of_the_moment=False
)
CHARGING = Quantity(lambda _charge, _moment: 1, lambda _charge: 0, decimals=False, of_the_moment=True)
SESSION_KWH = Quantity(Charge.kwh_hundredths_at, lambda _charge: 0, decimals=True, of_the_moment=True)


def course(charges: Iterable[Charge], quantity: Quantity, ticks: Iterable[int]) -> Iterator[tuple[int, int]]:
    """Yield (tick, value) for each tick.

    Of a quantity of the moment the session that began last decides; one with totals sums them up.

    Args:
        charges: by their start.
        quantity: what is wanted.
        ticks: moments in milliseconds, rising.
    """
    upcoming = iter(charges)
    following = next(upcoming, None)
    active: list[tuple[int, int, Charge]] = []
    total = count = 0
    for tick in ticks:
        while following is not None and following.start_ms <= tick:
            heapq.heappush(active, (following.end_ms, count, following))
            count += 1
            following = next(upcoming, None)
        while active and active[0][0] <= tick:
            total += quantity.after(heapq.heappop(active)[2])
        if not active:
            yield tick, total
        elif quantity.of_the_moment:
            yield tick, quantity.during(max(active, key=_order)[2], tick)
        else:
            yield tick, total + sum(quantity.during(charge, tick) for _, _, charge in active)


def _order(entry: tuple[int, int, Charge]) -> int:
    return entry[1]
