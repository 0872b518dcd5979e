"""Accounts come, go and change, and their token files rotate; an account that does not change is left alone."""

import asyncio
import logging

import pytest
from aiohttp import ClientError
from aioresponses import CallbackResult
from prometheus_client import CollectorRegistry
from support.client_library import rendered
from support.exposition import samples_of
from support.fake_clock import FakeClock
from support.poller_rig import inline

from joulo_exporter.accounts import Accounts, plans
from joulo_exporter.api.client import open_session
from joulo_exporter.config.schema import load_config
from joulo_exporter.errors import ConfigError, LedgerError
from joulo_exporter.exposition import Exposition
from joulo_exporter.ledger.database import Database

URL = "http://127.0.0.1:9/api"
BODIES = {
    "chargers": b'{"chargers": [{"id": "c1", "slug": "oprit", "is_charging": false}]}',
    "sessions?limit=100&offset=0": b'{"sessions": []}',
    "sessions?limit=100&offset=1": b'{"sessions": []}',
    "energy": b'{"total_kwh": 5}',
}


def poller(account: str) -> asyncio.Task[None]:
    """Return the task that refreshes an account."""
    (task,) = [task for task in asyncio.all_tasks() if task.get_name() == f"poller {account}"]
    return task


class House:
    """Accounts on an API that responds well, and the token and moment of each request.

    Tokens are ``joulo_`` and a word; ``broken`` gets no connection.
    """

    def __init__(self, answers, session, folder) -> None:
        self.clock = FakeClock()
        self.folder = folder
        self.file = folder / "token"
        self.file.write_text("joulo_first\n")
        self.valid: str | None = None
        """The one token that is not refused; ``None`` for all."""
        self.headers: dict[str, str] = {}
        """Of a refusal."""
        self.asked: list[tuple[str, str, float]] = []
        """(token, endpoint, monotonic time) of each request."""
        self.bodies: dict[str, bytes] = {}
        """API responses by path, in place of those of ``BODIES``."""
        self.gate: asyncio.Event | None = None
        """Responses of ``/chargers`` wait for it."""
        self.disk: asyncio.Event | None = None
        """The ledger's work waits for it."""
        self.exposition = Exposition(CollectorRegistry())
        self.database = Database(None)
        self.accounts = Accounts(
            session,
            self.database,
            self.exposition,
            offload=self._offloaded,
            clock=self.clock,
            request_slots=asyncio.Semaphore(1),
        )
        for path, body in BODIES.items():
            answers.get(f"{URL}/{path}", repeat=True, callback=self._responding(path, body))

    async def _offloaded(self, work, *args, **kwargs):
        if self.disk is not None:
            await self.disk.wait()
        return work(*args, **kwargs)

    def _responding(self, whole_path, body):
        path = whole_path.partition("?")[0]

        async def respond(_url, **options):
            token = options["headers"]["Authorization"].removeprefix("Bearer joulo_")
            self.asked.append((token, path, self.clock.monotonic()))
            if self.gate is not None and path == "chargers":
                await self.gate.wait()
            if token == "broken":
                raise ClientError
            if self.valid not in (None, token):
                return CallbackResult(status=401, body=b"{}", headers=self.headers)
            return CallbackResult(status=200, body=self.bodies.get(whole_path, body))

        return respond

    def plans(self, *accounts: str):
        """Return the plans of accounts as YAML, such as ``{name: a, token: joulo_a}``."""
        file = self.folder / "config.yml"
        file.write_text(f"api: {{url: '{URL}'}}\naccounts: [{', '.join(accounts)}]\n")
        return plans(load_config(file, {}))

    async def follow(self, wanted) -> None:
        await self.accounts.follow(wanted)
        await self.clock.settle()

    async def start(self) -> None:
        """Start an account that has its token in a file."""
        await self.follow(self.plans(f"{{name: home, token_file: {self.file}}}"))

    def rotate(self) -> None:
        self.valid = "second"
        self.file.write_text("joulo_second\n")

    def moments(self, token: str, path: str = "chargers") -> list[float]:
        """Return when an endpoint was asked with a token, on the monotonic clock."""
        return [moment for who, what, moment in self.asked if (who, what) == (token, path)]

    def values(self, name: str, endpoint: str | None = None) -> dict[str, float]:
        """Return the samples of a metric by account."""
        text = rendered(self.exposition).decode()
        found = [(dict(labels), value) for (sample, labels), value in samples_of(text).items() if sample == name]
        return {labels["account"]: value for labels, value in found if labels.get("endpoint") == endpoint}

    @property
    def up(self) -> bool:
        return self.values("joulo_up", "chargers") == {"home": 1.0}


@pytest.fixture
async def house(answers, tmp_path, monkeypatch):
    monkeypatch.setattr("joulo_exporter.accounts.asyncio.to_thread", inline)
    async with open_session() as session:
        house = House(answers, session, tmp_path)
        watching = asyncio.create_task(house.accounts.watch_token_files())
        yield house
        watching.cancel()
        await asyncio.wait([watching])
        await house.accounts.close()
        house.database.close()


