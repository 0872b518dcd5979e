"""The clock of the process: sleepers wake at a tick, and never early."""

import asyncio
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from joulo_exporter.clock import SystemClock


def clock_at(monkeypatch, *, at_s: float = 100.25, tick_s: float = 0.5) -> tuple[SystemClock, dict[float, tuple]]:
    """Return a clock, and the timers that it sets from now on, in an event loop whose time is given."""
    timers: dict[float, tuple] = {}
    loop = asyncio.get_running_loop()
    monkeypatch.setattr(loop, "time", lambda: at_s)
    monkeypatch.setattr(loop, "call_at", lambda time_s, *callback: timers.update({time_s: callback}))
    clock = SystemClock()
    clock.tick_s = tick_s
    return clock, timers


async def test_many_wake_at_a_tick_over_several_iterations_and_cancelled_sleepers_do_not(monkeypatch):
    clock, timers = clock_at(monkeypatch)
    sleepers = [clock.sleep(0.3) for _ in range(50)]
    sleepers[30].cancel()
    awake = []
    for sleeper in sleepers:
        sleeper.add_done_callback(awake.append)
    ((at_s, (callback, *arguments)),) = timers.items()
    assert at_s == 101.0
    callback(*arguments)
    await asyncio.sleep(0)
    assert 0 < len(awake) < 50
    for _ in range(5):
        await asyncio.sleep(0)
    assert len(awake) == 50
    assert [sleeper.cancelled() for sleeper in sleepers].count(True) == 1
    assert list(timers) == [at_s]


async def test_a_clock_without_ticks_and_a_sleep_of_nothing_need_no_tick(monkeypatch):
    clock, timers = clock_at(monkeypatch, tick_s=0.0)
    await clock.sleep(0.0)
    clock.tick_s = 1000.0
    await clock.sleep(0.0)
    await clock.sleep(-1.0)
    assert timers == {}


@given(
    duration_s=st.floats(0.001, 1e5), at_s=st.floats(0, 1e7, allow_subnormal=False), tick_s=st.floats(0.0005, 0.5)
)
def test_nobody_wakes_early_nor_more_than_a_tick_late(duration_s, at_s, tick_s):
    async def time_s() -> float:
        with pytest.MonkeyPatch.context() as patched:
            clock, timers = clock_at(patched, at_s=at_s, tick_s=tick_s)
            clock.sleep(duration_s)
            return next(iter(timers))

    slack_s = 1e-9 * (at_s + duration_s)
    assert -slack_s <= asyncio.run(time_s()) - at_s - duration_s <= tick_s + slack_s


def test_the_monotonic_clock_counts_suspension(monkeypatch):
    moments = {time.CLOCK_BOOTTIME: 5000.0, time.CLOCK_MONOTONIC: 2500.0}
    monkeypatch.setattr("joulo_exporter.clock.time.clock_gettime", moments.__getitem__)
    assert SystemClock().monotonic() == 5000.0
    monkeypatch.delattr("joulo_exporter.clock.time.CLOCK_BOOTTIME")
    assert SystemClock().monotonic() == 2500.0
