"""Values of the series of a backfill at any moment, by the sessions of a charger."""

from hypothesis import given
from hypothesis import strategies as st

from joulo_exporter.ledger.reader import RecordedSession
from joulo_exporter.reports.backfill import QUANTITIES, TimedSession, tallies


def charge(start_ms, length_ms, kwh=0, ere=0, **known):
    """Return a finished session; its known start and end are others if they are given."""
    fields = {"started_at_seconds": start_ms / 1000, "ended_at_seconds": (start_ms + length_ms) / 1000}
    session = RecordedSession(
        "s", "c1", kwh_hundredths=kwh, credits_hundredths=ere, end_is_final=True, **(fields | known)
    )
    return TimedSession(session, start_ms, start_ms + length_ms)


def values(charges, metric, ticks):
    """Return the value at each tick; ``None`` where there is none."""
    return [QUANTITIES[metric].at(tally) for tally in tallies(charges, ticks)]


LAST = "joulo_last_session"
CHARGES = st.lists(
    st.builds(charge, st.integers(0, 1000), st.integers(0, 500), st.integers(0, 9000), st.integers(0, 3000))
).map(lambda charges: sorted(charges, key=lambda charge: charge.start_ms))


@given(CHARGES, st.integers(1, 100))
def test_totals_never_fall_and_end_at_the_sum(charges, step):
    ticks = [*range(0, 1600, step), 1600]
    for metric, expected in (
        ("joulo_total_kwh", sum(charge.session.kwh_hundredths for charge in charges)),
        ("joulo_session_seconds_total", sum(charge.end_ms - charge.start_ms for charge in charges)),
    ):
        rising = values(charges, metric, ticks)
        assert rising == sorted(rising)
        assert rising[-1] == expected


def test_energy_is_spread_over_the_session():
    charges = [charge(100, 100, 50, 7)]
    ticks = [0, 100, 150, 199, 200, 300]
    assert values(charges, "joulo_total_kwh", ticks) == [0, 0, 25, 49, 50, 50]
    assert values(charges, "joulo_session_kwh", ticks) == [0, 0, 25, 49, 0, 0]
    assert values(charges, "joulo_charging", ticks) == [0, 1, 1, 1, 0, 0]
    assert values(charges, "joulo_sessions_total", ticks) == [0, 0, 0, 0, 1, 1]
    assert values(charges, "joulo_session_seconds_total", ticks) == [0, 0, 0, 0, 100, 100]


def test_a_session_in_progress_is_neither_counted_nor_the_last():
    charges = [charge(100, 50, 10), charge(200, 100, 40, ended_at_seconds=None)]
    assert values(charges, "joulo_sessions_total", [250, 300, 400]) == [1, 1, 1]
    assert values(charges, "joulo_session_seconds_total", [250, 300, 400]) == [50, 50, 50]
    assert values(charges, "joulo_last_session_kwh", [250, 300, 400]) == [10, 10, 10]


def test_the_last_session_is_there_from_its_end_on():
    charges = [charge(100, 100, 50, 7), charge(300, 50, 80, 9)]
    ticks = [0, 150, 199, 200, 320, 349, 350, 900]
    before, ms = [None] * 3, 10**6
    assert values(charges, f"{LAST}_kwh", ticks) == [*before, 50, 50, 50, 80, 80]
    assert values(charges, f"{LAST}_ere_credits", ticks) == [*before, 7, 7, 7, 9, 9]
    assert values(charges, f"{LAST}_start_timestamp_seconds", ticks) == [*before, *[100 * ms] * 3, *[300 * ms] * 2]
    assert values(charges, f"{LAST}_end_timestamp_seconds", ticks) == [*before, *[200 * ms] * 3, *[350 * ms] * 2]


def test_credits_that_were_never_calculated_are_a_gap_and_not_those_of_the_session_before():
    charges = [charge(0, 10, 50, 7), charge(20, 10, 60, ere=None), charge(40, 10, 70, 0)]
    assert values(charges, f"{LAST}_ere_credits", [10, 20, 30, 40, 50]) == [7, 7, None, None, 0]


def test_the_last_session_is_the_one_that_ended_last_then_began_last_then_the_first():
    long, short = charge(0, 500, 900), charge(100, 50, 30)
    assert values([long, short], f"{LAST}_kwh", [150, 499, 500]) == [30, 30, 900]
    ended = {"ended_at_seconds": 0.1}
    late, early = charge(50, 50, 30, **ended), charge(0, 100, 20, **ended)
    unknown = charge(60, 40, 40, started_at_seconds=None, **ended)
    assert values([early, late, unknown], f"{LAST}_kwh", [100]) == [30]
    assert values([early, unknown], f"{LAST}_kwh", [100]) == [20]
    assert values([late, charge(50, 50, 31, **ended)], f"{LAST}_kwh", [100]) == [30]
    assert values([charge(0, 50, 1, ended_at_seconds=0.2), early], f"{LAST}_kwh", [50, 100]) == [1, 1]


@given(CHARGES, st.integers(1, 100))
def test_the_end_of_the_last_session_never_falls_and_is_never_later_than_its_tick(charges, step):
    ticks = range(0, 1600, step)
    ends = values(charges, f"{LAST}_end_timestamp_seconds", ticks)
    known = [end for end in ends if end is not None]
    assert known == sorted(known)
    for tick, end in zip(ticks, ends, strict=True):
        assert end is None or end <= tick * 10**6
        assert (end is None) is not any(charge.end_ms <= tick for charge in charges)
