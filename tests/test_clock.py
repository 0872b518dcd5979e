"""The clock of the process: sleepers wake at a tick, and never early."""

import asyncio
import time
from unittest.mock import AsyncMock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from joulo_exporter.clock import SystemClock


def slept_s(duration_s: float, *, at_s: float, tick_s: float) -> float:
    """Return for how long a clock sleeps in an event loop whose time is given."""
    slept = []

    async def sleep() -> None:
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(asyncio.get_running_loop(), "time", lambda: at_s)
            patched.setattr("joulo_exporter.clock.asyncio.sleep", AsyncMock(side_effect=slept.append))
            clock = SystemClock()
            clock.tick_s = tick_s
            await clock.sleep(duration_s)

    asyncio.run(sleep())
    return slept[0]


@pytest.mark.parametrize(
    ("duration_s", "tick_s", "expected_s"),
    [(0.3, 0.5, 0.75), (0.75, 0.5, 0.75), (0.76, 0.5, 1.25), (0.3, 0.0, 0.3), (0.0, 0.5, 0.0), (-1.0, 0.5, -1.0)],
)
def test_sleepers_wake_together_at_a_tick_and_a_sleep_of_nothing_needs_none(duration_s, tick_s, expected_s):
    assert slept_s(duration_s, at_s=100.25, tick_s=tick_s) == expected_s


@given(
    duration_s=st.floats(0.001, 1e5), at_s=st.floats(0, 1e7, allow_subnormal=False), tick_s=st.floats(0.0005, 0.5)
)
def test_nobody_wakes_early_nor_more_than_a_tick_late(duration_s, at_s, tick_s):
    slack_s = 1e-9 * (at_s + duration_s)
    late_s = slept_s(duration_s, at_s=at_s, tick_s=tick_s) - duration_s
    assert -slack_s <= late_s <= tick_s + slack_s


def test_the_monotonic_clock_counts_suspension(monkeypatch):
    moments = {time.CLOCK_BOOTTIME: 5000.0, time.CLOCK_MONOTONIC: 2500.0}
    monkeypatch.setattr("joulo_exporter.clock.time.clock_gettime", moments.__getitem__)
    assert SystemClock().monotonic() == 5000.0
    monkeypatch.delattr("joulo_exporter.clock.time.CLOCK_BOOTTIME")
    assert SystemClock().monotonic() == 2500.0
