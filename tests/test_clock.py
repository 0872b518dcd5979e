"""The clock of the process: whoever sleeps wakes at a tick, and never early."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from joulo_exporter import clock
from joulo_exporter.clock import SystemClock


def slept_s(duration_s: float, *, at_s: float, tick_s: float) -> float:
    """Return for how long the clock sleeps, without sleeping."""
    durations = []

    async def sleep(slept: float) -> None:
        durations.append(slept)

    ticking = SystemClock()
    ticking.tick_s = tick_s
    ticking.monotonic = lambda: at_s
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(clock.asyncio, "sleep", sleep)
        asyncio.run(ticking.sleep(duration_s))
    (duration,) = durations
    return duration


@pytest.mark.parametrize(
    ("duration_s", "at_s", "tick_s", "expected"),
    [
        (60.0, 100.25, 0.0, 60.0),
        (60.0, 100.25, 0.5, 60.25),
        (60.0, 100.0, 0.5, 60.0),
        (0.125, 100.25, 0.5, 0.25),
        (0.0, 100.25, 0.5, 0.0),
    ],
)
def test_who_sleeps_wakes_at_a_tick(duration_s, at_s, tick_s, expected):
    assert slept_s(duration_s, at_s=at_s, tick_s=tick_s) == expected


@given(
    duration_s=st.floats(0.001, 1e5), at_s=st.floats(0, 1e7, allow_subnormal=False), tick_s=st.floats(0.0005, 0.5)
)
def test_nobody_wakes_early_nor_more_than_a_tick_late(duration_s, at_s, tick_s):
    assert duration_s <= slept_s(duration_s, at_s=at_s, tick_s=tick_s) <= duration_s + tick_s
