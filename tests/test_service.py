"""The whole exporter: reload, signals, and the order of closing."""

import asyncio
import os
import re
import signal
import time
from collections.abc import Callable

import aiohttp
import pytest
from support.loopback import loopback, saying
from support.simulator import recorded

from joulo_exporter import __version__
from joulo_exporter.config.schema import load_config
from joulo_exporter.ledger.database import Database
from joulo_exporter.service import Service, WebOptions
from joulo_exporter.simulator import DEMO_TOKEN, Household, Scenario, serve

DEMO = f"{{token: {DEMO_TOKEN}}}"
RELOADED = "joulo_exporter_config_last_reload_successful"


def series(text: str, name: str) -> dict[str, float]:
    found = re.findall(rf"^{name}(\{{.*\}})? (\S+)$", text, re.MULTILINE)
    return {labels: float(value) for labels, value in found}


class Running:
    """A service in this process, against a simulated household."""

    def __init__(self, tmp_path, api_url: str, accounts: str = DEMO, extra: str = "") -> None:
        self.file = tmp_path / "config.yml"
        self.api_url = api_url
        self.storage = tmp_path / "ledger"
        self.write(accounts, extra)
        self.service = Service(
            lambda: load_config(self.file, {}, storage_path=self.storage),
            WebOptions(("127.0.0.1:0",), lifecycle_enabled=True),
        )

    def write(self, accounts: str = DEMO, extra: str = "") -> None:
        self.file.write_text(f"accounts: [{accounts}]\napi: {{url: '{self.api_url}'}}\n{extra}\n")

    async def __aenter__(self):
        bound = asyncio.get_running_loop().create_future()
        self.task = asyncio.create_task(self.service.run(lambda _, addresses: bound.set_result(addresses)))
        await asyncio.wait([self.task, bound], return_when=asyncio.FIRST_COMPLETED)
        (self.address,) = bound.result()
        return self

    async def __aexit__(self, *_):
        os.kill(os.getpid(), signal.SIGTERM)
        await self.task

    async def get(self, path: str, method: str = "GET") -> tuple[int, str]:
        async with aiohttp.request(method, f"http://{self.address}{path}") as response:
            return response.status, await response.text()

    async def until(self, path: str, holds: Callable[[int, str], bool]) -> None:
        async with asyncio.timeout(10):
            while not holds(*await self.get(path)):
                pass

    async def ready(self) -> None:
        await self.until("/-/ready", lambda status, _: status == 200)


@pytest.fixture
async def running(tmp_path, caplog):
    caplog.set_level("INFO", "joulo_exporter.service")
    async with serve(Household(Scenario())) as api, Running(tmp_path, api.url) as service:
        service.api = api
        yield service


async def test_it_serves_the_household_and_logs_what_starts_and_what_a_reload_has_found(running, caplog):
    await running.ready()
    _, text = await running.get("/metrics")
    assert set(series(text, "joulo_up").values()) == {1.0}
    assert len(series(text, "joulo_charging")) == len(running.api.household.chargers_at(time.time()))
    running.write(extra="collectors: {ere_price: true}")  # which is asked for, and is no account
    assert await running.get("/-/reload", "POST") == (200, "configuration reloaded\n")
    assert await asyncio.gather(*(running.service.reload() for _ in range(9))) == [None] * 9  # together
    said = [(record.message, record.fields) for record in [*caplog.get_records("setup"), *caplog.records]]
    assert said.count(("starting", {"version": __version__, "accounts": 1, "shard": 0, "total_shards": 1})) == 1
    assert said.count(("configuration reloaded", {"accounts": 1})) == 2


async def test_a_faulty_file_changes_nothing_and_says_why(running):
    running.write(extra="intervals: {chargers: never}")
    status, reason = await running.get("/-/reload", "POST")
    assert status == 500
    assert "intervals.chargers" in reason
    _, text = await running.get("/metrics")
    assert series(text, RELOADED) == {"": 0.0}
    stamp = series(text, "joulo_exporter_config_last_reload_success_timestamp_seconds")[""]
    running.write(extra="stale_after: 5m")
    status, _ = await running.get("/-/reload", "POST")
    assert status == 200
    _, text = await running.get("/metrics")
    assert series(text, RELOADED) == {"": 1.0}
    assert series(text, "joulo_exporter_config_last_reload_success_timestamp_seconds")[""] > stamp
    assert [secret.reveal() for secret in running.service.secrets()] == [DEMO_TOKEN]


async def test_a_hanging_request_and_a_reload_that_waits_for_it_do_not_hold_up_the_end(tmp_path):
    async with loopback(saying(hangs=True)) as api, asyncio.timeout(5), Running(tmp_path, api.url) as running:
        await api.asked.wait()
        running.write("{token: joulo_other}")
        os.kill(os.getpid(), signal.SIGHUP)
        _, waiting = await asyncio.wait([running.service.reload()], timeout=0.2)
        assert waiting
    Database(running.storage).close()  # nobody holds it any longer


async def test_a_token_that_rotates_is_picked_up_without_a_reload(tmp_path, monkeypatch):
    monkeypatch.setattr("joulo_exporter.accounts.LOOK_INTERVAL_S", 0.05)
    async with serve(Household(Scenario()), tokens={"joulo_second"}) as api:
        token = tmp_path / "token"
        token.write_text("joulo_first")
        account, extra = f"{{token_file: {token}}}", "intervals: {chargers: 200ms}"
        async with Running(tmp_path, api.url, account, extra) as running:
            for value, following in ((0.0, "joulo_second"), (1.0, "joulo_second")):
                up = f'joulo_up{{endpoint="chargers"}} {value}'
                await running.until("/metrics", lambda _, text, up=up: up in text)
                token.write_text(following)
            shown = {secret.reveal() for secret in running.service.secrets()}
            assert shown == {"joulo_first", "joulo_second"}


async def test_the_market_price_is_asked_once_for_the_process_and_without_a_token(tmp_path):
    tokens = {f"joulo_{name}" for name in "ab"}
    async with serve(Household(Scenario()), tokens=tokens) as api:
        requests = recorded(api)
        both = "{name: a, token: joulo_a}, {name: b, token: joulo_b}"
        extra = "collectors: {ere_position: true, ere_price: true}\nintervals: {chargers: 100ms}"
        async with Running(tmp_path, api.url, both, extra) as running:
            await running.ready()
            _, text = await running.get("/metrics")
            _, page = await running.get("/")
        prices = series(text, "joulo_ere_market_price_euros")
        assert list(prices) == [""]
        assert 0.4 < prices[""] < 0.6
        assert len(series(text, "joulo_ere_fee_ratio")) == 2
        up = series(text, "joulo_up")
        assert len(up) == 9
        assert set(up.values()) == {1.0}
        (request,) = [request for request in requests if request.path == "/api/ere-price"]
        assert not request.has_authorization
        assert "\tpublic" not in page
