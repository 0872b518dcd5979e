"""A household with a clock that tests advance by hand."""

import aiohttp
import pytest
import pytest_asyncio
from support.fake_clock import FakeClock

from joulo_exporter.simulator import Household, Scenario, serve

START = 1_781_800_000.25  # 2026-06-18T16:26:40Z


@pytest.fixture
def clock():
    return FakeClock(now_s=START)


@pytest.fixture
def household(clock):
    return Household(Scenario(history_days=60), clock.now)


@pytest_asyncio.fixture
async def running(household):
    async with serve(household) as served:
        yield served


@pytest_asyncio.fixture
async def client(running):
    """An HTTP client whose relative paths lie below the API's base URL."""
    headers = {"Authorization": "Bearer joulo_demo"}
    async with aiohttp.ClientSession(f"{running.url}/", headers=headers) as session:
        yield session
