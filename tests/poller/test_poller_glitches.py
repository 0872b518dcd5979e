"""One wrong minute of the API: what is implausible is not believed, and a wrong field costs only itself."""

from datetime import UTC, datetime, timedelta

import pytest
from support.poller_rig import (
    CHARGERS_S,
    ENERGY_S,
    PAGE_S,
    RESYNC_S,
    SESSIONS_S,
    Rig,
    charger,
    chargers,
    listed,
    live,
    sessions,
)

from joulo_exporter.ledger.reader import LedgerReader
from joulo_exporter.models.charger import Tags
from joulo_exporter.reports.backfill import Backfill, backfill


class ReadRig(Rig):
    """An account whose history is read when a test begins, and whose API is believed up to 50 kW."""

    async def start(self) -> None:
        self.api.max_power_kw = 50.0
        await super().start()
        await self.clock.advance(2 * PAGE_S)


def ago(rig: Rig, **span: float) -> str:
    return (datetime.fromtimestamp(rig.clock.now(), UTC) - timedelta(**span)).isoformat()


def show(rig: Rig, *shown: dict) -> None:
    rig.api.answers["sessions"] = sessions(*shown)


async def test_a_glitch_of_a_session_in_progress_sets_no_counter():
    async with ReadRig() as rig:
        start = ago(rig, hours=1)
        for kwh in (0.5, 9334.8, 9334.8):
            rig.api.answers["chargers"] = chargers(charger(live(kwh=kwh, started_at=start)))
            await (rig.clock.advance(CHARGERS_S + 1) if rig.task else rig.start())
            assert rig.value("joulo_total_kwh", charger="oprit") == 0.5
            assert rig.value("joulo_session_kwh", charger="oprit") == (kwh if kwh < 1 else None)  # never frozen
        assert rig.value("joulo_api_malformed_fields_total", field="current_session.kwh_so_far") == 2
        rig.api.answers["chargers"] = chargers(charger())
        show(rig, listed(kwh=7.3, started_at=start, ended_at=ago(rig)))
        await rig.clock.advance(SESSIONS_S + 60)
        assert rig.value("joulo_total_kwh", charger="oprit") == 7.3
        await rig.clock.advance(SESSIONS_S + 60)  # a tag may still come until the end is listed twice
        assert rig.value("joulo_vehicle_kwh_total", vehicle="unknown") == 7.3


async def test_a_new_session_that_still_shows_the_energy_of_the_one_before_counts_nothing_yet():
    async with ReadRig() as rig:
        before = listed("old", 13.32, started_at=ago(rig, hours=3), ended_at=ago(rig, hours=1))
        show(rig, before)
        start = ago(rig, seconds=30)
        rig.api.answers["chargers"] = chargers(charger(live("new", 13.32, started_at=start)))
        await rig.start()
        assert rig.value("joulo_total_kwh", charger="oprit") == 13.32
        rig.api.answers["chargers"] = chargers(charger(live("new", 0.2, started_at=start)))
        await rig.clock.advance(CHARGERS_S + 1)
        assert rig.value("joulo_total_kwh", charger="oprit") == 13.52


async def test_an_end_in_the_future_is_no_last_session_and_adds_no_duration():
    async with ReadRig() as rig:
        right = listed("right", 4.0, started_at=ago(rig, hours=9), ended_at=ago(rig, hours=8))
        wrong = listed("wrong", 6.0, started_at=ago(rig, hours=3), ended_at="2036-01-01T00:00:00Z")
        show(rig, wrong, right)
        await rig.start()
        assert rig.value("joulo_last_session_kwh", charger="oprit") == 4.0
        assert rig.value("joulo_session_seconds_total", charger="oprit") == 3600
        assert rig.value("joulo_total_kwh", charger="oprit") == 10.0
        show(rig, wrong | {"ended_at": ago(rig, hours=2)}, right)
        await rig.clock.advance(SESSIONS_S + 60)
        assert rig.value("joulo_last_session_kwh", charger="oprit") == 6.0
        assert rig.value("joulo_session_seconds_total", charger="oprit") == 7200 + 2 * PAGE_S
        assert rig.value("joulo_total_kwh", charger="oprit") == 10.0


