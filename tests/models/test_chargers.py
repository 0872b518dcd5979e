"""``GET /chargers``: each field as documented, absent, null, and wrong."""

from __future__ import annotations

import copy
import json

import msgspec
import pytest

from joulo_exporter.errors import ApiResponseError
from joulo_exporter.models import Charger, LiveSession, parse_chargers

OPRIT = Charger(
    id="6f1d2c0a-7b1e-4c55-9d0e-1a2b3c4d5e6f",
    slug="oprit",
    nickname="Oprit",
    connection_type="easee",
    status="online",
    mid_certified=True,
    charging=True,
    session=LiveSession(
        id="0d9c8b7a-1111-4a5b-8c6d-7e8f90a1b2c3",
        started_at_seconds=1781804530.0,
        kwh_hundredths=731,
        id_tag="04A1B2C3D4E580",
    ),
    meter_wh=8123450.0,
    meter_at_seconds=1781808300.0,
)
GARAGE = Charger(
    id="a0b1c2d3-e4f5-4678-9abc-def012345678",
    nickname="Garage achter",
    connection_type="ocpp",
    status="online",
    mid_certified=False,
    charging=False,
)

WITHOUT = {  # field of the wire: what of the record changes when it is missing
    "slug": {"slug": None},
    "nickname": {"nickname": None},
    "connection_type": {"connection_type": None},
    "status": {"status": None},
    "mid_certified": {"mid_certified": None},
    "is_charging": {},  # the session in progress says it too
    "current_session": {"session": None},
    "latest_meter_wh": {"meter_wh": None},
    "meter_updated_at": {"meter_at_seconds": None},
}
SESSION_WITHOUT = {
    "started_at": {"started_at_seconds": None},
    "kwh_so_far": {"kwh_hundredths": None},
    "id_tag": {"id_tag": None},
}
TEXTS = ["slug", "nickname", "name", "connection_type", "status", "meter_updated_at"]
NO_TEXT = [5, 1.5, True, [], {}]
NO_NUMBER = ["5", True, [], {}, -1]
NO_BOOL = [0, 1, "true", [], {}]


@pytest.fixture
def oprit(fixture_bytes):
    """The first charger of the payload, to be changed by the test."""
    return json.loads(fixture_bytes("chargers"))["chargers"][0]


def parse(*chargers):
    return parse_chargers(json.dumps({"chargers": chargers}).encode())


def parse_one(charger):
    answer = parse(charger)
    assert answer.malformed == ()
    return answer.records[0]


def test_every_field_of_the_payload(fixture_bytes):
    answer = parse_chargers(fixture_bytes("chargers"))
    assert answer.records == (OPRIT, GARAGE)
    assert answer.malformed == ()


@pytest.mark.parametrize(("field", "change"), WITHOUT.items())
def test_an_absent_or_null_field_costs_only_itself(oprit, field, change):
    absent, null = copy.deepcopy(oprit), {**oprit, field: None}
    del absent[field]
    expected = msgspec.structs.replace(OPRIT, **change)
    assert parse_one(absent) == expected
    assert parse_one(null) == expected


@pytest.mark.parametrize(("field", "change"), SESSION_WITHOUT.items())
def test_an_absent_or_null_field_of_the_session_costs_only_itself(oprit, field, change):
    expected = msgspec.structs.replace(OPRIT, session=msgspec.structs.replace(OPRIT.session, **change))
    oprit["current_session"][field] = None
    assert parse_one(oprit) == expected
    del oprit["current_session"][field]
    assert parse_one(oprit) == expected


WRONG = [
    *[("id", value) for value in [*NO_TEXT, None, "", "x" * 129]],
    *[(field, value) for field in TEXTS for value in [*NO_TEXT, "x" * 1025]],
    *[(field, value) for field in ("mid_certified", "is_charging") for value in NO_BOOL],
    *[("latest_meter_wh", value) for value in [*NO_NUMBER, 1.1e12]],
    *[("meter_updated_at", value) for value in ("yesterday", "2026-06-18", "1781804530", " ")],
    *[("current_session", value) for value in (5, "x", True, [], {})],
]
SESSION_WRONG = [
    *[("id", value) for value in [*NO_TEXT, None, ""]],
    *[("kwh_so_far", value) for value in [*NO_NUMBER, 100_000.01]],
    *[("id_tag", value) for value in NO_TEXT],
    *[("started_at", value) for value in [*NO_TEXT, "yesterday"]],
]


@pytest.mark.parametrize(("field", "value"), WRONG)
def test_a_wrong_field_costs_its_charger_and_no_other(oprit, fixture_bytes, field, value):
    garage = json.loads(fixture_bytes("chargers"))["chargers"][1]
    answer = parse({**oprit, field: value}, garage)
    assert answer.records == (GARAGE,)
    assert len(answer.malformed) == 1
    assert answer.malformed[0].startswith("record 0: ")


