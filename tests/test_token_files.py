"""Token files that rotate: a change is seen, or a refusal is; and no request comes too early for it."""

from __future__ import annotations

import asyncio
import logging

import pytest
from support.accounts_rig import AccountsRig

from joulo_exporter.api.client import open_session
from joulo_exporter.config.tokens import TokenSource

LATEST_JITTER_S = 3.0  # of the chargers' interval


class House(AccountsRig):
    """One account whose token is in a file, on an API that knows one token at a time."""

    def __init__(self, answers, session, folder) -> None:
        super().__init__(answers, session, folder)
        self.file = folder / "token"
        self.file.write_text("joulo_first\n")
        self.valid = "first"

    async def start(self) -> None:
        await self.follow(self.plans(f"{{name: home, token_file: {self.file}}}"))

    def rotate(self) -> None:
        self.valid = "second"
        self.file.write_text("joulo_second\n")

    @property
    def up(self) -> bool:
        return self.values("joulo_up", "chargers") == {"home": 1.0}


@pytest.fixture
async def house(answers, tmp_path):
    async with open_session(connection_limit=4) as session:
        house = House(answers, session, tmp_path)
        yield house
        await house.close()


async def test_a_changed_file_is_used_at_the_next_refresh_and_no_earlier(house):
    await house.start()
    await house.clock.advance(20)
    house.rotate()
    await house.clock.advance(39.9)
    assert (house.moments("first"), house.moments("second")) == ([1000.0], [])
    await house.clock.advance(0.1 + LATEST_JITTER_S)
    assert (len(house.moments("first")), len(house.moments("second"))) == (1, 1)
    assert house.up
    assert house.moments("second")[0] >= 1060.0


async def test_a_refused_token_is_read_again_at_once(house, monkeypatch):
    monkeypatch.setattr("joulo_exporter.accounts.LOOK_INTERVAL_S", 86_400.0)
    await house.start()
    await house.clock.advance(54)
    house.rotate()
    await house.clock.advance(130)
    assert house.up
    assert len(house.moments("first")) == 2
    refused_at = house.moments("first")[1]
    assert house.moments("second")[0] == pytest.approx(refused_at + 60.0)


async def test_a_token_that_comes_late_ends_the_back_off(house):
    house.valid = "second"
    await house.start()
    await house.clock.advance(3600)
    last = house.moments("first")[-1]
    await house.clock.advance(last + 500 - house.clock.monotonic())  # in the middle of a pause of 900 s
    assert not house.up
    house.rotate()
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


@pytest.mark.parametrize("content", ["", "joulo_ half a line", None])
async def test_a_file_without_a_token_keeps_the_old_one_and_says_so_once(house, caplog, content):
    caplog.set_level(logging.INFO)
    await house.start()
    if content is None:
        house.file.unlink()
    else:
        house.file.write_text(content)
    await house.clock.advance(300)
    assert {token for token, *_ in house.asked} == {"first"}
    assert len(house.moments("first")) in (5, 6)
    assert house.up
    assert caplog.text.count("token not read again") == 1
    house.file.write_text("joulo_first\n")
    await house.clock.advance(20)
    assert caplog.text.count("the token can be read again") == 1
    assert "joulo_first" not in caplog.text


@pytest.mark.parametrize(("way", "reads"), [("token_file", 1), ("token", 0)])
async def test_an_untouched_file_is_read_once_and_a_token_in_the_configuration_is_not_watched(
    house, monkeypatch, way, reads
):
    count, read = [], TokenSource.read
    monkeypatch.setattr(TokenSource, "read", lambda source: count.append(source) or read(source))
    value = house.file if way == "token_file" else "joulo_first"
    wanted = house.plans(f"{{name: home, {way}: {value}}}")
    count.clear()
    await house.follow(wanted)
    await house.clock.advance(600)
    assert len(count) == reads


async def test_redaction_knows_both_tokens_and_a_reload_after_the_rotation_leaves_the_poller_alone(house):
    await house.start()
    house.rotate()
    await house.clock.advance(20)
    assert {secret.reveal() for secret in house.accounts.secrets} == {"joulo_first", "joulo_second"}
    pollers = {task for task in asyncio.all_tasks() if task.get_name() == "poller home"}
    await house.start()
    assert {task for task in asyncio.all_tasks() if task.get_name() == "poller home"} == pollers
    assert len(pollers) == 1


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
    assert house.clock.waits == ()