async def test_a_start_in_2000_leaves_the_energy_at_the_end_and_backfill_begins_there():
    async with ReadRig() as rig:
        end = ago(rig, hours=1)
        show(rig, listed("wrong", 6.0, started_at="2000-01-01T00:00:00Z", ended_at=end))
        await rig.start()
        assert rig.value("joulo_last_session_kwh", charger="oprit") == 6.0
        assert rig.value("joulo_last_session_start_timestamp_seconds", charger="oprit") is None
        assert rig.value("joulo_session_seconds_total", charger="oprit") == 0
        with rig.database.transaction() as connection:
            wanted = Backfill(now_seconds=rig.clock.now())
            lines = list(backfill(LedgerReader(connection), [""], Tags({}, "show"), wanted, lambda _: None))
        energy = [line.split() for line in lines if line.startswith("joulo_total_kwh{")]
        ended_seconds = datetime.fromisoformat(end).timestamp()
        assert ended_seconds - 300 <= float(energy[0][2]) <= ended_seconds
        assert (energy[0][1], energy[1][1], energy[-1][1]) == ("0.0", "6.0", "6.0")


# A record that lacks a field ----------------------------------------------------------------------


USUAL = {
    "joulo_total_kwh": 6.0,
    "joulo_last_session_kwh": 6.0,
    "joulo_ere_credits_total": 2.0,
    "joulo_session_seconds_total": 7200.0,
    "joulo_sessions_total": 1.0,
}
NO_START = {"joulo_session_seconds_total": 0.0}
IN_PROGRESS = NO_START | {"joulo_sessions_total": 0.0, "joulo_last_session_kwh": None}
NO_ENERGY = {"joulo_total_kwh": 0.0, "joulo_last_session_kwh": None}
MOMENTS = (None, "", "1970-01-01T00:00:00Z", "2036-01-01T00:00:00Z", "noon", -1, {})


@pytest.mark.parametrize(
    ("field", "value", "served"),
    [
        *(("started_at", moment, NO_START) for moment in MOMENTS),
        *(("ended_at", moment, IN_PROGRESS) for moment in MOMENTS),
        *(("kwh", kwh, NO_ENERGY) for kwh in (None, "", -0.01, 9334.8, {})),
        *(("charger_id", charger_id, {}) for charger_id in (None, "", 7, {})),
    ],
)
async def test_a_field_of_a_session_costs_only_itself(field, value, served):
    async with ReadRig() as rig:
        session = listed("s1", 6.0, started_at=ago(rig, hours=3), ended_at=ago(rig, hours=1), ere_credits=2.0)
        show(rig, session | {"charger_nickname": "Oprit", field: value})
        await rig.start()
        charger_label = "unknown" if field == "charger_id" else "oprit"
        assert {name: rig.value(name, charger=charger_label) for name in USUAL} == USUAL | served
        assert rig.value("joulo_up", endpoint="sessions") == 1
        assert rig.value("joulo_history_complete") == 1
        assert rig.value("joulo_history_unreadable_sessions") == (field == "kwh")
        show(rig, session)
        await rig.clock.advance(SESSIONS_S + 60)
        assert {name: rig.value(name, charger="oprit") for name in USUAL} == USUAL
        assert rig.value("joulo_total_excess_kwh", charger="oprit") == 0
        assert rig.value("joulo_history_unreadable_sessions") == 0
        # What is known of a session stays where it is no longer given.
        show(rig, session | {"charger_id": None, "started_at": None, "kwh": 6.5})
        await rig.clock.advance(SESSIONS_S + 60)
        assert rig.value("joulo_total_kwh", charger="oprit") == 6.5
        assert rig.value("joulo_session_seconds_total", charger="oprit") == 7200


