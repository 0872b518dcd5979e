"""``GET /energy``: each figure as documented, absent, null, and wrong."""

from __future__ import annotations

import json

import msgspec
import pytest

from joulo_exporter.errors import ApiResponseError
from joulo_exporter.models import Energy, Month, parse_energy

JUNE = Month(
    month="2026-06",
    kwh_hundredths=14325,
    kwh_all_hundredths=16165,
    credits_hundredths=4766,
    sessions=7,
    sessions_all=8,
)
MAY = Month(
    month="2026-05",
    kwh_hundredths=30140,
    kwh_all_hundredths=35010,
    credits_hundredths=10029,
    sessions=15,
    sessions_all=18,
)
ENERGY = Energy(
    kwh_hundredths=189361,
    kwh_all_hundredths=221090,
    credits_hundredths=63002,
    sessions=97,
    sessions_all=118,
    months=(JUNE, MAY),
)
OLDER = Energy(
    kwh_hundredths=51230,
    credits_hundredths=7685,
    sessions=31,
    months=(Month(month="2026-02", kwh_hundredths=8810, credits_hundredths=1322, sessions=6),),
)

WITHOUT = {  # field of the wire: what of the record changes when it is missing
    "total_kwh": {"kwh_hundredths": None},
    "total_kwh_all": {"kwh_all_hundredths": None},
    "total_ere_credits": {"credits_hundredths": None},
    "total_sessions": {"sessions": None},
    "total_sessions_all": {"sessions_all": None},
    "months": {"months": ()},
}
MONTH_WITHOUT = {
    "kwh": {"kwh_hundredths": None},
    "kwh_all": {"kwh_all_hundredths": None},
    "ere_credits": {"credits_hundredths": None},
    "sessions": {"sessions": None},
    "sessions_all": {"sessions_all": None},
}
NO_NUMBER = ["5", True, [], {}, -0.01, 1.1e9]
NO_COUNT = ["5", True, [], {}, -1, 1.5, 1_000_000_001]
WRONG = [
    *[(name, value) for name in ("total_kwh", "total_kwh_all", "total_ere_credits") for value in NO_NUMBER],
    *[(name, value) for name in ("total_sessions", "total_sessions_all") for value in NO_COUNT],
    *[("months", value) for value in (5, "x", True, {})],
]
MONTH_WRONG = [
    *[(name, value) for name in ("kwh", "kwh_all", "ere_credits") for value in NO_NUMBER],
    *[(name, value) for name in ("sessions", "sessions_all") for value in NO_COUNT],
    *[("month", value) for value in (5, None, "", "2026", "2026-13", "2026-00", "2026-6", "2026-06-02")],
    *[("month", value) for value in ("2026-06\n", " 2026-06", "juni 2026", "\uff12\uff10\uff12\uff16-06")],
]


@pytest.fixture
def wire(fixture_bytes):
    """The payload, to be changed by the test."""
    return json.loads(fixture_bytes("energy"))


def parse(body):
    return parse_energy(json.dumps(body).encode())


@pytest.mark.parametrize(("name", "energy"), [("energy", ENERGY), ("energy-older", OLDER)])
def test_every_field_of_the_payload(fixture_bytes, name, energy):
    assert parse_energy(fixture_bytes(name)) == energy


@pytest.mark.parametrize(("field", "change"), WITHOUT.items())
def test_an_absent_or_null_figure_costs_only_itself(wire, field, change):
    expected = msgspec.structs.replace(ENERGY, **change)
    assert parse({**wire, field: None}) == expected
    del wire[field]
    assert parse(wire) == expected


@pytest.mark.parametrize(("field", "change"), MONTH_WITHOUT.items())
def test_an_absent_or_null_figure_of_a_month_costs_only_itself(wire, field, change):
    expected = msgspec.structs.replace(ENERGY, months=(msgspec.structs.replace(JUNE, **change), MAY))
    wire["months"][0][field] = None
    assert parse(wire) == expected
    del wire["months"][0][field]
    assert parse(wire) == expected


@pytest.mark.parametrize(("field", "value"), WRONG)
def test_a_wrong_total_is_a_failed_answer(wire, field, value):
    with pytest.raises(ApiResponseError, match=rf"\$\.{field}"):
        parse({**wire, field: value})


@pytest.mark.parametrize(("field", "value"), MONTH_WRONG)
def test_a_wrong_month_costs_itself_and_no_other(wire, field, value):
    wire["months"][0][field] = value
    energy = parse(wire)
    assert energy.months == (MAY,)
    assert energy.kwh_hundredths == 189361
    assert len(energy.malformed) == 1
    assert energy.malformed[0].startswith("record 0: ")


def test_all_months_malformed_is_a_failed_answer(wire):
    with pytest.raises(ApiResponseError, match="every record"):
        parse({**wire, "months": [{"month": "x"}, {}]})


def test_both_spellings_of_a_month_are_the_same_month():
    months = [{"month": "2026-06-01", "kwh": 1}, {"month": "2026-06", "kwh": 2}]
    energy = parse({"total_kwh": 3, "months": months})
    assert energy.months == (Month(month="2026-06", kwh_hundredths=100),)
    assert energy.malformed == ("record 1: its key stands twice in the answer",)


@pytest.mark.parametrize(
    ("kwh", "kwh_hundredths"), [(0, 0), (0.29, 29), (1e9, 100_000_000_000), (123456789.01, 12345678901)]
)
def test_totals_within_bounds_in_exact_hundredths(kwh, kwh_hundredths):
    assert parse({"total_kwh": kwh}).kwh_hundredths == kwh_hundredths


@pytest.mark.parametrize("body", [{}, {"error": "Unknown"}, {"total_kwh": None}, {"something": 5}])
def test_an_answer_without_any_figure_is_a_failed_one(body):
    with pytest.raises(ApiResponseError, match="none of the totals"):
        parse(body)


@pytest.mark.parametrize("body", [[], None, 5, "x", True])
def test_no_object_is_a_failed_answer(body):
    with pytest.raises(ApiResponseError, match="Expected `object`"):
        parse(body)


def test_a_count_may_be_written_as_any_json_number():
    months = b'[{"month": "2026-06", "sessions": 7.0}]'
    energy = parse_energy(b'{"total_sessions": 97.0, "total_sessions_all": 1.18e2, "months": %s}' % months)
    counts = (energy.sessions, energy.sessions_all, energy.months[0].sessions)
    assert counts == (97, 118, 7)
    assert {type(count) for count in counts} == {int}
