from hypothesis import given
from hypothesis import strategies as st

from joulo_exporter.reports.curve import CHARGING, FINISHED_SESSIONS, SESSION_KWH, TOTAL_KWH, Charge, course

CHARGES = st.lists(
    st.builds(
        lambda start, length, kwh: Charge(start, start + length, kwh, kwh // 3, finished=True),
        st.integers(0, 1000), st.integers(0, 500), st.integers(0, 9000),
    )
).map(lambda charges: sorted(charges, key=lambda charge: charge.start_ms))  # fmt: skip


@given(CHARGES, st.integers(1, 100))
def test_totals_never_fall_and_end_at_the_sum(charges, step):
    values = [value for _, value in course(charges, TOTAL_KWH, [*range(0, 1600, step), 1600])]
    assert values == sorted(values)
    assert values[-1] == sum(charge.kwh_hundredths for charge in charges)


def test_energy_is_spread_over_the_session():
    charges = [Charge(100, 200, 50, 7, finished=True)]
    ticks = [0, 100, 150, 199, 200, 300]
    assert [v for _, v in course(charges, TOTAL_KWH, ticks)] == [0, 0, 25, 49, 50, 50]
    assert [v for _, v in course(charges, SESSION_KWH, ticks)] == [0, 0, 25, 49, 0, 0]
    assert [v for _, v in course(charges, CHARGING, ticks)] == [0, 1, 1, 1, 0, 0]
    assert [v for _, v in course(charges, FINISHED_SESSIONS, ticks)] == [0, 0, 0, 0, 1, 1]