async def test_a_record_without_an_id_is_counted_and_hides_no_withdrawal():
    async with ReadRig() as rig:
        first, second = (
            listed(name, 6.0, started_at=ago(rig, hours=hours), ended_at=ago(rig, hours=hours - 1))
            for name, hours in (("s1", 3), ("s2", 6))
        )
        show(rig, {"kwh": 3.0}, first, second)
        await rig.start()
        assert rig.value("joulo_history_unreadable_sessions") == 1
        assert rig.value("joulo_up", endpoint="sessions") == 1
        show(rig, {"kwh": 3.0}, first)
        for excess in (0.0, 6.0):  # a record that cannot be read could be any of the missing ones at first
            await rig.clock.advance(RESYNC_S + SESSIONS_S)
            assert rig.value("joulo_total_kwh", charger="oprit") == 12.0
            assert rig.value("joulo_total_excess_kwh", charger="oprit") == excess


# The totals of /energy ----------------------------------------------------------------------------


async def account_totals(rig: Rig, *figures: dict) -> list[tuple[float | None, ...]]:
    """Return energy, credits and sessions as they are served after each API response of /energy."""
    served = []
    for stated in figures:
        rig.api.answers["energy"] = stated
        await (rig.clock.advance(ENERGY_S) if rig.task else rig.start())
        served.append(
            (
                rig.value("joulo_account_kwh_total", scope="ere"),
                rig.value("joulo_account_ere_credits_total"),
                rig.value("joulo_account_sessions_total", scope="ere"),
            )
        )
    return served


def total(kwh: float, ere_credits: float = 900.0, sessions: int = 120) -> dict:
    return {"total_kwh": kwh, "total_ere_credits": ere_credits, "total_sessions": sessions}


async def test_a_total_that_the_chargers_cannot_have_reached_is_never_shown():
    glitch = total(2_847_500, 900_000, 120_000)
    async with ReadRig() as rig:
        served = await account_totals(rig, total(2847.5), glitch, total(2850, 901, 121), total(2851, 901, 122))
        assert served == [(2847.5, 900, 120), (2847.5, 900, 120), (2850, 901, 121), (2851, 901, 122)]


async def test_a_rise_is_believed_once_two_more_api_responses_go_on_from_it(tmp_path):
    """A charger was linked with its history: the account has more than before, and it stays so."""
    more = [total(9000 + n, 3000 + n, 500 + n) for n in range(3)]
    async with ReadRig(folder=tmp_path) as rig:
        assert await account_totals(rig, total(2847.5), *more[:2]) == [(2847.5, 900, 120)] * 3
        await rig.restart()  # the candidate is in the ledger
        assert await account_totals(rig, more[2]) == [(9002, 3002, 502)]


@pytest.mark.parametrize(
    ("rises", "shown"),
    [
        pytest.param((51.0,), 1051.0, id="an hour at 50 kW, and the allowance"),
        pytest.param((51.5,), 1000.0, id="more than that"),
        pytest.param((0.0,) * 8 + (400.0,), 1400.0, id="a night at once, at the end of its session"),
        pytest.param((0.0,) * 40 + (1100.0,), 1000.0, id="more than the longest session"),
        pytest.param((5000.0, -5000.0, 5000.0, 9000.0), 1000.0, id="glitches do not confirm each other"),
    ],
)
async def test_how_much_a_total_may_rise_at_once(rises, shown):
    async with ReadRig() as rig:
        figures, kwh = [total(1000.0)], 1000.0
        for rise in rises:
            kwh += rise
            figures.append(total(kwh))
        assert (await account_totals(rig, *figures))[-1][0] == shown


async def test_a_total_that_rises_during_an_absence_is_believed():
    async with ReadRig() as rig:
        await account_totals(rig, total(1000.0))
        await rig.restart(away_s=30 * 86_400.0)
        rig.api.answers["energy"] = total(1900.0, 1200.0, 150)
        await rig.clock.advance(ENERGY_S)
        assert rig.value("joulo_account_kwh_total", scope="ere") == 1900.0
