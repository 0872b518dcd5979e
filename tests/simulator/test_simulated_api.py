"""The API over HTTP: what is asked and what is answered."""

import json
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
import pytest
from support.parsing import parse_chargers, parse_energy, parse_sessions

from joulo_exporter.simulator import BASE_PATH, Household, Scenario, serve
from joulo_exporter.simulator.server import decimal

FIXTURES = Path(__file__).parent.parent / "fixtures"


async def body_of(client, path, **params):
    async with client.get(path, params=params) as response:
        assert response.status == 200
        assert response.content_type == "application/json"
        return await response.read()


async def pages(client, limit, **params):
    """All pages until one is not full, as parsed answers."""
    offset = 0
    while True:
        answer = parse_sessions(await body_of(client, "sessions", limit=limit, offset=offset, **params))
        yield answer
        if len(answer.content.sessions) < limit:
            return
        offset += limit


async def test_the_urls(running):
    assert running.url == f"{running.origin}/functions/v1/api"
    assert running.origin.startswith("http://127.0.0.1:")


async def test_chargers_are_what_the_household_has(client, household, clock):
    await clock.advance(30)
    answer = parse_chargers(await body_of(client, "chargers"))
    assert answer.malformed == ()
    assert list(answer.content) == household.chargers_at(clock.now())


async def test_energy_is_what_the_household_has(client, household, clock):
    energy = parse_energy(await body_of(client, "energy")).content
    assert energy == household.energy_at(clock.now())
    assert [month.month for month in energy.months] == ["2026-06", "2026-05", "2026-04"]


@pytest.mark.parametrize("limit", [1, 7, 100])
async def test_pages_cover_each_session_once(client, household, clock, limit):
    answers = [answer async for answer in pages(client, limit)]
    records = [session for answer in answers for session in answer.content.sessions]
    assert records == household.sessions_at(clock.now())
    assert [answer.malformed for answer in answers] == [()] * len(answers)


@pytest.mark.parametrize("after_s", [0, 65, 400, 3000])
async def test_energy_is_the_sum_of_all_sessions_to_the_hundredth(client, clock, after_s):
    await clock.advance(after_s)
    records = [session async for answer in pages(client, 100) for session in answer.content.sessions]
    energy = parse_energy(await body_of(client, "energy")).content
    eligible = [session for session in records if session.counts_for_ere]
    assert energy.kwh_all_hundredths == sum(session.kwh_hundredths for session in records)
    assert energy.kwh_hundredths == sum(session.kwh_hundredths for session in eligible)
    assert energy.credits_hundredths == sum(session.credits_hundredths or 0 for session in records)
    assert (energy.sessions, energy.sessions_all) == (len(eligible), len(records))
    assert 0 < energy.sessions < energy.sessions_all
    for total in ("kwh", "kwh_all", "credits"):
        figures = [getattr(month, f"{total}_hundredths") for month in energy.months]
        assert sum(figures) == getattr(energy, f"{total}_hundredths")
    assert sum(month.sessions_all for month in energy.months) == energy.sessions_all


async def test_a_month_is_the_sum_of_its_sessions(client):
    may = {"from": "2026-05-01T00:00:00Z", "to": "2026-05-31T23:59:59Z"}
    records = [session async for answer in pages(client, 100, **may) for session in answer.content.sessions]
    months = {month.month: month for month in parse_energy(await body_of(client, "energy")).content.months}
    assert months["2026-05"].kwh_all_hundredths == sum(session.kwh_hundredths for session in records)
    assert months["2026-05"].sessions_all == len(records) > 10


def shape(value):
    """The keys of a JSON answer, down to the kinds of its values; null fits any kind."""
    if isinstance(value, dict):
        return {key: shape(item) for key, item in value.items()}
    kinds = {str: "text", bool: "truth", int: "number", float: "number", type(None): "null"}
    return kinds.get(type(value), "list")


@pytest.mark.parametrize(
    ("path", "records"), [("chargers", "chargers"), ("sessions", "sessions"), ("energy", "months")]
)
async def test_the_keys_are_those_of_the_vendors_examples(client, path, records):
    example = json.loads((FIXTURES / f"{path}.json").read_text())
    ours = json.loads(await body_of(client, path))
    assert ours.keys() == example.keys()
    assert shape(ours[records][0]).keys() == shape(example[records][0]).keys()
    for key, kind in shape(example[records][0]).items():
        assert shape(ours[records][0])[key] in (kind, "null"), key


