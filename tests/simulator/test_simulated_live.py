"""What happens after the start, and that nothing but the moment decides it."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import asdict

from joulo_exporter.simulator import Cadence, Household, Scenario

START = 1_781_800_000.25  # 2026-06-18T16:26:40Z
SHORT = Cadence(session_s=(4, 9), pause_s=(0, 3), credits_delay_s=2, sync_s=1, time_lapse=400)
MOMENTS = st.floats(START, START + 900, allow_nan=False)


def small(seed, cadence=SHORT, chargers=2):
    scenario = Scenario(seed=seed, chargers=chargers, history_days=30, cadence=cadence)
    return Household(scenario, lambda: START)


def test_the_default_household(household, start):
    driveway, garage = household.chargers_at(start)
    assert asdict(driveway) | {"id": "", "session": None, "meter_wh": 0} == {
        "id": "",
        "slug": "oprit",
        "nickname": "Oprit",
        "connection_type": "easee",
        "status": "online",
        "mid_certified": True,
        "charging": True,
        "session": None,
        "session_unreadable": False,
        "meter_wh": 0,
        "meter_at_seconds": 1_781_800_000,
    }
    assert (garage.slug, garage.nickname, garage.connection_type) == (None, "Garage achter", "ocpp")
    assert (garage.mid_certified, garage.charging, garage.session) == (False, False, None)


def test_a_session_is_in_progress_on_one_charger_at_the_start(household, start):
    driveway, garage = household.chargers_at(start)
    assert driveway.session.started_at_seconds < start
    assert driveway.session.kwh_hundredths > 50
    assert driveway.session.id_tag == "04A1B2C3D4E580"
    assert garage.session is None


@pytest.mark.parametrize("seed", range(40))
def test_within_five_minutes_a_session_ends_and_the_next_begins(seed):
    household = Household(Scenario(seed=seed, history_days=0), lambda: START)
    first = household.chargers_at(START)[0].session.id
    seen = [household.chargers_at(START + second)[0].session for second in range(300)]
    assert None in seen
    following = {session.id for session in seen[seen.index(None) :] if session}
    assert following
    assert first not in following


def test_energy_grows_to_some_kwh_at_a_power_that_looks_real():
    household = Household(Scenario(history_days=0), lambda: START)
    ended = [s for s in household.sessions_at(START + 3600) if s.ended_at_seconds]
    assert len(ended) > 20
    for session in ended:
        assert 200 <= session.kwh_hundredths <= 620
        assert 100 <= session.ended_at_seconds - session.started_at_seconds <= 200


def test_sessions_obey_the_cadence():
    sessions = small(7).sessions_at(START + 600)
    live = [s for s in sessions if s.started_at_seconds > START - 10 and s.ended_at_seconds]
    assert len(live) > 100
    assert {s.ended_at_seconds - s.started_at_seconds for s in live} == {4, 5, 6, 7, 8, 9}


def test_no_car_charges_at_both_chargers_at_once():
    household = small(3)
    for second in range(600):
        tags = [c.session.id_tag for c in household.chargers_at(START + second) if c.session]
        named = [tag for tag in tags if tag]
        assert len(named) == len(set(named))


def test_credits_come_some_time_after_the_end(household, start):
    session_id = household.chargers_at(start)[0].session.id

    def at(moment):
        return next(s for s in household.sessions_at(moment) if s.id == session_id)

    end = at(start + 200).ended_at_seconds
    assert at(end - 1).credits_hundredths is None
    assert (at(end).ended_at_seconds, at(end).status, at(end).credits_hundredths) == (end, "completed", None)
    assert at(end + 19.9).credits_hundredths is None
    assert at(end + 20).credits_hundredths == round(at(end).kwh_hundredths * 0.3327)


def test_readings_advance_in_steps():
    cadence = Cadence(sync_s=30)
    household = Household(Scenario(history_days=0, cadence=cadence), lambda: START)
    readings = {}
    for second in range(120):
        charger = household.chargers_at(START + second)[0]
        readings.setdefault(charger.meter_at_seconds, set()).add(charger.meter_wh)
    assert all(moment % 30 == 0 for moment in readings)
    assert len(readings) in (4, 5)
    assert all(len(values) == 1 for values in readings.values())


def test_the_meter_grows_by_the_energy_of_the_sessions():
    household = small(5)
    before, after = household.chargers_at(START), household.chargers_at(START + 500)
    for index, charger in enumerate(before):
        delivered = sum(
            session.kwh_hundredths * sign
            for moment, sign in ((START + 500, 1), (START, -1))
            for session in household.sessions_at(moment)
            if session.charger_id == charger.id
        )
        grown = after[index].meter_wh - charger.meter_wh
        assert grown > 10_000
        assert grown == pytest.approx(delivered * 10, abs=20)


def test_fifty_chargers():
    household = small(1, chargers=50)
    chargers = household.chargers_at(START + 100)
    assert len({charger.id for charger in chargers}) == 50
    assert len({charger.nickname for charger in chargers}) == 50
    assert {charger.status for charger in chargers} == {"online", "charging"}
    assert [charger.slug for charger in chargers if charger.slug] == ["oprit"]


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 1000), moments=st.lists(MOMENTS, min_size=2, max_size=6))
def test_how_often_and_in_what_order_it_is_asked_changes_nothing(seed, moments):
    def answers(household, moment):
        return household.chargers_at(moment), household.sessions_at(moment), household.energy_at(moment)

    asked = small(seed)
    wandering = {moment: answers(asked, moment) for moment in moments}
    for moment in moments:
        assert answers(asked, moment) == wandering[moment]
        assert answers(small(seed), moment) == wandering[moment]


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 1000), moments=st.tuples(MOMENTS, MOMENTS).map(sorted))
def test_sessions_only_come_grow_and_end(seed, moments):
    household = small(seed)
    earlier, later = ({s.id: s for s in household.sessions_at(moment)} for moment in moments)
    assert earlier.keys() <= later.keys()
    for session_id, before in earlier.items():
        after = later[session_id]
        assert after.kwh_hundredths >= before.kwh_hundredths
        if before.ended_at_seconds is not None:
            without_credits = {"credits_hundredths": None}
            assert asdict(after) | without_credits == asdict(before) | without_credits
        if before.credits_hundredths is not None:
            assert after == before


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 1000), moment=MOMENTS)
def test_the_live_session_is_the_same_in_both_answers(seed, moment):
    household = small(seed, chargers=3)
    live = {s.id: s for s in household.sessions_at(moment) if s.ended_at_seconds is None}
    shown = {c.session.id: (c.id, c.session) for c in household.chargers_at(moment) if c.session}
    assert live.keys() == shown.keys()
    for session_id, session in live.items():
        charger_id, current = shown[session_id]
        assert (session.charger_id, session.status) == (charger_id, "charging")
        assert session.kwh_hundredths == current.kwh_hundredths
        assert session.started_at_seconds == current.started_at_seconds
        assert session.id_tag == current.id_tag
        assert session.credits_hundredths is None


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 1000), moments=st.tuples(MOMENTS, MOMENTS).map(sorted))
def test_meters_and_totals_never_fall(seed, moments):
    household = small(seed)
    for before, after in zip(*(household.chargers_at(moment) for moment in moments), strict=True):
        assert after.meter_wh >= before.meter_wh
        assert after.meter_at_seconds >= before.meter_at_seconds
    before, after = (household.energy_at(moment) for moment in moments)
    assert after.kwh_all_hundredths >= before.kwh_all_hundredths
    assert after.credits_hundredths >= before.credits_hundredths
    assert after.sessions_all >= before.sessions_all


def test_sessions_of_all_chargers_are_newest_first():
    starts = [s.started_at_seconds for s in small(2, chargers=5).sessions_at(START + 300)]
    assert len(starts) > 100
    assert starts == sorted(starts, reverse=True)


def test_a_session_is_there_from_its_first_second_on():
    began = small(2).sessions_at(START + 300)[0]
    asked_first_at = small(2).sessions_at(began.started_at_seconds)[0]
    assert (asked_first_at.id, asked_first_at.kwh_hundredths) == (began.id, 0)
    assert small(2).sessions_at(began.started_at_seconds - 0.1)[0].id != began.id
