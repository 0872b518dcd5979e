"""A ledger in trouble, faults of our own, and what the log says."""

import logging

import pytest
from msgspec.structs import replace
from support.poller_rig import ENERGY_S, Rig, at_work, charger, chargers, live

from joulo_exporter.errors import ApiError, LedgerError

OUTAGE = ApiError("502", status=502)


def raising(error):
    def fail(*_args, **_kwargs):
        raise error

    return fail


failing = raising(LedgerError("disk full"))


async def test_without_a_recorded_throttle_nothing_is_asked(monkeypatch):
    async with at_work() as rig:
        asked = len(rig.api.requests)
        with monkeypatch.context() as broken:
            broken.setattr(rig.ledger, "begin_request", failing)
            await rig.clock.advance(700)
            assert len(rig.api.requests) == asked
            assert rig.value("joulo_up", endpoint="chargers") == 0.0
            assert rig.value("joulo_charging", charger="oprit") == 0.0
        await rig.clock.advance(900)
        assert rig.value("joulo_up", endpoint="chargers") == 1.0


@pytest.mark.parametrize("method", ["record_chargers", "book", "record_failure"])
@pytest.mark.parametrize("error", [LedgerError("disk full"), ZeroDivisionError()])
async def test_a_ledger_that_cannot_note_the_outcome_ends_nothing(monkeypatch, caplog, tmp_path, method, error):
    caplog.set_level(logging.INFO)
    async with at_work(tmp_path) as rig:
        if method == "record_failure":
            rig.api.answers["chargers"] = OUTAGE
        state = rig.poller.endpoints["chargers"]
        with monkeypatch.context() as broken:
            broken.setattr(
                *((state, "record") if method == "record_chargers" else (rig.ledger, method)), raising(error)
            )
            await rig.clock.advance(400)
            assert rig.value("joulo_charging", charger="oprit") == 0.0
            before = rig.counters()
        rig.api.answers["chargers"] = chargers(charger())
        await rig.clock.advance(900)
        if method == "book":
            said = ["cannot use the ledger", "the ledger works again"]
            assert [record.message for record in caplog.records] == said
        await rig.restart()
        after = rig.counters()
        assert all(after[key] >= value for key, value in before.items())
        assert rig.value("joulo_up", endpoint="chargers") == 1.0
        assert min(rig.api.pauses("chargers")) >= 60


@pytest.mark.parametrize("error", [LedgerError("locked"), ValueError("what is in there?")])
async def test_while_the_ledger_cannot_be_read_nothing_is_asked(error):
    async with Rig() as rig:
        load, calls = rig.ledger.load, []

        def flaky():
            calls.append(rig.clock.monotonic())
            if len(calls) < 3:
                raise error
            return load()

        rig.ledger.load = flaky
        await rig.start()
        await rig.clock.advance(119)
        assert rig.api.requests == []
        await rig.clock.advance(1)
        assert len(rig.api.requests) == 3


MEMORY = "too little memory for the refresh; raise the limit of the process or the container"


@pytest.mark.parametrize(
    ("error", "message", "reason", "shown"),
    [
        (bug := RuntimeError("bug"), "internal error", "internal", bug),
        (MemoryError(), "refresh failed", "memory", MEMORY),
    ],
    ids=["a bug", "memory"],
)
async def test_a_fault_of_our_own_fails_only_that_refresh(caplog, error, message, reason, shown):
    async with at_work() as rig:
        good, rig.api.answers["energy"] = rig.api.answers["energy"], error
        await rig.clock.advance(ENERGY_S)
        fields = {"endpoint": "energy", "reason": reason, "failures": 1, "lasted_s": 0, "err": shown}
        [record] = caplog.records
        assert (record.levelname, record.message, record.fields) == ("ERROR", message, fields)
        assert rig.value("joulo_up", endpoint="energy") == 0.0
        assert rig.value("joulo_account_kwh_total", scope="ere") == 10.0
        assert rig.value("joulo_up", endpoint="chargers") == rig.value("joulo_up", endpoint="sessions") == 1.0
        rig.api.answers["energy"] = good
        await rig.clock.advance(ENERGY_S)
        assert rig.value("joulo_up", endpoint="energy") == 1.0
        assert rig.api.moments("energy") == [1000.0, 1000.0 + ENERGY_S, 1000.0 + 2 * ENERGY_S]


async def test_a_snapshot_that_cannot_be_rendered_ends_nothing():
    async with Rig() as rig:
        rig.exposition.publish = lambda *_: 1 / 0
        await rig.start()
        await rig.clock.advance(60)
        assert rig.api.moments("chargers") == [1000.0, 1060.0]


async def test_a_failing_endpoint_is_logged_at_its_begin_rarely_and_at_its_end(caplog):
    caplog.set_level(logging.INFO)
    async with Rig() as rig:
        good = rig.api.answers["chargers"]
        rig.api.answers["chargers"] = OUTAGE
        await rig.start()
        await rig.clock.advance(3000)
        assert [record.message for record in caplog.records] == ["refresh failed"]
        assert caplog.records[0].fields["endpoint"] == "chargers"
        assert caplog.records[0].fields["reason"] == "502"
        rig.api.answers["chargers"] = good
        await rig.clock.advance(2000)
        assert [record.message for record in caplog.records] == ["refresh failed", "refresh works again"]
        assert caplog.records[1].fields["failures"] == 7


async def test_counters_stand_still_while_the_ledger_is_not_on_disk_also_after_a_reload(monkeypatch, tmp_path):
    async with at_work(tmp_path) as rig:
        rig.api.answers |= {"chargers": chargers(charger(live())), "ere_position": {"effective_fee_pct": 10}}
        before = rig.counters()
        book = rig.ledger.book
        monkeypatch.setattr(rig.ledger, "book", lambda **options: replace(book(**options), persistent=False))
        await rig.clock.advance(120)
        assert rig.counters() == before
        await rig.reload(collectors=frozenset({"ere_position"}))
        assert rig.value("joulo_up", endpoint="ere_position") == 1
        assert {key: value for key, value in rig.counters().items() if key in before} == before
        assert rig.value("joulo_session_kwh", charger="oprit") == 5.0
