"""The real process, killed again and again: nothing is lost, doubled, asked early, or taken back."""

import asyncio
import random
import signal
from itertools import pairwise

import aiohttp
import pytest
from support.processes import free_port
from support.restarts import INTERVAL_S, Counters, started
from support.simulator import recorded

from joulo_exporter.simulator import Cadence, Household, Scenario, serve

pytestmark = pytest.mark.e2e

KILLS = 50
ENOUGH_REQUESTS = 5
# Requests are timed as they arrive: a busy machine may deliver one late and the next one in time.
DELIVERY_S = 0.4


def total(seen):
    return round(sum(value for (name, _), value in seen.items() if name == "joulo_total_kwh"), 2)


def energy_of(household):
    return sum(session.kwh_hundredths for session in household.sessions_at(household.clock())) / 100


async def test_fifty_kills(tmp_path):
    numbers, port = random.Random(7), free_port()
    household = Household(
        Scenario(
            history_sessions=1500,
            cadence=Cadence(session_s=(4, 6), pause_s=(1, 2), credits_delay_s=1, sync_s=1, time_lapse=40),
        )
    )
    async with serve(household) as api, aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=2)) as session:
        counters, requests = Counters(session, port), recorded(api)
        for _ in range(KILLS):
            process = await started(tmp_path, api.url, port)
            for _ in range(numbers.randint(1, 4)):
                await asyncio.sleep(numbers.uniform(0.1, 0.6))
                await counters.look()
            process.send_signal(signal.SIGKILL)
            assert await process.wait() == -signal.SIGKILL

        process = await started(tmp_path, api.url, port)
        expected = energy_of(household)
        for _ in range(300):
            await asyncio.sleep(0.1)
            await counters.look()
            arrivals = {
                path: [request.at_seconds for request in requests if request.path == path]
                for path in ("/chargers", "/energy")
            }
            if total(counters.seen) >= expected and min(map(len, arrivals.values())) > ENOUGH_REQUESTS:
                break
        process.terminate()
        await process.wait()

    assert counters.fallen == []
    assert expected <= total(counters.seen) <= energy_of(household)
    for path, moments in arrivals.items():
        assert len(moments) > ENOUGH_REQUESTS, path
        assert min(later - earlier for earlier, later in pairwise(moments)) >= INTERVAL_S - DELIVERY_S, path
    assert "Traceback" not in (tmp_path / "log").read_text()
