"""Token files that rotate: a change is seen, or a refusal is; and no request comes too early for it."""

from __future__ import annotations

import asyncio
import logging
import threading

import pytest
from aioresponses import CallbackResult
from prometheus_client import CollectorRegistry
from support.fake_clock import FakeClock
from support.poller_rig import inline

from joulo_exporter.accounts import Accounts, plans
from joulo_exporter.api import open_session
from joulo_exporter.config import load_config
from joulo_exporter.errors import ConfigError
from joulo_exporter.exposition import Exposition
from joulo_exporter.ledger import Database
from joulo_exporter.token_files import SharedThread

URL = "http://127.0.0.1:9/api"
BODIES = {
    "chargers": b'{"chargers": [{"id": "c1", "slug": "oprit", "is_charging": false}]}',
    "sessions?limit=100&offset=0": b'{"sessions": []}',
    "energy": b'{"total_kwh": 5}',
}
LATEST_JITTER_S = 3.0  # of the chargers' interval


class House:
    """One account whose token is in a file, on an API that knows one token at a time."""

    def __init__(self, answers, session, folder) -> None:
        self.clock = FakeClock()
        self.file = folder / "token"
        self.file.write_text("joulo_first\n")
        self.valid = "joulo_first"
        self.headers: dict[str, str] = {}
        self.asked: list[tuple[str, float]] = []
        self.reads = 0
        self.gate: asyncio.Event | None = None
        self.exposition = Exposition(CollectorRegistry())
        self.database = Database(None)
        self.accounts = Accounts(
            session, self.database, self.exposition, offload=inline, clock=self.clock, in_thread=self.counted
        )
        for path, body in BODIES.items():
            answers.get(f"{URL}/{path}", repeat=True, callback=self.answer(path, body))
        config = folder / "config.yml"
        config.write_text(f"api: {{url: '{URL}'}}\naccounts: [{{name: home, token_file: {self.file}}}]\n")
        self.load = lambda: plans(load_config(config, {}))

    async def counted(self, work, *args):
        self.reads += getattr(work, "__name__", "") == "read"
        return work(*args)

    def answer(self, path, body):
        async def called(_url, **options):
            token = options["headers"]["Authorization"].removeprefix("Bearer ")
            if path == "chargers":
                self.asked.append((token, self.clock.monotonic()))
                if self.gate is not None:
                    await self.gate.wait()
            if token != self.valid:
                return CallbackResult(status=401, body=b"{}", headers=self.headers)
            return CallbackResult(status=200, body=body)

        return called

    async def start(self) -> None:
        await self.accounts.follow(self.load())
        await self.clock.settle()

    def rotate(self) -> None:
        self.valid = "joulo_second"
        self.file.write_text("joulo_second\n")

    def moments(self, token: str) -> list[float]:
        return [moment for who, moment in self.asked if who == token]

    @property
    def up(self) -> bool:
        text = self.exposition.render(openmetrics=False, compressed=False, names=frozenset()).decode()
        return 'joulo_up{account="home",endpoint="chargers"} 1.0' in text

    @property
    def tokens(self) -> set[str]:
        return {secret.reveal() for secret in self.accounts.secrets}


@pytest.fixture
async def house(answers, tmp_path):
    async with open_session(connection_limit=4) as session:
        house = House(answers, session, tmp_path)
        yield house
        await house.accounts.close()
        house.database.close()


async def test_a_changed_file_is_used_at_the_next_refresh_and_no_earlier(house):
    await house.start()
    await house.clock.advance(20)
    house.rotate()
    await house.clock.advance(39.9)
    assert house.asked == [("joulo_first", 1000.0)]
    await house.clock.advance(0.1 + LATEST_JITTER_S)
    assert [token for token, _ in house.asked] == ["joulo_first", "joulo_second"]
    assert house.up
    assert house.moments("joulo_second")[0] >= 1060.0


async def test_a_refused_token_is_read_again_at_once(house, monkeypatch):
    monkeypatch.setattr("joulo_exporter.token_files.LOOK_INTERVAL_S", 86_400.0)
    await house.start()
    await house.clock.advance(54)
    house.rotate()
    await house.clock.advance(130)
    assert house.up
    assert len(house.moments("joulo_first")) == 2
    refused_at = house.moments("joulo_first")[1]
    assert house.moments("joulo_second")[0] == pytest.approx(refused_at + 60.0)