def named(house, *tokens: str, **extra: str):
    """Return plans of accounts that are named as their tokens; ``name=token`` for another one."""
    pairs = dict(zip(tokens, tokens, strict=True)) | extra
    return house.plans(*(f"{{name: {name}, token: joulo_{token}}}" for name, token in pairs.items()))


async def test_first_requests_are_spread_over_the_interval_and_one_that_fails_touches_no_other(house):
    await house.follow(named(house, "a", "broken", "c"))
    await house.clock.advance(59)
    assert [house.moments(name)[0] for name in ("a", "broken", "c")] == [1000.0, 1020.0, 1040.0]
    assert list(house.values("joulo_charging")) == ["a", "c"]
    await house.clock.advance(67)
    assert len(house.moments("a")) == 3


async def test_no_more_accounts_ask_than_there_are_slots_and_in_the_order_of_asking(house):
    house.gate = asyncio.Event()
    await house.follow(named(house, "a", "b", "c"))
    await house.clock.advance(45)
    assert [token for token, *_ in house.asked] == ["a"]
    house.gate.set()
    await house.clock.settle()
    assert [token for token, path, _ in house.asked if path == "chargers"] == ["a", "b", "c"]


async def test_after_a_suspension_no_account_shows_what_is_too_old(house):
    await house.follow(named(house, "a", "b"))
    await house.clock.advance(59)
    house.accounts.served()
    assert list(house.values("joulo_charging")) == ["a", "b"]
    house.clock.suspend(3600)
    assert list(house.values("joulo_charging")) == ["a", "b"]
    house.accounts.served()
    assert list(house.values("joulo_charging")) == []
    await house.clock.advance(60)
    assert list(house.values("joulo_charging")) == ["a", "b"]


async def test_two_accounts_whose_files_have_the_same_token_are_refused(house):
    copy = house.folder / "copy"
    copy.write_text("joulo_first\n")
    with pytest.raises(ConfigError) as caught:
        house.plans(f"{{name: a, token_file: {house.file}}}", f"{{name: b, token_file: {copy}}}")
    says = "accounts[1].token_file: has the token of account a: its sessions would count twice"
    assert str(caught.value) == f"{house.folder}/config.yml: {says}; give each account its own"


async def test_an_account_that_is_held_up_shows_nothing_that_is_too_old(house):
    await house.follow(named(house, "a"))
    house.disk = asyncio.Event()
    await house.clock.advance(60 + 900 - 1)
    house.accounts.served()
    assert list(house.values("joulo_charging")) == ["a"]
    await house.clock.advance(60)
    house.accounts.served()
    assert list(house.values("joulo_charging")) == []
    house.disk.set()
    await house.clock.advance(1)
    house.accounts.served()
    assert list(house.values("joulo_charging")) == ["a"]


async def test_an_account_that_is_added_or_removed_leaves_the_others_alone(house):
    await house.follow(named(house, "a"))
    task = poller("a")
    await house.clock.advance(10)
    await house.follow(named(house, "a", "b", "c"))
    assert poller("a") is task
    assert house.moments("b") == [1010.0]
    assert len(house.moments("a")) == 1
    assert not house.accounts.ready  # before every endpoint of every account was tried
    await house.clock.advance(30)
    assert house.accounts.ready
    assert list(house.values("joulo_charging")) == ["a", "b", "c"]
    await house.follow(named(house, "a", "c"))
    assert poller("a") is task
    await house.clock.advance(300)
    assert len(house.moments("b")) == 1
    assert house.values("joulo_up", "chargers").keys() == {"a", "c"}
    assert house.accounts.ready


async def test_removed_and_added_again_it_is_asked_no_earlier(house):
    await house.follow(named(house, "a", "b"))
    await house.clock.advance(5)
    await house.follow(named(house, "b"))
    house.clock.step_wall(10_000)
    await house.follow(named(house, "a", "b"))
    await house.clock.advance(54)
    assert house.moments("a") == [1000.0]


async def test_with_a_new_name_an_account_keeps_the_energy_of_a_charger_that_leaves(house):
    newest = "sessions?limit=100&offset=0"
    house.bodies[newest] = (
        b'{"sessions": [{"id": "s1", "charger_id": "c1", "kwh": 7, "started_at": "2026-06-01T18:00:00Z",'
        b' "ended_at": "2026-06-01T19:00:00Z"}]}'
    )
    await house.follow(named(house, home="a"))
    await house.clock.advance(700)
    await house.follow(named(house, villa="a"))
    await house.clock.advance(700)
    assert house.values("joulo_total_kwh") == {"villa": 7.0}
    house.bodies |= {"chargers": b'{"chargers": []}', newest: b'{"sessions": []}'}
    await house.clock.advance(1300)
    assert house.values("joulo_total_kwh") == {"villa": 7.0}


async def test_a_request_in_flight_is_finished_and_written_down_before_a_new_token_is_used(house):
    house.gate = asyncio.Event()
    await house.follow(named(house, "a"))
    following = asyncio.create_task(house.accounts.follow(named(house, a="new")))
    await house.clock.settle()
    assert not following.done()
    house.gate.set()
    await following
    await house.clock.settle()
    assert list(house.values("joulo_charging")) == ["a"]
    assert [secret.reveal() for secret in house.accounts.secrets] == ["joulo_new", "joulo_a"]
    await house.clock.advance(59)
    assert (house.moments("a"), house.moments("new")) == ([1000.0], [])
    await house.clock.advance(1)
    assert (house.moments("a"), house.moments("new")) == ([1000.0], [1060.0])