async def test_values_as_the_vendor_writes_them(client):
    charger = json.loads(await body_of(client, "chargers"))["chargers"]
    assert charger[0]["meter_updated_at"] == "2026-06-18T16:26:40Z"
    assert isinstance(charger[0]["latest_meter_wh"], int)
    assert "slug" not in charger[1]
    assert "current_session" not in charger[1]
    session = json.loads(await body_of(client, "sessions"))["sessions"][0]
    assert (session["ended_at"], session["status"], session["ere_credits"]) == (None, "charging", None)
    assert session["kwh"] == charger[0]["current_session"]["kwh_so_far"]


@pytest.mark.parametrize(("hundredths", "text"), [(0, "0"), (1840, "18.4"), (731, "7.31"), (6000, "60")])
def test_numbers_as_the_vendor_writes_them(hundredths, text):
    assert json.dumps(decimal(hundredths)) == text


async def test_limit_and_offset_have_defaults_and_are_answered(client):
    usual = json.loads(await body_of(client, "sessions"))
    assert (usual["limit"], usual["offset"], len(usual["sessions"])) == (20, 0, 20)
    second = json.loads(await body_of(client, "sessions", limit=3, offset=2))
    assert (second["limit"], second["offset"]) == (3, 2)
    assert second["sessions"] == usual["sessions"][2:5]


async def test_a_page_beyond_the_end_is_empty(client):
    assert json.loads(await body_of(client, "sessions", offset=100_000))["sessions"] == []


async def test_sessions_of_one_charger(client, household, clock):
    garage = household.charger_ids[1]
    records = parse_sessions(await body_of(client, "sessions", limit=100, charger_id=garage)).content.sessions
    assert list(records) == [s for s in household.sessions_at(clock.now()) if s.charger_id == garage]
    assert len(records) == 12


async def test_no_session_of_an_unknown_charger(client):
    assert json.loads(await body_of(client, "sessions", charger_id="nobody"))["sessions"] == []


async def test_both_bounds_belong_to_the_answer(client, household, clock):
    newer, older = household.sessions_at(clock.now())[5], household.sessions_at(clock.now())[9]
    bounds = {
        "from": iso(older.started_at_seconds),
        "to": iso(newer.started_at_seconds),
    }
    records = parse_sessions(await body_of(client, "sessions", **bounds)).content.sessions
    assert list(records) == household.sessions_at(clock.now())[5:10]


def iso(seconds):
    return datetime.fromtimestamp(seconds, UTC).isoformat()


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("limit", "0", "limit must be a whole number from 1 to 100"),
        ("limit", "101", "limit must be a whole number from 1 to 100"),
        ("limit", "many", "limit must be a whole number from 1 to 100"),
        ("limit", "", "limit must be a whole number from 1 to 100"),
        ("limit", "٣", "limit must be a whole number from 1 to 100"),
        ("offset", "-1", "offset must be a whole number from 0 to 999999999"),
        ("offset", "1.5", "offset must be a whole number from 0 to 999999999"),
        ("from", "yesterday", "from must be an ISO 8601 timestamp"),
        ("to", "2026-13-01T00:00:00Z", "to must be an ISO 8601 timestamp"),
        ("to", "", "to must be an ISO 8601 timestamp"),
    ],
)
async def test_a_wrong_parameter_is_named(client, name, value, message):
    async with client.get("sessions", params={name: value}) as response:
        assert response.status == 400
        assert await response.json() == {"error": message}


async def test_every_request_is_recorded(running, client, clock, start):
    await body_of(client, "sessions", limit=5, offset=10)
    await clock.advance(60)
    await body_of(client, "chargers")
    async with aiohttp.ClientSession() as session:
        await session.get(f"{running.url}/energy")
    kept = [(r.at_seconds, r.method, r.path, r.query, r.has_authorization) for r in running.requests]
    assert kept == [
        (start, "GET", f"{BASE_PATH}/sessions", {"limit": "5", "offset": "10"}, True),
        (start + 60, "GET", f"{BASE_PATH}/chargers", {}, True),
        (start + 60, "GET", f"{BASE_PATH}/energy", {}, False),
    ]
    assert [r.at_seconds for r in running.requests_to("/chargers")] == [start + 60]
    assert "joulo_demo" not in repr(running.requests)


async def test_a_page_of_a_long_history_is_quick(clock):
    household = Household(Scenario(history_sessions=100_000), clock.now)
    async with serve(household) as running:
        headers = {"Authorization": "Bearer joulo_demo"}
        async with aiohttp.ClientSession(f"{running.url}/", headers=headers) as client:
            last = parse_sessions(await body_of(client, "sessions", limit=100, offset=99_950))
            assert len(last.content.sessions) == 51
            assert parse_energy(await body_of(client, "energy")).content.sessions_all == 100_001
