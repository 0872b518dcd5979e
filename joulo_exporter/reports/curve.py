"""The course of a quantity over time, from sessions in the order of their beginning: pure arithmetic.

Everything is an integer: times are milliseconds, energy and credits hundredths. What a session brings is
spread evenly over its duration, rounded down, so that a sum over sessions never falls from tick to tick.
"""

from __future__ import annotations

import enum
import heapq
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence


class Finish(msgspec.Struct, frozen=True):
    """A finished session as the metrics of the last session show it; ``None`` is a value that is not known."""

    ended_ns: int
    """To the nanosecond, which is finer than the ledger's floats: nothing is lost between them and a sample."""
    started_ns: int | None
    duration_ms: int
    kwh_hundredths: int | None
    credits_hundredths: int | None

    @property
    def rank(self) -> tuple[int, int]:
        """Return what is greatest for the last session; of equal ones the first is meant, as in the ledger."""
        return self.ended_ns, -1 if self.started_ns is None else self.started_ns


class Charge(msgspec.Struct, frozen=True):
    """A session as a course needs it."""

    start_ms: int
    end_ms: int
    """Not before the start; of a session in progress, the present."""
    kwh_hundredths: int
    credits_hundredths: int
    finish: Finish | None
    """``None`` while it is in progress."""

    def kwh_hundredths_at(self, moment_ms: int) -> int:
        """Return the energy until a moment between start and end."""
        return self.kwh_hundredths * (moment_ms - self.start_ms) // (self.end_ms - self.start_ms)


class Kind(enum.Enum):
    """How sessions make a quantity."""

    SUM = "all sessions together"
    MOMENT = "the session in progress; nothing of it remains"
    LAST = "the session that ended last; nothing before the first end"


class Quantity(msgspec.Struct, frozen=True):
    """A figure that follows from sessions."""

    kind: Kind
    decimals: int
    """How many of an integer's last digits are decimals: 2 for hundredths."""
    after: Callable[[Charge], int | None] = lambda _charge: 0
    """What there is of a session from its end on."""
    during: Callable[[Charge, int], int] = lambda _charge, _moment: 0
    """What there is of it while it lasts."""


def _of_finish(value: Callable[[Finish], int | None]) -> Callable[[Charge], int | None]:
    return lambda charge: None if charge.finish is None else value(charge.finish)


TOTAL_KWH = Quantity(Kind.SUM, 2, lambda charge: charge.kwh_hundredths, Charge.kwh_hundredths_at)
TOTAL_CREDITS = Quantity(Kind.SUM, 2, lambda charge: charge.credits_hundredths)
FINISHED_SESSIONS = Quantity(Kind.SUM, 0, _of_finish(lambda _finish: 1))
FINISHED_SECONDS = Quantity(Kind.SUM, 3, _of_finish(lambda finish: finish.duration_ms))
CHARGING = Quantity(Kind.MOMENT, 0, during=lambda _charge, _moment: 1)
SESSION_KWH = Quantity(Kind.MOMENT, 2, during=Charge.kwh_hundredths_at)
LAST_KWH = Quantity(Kind.LAST, 2, _of_finish(lambda finish: finish.kwh_hundredths))
LAST_CREDITS = Quantity(Kind.LAST, 2, _of_finish(lambda finish: finish.credits_hundredths))
LAST_START = Quantity(Kind.LAST, 9, _of_finish(lambda finish: finish.started_ns))
LAST_END = Quantity(Kind.LAST, 9, _of_finish(lambda finish: finish.ended_ns))


def course(charges: Iterable[Charge], quantity: Quantity, ticks: Iterable[int]) -> Iterator[tuple[int, int]]:
    """Yield (tick, value) for each tick that has one.

    Of a quantity of the moment the session that began last decides; one with totals sums them up.

    Args:
        charges: by their start.
        quantity: what is wanted.
        ticks: moments in milliseconds, rising.
    """
    steps = _steps(charges, ticks)
    if quantity.kind is Kind.SUM:
        return _sums(steps, quantity)
    return _moments(steps, quantity) if quantity.kind is Kind.MOMENT else _last(steps, quantity)


def last_of(finished: Iterable[Charge]) -> Charge | None:
    """Return the finished session that ended last."""
    return max(
        (charge for charge in finished if charge.finish is not None),
        key=lambda charge: charge.finish.rank if charge.finish else (0, 0),
        default=None,
    )


class _Step(msgspec.Struct):
    tick: int
    ended: Sequence[Charge]
    """Since the step before."""
    active: Sequence[Charge]
    """By their start."""


def _steps(charges: Iterable[Charge], ticks: Iterable[int]) -> Iterator[_Step]:
    upcoming = iter(charges)
    following = next(upcoming, None)
    active: list[tuple[int, int, Charge]] = []
    count = 0
    for tick in ticks:
        while following is not None and following.start_ms <= tick:
            heapq.heappush(active, (following.end_ms, count, following))
            count += 1
            following = next(upcoming, None)
        if not active:  # as at most ticks of a year
            yield _Step(tick, (), ())
            continue
        ended = []
        while active and active[0][0] <= tick:
            ended.append(heapq.heappop(active)[2])
        yield _Step(tick, ended, [charge for _, _, charge in sorted(active, key=_order)])


def _sums(steps: Iterable[_Step], quantity: Quantity) -> Iterator[tuple[int, int]]:
    total = 0
    for step in steps:
        if step.ended:
            total += sum(quantity.after(charge) or 0 for charge in step.ended)
        so_far = sum(quantity.during(charge, step.tick) for charge in step.active) if step.active else 0
        yield step.tick, total + so_far


def _moments(steps: Iterable[_Step], quantity: Quantity) -> Iterator[tuple[int, int]]:
    for step in steps:
        yield step.tick, quantity.during(step.active[-1], step.tick) if step.active else 0


def _last(steps: Iterable[_Step], quantity: Quantity) -> Iterator[tuple[int, int]]:
    last = value = None
    for step in steps:
        if step.ended:
            last = last_of([*([last] if last else []), *step.ended])
            value = None if last is None else quantity.after(last)
        if value is not None:
            yield step.tick, value


def _order(entry: tuple[int, int, Charge]) -> int:
    return entry[1]