async def test_a_token_that_comes_late_ends_the_back_off(house):
    house.valid = "joulo_second"
    await house.start()
    await house.clock.advance(3600)
    last = house.moments("joulo_first")[-1]
    await house.clock.advance(last + 500 - house.clock.monotonic())  # in the middle of a pause of 900 s
    assert not house.up
    house.rotate()
    await house.clock.advance(20)
    assert house.up
    assert len(house.moments("joulo_second")) == 1


async def test_what_the_api_asked_for_holds_for_a_new_token_too(house):
    house.valid, house.headers = "joulo_second", {"Retry-After": "600"}
    await house.start()
    house.rotate()
    await house.clock.advance(599)
    assert house.moments("joulo_second") == []
    await house.clock.advance(2)
    assert len(house.moments("joulo_second")) == 1


@pytest.mark.parametrize("content", ["", "joulo_ half a line", None])
async def test_a_file_without_a_token_keeps_the_old_one_and_says_so_once(house, caplog, content):
    caplog.set_level(logging.INFO)
    await house.start()
    if content is None:
        house.file.unlink()
    else:
        house.file.write_text(content)
    await house.clock.advance(300)
    assert {token for token, _ in house.asked} == {"joulo_first"}
    assert len(house.asked) in (5, 6)
    assert house.up
    assert caplog.text.count("token not read again") == 1
    house.file.write_text("joulo_first\n")
    await house.clock.advance(20)
    assert caplog.text.count("the token can be read again") == 1
    assert "joulo_first" not in caplog.text


@pytest.mark.parametrize(("way", "reads"), [("token_file", 1), ("token", 0)])
async def test_an_untouched_file_is_read_once_and_a_token_in_the_configuration_is_not_watched(
    house, tmp_path, way, reads
):
    value = house.file if way == "token_file" else "joulo_first"
    (tmp_path / "config.yml").write_text(f"api: {{url: '{URL}'}}\naccounts: [{{name: home, {way}: {value}}}]\n")
    await house.start()
    await house.clock.advance(600)
    assert house.reads == reads


async def test_redaction_knows_both_tokens_and_a_reload_after_the_rotation_leaves_the_poller_alone(house):
    await house.start()
    house.rotate()
    await house.clock.advance(20)
    assert house.tokens == {"joulo_first", "joulo_second"}
    pollers = {task for task in asyncio.all_tasks() if task.get_name() == "poller home"}
    await house.accounts.follow(house.load())
    assert {task for task in asyncio.all_tasks() if task.get_name() == "poller home"} == pollers
    assert len(pollers) == 1


async def test_a_refusal_that_arrives_while_the_account_goes_is_of_no_consequence(house):
    house.valid, house.gate = "joulo_second", asyncio.Event()
    await house.start()
    following = asyncio.create_task(house.accounts.follow(()))
    await house.clock.settle()
    house.gate.set()
    await following
    house.rotate()
    await house.clock.advance(300)
    assert house.moments("joulo_second") == []
    assert house.clock.waits == ()


# The shared thread --------------------------------------------------------------------------


def refuse():
    raise ConfigError("no such file")


async def test_calls_of_a_short_while_run_in_one_thread_and_not_in_the_loop():
    thread = SharedThread(gather_s=0)
    threads = await asyncio.gather(*(thread(threading.get_ident) for _ in range(100)))
    assert len(set(threads)) == 1
    assert threads[0] != threading.get_ident()
    assert [await thread(lambda n=n: n) for n in range(3)] == [0, 1, 2]


async def test_each_call_has_its_own_result_or_fault():
    thread = SharedThread(gather_s=0)
    results = await asyncio.gather(thread(lambda: 1), thread(refuse), thread(lambda: 3), return_exceptions=True)
    assert (results[0], str(results[1]), results[2]) == (1, "no such file", 3)


async def test_a_cancelled_call_disturbs_no_other():
    thread = SharedThread(gather_s=0)
    cancelled, other = (asyncio.ensure_future(thread(lambda n=n: n)) for n in (1, 2))
    await asyncio.sleep(0)
    cancelled.cancel()
    assert await other == 2
    with pytest.raises(asyncio.CancelledError):
        await cancelled