@pytest.mark.parametrize(("field", "value"), SESSION_WRONG)
def test_a_wrong_field_of_the_session_costs_its_charger_and_no_other(oprit, fixture_bytes, field, value):
    garage = json.loads(fixture_bytes("chargers"))["chargers"][1]
    oprit["current_session"][field] = value
    answer = parse(oprit, garage)
    assert answer.records == (GARAGE,)
    assert len(answer.malformed) == 1


def test_a_session_without_id_is_no_session_that_could_be_counted(oprit):
    del oprit["current_session"]["id"]
    with pytest.raises(ApiResponseError, match="every record of the answer is malformed; record 0"):
        parse(oprit)


def test_all_malformed_is_a_failed_answer(oprit):
    with pytest.raises(ApiResponseError, match="every record"):
        parse({**oprit, "id": None}, {**oprit, "status": 5})


@pytest.mark.parametrize(
    "body", [b"{}", b'{"chargers": []}', b'{"chargers": null}', b'{"chargers": [], "error": null}']
)
def test_no_chargers_yet(body):
    assert parse_chargers(body).records == ()


@pytest.mark.parametrize("body", [b'{"error": "Unknown"}', b'{"error": null}', b'{"error": {}, "chargers": null}'])
def test_an_error_with_status_200_is_no_empty_list(body):
    with pytest.raises(ApiResponseError, match="an error message with status 200"):
        parse_chargers(body)


def test_unknown_fields_and_members_of_open_sets_do_no_harm(oprit):
    charger = parse_one({**oprit, "status": "frozen", "connection_type": "tesla", "mid_eligible": 7, "x": [{}]})
    assert charger == msgspec.structs.replace(OPRIT, status="frozen", connection_type="tesla")


def test_the_first_of_two_with_one_id_counts(oprit):
    answer = parse(oprit, {**oprit, "nickname": "again"})
    assert answer.records == (OPRIT,)
    assert answer.malformed == ("record 1: its key stands twice in the answer",)


@pytest.mark.parametrize(
    ("names", "nickname"),
    [
        ({"nickname": " Oprit "}, "Oprit"),
        ({"name": "Garage"}, "Garage"),
        ({"nickname": None, "name": "Garage"}, "Garage"),
        ({"nickname": "  ", "name": "Garage"}, "Garage"),
        ({"nickname": "Oprit", "name": "Garage"}, "Oprit"),
        ({"nickname": ""}, None),
        ({"nickname": "Зарядка 🔌\n"}, "Зарядка 🔌"),
    ],
)
def test_nickname_or_name(names, nickname):
    assert parse_one({"id": "a", **names}).nickname == nickname


@pytest.mark.parametrize(
    ("fields", "charging"),
    [
        ({"is_charging": True}, True),
        ({"is_charging": False, "current_session": {"id": "s"}}, False),
        ({"is_charging": False, "status": "charging"}, False),
        ({"current_session": {"id": "s"}}, True),
        ({"current_session": {"id": "s"}, "status": "offline"}, True),
        ({"status": "charging"}, True),
        ({"status": "online"}, False),
        ({"status": "offline", "is_charging": None}, False),
        ({}, None),
        ({"status": " "}, None),
    ],
)
def test_charging_is_what_the_api_says_or_else_what_follows(fields, charging):
    assert parse_one({"id": "a", **fields}).charging is charging


@pytest.mark.parametrize("id_tag", ["", "  ", None])
def test_an_empty_tag_is_none(id_tag):
    charger = parse_one({"id": "a", "current_session": {"id": "s", "id_tag": id_tag}})
    assert charger.session == LiveSession(id="s")


@pytest.mark.parametrize("wh", [0, 0.5, 1e12])
def test_meter_readings_within_bounds(wh):
    assert parse_one({"id": "a", "latest_meter_wh": wh}).meter_wh == wh


def test_an_empty_time_is_none():
    assert parse_one({"id": "a", "meter_updated_at": ""}).meter_at_seconds is None


def test_a_charger_that_comes_as_before_is_not_read_again():
    first = {"id": "c1", "is_charging": True, "latest_meter_wh": 1000}
    second, broken = {"id": "c2"}, {"id": 3}
    memory: dict[int, Charger] = {}

    def read(*chargers):
        return parse_chargers(json.dumps({"chargers": chargers}).encode(), memory)

    former = read(first, second, broken)
    assert [charger.id for charger in former.records] == ["c1", "c2"]
    latest = read(second, first | {"latest_meter_wh": 1001}, broken)
    assert latest.records[0] is former.records[1]
    assert latest.records[1] == msgspec.structs.replace(former.records[0], meter_wh=1001.0)
    assert [len(answer.malformed) for answer in (former, latest)] == [1, 1]
    assert set(memory.values()) == set(latest.records)


def test_a_charger_that_stands_twice_in_an_answer_is_malformed_each_time():
    twice = json.dumps({"chargers": [{"id": "c1"}, {"id": "c1"}]}).encode()
    memory: dict[int, Charger] = {}
    answers = [parse_chargers(twice, memory) for _ in range(2)]
    assert answers[0] == answers[1]
    assert (len(answers[0].records), len(answers[0].malformed)) == (1, 1)
