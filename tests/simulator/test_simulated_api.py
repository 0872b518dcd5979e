"""The simulated API over HTTP: access, parameters, and responses in the vendor's wire format."""

import json
from datetime import UTC, datetime

import aiohttp
import pytest
import pytest_asyncio
from support.fake_clock import FakeClock
from support.parsing import parse_chargers, parse_energy, parse_ere_position, parse_ere_price, parse_sessions
from support.snapshots import fixture

from joulo_exporter.models.session import EreEstimate, Session
from joulo_exporter.simulator import BASE_PATH, Household, Scenario, serve
from joulo_exporter.simulator.server import position_json, price_json

START = 1_781_800_000.25  # 2026-06-18T16:26:40Z


@pytest.fixture
def clock():
    return FakeClock(now_s=START)


@pytest.fixture
def household(clock):
    return Household(Scenario(history_days=60), clock.now)


@pytest_asyncio.fixture
async def running(household):
    async with serve(household, tokens={"joulo_demo", "joulo_other"}) as served:
        yield served


@pytest_asyncio.fixture
async def client(running):
    """An HTTP client whose relative paths lie below the API's base URL."""
    headers = {"Authorization": "Bearer joulo_other"}
    async with aiohttp.ClientSession(f"{running.url}/", headers=headers) as session:
        yield session


async def body_of(client, path, **params):
    async with client.get(path, params=params) as response:
        assert (response.status, response.content_type) == (200, "application/json")
        return await response.read()


async def all_sessions(client, limit):
    """Return the sessions of all pages until one is not full; none may be malformed."""
    sessions = []
    while True:
        page = parse_sessions(await body_of(client, "sessions", limit=limit, offset=len(sessions)))
        assert page.malformed == ()
        sessions += page.content.sessions
        if len(page.content.sessions) < limit:
            return sessions


@pytest.mark.parametrize("header", ["", "Bearer wrong", "Bearer  joulo_demo", "Basic joulo_demo"])
async def test_without_a_token_every_response_but_the_price_is_401(client, running, header):
    origin = running.url.removesuffix(BASE_PATH)
    for url, status in ((f"{running.url}/chargers", 401), (f"{origin}/api/ere-price", 200)):
        async with client.get(url, headers={"Authorization": header}) as response:
            assert response.status == status
            assert status == 200 or await response.json() == {"error": "Missing or invalid API token"}


@pytest.mark.parametrize("path", ["/", "/chargers", f"{BASE_PATH}/x"])
async def test_an_unknown_path(running, client, path):
    async with client.get(running.url.removesuffix(BASE_PATH) + path) as response:
        assert (response.status, await response.json()) == (404, {"error": "Not found"})


@pytest.mark.parametrize("limit", [7, 100])
async def test_the_responses_are_those_of_the_household(client, household, clock, limit):
    await clock.advance(30)
    chargers = parse_chargers(await body_of(client, "chargers"))
    assert (list(chargers.content), chargers.malformed) == (household.chargers_at(clock.now()), ())
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
    assert list(months) == sorted(months, reverse=True)


def shape(value):
    """Return the keys of a JSON value, down to the kinds of its values; null fits any kind."""
    if isinstance(value, dict):
        return {key: shape(item) for key, item in value.items()}
    kinds = {str: "text", bool: "truth", int: "number", float: "number", type(None): "null"}
    return kinds.get(type(value), "list")


@pytest.mark.parametrize(
    ("path", "records"),
    [("chargers", "chargers"), ("sessions", "sessions"), ("energy", "months"), ("ere-position", "quarters")],
)
async def test_keys_and_kinds_are_those_of_the_vendors_examples(client, path, records):
    example, ours = fixture(path), json.loads(await body_of(client, path))
    assert ours.keys() == example.keys()
    wanted, found = (shape(answer[records][0]) for answer in (example, ours))
    assert found.keys() == wanted.keys()
    assert {key: kind for key, kind in found.items() if kind not in (wanted[key], "null")} == {}


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


@pytest.mark.parametrize(("name", "value"), [("limit", "0"), ("limit", "101"), ("limit", ""), ("offset", "-1")])
async def test_a_wrong_parameter_is_named(client, name, value):
    async with client.get("sessions", params={name: value}) as response:
        assert (response.status, (await response.text()).split(" must")[0]) == (400, name)


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


@pytest.mark.parametrize("month", [1, 3, 4, 8, 12])
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


async def test_the_price_changes_once_a_week_and_is_that_of_the_sessions(client, clock):
    prices = [price_json(at(6, day))["current"] for day in range(15, 23)]
    assert [price["updated_at"] for price in prices[:7]] == ["2026-06-15T09:00:00Z"] * 7
    assert prices[7]["updated_at"] == "2026-06-22T09:00:00Z"
    assert [price["week_number"] for price in prices] == [25] * 7 + [26]
    assert all(0.45 < price["mid_eur"] < 0.53 for price in prices)
    assert parse_ere_price(json.dumps(price_json(at(6))).encode()).malformed_fields == ()
    estimate = parse_sessions(await body_of(client, "sessions")).content.estimate
    assert estimate == EreEstimate(price_json(clock.now())["current"]["mid_eur"], 0.2)
