"""``GET /sessions``: each field as documented, absent, null, and wrong."""

from __future__ import annotations

import json

import msgspec
import pytest

from joulo_exporter.errors import ApiResponseError
from joulo_exporter.models import Session, parse_sessions

OPRIT_ID = "6f1d2c0a-7b1e-4c55-9d0e-1a2b3c4d5e6f"
ACTIVE = Session(
    id="0d9c8b7a-1111-4a5b-8c6d-7e8f90a1b2c3",
    charger_id=OPRIT_ID,
    started_at_seconds=1781804530.0,
    charger_nickname="Oprit",
    ended_at_seconds=None,
    kwh_hundredths=731,
    credits_hundredths=243,
    id_tag="04A1B2C3D4E580",
    status="charging",
    counts_for_ere=True,
)
LAST = Session(
    id="1e2d3c4b-2222-4b6c-9d7e-8f90a1b2c3d4",
    charger_id=OPRIT_ID,
    started_at_seconds=1781636700.0,
    charger_nickname="Oprit",
    ended_at_seconds=1781674200.0,
    kwh_hundredths=4108,
    credits_hundredths=1367,
    id_tag="04A1B2C3D4E580",
    status="completed",
    counts_for_ere=True,
)
NOT_ELIGIBLE = Session(
    id="2f3e4d5c-3333-4c7d-8e8f-90a1b2c3d4e5",
    charger_id="a0b1c2d3-e4f5-4678-9abc-def012345678",
    started_at_seconds=1781510400.0,
    charger_nickname="Garage achter",
    ended_at_seconds=1781521950.0,
    kwh_hundredths=1840,
    credits_hundredths=None,
    id_tag=None,
    status="completed",
    counts_for_ere=False,
)
EMPTY = Session(
    id="3a4f5e6d-4444-4d8e-9f90-a1b2c3d4e5f6",
    charger_id=OPRIT_ID,
    started_at_seconds=1781294400.0,
    charger_nickname="Oprit",
    ended_at_seconds=1781294440.0,
    kwh_hundredths=0,
    credits_hundredths=None,
    id_tag="DEADBEEF12345678",
    status="completed",
    counts_for_ere=True,
)

WITHOUT = {  # field of the wire: what of the record changes when it is missing
    "charger_nickname": {"charger_nickname": None},
    "ended_at": {"ended_at_seconds": None},
    "ere_credits": {"credits_hundredths": None},
    "id_tag": {"id_tag": None},
    "status": {"status": None},
    "counts_for_ere": {"counts_for_ere": None},
}
NO_TEXT = [5, 1.5, True, [], {}]
NO_NUMBER = ["5", True, [], {}, -0.01]
WRONG = [
    *[(field, value) for field in ("id", "charger_id") for value in [*NO_TEXT, None, "", "x" * 129]],
    *[("started_at", value) for value in [*NO_TEXT, None, "", "yesterday", "2026-06-16"]],
    *[("ended_at", value) for value in [*NO_TEXT, "tomorrow"]],
    *[("kwh", value) for value in [*NO_NUMBER, None, 100_000.01]],
    *[("ere_credits", value) for value in [*NO_NUMBER, 1.1e9]],
    *[(field, value) for field in ("charger_nickname", "id_tag", "status") for value in [*NO_TEXT, "x" * 1025]],
    *[("counts_for_ere", value) for value in (0, 1, "true", [], {})],
]


@pytest.fixture
def wire(fixture_bytes):
    """The sessions of the payload, to be changed by the test."""
    return json.loads(fixture_bytes("sessions"))["sessions"]


def parse(*sessions):
    return parse_sessions(json.dumps({"sessions": sessions}).encode())


def parse_one(session):
    answer = parse(session)
    assert answer.malformed == ()
    return answer.records[0]


def test_every_field_of_the_payload(fixture_bytes):
    answer = parse_sessions(fixture_bytes("sessions"))
    assert answer.records == (ACTIVE, LAST, NOT_ELIGIBLE, EMPTY)
    assert answer.malformed == ()


@pytest.mark.parametrize(("field", "change"), WITHOUT.items())
def test_an_absent_or_null_field_costs_only_itself(wire, field, change):
    expected = msgspec.structs.replace(LAST, **change)
    assert parse_one({**wire[1], field: None}) == expected
    del wire[1][field]
    assert parse_one(wire[1]) == expected


@pytest.mark.parametrize("field", ["id", "charger_id", "started_at", "kwh"])
def test_without_these_a_finished_session_cannot_be_counted(wire, field):
    del wire[1][field]
    answer = parse(*wire)
    assert answer.records == (ACTIVE, NOT_ELIGIBLE, EMPTY)
    assert [line.split(":")[0] for line in answer.malformed] == ["record 1"]


@pytest.mark.parametrize(("field", "value"), WRONG)
def test_a_wrong_field_costs_its_session_and_no_other(wire, field, value):
    answer = parse({**wire[1], field: value}, wire[2])
    assert answer.records == (NOT_ELIGIBLE,)
    assert len(answer.malformed) == 1
    assert answer.malformed[0].startswith("record 0: ")


def test_a_session_in_progress_may_have_no_kwh_yet(wire):
    assert parse_one({**wire[0], "kwh": None}) == msgspec.structs.replace(ACTIVE, kwh_hundredths=None)


def test_an_empty_end_is_none(wire):
    assert parse_one({**wire[1], "ended_at": ""}).ended_at_seconds is None


@pytest.mark.parametrize(
    ("kwh", "kwh_hundredths"),
    [(0, 0), (-0.0, 0), (0.29, 29), (1.005, 100), (41.08, 4108), (100_000, 10_000_000)],
)
def test_energy_within_bounds_in_exact_hundredths(wire, kwh, kwh_hundredths):
    assert parse_one({**wire[1], "kwh": kwh}).kwh_hundredths == kwh_hundredths


def test_all_malformed_is_a_failed_answer(wire):
    with pytest.raises(ApiResponseError, match="every record of the answer is malformed; record 0: "):
        parse(*[{**session, "kwh": -1} for session in wire])


def test_a_repeated_session_counts_once(wire):
    answer = parse(wire[1], {**wire[1], "kwh": 99})
    assert answer.records == (LAST,)
    assert len(answer.malformed) == 1


def test_an_empty_page():
    assert parse().records == ()


@pytest.mark.parametrize(
    "body", [b"{}", b'{"sessions": null}', b'{"sessions": {}}', b'{"error": "x"}', b"[]", b"null"]
)
def test_an_answer_without_a_list_is_no_empty_page(body):
    with pytest.raises(ApiResponseError, match="not what the API documents"):
        parse_sessions(body)


def test_more_than_the_documented_surroundings_do_no_harm(wire):
    body = {"sessions": wire, "estimate_basis": {"price_per_ere": 0.24}, "limit": "a", "next": None}
    assert len(parse_sessions(json.dumps(body).encode()).records) == 4


@pytest.mark.parametrize(
    ("limit", "size"),
    [("100", 100), ("100.0", 100), ("1e2", 100), ("99.5", None), ("0", None), ("true", None), ('"a"', None)],
)
def test_how_many_sessions_a_page_has(limit, size):
    assert parse_sessions(f'{{"sessions": [], "limit": {limit}}}'.encode()).page_limit == size
