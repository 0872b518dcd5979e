"""The simulated API over HTTP: access, parameters, and responses in the vendor's wire format."""

import json
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
import pytest
from support.parsing import parse_chargers, parse_energy, parse_ere_position, parse_ere_price, parse_sessions

from joulo_exporter.models import EreEstimate, Session
from joulo_exporter.simulator import ALL_SCOPES, BASE_PATH, serve
from joulo_exporter.simulator.ere import position_json, price_json

FIXTURES = Path(__file__).parents[1] / "fixtures"


async def body_of(client, path, **params):
    async with client.get(path, params=params) as response:
        assert response.status == 200
        assert response.content_type == "application/json"
        return await response.read()


async def all_sessions(client, limit, **params):
    """Return the sessions of all pages until one is not full; none may be malformed."""
    sessions = []
    while True:
        page = parse_sessions(await body_of(client, "sessions", limit=limit, offset=len(sessions), **params))
        assert page.malformed == ()
        sessions += page.content.sessions
        if len(page.content.sessions) < limit:
            return sessions


# Access -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "header", [None, "", "Bearer", "Bearer wrong", 'Bearer "joulo_demo"', "Bearer  joulo_demo", "Basic joulo_demo"]
)
async def test_without_the_token_every_response_is_401(running, header):
    headers = {} if header is None else {"Authorization": header}
    async with aiohttp.request("GET", f"{running.url}/chargers", headers=headers) as response:
        assert response.status == 401
        assert await response.json() == {"error": "Missing or invalid API token"}


async def test_a_token_reads_what_its_scopes_allow(household):
    tokens = {"joulo_part": {"chargers:read", "energy:read"}, "joulo_whole": ALL_SCOPES}
    async with serve(household, tokens=tokens) as running, aiohttp.ClientSession() as session:

        async def ask(path, token):
            headers = {"Authorization": f"Bearer {token}"}
            async with session.get(f"{running.url}{path}", headers=headers) as response:
                return response.status, await response.json()

        refused = {"error": "Insufficient scope", "required_scope": "sessions:read"}
        assert await ask("/sessions", "joulo_part") == (403, refused)
        assert (await ask("/energy", "joulo_part"))[0] == 200
        assert (await ask("/sessions", "joulo_whole"))[0] == 200
        assert (await ask("/sessions", "joulo_demo"))[0] == 401


async def test_the_price_needs_no_token_and_the_position_does(client, running):
    for url, status in ((f"{running.origin}/api/ere-price", 200), (f"{running.url}/ere-position", 401)):
        async with client.get(url, headers={"Authorization": ""}) as response:
            assert response.status == status


@pytest.mark.parametrize(
    ("method", "path", "status", "error"),
    [
        *(
            ("GET", path, 404, "Not found")
            for path in ("/", "/chargers", f"{BASE_PATH}/", f"{BASE_PATH}/x", "//x")
        ),
        *(
            (method, f"{BASE_PATH}/sessions", 405, "Method not allowed")
            for method in ("POST", "DELETE", "OPTIONS")
        ),
    ],
)
async def test_an_unknown_path_or_another_method(running, client, method, path, status, error):
    async with client.request(method, running.origin + path) as response:
        assert (response.status, await response.json()) == (status, {"error": error})
        assert response.headers.get("Allow") == ("GET" if status == 405 else None)


# Responses --------------------------------------------------------------------------------------


async def test_chargers_and_energy_are_those_of_the_household(client, household, clock):
    await clock.advance(30)
    chargers, energy = parse_chargers(await body_of(client, "chargers")), await body_of(client, "energy")
    assert (list(chargers.content), chargers.malformed) == (household.chargers_at(clock.now()), ())
    assert parse_energy(energy).content == household.energy_at(clock.now())


@pytest.mark.parametrize("limit", [1, 7, 100])
async def test_pages_have_each_session_once(client, household, clock, limit):
    assert await all_sessions(client, limit) == household.sessions_at(clock.now())


@pytest.mark.parametrize("after_s", [0, 65, 3000])
async def test_energy_is_the_sum_of_all_sessions_to_the_hundredth(client, clock, after_s):
    await clock.advance(after_s)
    sessions = await all_sessions(client, 100)
    energy = parse_energy(await body_of(client, "energy")).content
    eligible = [session for session in sessions if session.counts_for_ere]
    assert energy.kwh_all_hundredths == sum(session.kwh_hundredths for session in sessions)
    assert energy.kwh_hundredths == sum(session.kwh_hundredths for session in eligible)
    assert energy.credits_hundredths == sum(session.credits_hundredths or 0 for session in sessions)
    assert (energy.sessions, energy.sessions_all) == (len(eligible), len(sessions))
    assert 0 < energy.sessions < energy.sessions_all
    for total in ("kwh_hundredths", "kwh_all_hundredths", "credits_hundredths", "sessions_all"):
        assert sum(getattr(month, total) for month in energy.months) == getattr(energy, total)
    begin, end = (datetime(2026, month, 1, tzinfo=UTC).timestamp() for month in (5, 6))
    in_may = [session.kwh_hundredths for session in sessions if begin <= session.started_at_seconds < end]
    months = {month.month: (month.kwh_all_hundredths, month.sessions_all) for month in energy.months}
    assert months["2026-05"] == (sum(in_may), len(in_may))