async def test_who_is_cancelled_while_waiting_leaves_no_poller_behind(house):
    house.gate = asyncio.Event()
    await house.follow(named(house, "a"))
    task = poller("a")
    following = asyncio.create_task(house.accounts.follow(named(house, "b")))
    await house.clock.settle()
    following.cancel()
    await asyncio.wait([following])
    await house.accounts.close()
    assert task.done()


async def test_a_ledger_in_trouble_changes_nothing(house, monkeypatch):
    await house.follow(named(house, "a"))

    def fail(*_args, **_kwargs):
        raise LedgerError("disk full")

    with monkeypatch.context() as broken:
        broken.setattr("joulo_exporter.poller.endpoint.AccountLedger", fail)
        with pytest.raises(LedgerError, match="disk full"):
            await house.accounts.follow(named(house, a="new"))
    await house.clock.advance(63)  # the interval, and the most of its jitter
    assert len(house.moments("a")) == 2


# Token files ------------------------------------------------------------------------------------


async def test_a_changed_file_is_used_at_the_next_refresh_and_no_earlier(house, caplog):
    caplog.set_level(logging.INFO)
    house.valid = "first"
    await house.start()
    await house.clock.advance(20)
    house.rotate()
    await house.clock.advance(39.9)
    assert (house.moments("first"), house.moments("second")) == ([1000.0], [])
    await house.clock.advance(3.1)  # with the most of the jitter
    assert (len(house.moments("first")), len(house.moments("second"))) == (1, 1)
    assert house.up
    assert house.moments("second")[0] >= 1060.0
    assert caplog.text.count("the token has changed and the new one is used") == 1
    task = poller("home")
    await house.start()  # as at a reload, which finds all as it is
    assert poller("home") is task


async def test_a_token_that_rotates_while_the_ledger_is_read_counts_nothing_twice(house):
    await house.start()
    await house.clock.advance(130)
    before = house.values("joulo_api_requests_total", "chargers")
    await house.follow(())
    offload, hold = house.accounts.offload, asyncio.Event()

    async def slow(work, *args, **kwargs):
        if work.__name__ == "_write_and_read":
            await hold.wait()
        return await offload(work, *args, **kwargs)

    house.accounts.offload = slow
    await house.start()
    house.rotate()
    await house.clock.advance(20)
    hold.set()
    await house.clock.settle()
    assert house.values("joulo_api_requests_total", "chargers") == before == {"home": 3.0}


@pytest.mark.parametrize("way", ["file", "reload"])
async def test_a_token_that_comes_late_ends_the_back_off(house, way):
    house.valid = "second"
    await (house.start() if way == "file" else house.follow(named(house, home="first")))
    await house.clock.advance(3600)
    last = house.moments("first")[-1]
    await house.clock.advance(last + 500 - house.clock.monotonic())  # in the middle of a pause of 900 s
    assert not house.up
    if way == "file":
        house.rotate()
    else:
        await house.follow(named(house, home="second"))
    await house.clock.advance(20)
    assert house.up
    assert len(house.moments("second")) == 1


async def test_what_the_api_asked_for_holds_for_a_new_token_too(house):
    house.valid, house.headers = "second", {"Retry-After": "600"}
    await house.start()
    house.rotate()
    await house.clock.advance(599)
    assert house.moments("second") == []
    await house.clock.advance(2)
    assert len(house.moments("second")) == 1


@pytest.mark.parametrize("content", ["", "joulo_ half a line", "joulo_b", None])
async def test_a_file_without_a_token_of_its_own_keeps_the_old_one_and_says_so_once(house, caplog, content):
    caplog.set_level(logging.INFO)
    await house.follow(house.plans(f"{{name: home, token_file: {house.file}}}", "{name: b, token: joulo_b}"))
    if content is None:
        house.file.unlink()
    else:
        house.file.write_text(content)
    await house.clock.advance(300)
    assert [len(house.moments(token)) in (5, 6) for token in ("first", "b")] == [True, True]
    assert house.values("joulo_up", "chargers") == {"home": 1.0, "b": 1.0}
    assert caplog.text.count("token not read again") == 1
    house.file.write_text("joulo_first\n")
    await house.clock.advance(20)
    assert caplog.text.count("the token can be read again") == 1
    assert "joulo_first" not in caplog.text


async def test_a_refusal_that_arrives_while_the_account_goes_is_of_no_consequence(house):
    house.valid, house.gate = "second", asyncio.Event()
    await house.start()
    following = asyncio.create_task(house.accounts.follow(()))
    await house.clock.settle()
    house.gate.set()
    await following
    house.rotate()
    await house.clock.advance(300)
    assert house.moments("second") == []
    await house.accounts.close()
    assert not [task for task in asyncio.all_tasks() if task.get_name().startswith("poller")]
