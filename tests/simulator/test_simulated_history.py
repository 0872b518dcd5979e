"""The year and a half before the start."""

import time
import uuid
from collections import Counter, defaultdict
from datetime import UTC, datetime
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from joulo_exporter.simulator import Cadence, Household, Scenario
from joulo_exporter.simulator.scenario import CARS, credits_hundredths, stream, uuid_from


@pytest.fixture
def full(clock):
    return Household(Scenario(), clock.now)


@pytest.fixture
def past(full, start):
    return [s for s in full.sessions_at(start) if s.ended_at_seconds is not None]


def test_reaches_back_a_year_and_a_half_and_ends_before_the_start(past, start):
    oldest, newest = past[-1], past[0]
    assert 543 <= (start - oldest.started_at_seconds) / 86_400 <= 549
    assert newest.ended_at_seconds <= start - 3600


def test_has_the_sessions_of_a_plausible_household(past, full):
    driveway, garage = full.charger_ids
    per_charger = Counter(session.charger_id for session in past)
    assert per_charger == {driveway: 246, garage: 110}


def test_is_newest_first(past):
    starts = [session.started_at_seconds for session in past]
    assert starts == sorted(starts, reverse=True)


def test_more_energy_in_winter_than_in_summer(past):
    months = defaultdict(list)
    for session in past:
        months[datetime.fromtimestamp(session.started_at_seconds, UTC).month].append(session.kwh_hundredths)
    winter = [*months[12], *months[1], *months[2]]
    summer = [*months[6], *months[7], *months[8]]
    assert sum(winter) / len(winter) > 1.2 * sum(summer) / len(summer)


def test_sessions_begin_in_the_evening_and_at_night(past):
    hours = Counter(datetime.fromtimestamp(s.started_at_seconds, UTC).hour for s in past)
    late = sum(count for hour, count in hours.items() if hour >= 16 or hour < 3)
    assert late == len(past)


def test_two_cars_and_some_sessions_without_a_tag(past):
    tags = Counter(session.id_tag for session in past)
    assert set(tags) == {CARS[0].id_tag, CARS[1].id_tag, None}
    assert min(tags.values()) > 20


def test_power_is_that_of_a_charging_point(past):
    for session in past:
        hours = (session.ended_at_seconds - session.started_at_seconds) / 3600
        assert session.kwh_hundredths / 100 / hours <= 11.01


def test_some_short_sessions_without_energy(past):
    empty = [session for session in past if session.kwh_hundredths == 0]
    assert 3 <= len(empty) <= 30
    for session in empty:
        assert session.ended_at_seconds - session.started_at_seconds <= 60
        assert session.credits_hundredths is None


def test_credits_are_a_third_and_only_for_certified_meters(past, full):
    driveway, garage = full.charger_ids
    for session in past:
        if session.charger_id == garage:
            assert (session.counts_for_ere, session.credits_hundredths) == (False, None)
        elif session.kwh_hundredths:
            assert session.counts_for_ere is True
            assert session.credits_hundredths == pytest.approx(session.kwh_hundredths * 0.3327, abs=0.51)
    assert {session.charger_id for session in past if session.credits_hundredths} == {driveway}


def test_a_credit_as_in_the_vendors_example():
    assert credits_hundredths(4108) == 1367
    assert credits_hundredths(0) is None


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    chargers=st.integers(1, 50),
    days=st.integers(1, 600),
    share=st.floats(0, 1),
)
def test_sessions_on_one_charger_never_overlap_and_their_number_is_exact(seed, chargers, days, share):
    start = 1_781_800_000.25
    wanted = int(share * min(3000, days * 86_400 * chargers // 120))
    scenario = Scenario(seed=seed, chargers=chargers, history_days=days, history_sessions=wanted)
    household = Household(scenario, lambda: start)
    ended = [s for s in household.sessions_at(start) if s.ended_at_seconds is not None]
    assert len(ended) == wanted
    assert len({session.id for session in ended}) == wanted
    by_charger = defaultdict(list)
    for session in household.sessions_at(start):
        by_charger[session.charger_id].append(session)
    for sessions in by_charger.values():
        for later, earlier in pairwise(sessions):
            assert earlier.started_at_seconds < earlier.ended_at_seconds <= later.started_at_seconds


@pytest.mark.parametrize("seed", range(20))
def test_a_charger_is_not_used_again_within_a_quarter_of_an_hour(seed, clock, start):
    household = Household(Scenario(seed=seed, history_sessions=600), clock.now)
    for charger_id in household.charger_ids:
        starts = [s.started_at_seconds for s in household.sessions_at(start) if s.charger_id == charger_id]
        assert min(later - earlier for later, earlier in pairwise(starts)) >= 899


def test_a_hundred_thousand_sessions_in_less_than_two_seconds_of_work(clock, start):
    household = Household(Scenario(history_sessions=100_000), clock.now)
    before = time.process_time()
    sessions = household.sessions_at(start)
    assert time.process_time() - before < 2
    assert len(sessions) == 100_001


def test_nothing_is_generated_before_somebody_asks(clock):
    household = Household(Scenario(history_sessions=100_000), clock.now)
    assert "_history" not in vars(household)


def test_no_history_at_all(clock, start):
    household = Household(Scenario(history_days=0), clock.now)
    assert [session.ended_at_seconds for session in household.sessions_at(start)] == [None]


def test_uuids_are_of_version_4_and_follow_from_the_seed(past, full):
    for text in (*full.charger_ids, *(session.id for session in past)):
        assert uuid.UUID(text).version == 4
        assert uuid.UUID(text).variant == uuid.RFC_4122
        assert str(uuid.UUID(text)) == text
    assert uuid_from(stream(1, "a")) == uuid_from(stream(1, "a"))
    assert uuid_from(stream(1, "a")) != uuid_from(stream(2, "a"))


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"chargers": 0}, "chargers"),
        ({"chargers": 51}, "chargers"),
        ({"history_days": -1}, "history_days"),
        ({"history_sessions": -1}, "history_sessions"),
        ({"history_days": 1, "history_sessions": 2000}, "history_sessions"),
    ],
)
def test_an_impossible_scenario_is_refused(wrong, named):
    with pytest.raises(ValueError, match=named):
        Scenario(**wrong)


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"session_s": (0, 5)}, "session_s"),
        ({"session_s": (9, 5)}, "session_s"),
        ({"pause_s": (-1, 5)}, "pause_s"),
        ({"pause_s": (9, 5)}, "pause_s"),
        ({"sync_s": 0}, "sync_s"),
        ({"credits_delay_s": -1}, "credits_delay_s"),
        ({"time_lapse": 0}, "time_lapse"),
    ],
)
def test_an_impossible_cadence_is_refused(wrong, named):
    with pytest.raises(ValueError, match=named):
        Cadence(**wrong)