def shape(value):
    """Return the keys of a JSON value, down to the kinds of its values; null fits any kind."""
    if isinstance(value, dict):
        return {key: shape(item) for key, item in value.items()}
    kinds = {str: "text", bool: "truth", int: "number", float: "number", type(None): "null"}
    return kinds.get(type(value), "list")


@pytest.mark.parametrize(
    ("path", "records"), [("chargers", "chargers"), ("sessions", "sessions"), ("energy", "months")]
)
async def test_keys_and_kinds_are_those_of_the_vendors_examples(client, path, records):
    example = json.loads((FIXTURES / f"{path}.json").read_text())
    ours = json.loads(await body_of(client, path))
    assert ours.keys() == example.keys()
    assert shape(ours[records][0]).keys() == shape(example[records][0]).keys()
    for key, kind in shape(example[records][0]).items():
        assert shape(ours[records][0])[key] in (kind, "null"), key


async def test_values_as_the_vendor_writes_them(client):
    first, second = json.loads(await body_of(client, "chargers"))["chargers"]
    assert first["meter_updated_at"] == "2026-06-18T16:26:40Z"
    assert isinstance(first["latest_meter_wh"], int)
    assert {"slug", "current_session"}.isdisjoint(second)
    session = json.loads(await body_of(client, "sessions"))["sessions"][0]
    assert (session["ended_at"], session["status"], session["ere_credits"]) == (None, "charging", None)
    assert session["kwh"] == first["current_session"]["kwh_so_far"]


async def test_limit_and_offset_have_defaults_and_are_repeated(client):
    usual = json.loads(await body_of(client, "sessions"))
    assert (usual["limit"], usual["offset"], len(usual["sessions"])) == (20, 0, 20)
    second = json.loads(await body_of(client, "sessions", limit=3, offset=2))
    assert (second["limit"], second["offset"]) == (3, 2)
    assert second["sessions"] == usual["sessions"][2:5]
    assert json.loads(await body_of(client, "sessions", offset=100_000))["sessions"] == []


@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        ("limit", ("0", "101", "many", "", "٣"), "limit must be a whole number from 1 to 100"),
        ("offset", ("-1", "1.5"), "offset must be a whole number from 0 to 999999999"),
    ],
)
async def test_a_wrong_parameter_is_named(client, name, values, message):
    for value in values:
        async with client.get("sessions", params={name: value}) as response:
            assert (response.status, await response.json()) == (400, {"error": message}), value


# ERE --------------------------------------------------------------------------------------------


def at(month: int, day: int = 15) -> float:
    return datetime(2026, month, day, tzinfo=UTC).timestamp()


def position(moment: float):
    """Return the position of an account with one session in the middle of each month until a moment."""
    sessions = [
        Session(f"s{month}", "c", at(month), kwh_hundredths=4000, credits_hundredths=3000, counts_for_ere=True)
        for month in range(1, 13)
        if at(month) < moment
    ]
    return parse_ere_position(json.dumps(position_json(sessions, moment)).encode()).content


@pytest.mark.parametrize("month", range(1, 13))
def test_every_month_has_a_position_that_adds_up(month):
    read = position(at(month, 20))
    assert (read.compliance_year, read.fee_ratio) == (2026, 0.2)
    assert read.quarters[0].credits["total"] == 30.0 * min(month, 3)
    sold = sum(quarter.credits["sold"] for quarter in read.quarters)
    assert sum(read.credits[bucket] for bucket in ("paid", "payable", "reserved")) == pytest.approx(sold, abs=0.02)


def test_quarters_become_final_and_are_paid_one_after_the_other():
    by_month = {month: position(at(month, 28)).quarters for month in (2, 5, 8, 11, 12)}
    final = [[quarter.final for quarter in by_month[month]] for month in (2, 5, 8, 11)]
    assert final == [[False], [False, False], [True, False, False], [True, True, False, False]]
    first = {month: quarters[0].realized_euros for month, quarters in by_month.items()}
    assert first[2] == {"paid": 0, "payable": 0, "reserved": 0}
    assert first[5]["payable"] > 0
    assert first[12]["paid"] > first[5]["paid"]
    assert (first[12]["payable"], first[12]["reserved"]) == (0, 0)


def test_the_price_changes_once_a_week():
    prices = [price_json(at(6, day))["current"] for day in range(15, 23)]
    assert [price["updated_at"] for price in prices[:7]] == ["2026-06-15T09:00:00Z"] * 7
    assert prices[7]["updated_at"] == "2026-06-22T09:00:00Z"
    assert [price["week_number"] for price in prices] == [25] * 7 + [26]
    assert all(0.45 < price["mid_eur"] < 0.53 for price in prices)
    assert parse_ere_price(json.dumps(price_json(at(6))).encode()).malformed_fields == ()


async def test_sessions_come_with_the_price_of_the_week_and_the_fee(client, clock):
    estimate = parse_sessions(await body_of(client, "sessions")).content.estimate
    assert estimate == EreEstimate(price_json(clock.now())["current"]["mid_eur"], 0.2)
