from hypothesis import given
from hypothesis import strategies as st

from joulo_exporter.reports.series import QUANTITIES, Charge, values_at


def charge(start_ms, length_ms, kwh=0, ere=0, **finish):
    """Return a finished session; what the metrics of the last session show follows, unless it is given."""
    shown = {
        "ended_ns": (start_ms + length_ms) * 10**6,
        "started_ns": start_ms * 10**6,
        "duration_ms": length_ms,
        "kwh_hundredths": kwh,
        "credits_hundredths": ere,
    }
    return Charge(start_ms, start_ms + length_ms, finished=True, **(shown | finish))


def values(charges, metric, ticks):
    """Return the value at each tick; ``None`` where there is none."""
    found = dict(values_at(charges, QUANTITIES[metric], ticks))
    return [found.get(tick) for tick in ticks]


LAST = "joulo_last_session"
CHARGES = st.lists(
    st.builds(charge, st.integers(0, 1000), st.integers(0, 500), st.integers(0, 9000), st.integers(0, 3000))
).map(lambda charges: sorted(charges, key=lambda charge: charge.start_ms))


@given(CHARGES, st.integers(1, 100))
def test_totals_never_fall_and_end_at_the_sum(charges, step):
    ticks = [*range(0, 1600, step), 1600]
    for metric, expected in (
        ("joulo_total_kwh", sum(charge.kwh_hundredths for charge in charges)),
        ("joulo_session_seconds_total", sum(charge.duration_ms for charge in charges)),
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
    charges = [charge(100, 50, 10), Charge(200, 300, 40, 0)]
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
    charges = [charge(0, 10, 50, 7), charge(20, 10, 60, credits_hundredths=None), charge(40, 10, 70, 0)]
    assert values(charges, f"{LAST}_ere_credits", [10, 20, 30, 40, 50]) == [7, 7, None, None, 0]


def test_the_last_session_is_the_one_that_ended_last_then_began_last_then_the_first():
    long, short = charge(0, 500, 900), charge(100, 50, 30)
    assert values([long, short], f"{LAST}_kwh", [150, 499, 500]) == [30, 30, 900]
    ended = {"ended_ns": 100}
    late, early = charge(50, 50, 30, **ended), charge(0, 100, 20, **ended)
    unknown = charge(60, 40, 40, started_ns=None, **ended)
    assert values([early, late, unknown], f"{LAST}_kwh", [100]) == [30]
    assert values([early, unknown], f"{LAST}_kwh", [100]) == [20]
    assert values([late, charge(50, 50, 31, **ended)], f"{LAST}_kwh", [100]) == [30]
    assert values([charge(0, 50, 1, ended_ns=200), early], f"{LAST}_kwh", [50, 100]) == [1, 1]


@given(CHARGES, st.integers(1, 100))
def test_the_end_of_the_last_session_never_falls_and_is_never_later_than_its_tick(charges, step):
    ends = list(values_at(charges, QUANTITIES["joulo_last_session_end_timestamp_seconds"], range(0, 1600, step)))
    assert [end for _, end in ends] == sorted(end for _, end in ends)
    assert all(end <= tick * 10**6 for tick, end in ends)
    assert {tick for tick, _ in ends} == {
        tick for tick in range(0, 1600, step) if any(charge.end_ms <= tick for charge in charges)
    }
