"""Accounts come, go and change; an account that does not change is left alone."""

from __future__ import annotations

import asyncio

import msgspec
import pytest
from support.accounts_rig import AccountsRig

from joulo_exporter.accounts import plans
from joulo_exporter.api.client import open_session
from joulo_exporter.config.schema import load_config
from joulo_exporter.errors import LedgerError


def poller(account: str) -> asyncio.Task[None]:
    """Return the task that refreshes an account."""
    (task,) = [task for task in asyncio.all_tasks() if task.get_name() == f"poller {account}"]
    return task


@pytest.fixture
async def house(answers, tmp_path):
    async with open_session(connection_limit=4) as session:
        house = AccountsRig(answers, session, tmp_path)
        yield house
        await house.close()


def named(house, *tokens: str, **extra: str):
    """Return plans of accounts that are named as their tokens; ``name=token`` for another one."""
    pairs = dict(zip(tokens, tokens, strict=True)) | extra
    return house.plans(*(f"{{name: {name}, token: joulo_{token}}}" for name, token in pairs.items()))


async def test_first_requests_are_spread_over_the_interval(house):
    await house.follow(named(house, "a", "b", "c"))
    await house.clock.advance(59)
    assert [house.moments(name)[0] for name in "abc"] == [1000.0, 1020.0, 1040.0]
    assert list(house.values("joulo_charging")) == ["a", "b", "c"]


async def test_after_a_suspension_no_account_shows_what_is_too_old(house):
    await house.follow(named(house, "a", "b"))
    await house.clock.advance(59)
    house.accounts.drop_stale()
    assert list(house.values("joulo_charging")) == ["a", "b"]
    house.clock.suspend(3600)
    assert list(house.values("joulo_charging")) == ["a", "b"]
    house.accounts.drop_stale()
    assert list(house.values("joulo_charging")) == []
    await house.clock.advance(60)
    assert list(house.values("joulo_charging")) == ["a", "b"]


async def test_ready_once_every_endpoint_of_every_account_was_tried(house):
    await house.follow(named(house, "a", "b"))
    assert not house.accounts.ready
    await house.clock.advance(30)
    assert house.accounts.ready


async def test_an_account_that_is_added_leaves_the_others_alone(house):
    await house.follow(named(house, "a"))
    task = poller("a")
    await house.clock.advance(10)
    await house.follow(named(house, "a", "b"))
    assert poller("a") is task
    assert house.moments("b") == [1010.0]
    assert len(house.moments("a")) == 1
    assert list(house.values("joulo_charging")) == ["a", "b"]


async def test_an_account_that_is_removed_is_asked_and_served_no_more(house):
    await house.follow(named(house, "a", "b"))
    await house.clock.advance(40)
    await house.follow(named(house, "b"))
    asked = len(house.moments("a"))
    await house.clock.advance(300)
    assert len(house.moments("a")) == asked
    assert house.values("joulo_up", "chargers").keys() == {"b"}
    assert house.accounts.ready


async def test_a_new_token_keeps_the_throttle_and_the_series(house):
    await house.follow(named(house, "a"))
    await house.clock.advance(30)
    await house.follow(named(house, a="new"))
    assert house.moments("new") == []
    assert list(house.values("joulo_charging")) == ["a"]
    await house.clock.advance(30)
    assert len(house.moments("a")) == 1
    assert house.moments("new") == [1060.0]
    assert [secret.reveal() for secret in house.accounts.secrets] == ["joulo_new"]


async def test_removed_and_added_again_it_is_asked_no_earlier(house):
    await house.follow(named(house, "a", "b"))
    await house.clock.advance(5)
    await house.follow(named(house, "b"))
    house.clock.step_wall(10_000)
    await house.follow(named(house, "a", "b"))
    await house.clock.advance(54)
    assert house.moments("a") == [1000.0]


async def test_a_request_in_flight_is_finished_and_written_down_first(house):
    house.gate = asyncio.Event()
    await house.follow(named(house, "a"))
    following = asyncio.create_task(house.accounts.follow(named(house, a="new")))
    await house.clock.settle()
    assert not following.done()
    house.gate.set()
    await following
    await house.clock.settle()
    assert list(house.values("joulo_charging")) == ["a"]
    assert len(house.moments("a")) == 1
    await house.clock.advance(59)
    assert house.moments("new") == []


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
        broken.setattr("joulo_exporter.accounts.AccountLedger", fail)
        with pytest.raises(LedgerError, match="disk full"):
            await house.accounts.follow(named(house, a="new"))
    await house.clock.advance(63)  # the interval, and the most of its jitter
    assert len(house.moments("a")) == 2


async def test_one_account_that_fails_does_not_touch_another(house):
    await house.follow(named(house, "a", "broken"))
    await house.clock.advance(126)
    assert len(house.moments("a")) == 3


def test_plans_say_what_each_account_needs(tmp_path):
    file = tmp_path / "config.yml"
    file.write_text("accounts: [{name: a, token: joulo_a}]\nintervals: {chargers: 90s}\nstale_after: 5m\n")
    (plan,) = plans(load_config(file, {}))
    assert (plan.key, plan.settings.account, plan.token.reveal()) == ("a", "a", "joulo_a")
    assert plan.settings.intervals["chargers"] == 90.0
    assert plan.settings.stale_after_s == 300.0
    assert "joulo_a" not in repr(plan)
    assert msgspec.structs.replace(plan) == plan
