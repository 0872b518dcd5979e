"""Request slots: bounded, in order, and accounts that time out keep no other waiting."""

import asyncio

from support.fake_clock import FakeClock

from joulo_exporter.poller import RequestSlots


async def hold(slots, clock, log, name, duration_s, *, timed_out=False):
    async with slots.acquire(timed_out=timed_out):
        log.append((name, clock.monotonic()))
        await clock.sleep(duration_s)


async def test_no_more_requests_than_slots_and_in_the_order_of_asking():
    clock, slots, log = FakeClock(monotonic_s=0.0), RequestSlots(2), []
    tasks = [asyncio.create_task(hold(slots, clock, log, name, 10.0)) for name in "abcde"]
    await clock.advance(100)
    await asyncio.gather(*tasks)
    assert log == [("a", 0.0), ("b", 0.0), ("c", 10.0), ("d", 10.0), ("e", 20.0)]


async def test_accounts_that_timed_out_have_a_quarter():
    clock, slots, log = FakeClock(monotonic_s=0.0), RequestSlots(8), []
    tasks = [asyncio.create_task(hold(slots, clock, log, f"h{n}", 10.0, timed_out=True)) for n in range(50)]
    await clock.settle()
    tasks += [asyncio.create_task(hold(slots, clock, log, "well", 0.1)) for _ in range(6)]
    await clock.advance(1)
    assert [name for name, _ in log] == ["h0", "h1", *["well"] * 6]
    await clock.advance(1000)
    await asyncio.gather(*tasks)
    assert log[-1] == ("h49", 240.0)


async def test_a_cancelled_wait_leaves_no_slot_taken():
    clock, slots, log = FakeClock(monotonic_s=0.0), RequestSlots(1), []
    first = asyncio.create_task(hold(slots, clock, log, "first", 10.0))
    await clock.settle()
    second = asyncio.create_task(hold(slots, clock, log, "second", 10.0, timed_out=True))
    await clock.settle()
    second.cancel()
    await asyncio.wait([second])
    third = asyncio.create_task(hold(slots, clock, log, "third", 10.0, timed_out=True))
    await clock.advance(20)
    await asyncio.gather(first, third)
    assert log == [("first", 0.0), ("third", 10.0)]
