"""Turns to ask the API: bounded, in order, and those who hang keep nobody else waiting."""

from __future__ import annotations

import asyncio

from fake_clock import FakeClock

from joulo_exporter.poller import Turns


async def hold(turns, clock, log, name, duration_s, *, hung=False):
    async with turns.take(hung=hung):
        log.append((name, clock.monotonic()))
        await clock.sleep(duration_s)


async def test_no_more_than_so_many_at_the_same_time_and_in_order():
    clock, turns, log = FakeClock(monotonic_s=0.0), Turns(2), []
    tasks = [asyncio.create_task(hold(turns, clock, log, name, 10.0)) for name in "abcde"]
    await clock.advance(100)
    await asyncio.gather(*tasks)
    assert log == [("a", 0.0), ("b", 0.0), ("c", 10.0), ("d", 10.0), ("e", 20.0)]


async def test_those_who_hang_have_a_quarter():
    clock, turns, log = FakeClock(monotonic_s=0.0), Turns(8), []
    tasks = [asyncio.create_task(hold(turns, clock, log, f"h{n}", 10.0, hung=True)) for n in range(50)]
    await clock.settle()
    tasks += [asyncio.create_task(hold(turns, clock, log, "well", 0.1)) for _ in range(6)]
    await clock.advance(1)
    assert [name for name, _ in log] == ["h0", "h1", *["well"] * 6]
    await clock.advance(1000)
    await asyncio.gather(*tasks)
    assert log[-1] == ("h49", 240.0)


async def test_who_gives_up_waiting_leaves_no_turn_behind():
    clock, turns, log = FakeClock(monotonic_s=0.0), Turns(1), []
    first = asyncio.create_task(hold(turns, clock, log, "first", 10.0))
    await clock.settle()
    second = asyncio.create_task(hold(turns, clock, log, "second", 10.0, hung=True))
    await clock.settle()
    second.cancel()
    await asyncio.wait([second])
    third = asyncio.create_task(hold(turns, clock, log, "third", 10.0, hung=True))
    await clock.advance(20)
    await asyncio.gather(first, third)
    assert log == [("first", 0.0), ("third", 10.0)]
