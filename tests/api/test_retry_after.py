"""``Retry-After``: both forms of RFC 9110, and everything that is neither."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from joulo_exporter.api.retry_after import retry_after_seconds

NOW_S = 1_781_810_000.0  # Thu, 18 Jun 2026 19:13:20 GMT


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("", None),
        ("0", 0.0),
        ("120", 120.0),
        (" 120 ", 120.0),
        ("1.5", 1.5),
        ("31536000000", 31_536_000_000.0),
        ("-1", None),
        ("+5", None),
        ("1e3", None),
        ("inf", None),
        ("nan", None),
        ("٣", None),
        ("5 minutes", None),
        ("soon", None),
        ("Thu, 18 Jun 2026 19:15:20 GMT", 120.0),
        ("Thursday, 18-Jun-26 19:15:20 GMT", 120.0),
        ("Thu Jun 18 19:15:20 2026", 120.0),
        ("Thu, 18 Jun 2026 21:15:20 +0200", 120.0),
        ("Thu, 18 Jun 2026 19:13:20 GMT", 0.0),
        ("Thu, 18 Jun 2026 19:11:20 GMT", 0.0),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0.0),
        ("Thu, 32 Jun 2026 19:15:20 GMT", None),
        ("Thu, 18 Jun 99999 19:15:20 GMT", None),
        ("Thu, 18 Jun 99999999999999999999 19:15:20 GMT", None),
    ],
)
def test_seconds_from_now(header, seconds):
    assert retry_after_seconds(header, NOW_S) == seconds


@pytest.mark.usefixtures("far_from_utc")
def test_a_date_without_zone_is_utc_wherever_this_machine_is():
    assert retry_after_seconds("Thu Jun 18 19:15:20 2026", NOW_S) == 120


def test_an_absurd_number_stays_large_and_finite():
    seconds = retry_after_seconds("9" * 400, NOW_S)
    assert seconds > 1e300
    assert math.isfinite(seconds)


DATE_LIKE = st.from_regex(r"[A-Z][a-z]{2},? ?\d{1,3}[ -][A-Z][a-z]{2}[ -]\d{1,6} \d{1,3}:\d{1,3}(:\d+)?.{0,8}")


@given(st.one_of(st.text(), DATE_LIKE, st.integers().map(str), st.floats().map(str)))
def test_no_header_breaks_it(header):
    seconds = retry_after_seconds(header, NOW_S)
    assert seconds is None or (seconds >= 0 and math.isfinite(seconds))
