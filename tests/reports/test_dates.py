"""Dates of the command line: a year, month or day at --to is included, whatever the time zone."""

from datetime import UTC, datetime

import pytest

from joulo_exporter.clock import parse_span

OFFSET_S = 9 * 3600 + 45 * 60  # of the zone that far_from_utc makes


def here(*parts: int) -> float:
    return datetime(*parts, tzinfo=UTC).timestamp() - OFFSET_S


@pytest.mark.usefixtures("far_from_utc")
@pytest.mark.parametrize(
    ("text", "begins", "ends"),
    [
        ("2026", (2026, 1, 1), (2027, 1, 1)),
        ("2026-12", (2026, 12, 1), (2027, 1, 1)),
        ("2024-02", (2024, 2, 1), (2024, 3, 1)),
        ("2024-02-29", (2024, 2, 29), (2024, 3, 1)),
        ("2026-12-31", (2026, 12, 31), (2027, 1, 1)),
        ("2026-06-17T18:30", (2026, 6, 17, 18, 30), (2026, 6, 17, 18, 30)),
        ("2026-06-17 18:30:05", (2026, 6, 17, 18, 30, 5), (2026, 6, 17, 18, 30, 5)),
    ],
)
def test_a_span_begins_and_ends_at_local_borders(text, begins, ends):
    assert parse_span(text) == (here(*begins), here(*ends))


@pytest.mark.usefixtures("far_from_utc")
@pytest.mark.parametrize("text", ["2026-06-17T18:30+02:00", "2026-06-17T16:30Z"])
def test_a_moment_with_an_offset_is_the_same_everywhere(text):
    assert parse_span(text) == (datetime(2026, 6, 17, 16, 30, tzinfo=UTC).timestamp(),) * 2


@pytest.mark.parametrize(
    "text", ["", "yesterday", "2026-13", "2026-02-30", "2026-6-1", "20260617", "2026-W25", "2026-W25-3",
             "20260617T18:30", "2026-06-17T", "2026-06-17T25:00", "0000", "9999", "\uff12\uff10\uff12\uff16"],
)  # fmt: skip
def test_other_spellings_are_refused_and_never_taken_for_a_midnight(text):
    with pytest.raises(ValueError, match="write 2026, 2026-06, 2026-06-17 or 2026-06-17T18:30"):
        parse_span(text)
