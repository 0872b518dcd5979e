"""The real process, killed again and again: nothing is lost, doubled, asked early, or taken back."""

from __future__ import annotations

import asyncio
import contextlib
import random
import signal
import sys
from itertools import pairwise

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families
from support.processes import free_port

from joulo_exporter.simulator import Cadence, Household, Scenario, serve

pytestmark = pytest.mark.e2e

KILLS = 50
ENOUGH_REQUESTS = 5
INTERVAL_S = 1.0
# Requests are timed as they arrive: a busy machine may deliver one late and the next one in time.
DELIVERY_S = 0.4


async def started(folder, api_url, port):
    config = folder / "joulo.yml"
    config.write_text(
        f"intervals: {{chargers: {INTERVAL_S:.0f}s, sessions: {INTERVAL_S:.0f}s, energy: {INTERVAL_S:.0f}s}}\n"
        "history: {page_interval: 50ms}\n"
        "plausibility: {max_power: 5000kW}\n"  # time there is 200 times as fast
    )
    with (folder / "log").open("ab") as log:
        return await asyncio.create_subprocess_exec(
            sys.executable, "-m", "joulo_exporter",
            f"--config.file={config}", f"--storage.path={folder / 'ledger'}",
            f"--web.listen-address=127.0.0.1:{port}", "--log.level=warn",
            env={"JOULO_TOKEN": "joulo_demo", "JOULO_API_URL": api_url, "PATH": "/usr/bin:/bin"},
            stderr=log,
        )  # fmt: skip


async def counters(session, port):
    """Return every counter of ours, and ``joulo_total_kwh``; nothing while the process does not answer yet."""
    with contextlib.suppress(aiohttp.ClientError, TimeoutError):
        async with session.get(f"http://127.0.0.1:{port}/metrics") as response:
            text = await response.text()
        return {
            (sample.name, tuple(sorted(sample.labels.items()))): sample.value
            for family in text_string_to_metric_families(text)
            if family.name.startswith("joulo_") and (family.type == "counter" or family.name == "joulo_total_kwh")
            for sample in family.samples
        }
    return {}


def total(seen):
    return round(sum(value for (name, _), value in seen.items() if name == "joulo_total_kwh"), 2)


async def test_fifty_kills(tmp_path):
    numbers, port = random.Random(7), free_port()
    household = Household(
        Scenario(
            history_sessions=1500,
            cadence=Cadence(session_s=(4, 6), pause_s=(1, 2), credits_delay_s=1, sync_s=1, time_lapse=200),
        )
    )
    seen: dict[tuple, float] = {}
    fallen: list[tuple] = []
    async with serve(household) as api, aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=2)) as session:

        async def look():
            for series, value in (await counters(session, port)).items():
                if value < seen.get(series, 0.0):
                    fallen.append((series, seen[series], value))
                seen[series] = max(value, seen.get(series, 0.0))

        for _ in range(KILLS):
            process = await started(tmp_path, api.url, port)
            for _ in range(numbers.randint(1, 4)):
                await asyncio.sleep(numbers.uniform(0.1, 0.6))
                await look()
            process.send_signal(signal.SIGKILL)
            assert await process.wait() == -signal.SIGKILL

        process = await started(tmp_path, api.url, port)
        expected = household.energy_at(household.clock()).kwh_all_hundredths / 100
        for _ in range(300):
            await asyncio.sleep(0.1)
            await look()
            arrivals = {path: [r.at_seconds for r in api.requests_to(path)] for path in ("/chargers", "/energy")}
            if total(seen) >= expected and min(map(len, arrivals.values())) > ENOUGH_REQUESTS:
                break
        process.terminate()
        await process.wait()

    assert fallen == []
    assert expected <= total(seen) <= household.energy_at(household.clock()).kwh_all_hundredths / 100
    for path, moments in arrivals.items():
        assert len(moments) > ENOUGH_REQUESTS, path
        assert min(later - earlier for earlier, later in pairwise(moments)) >= INTERVAL_S - DELIVERY_S, path
    assert "Traceback" not in (tmp_path / "log").read_text()
