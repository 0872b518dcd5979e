"""The simulated household: a plausible history, and sessions that depend on nothing but seed and moment."""

import uuid
from collections import Counter, defaultdict
from datetime import UTC, datetime
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from joulo_exporter.models.wire import Plausibility
from joulo_exporter.simulator import Cadence, Household, Scenario
from joulo_exporter.simulator.household import CARS

START = 1_781_800_000.25  # 2026-06-18T16:26:40Z
SHORT = Cadence(session_s=(4, 9), pause_s=(0, 3), credits_delay_s=2, sync_s=1, time_lapse=400)
MOMENTS = st.floats(START, START + 900, allow_nan=False)
SEEDS = st.integers(0, 1000)
PROPERTY = settings(max_examples=50, deadline=None)


def household(seed=0, **scenario):
    return Household(Scenario(seed=seed, **scenario), lambda: START)


def lively(seed, chargers=2):
    """Return a household whose sessions take seconds."""
    return household(seed, chargers=chargers, history_days=30, cadence=SHORT)


@pytest.fixture(scope="module")
def past():
    """The sessions of the default history."""
    whole = Household(Scenario(), lambda: START).sessions_at(START)
    return [session for session in whole if session.ended_at_seconds is not None]


def test_the_history_is_that_of_a_year_and_a_half_newest_first(past):
    assert 543 <= (START - past[-1].started_at_seconds) / 86_400 <= 549
    assert past[0].ended_at_seconds <= START - 3600
    starts = [session.started_at_seconds for session in past]
    assert starts == sorted(starts, reverse=True)
    assert sorted(Counter(session.charger_id for session in past).values()) == [110, 246]


def test_habits_are_plausible(past):
    """Evenings and nights, more in winter, two cars and some sessions without a tag, at most 11 kW."""
    begins = [datetime.fromtimestamp(session.started_at_seconds, UTC) for session in past]
    assert all(begin.hour >= 16 or begin.hour < 3 for begin in begins)
    winter, summer = (
        [one.kwh_hundredths for one, begin in zip(past, begins, strict=True) if begin.month in months]
        for months in ((12, 1, 2), (6, 7, 8))
    )
    assert sum(winter) / len(winter) > 1.2 * sum(summer) / len(summer)
    tags = Counter(session.id_tag for session in past)
    assert set(tags) == {CARS[0].id_tag, CARS[1].id_tag, None}
    assert min(tags.values()) > 20
    for session in past:
        hours = (session.ended_at_seconds - session.started_at_seconds) / 3600
        assert session.kwh_hundredths / 100 / hours <= 11.01


def test_credits_are_a_third_of_the_energy_of_certified_meters_only(past):
    garage = Counter(session.charger_id for session in past).most_common()[-1][0]
    empty = [session for session in past if session.kwh_hundredths == 0]
    assert 3 <= len(empty) <= 30
    for session in past:
        if session.charger_id == garage:
            assert (session.counts_for_ere, session.credits_hundredths) == (False, None)
        elif session in empty:
            assert session.ended_at_seconds - session.started_at_seconds <= 60
            assert session.credits_hundredths is None
        else:
            assert session.counts_for_ere is True
            assert session.credits_hundredths == pytest.approx(session.kwh_hundredths * 0.3327, abs=0.51)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32), chargers=st.integers(1, 50), days=st.integers(1, 600), share=st.floats(0, 1))
