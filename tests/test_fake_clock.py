"""The hand-driven clock, on which the tests of everything that waits depend."""

from __future__ import annotations

import asyncio


async def _log_after(clock, log, name, *pauses_s):
    for pause_s in pauses_s:
        await clock.sleep(pause_s)
        log.append((name, clock.monotonic() - 1000))


async def test_sleepers_wake_in_order_of_due_time_at_their_own_moment(clock):
    log = []
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(_log_after(clock, log, "late", 30))
        tasks.create_task(_log_after(clock, log, "early", 10))
        tasks.create_task(_log_after(clock, log, "again", 10, 5, 5))
        await clock.advance(20)
        assert log == [("early", 10), ("again", 10), ("again", 15), ("again", 20)]
        assert clock.waits == (10,)
        await clock.advance(9.5)
        assert log[-1] == ("again", 20)
        await clock.advance(0.5)
    assert log[-1] == ("late", 30)
    assert clock.waits == ()


async def test_cancelled_sleeper_neither_wakes_nor_holds_up_others(clock):
    log = []
    cancelled = asyncio.create_task(_log_after(clock, log, "cancelled", 5))
    other = asyncio.create_task(_log_after(clock, log, "other", 6))
    await clock.settle()
    cancelled.cancel()
    await clock.settle()
    assert clock.waits == (6,)
    await clock.advance(6)
    await other
    assert log == [("other", 6)]
    assert cancelled.cancelled()


async def test_time_server_moves_the_wall_clock_alone(clock):
    before = clock.now()
    clock.step_wall(-3600)
    await clock.sleep(0)  # takes no time
    assert (clock.now(), clock.monotonic()) == (before - 3600, 1000)
    await clock.advance(90)
    assert (clock.now(), clock.monotonic()) == (before - 3510, 1090)
