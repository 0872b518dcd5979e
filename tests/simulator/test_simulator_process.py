"""The simulator as a process of its own."""

import asyncio
import signal
import sys

import aiohttp
import pytest
from support.parsing import parse_chargers, parse_energy

ARGUMENTS = [
    "--port=0",
    "--seed=3",
    "--session-seconds=4",
    "--pause-seconds=2",
    "--history-days=10",
    "--history-sessions=40",
    "--chargers=3",
]


@pytest.mark.e2e
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_it_prints_its_url_and_serves_until_it_is_told_to_stop(number):
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "joulo_exporter.simulator", *ARGUMENTS, stdout=asyncio.subprocess.PIPE
    )
    try:
        url = (await process.stdout.readline()).decode().strip()
        headers = {"Authorization": "Bearer joulo_demo"}
        async with aiohttp.ClientSession(headers=headers) as session:
            async with session.get(f"{url}/chargers") as response:
                assert len(parse_chargers(await response.read()).content) == 3
            async with session.get(f"{url}/energy") as response:
                assert parse_energy(await response.read()).content.sessions_all >= 41
    finally:
        process.send_signal(number)
        remainder, _ = await process.communicate()
    assert (process.returncode, remainder) == (0, b"")
