"""Pauses between requests: back-off, ``Retry-After``, and the rest of a pause after a restart."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from joulo_exporter.ledger import Pause
from joulo_exporter.poller.endpoint import (
    FAILURE_JITTER_SHARE,
    LONGEST_BACK_OFF_S,
    LONGEST_RETRY_AFTER_S,
    pause_after_failure,
    remaining_s,
)

intervals = st.floats(0.01, 1e6)
fractions = st.floats(0, 1, exclude_max=True)
moments = st.floats(-1e12, 1e12)
failures = st.integers(0, 10_000)


@given(interval_s=intervals, count=failures, fraction=fractions, asked=st.none() | st.floats(0, 1e9))
def test_a_failure_is_followed_by_the_interval_at_least_and_retry_after_is_obeyed(
    interval_s, count, fraction, asked
):
    pause_s = pause_after_failure(interval_s, count, fraction, asked)
    assert pause_s >= max(interval_s, min(asked or 0.0, LONGEST_RETRY_AFTER_S))
    longest_s = max(interval_s, LONGEST_BACK_OFF_S) * (1 + FAILURE_JITTER_SHARE)
    assert pause_s <= max(longest_s, min(asked or 0.0, LONGEST_RETRY_AFTER_S))


@pytest.mark.parametrize(
    ("interval_s", "count", "asked", "expected"),
    [(60, 1000, None, 900), (3600, 9, None, 3600), (60, 5, 10.0, 900), (60, 1, 1e9, 86_400)],
)
def test_back_off(interval_s, count, asked, expected):
    assert pause_after_failure(interval_s, count, 0.0, asked) == expected


@given(requested=moments, now=moments, length_s=st.floats(0, 1e6), count=failures, interval_s=intervals)
def test_what_remains_is_within_the_pause_whatever_the_clock_does(requested, now, length_s, count, interval_s):
    left_s = remaining_s(Pause(requested, length_s, count), interval_s, now)
    whole_s = interval_s if count == 0 else max(length_s, interval_s)
    assert 0 <= left_s <= whole_s
    if now <= requested:
        assert left_s == whole_s


@pytest.mark.parametrize(
    ("pause", "expected"),
    [(Pause(1000.0, 63.0), 35.0), (Pause(1000.0, 3600.0, 1), 3575.0), (Pause(1000.0, 30.0, 1), 35.0)],
)
def test_what_remains_after_a_restart(pause, expected):
    assert remaining_s(pause, 60.0, 1025.0) == expected
