import pytest
from hypothesis import given
from hypothesis import strategies as st

from joulo_exporter.config import format_duration, parse_duration

_LONGEST_MS = (2**63 - 1) // 1_000_000


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0.0),
        ("0s", 0.0),
        ("90s", 90.0),
        ("10m", 600.0),
        ("1h30m", 5400.0),
        ("7d", 604_800.0),
        ("1w", 604_800.0),
        ("1y", 31_536_000.0),
        ("500ms", 0.5),
        ("1y2w3d4h5m6s7ms", 31_536_000.0 + 1_209_600.0 + 259_200.0 + 14_400.0 + 300.0 + 6.007),
        ("3d90m", 264_600.0),
        ("007s", 7.0),
        ("292y", 292 * 31_536_000.0),
    ],
)
def test_a_duration_is_read_as_prometheus_reads_it(text, seconds):
    assert parse_duration(text) == pytest.approx(seconds, abs=1e-9)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "s",
        "1",
        "1.5h",
        "-1s",
        "+1s",
        "30m1h",
        "1m1m",
        "1ms1s",
        "1 h",
        "1h ",
        "10M",
        "1µs",
        "\u0661s",
        "1h\n",
    ],
)
def test_anything_else_is_no_duration(text):
    with pytest.raises(ValueError, match=r"^(is not a duration|has no unit); "):
        parse_duration(text)


@pytest.mark.parametrize("text", ["60", "1.5", "-1", "00", "9" * 5000])
def test_a_bare_number_is_told_that_it_has_no_unit(text):
    with pytest.raises(ValueError, match=r"^has no unit; write a duration such as 90s, 10m, 1h30m or 7d$"):
        parse_duration(text)


@pytest.mark.parametrize("text", ["293y", "292y365d", "9" * 40 + "ms"])
def test_what_prometheus_cannot_count_is_refused(text):
    with pytest.raises(ValueError, match="292 years"):
        parse_duration(text)


def test_a_duration_of_absurd_length_is_refused_before_it_is_computed():
    with pytest.raises(ValueError, match="is not a duration"):
        parse_duration("9" * 5000 + "s")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"),
        (0.001, "1ms"),
        (60, "1m"),
        (5400, "1h30m"),
        (604_800, "1w"),
        (90 * 86_400, "90d"),
        (31_536_000, "1y"),
        (31_536_000 + 1, "365d1s"),
    ],
)
def test_a_duration_is_printed_as_prometheus_prints_it(seconds, text):
    assert format_duration(seconds) == text


@given(st.integers(0, _LONGEST_MS))
def test_what_is_printed_is_read_back(milliseconds):
    assert parse_duration(format_duration(milliseconds / 1000)) == pytest.approx(milliseconds / 1000, abs=5e-4)


@given(st.integers(0, 10**12))
def test_what_is_printed_is_read_back_to_the_millisecond(milliseconds):
    assert round(parse_duration(format_duration(milliseconds / 1000)) * 1000) == milliseconds


@given(st.text(alphabet="0123456789ywdhms ", max_size=20))
def test_a_text_is_a_duration_of_at_least_nothing_or_a_value_error(text):
    try:
        assert parse_duration(text) >= 0
    except ValueError as error:
        assert "\n" not in str(error)  # noqa: PT017 - either outcome is right