def test_sessions_on_one_charger_never_overlap_and_their_number_is_exact(seed, chargers, days, share):
    wanted = int(share * min(3000, days * 86_400 * chargers // 120))
    sessions = household(seed, chargers=chargers, history_days=days, history_sessions=wanted).sessions_at(START)
    ended = {session.id for session in sessions if session.ended_at_seconds is not None}
    assert len(ended) == wanted
    assert all(str(uuid.UUID(text)) == text and uuid.UUID(text).version == 4 for text in ended)
    by_charger = defaultdict(list)
    for session in sessions:
        by_charger[session.charger_id].append(session)
    for of_one in by_charger.values():
        for later, earlier in pairwise(of_one):
            assert earlier.started_at_seconds < earlier.ended_at_seconds <= later.started_at_seconds


# Live -------------------------------------------------------------------------------------------


def test_the_default_household_has_one_session_in_progress():
    driveway, garage = household(history_days=60).chargers_at(START)
    assert (driveway.slug, driveway.nickname, driveway.connection_type) == ("oprit", "Oprit", "easee")
    assert (driveway.mid_certified, driveway.charging, driveway.status) == (True, True, "online")
    assert driveway.session.started_at_seconds < START
    assert driveway.session.kwh_hundredths > 10
    assert driveway.session.id_tag == "04A1B2C3D4E580"
    assert (garage.slug, garage.nickname, garage.connection_type) == (None, "Garage achter", "ocpp")
    assert (garage.mid_certified, garage.charging, garage.session) == (False, False, None)


@pytest.mark.parametrize("seed", range(8))
def test_within_five_minutes_a_session_ends_and_the_next_begins(seed):
    without_history = household(seed, history_days=0)
    first = without_history.chargers_at(START)[0].session.id
    seen = [without_history.chargers_at(START + second)[0].session for second in range(300)]
    assert None in seen
    following = {session.id for session in seen[seen.index(None) :] if session}
    assert following
    assert first not in following


def test_sessions_obey_the_cadence():
    sessions = lively(7).sessions_at(START + 600)
    live = [s for s in sessions if s.started_at_seconds > START - 10 and s.ended_at_seconds]
    assert len(live) > 100
    assert {s.ended_at_seconds - s.started_at_seconds for s in live} == {4, 5, 6, 7, 8, 9}
    usual = [s for s in household(history_days=0).sessions_at(START + 3600) if s.ended_at_seconds]
    assert len(usual) > 20
    assert all(20 <= s.kwh_hundredths <= 62 for s in usual)  # of 100 to 200 s at 7.4 or 11 kW
    for s in usual:
        assert s.kwh_hundredths / 100 <= Plausibility(START + 3600).max_kwh(
            s.started_at_seconds, s.ended_at_seconds
        )


def test_credits_come_some_time_after_the_end():
    one = household(history_days=0)
    end = one.sessions_at(START + 200)[-1].ended_at_seconds
    first = {moment: one.sessions_at(end + moment)[-1] for moment in (-1, 0, 19.9, 20)}
    assert [session.ended_at_seconds for session in first.values()] == [None, end, end, end]
    assert [session.status for session in first.values()] == ["charging", *["completed"] * 3]
    earned = round(first[0].kwh_hundredths * 0.3327)
    assert [session.credits_hundredths for session in first.values()] == [None, None, None, earned]


@PROPERTY
@given(seed=SEEDS, moments=st.lists(MOMENTS, min_size=2, max_size=6))
def test_how_often_and_in_what_order_it_is_asked_changes_nothing(seed, moments):
    def state(of, moment):
        return of.chargers_at(moment), of.sessions_at(moment)

    asked = lively(seed)
    before = {moment: state(asked, moment) for moment in moments}
    for moment in moments:
        assert state(asked, moment) == before[moment] == state(lively(seed), moment)


@PROPERTY
@given(seed=SEEDS, moments=st.tuples(MOMENTS, MOMENTS).map(sorted))
def test_sessions_only_come_grow_and_end_and_chargers_show_them(seed, moments):
    one = lively(seed, chargers=3)
    earlier, later = ({s.id: s for s in one.sessions_at(moment)} for moment in moments)
    assert earlier.keys() <= later.keys()
    for session_id, before in earlier.items():
        after = later[session_id]
        assert after.kwh_hundredths >= before.kwh_hundredths
        if before.ended_at_seconds is not None:
            assert replace(after, credits_hundredths=None) == replace(before, credits_hundredths=None)
        if before.credits_hundredths is not None:
            assert after == before
    chargers = [one.chargers_at(moment) for moment in moments]
    for shown, sessions in zip(chargers, (earlier, later), strict=True):
        live = {s.charger_id: s for s in sessions.values() if s.ended_at_seconds is None}
        assert {c.id: c.session.id for c in shown if c.session} == {key: s.id for key, s in live.items()}
        for c in (c for c in shown if c.session):
            same = ("started_at_seconds", "kwh_hundredths", "id_tag")
            assert [getattr(c.session, name) for name in same] == [getattr(live[c.id], name) for name in same]
    for before, after in zip(*chargers, strict=True):
        grown = [
            sum(s.kwh_hundredths for s in of.values() if s.charger_id == before.id) for of in (earlier, later)
        ]
        assert after.meter_wh - before.meter_wh == pytest.approx(10 * (grown[1] - grown[0]), abs=20)
        assert after.meter_at_seconds >= before.meter_at_seconds
