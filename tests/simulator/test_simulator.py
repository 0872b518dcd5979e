"""The simulated household: a plausible history, sessions that follow from seed and moment, and the wire format."""

import json
import uuid
from collections import Counter, defaultdict
from datetime import UTC, datetime
from itertools import pairwise

import aiohttp
import pytest
import pytest_asyncio
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from support.fake_clock import FakeClock
from support.parsing import parse_chargers, parse_energy, parse_ere_position, parse_ere_price, parse_sessions
from support.simulator import chargers_of, sessions_of
from support.snapshots import fixture

from joulo_exporter.models.session import EreEstimate
from joulo_exporter.models.wire import Plausibility
from joulo_exporter.simulator import BASE_PATH, Household, Scenario, serve
from joulo_exporter.simulator.household import CARS, timestamp
from joulo_exporter.simulator.server import position_json, price_json

START = 1_781_800_000.25  # 2026-06-18T16:26:40Z
SHORT = {"session_s": (4, 9), "pause_s": (0, 3), "credits_delay_s": 2, "time_lapse": 400}


def household(seed=0, **scenario):
    return Household(Scenario(seed=seed, **scenario), lambda: START)


def lively(seed, chargers=2):
    """Return a household whose sessions take seconds."""
    return household(seed, chargers=chargers, history_days=30, **SHORT)


# History ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def past():
    """The sessions of the default history."""
    whole = sessions_of(Household(Scenario(), lambda: START), START)
    return [session for session in whole if session.ended_at_seconds is not None]


def test_the_history_is_that_of_a_year_and_a_half_with_plausible_habits(past):
    """Evenings and nights, more in winter, two cars and some sessions without a tag, at most 11 kW."""
    assert 543 <= (START - past[-1].started_at_seconds) / 86_400 <= 549
    assert past[0].ended_at_seconds <= START - 3600
    starts = [session.started_at_seconds for session in past]
    assert starts == sorted(starts, reverse=True)
    begins = [datetime.fromtimestamp(start, UTC) for start in starts]
    assert all(begin.hour >= 16 or begin.hour < 3 for begin in begins)
    winter, summer = (
        [one.kwh_hundredths for one, begin in zip(past, begins, strict=True) if begin.month in months]
        for months in ((12, 1, 2), (6, 7, 8))
    )
    assert sum(winter) / len(winter) > 1.2 * sum(summer) / len(summer)
    tags = Counter(session.id_tag for session in past)
    assert set(tags) == {CARS[0].id_tag, CARS[1].id_tag, None}
    assert min(tags.values()) > 20
    for session in past:
        hours = (session.ended_at_seconds - session.started_at_seconds) / 3600
        assert session.kwh_hundredths / 100 / hours <= 11.01


def test_credits_are_a_third_of_the_energy_of_certified_meters_only(past):
    (_, often), (garage, seldom) = Counter(session.charger_id for session in past).most_common()
    assert (often, seldom) == (247, 109)
    for session in past:
        if session.charger_id == garage:
            assert (session.counts_for_ere, session.credits_hundredths) == (False, None)
        else:
            assert session.counts_for_ere is True
            assert session.credits_hundredths == pytest.approx(session.kwh_hundredths * 0.3327, abs=0.51)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32), chargers=st.integers(1, 50), days=st.integers(1, 600), share=st.floats(0, 1))
def test_sessions_on_one_charger_never_overlap_and_their_number_is_exact(seed, chargers, days, share):
    wanted = int(share * min(3000, days * 86_400 * chargers // 120))
    one = household(seed, chargers=chargers, history_days=days, history_sessions=wanted)
    sessions = sessions_of(one, START)
    ended = {session.id for session in sessions if session.ended_at_seconds is not None}
    assert len(ended) == wanted
    assert all(str(uuid.UUID(text)) == text and uuid.UUID(text).version == 4 for text in ended)
    by_charger = defaultdict(list)
    for session in sessions:
        by_charger[session.charger_id].append(session)
    for of_one in by_charger.values():
        for later, earlier in pairwise(of_one):
            assert earlier.started_at_seconds < earlier.ended_at_seconds <= later.started_at_seconds


# Live -------------------------------------------------------------------------------------------


def test_sessions_obey_the_cadence():
    sessions = sessions_of(lively(7), START + 600)
    live = [s for s in sessions if s.started_at_seconds > START - 10 and s.ended_at_seconds]
    assert len(live) > 100
    assert {s.ended_at_seconds - s.started_at_seconds for s in live} == {4, 5, 6, 7, 8, 9}
    one = household(history_days=0, chargers=1)
    usual = [s for s in sessions_of(one, START + 3600) if s.ended_at_seconds]
    assert len(usual) > 15
    starts = [s.started_at_seconds for s in usual]
    assert all(120 <= later - earlier <= 260 for later, earlier in pairwise(starts))
    bounds = Plausibility(START + 3600)
    for s in usual:
        assert 20 <= s.kwh_hundredths <= 62  # of 100 to 200 s at 7.4 or 11 kW
        assert s.kwh_hundredths / 100 <= bounds.max_kwh(s.started_at_seconds, s.ended_at_seconds)


def test_credits_come_some_time_after_the_end():
    one = household(history_days=0)
    end = sessions_of(one, START + 200)[-1].ended_at_seconds
    first = [sessions_of(one, end + moment)[-1] for moment in (-1, 0, 19.9, 20)]
    assert [session.ended_at_seconds for session in first] == [None, end, end, end]
    assert [session.status for session in first] == ["charging", *["completed"] * 3]
    earned = round(first[1].kwh_hundredths * 0.3327)
    assert [session.credits_hundredths for session in first] == [None, None, None, earned]


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 1000), moments=st.tuples(*[st.floats(START, START + 900, allow_nan=False)] * 2))
def test_sessions_only_come_grow_and_end_in_whatever_order_one_asks(seed, moments):
    one, another = lively(seed, chargers=3), lively(seed, chargers=3)
    seen = {moment: (chargers_of(one, moment), sessions_of(one, moment)) for moment in moments}
    for moment in sorted(moments):
        assert (chargers_of(another, moment), sessions_of(another, moment)) == seen[moment]
    chargers, sessions = zip(*(seen[moment] for moment in sorted(moments)), strict=True)
    earlier, later = ({s.id: s for s in of} for of in sessions)
    assert earlier.keys() <= later.keys()
    for session_id, before in earlier.items():
        after = later[session_id]
        assert after.kwh_hundredths >= before.kwh_hundredths
        if before.ended_at_seconds is not None:
            assert replace(after, credits_hundredths=None) == replace(before, credits_hundredths=None)
        if before.credits_hundredths is not None:
            assert after == before
    for shown, of in zip(chargers, sessions, strict=True):
        live = {s.charger_id: s for s in of if s.ended_at_seconds is None}
        assert {c.id: c.session.id for c in shown if c.session} == {key: s.id for key, s in live.items()}
        for c in (c for c in shown if c.session):
            same = ("started_at_seconds", "kwh_hundredths", "id_tag")
            assert [getattr(c.session, name) for name in same] == [getattr(live[c.id], name) for name in same]
    for before, after in zip(*chargers, strict=True):
        grown = [sum(s.kwh_hundredths for s in of if s.charger_id == before.id) for of in sessions]
        assert after.meter_wh - before.meter_wh == pytest.approx(10 * (grown[1] - grown[0]), abs=20)
        assert after.meter_at_seconds >= before.meter_at_seconds


# The API over HTTP ------------------------------------------------------------------------------


@pytest.fixture
def clock():
    return FakeClock(now_s=START)


@pytest_asyncio.fixture
async def running(clock):
    async with serve(Household(Scenario(history_days=60), clock.now), tokens={"joulo_demo", "joulo_x"}) as served:
        yield served


@pytest_asyncio.fixture
async def client(running):
    """An HTTP client of the simulated machine."""
    origin, headers = running.url.removesuffix(BASE_PATH), {"Authorization": "Bearer joulo_x"}
    async with aiohttp.ClientSession(origin, headers=headers) as session:
        yield session


async def body_of(client, path, **params):
    async with client.get(f"{BASE_PATH}/{path}", params=params) as response:
        assert (response.status, response.content_type) == (200, "application/json")
        return await response.read()


REFUSED = (401, '{"error": "Missing or invalid API token"}')
UNKNOWN = (404, '{"error": "Not found"}')


@pytest.mark.parametrize(
    ("path", "header", "response"),
    [
        *((f"{BASE_PATH}/chargers", header, REFUSED)
          for header in ("", "Bearer wrong", "Bearer  joulo_x", "Basic joulo_x")),
        *((path, "Bearer joulo_x", UNKNOWN) for path in ("/", "/chargers", f"{BASE_PATH}/x")),
        ("/api/ere-price", "", (200, '{"ok": true')),
    ],
)  # fmt: skip
async def test_a_token_opens_all_but_the_price_and_other_faults_are_named(client, path, header, response):
    async with client.get(path, headers={"Authorization": header}) as got:
        assert got.status == response[0]
        assert (await got.text()).startswith(response[1])


@pytest.mark.parametrize(("after_s", "limit"), [(0, 100), (65, 7), (3000, 100)])
async def test_responses_are_those_of_the_household_and_energy_the_sum_of_all_sessions(
    client, running, clock, after_s, limit
):
    await clock.advance(after_s)
    chargers = parse_chargers(await body_of(client, "chargers"))
    assert (list(chargers.content), chargers.malformed) == (chargers_of(running.household, clock.now()), [])
    page, sessions = None, []
    while page is None or len(page.content.sessions) == limit:
        page = parse_sessions(await body_of(client, "sessions", limit=limit, offset=len(sessions)))
        assert page.malformed == []
        sessions += page.content.sessions
    assert sessions == sessions_of(running.household, clock.now())
    energy = parse_energy(await body_of(client, "energy")).content
    eligible = [session for session in sessions if session.counts_for_ere]
    assert energy.kwh_all_hundredths == sum(session.kwh_hundredths for session in sessions)
    assert energy.kwh_hundredths == sum(session.kwh_hundredths for session in eligible)
    assert energy.credits_hundredths == sum(session.credits_hundredths or 0 for session in sessions)
    assert (energy.sessions, energy.sessions_all) == (len(eligible), len(sessions))
    assert 0 < energy.sessions < energy.sessions_all
    for total in ("kwh_hundredths", "kwh_all_hundredths", "credits_hundredths", "sessions_all"):
        assert sum(getattr(month, total) for month in energy.months) == getattr(energy, total)
    in_may = [session.kwh_hundredths for session in sessions if at(5, 1) <= session.started_at_seconds < at(6, 1)]
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


async def test_one_session_is_in_progress_and_values_are_as_the_vendor_writes_them(client):
    driveway, garage = json.loads(await body_of(client, "chargers"))["chargers"]
    live, wh = driveway.pop("current_session"), driveway.pop("latest_meter_wh")
    assert isinstance(wh, int)
    assert driveway == {
        "id": driveway["id"], "slug": "oprit", "nickname": "Oprit", "connection_type": "easee", "status": "online",
        "is_charging": True, "mid_certified": True, "meter_updated_at": "2026-06-18T16:26:40Z",
    }  # fmt: skip
    assert live["started_at"] < "2026-06-18T16:26:40Z"
    assert (live["kwh_so_far"] > 0.1, live["id_tag"]) == (True, "04A1B2C3D4E580")
    assert (garage["nickname"], garage["connection_type"]) == ("Garage achter", "ocpp")
    assert (garage["mid_certified"], garage["is_charging"]) == (False, False)
    assert {"slug", "current_session"}.isdisjoint(garage)
    usual = json.loads(await body_of(client, "sessions"))
    assert (usual["limit"], usual["offset"], len(usual["sessions"])) == (20, 0, 20)
    session = usual["sessions"][0]
    assert (session["ended_at"], session["status"], session["ere_credits"]) == (None, "charging", None)
    page = json.loads(await body_of(client, "sessions", limit=3, offset=2))
    assert (page["limit"], page["offset"], page["sessions"]) == (3, 2, usual["sessions"][2:5])


# ERE --------------------------------------------------------------------------------------------


def at(month: int, day: int = 15) -> float:
    return datetime(2026, month, day, tzinfo=UTC).timestamp()


def position(moment: float):
    """Return the position of an account with one session in the middle of each month until a moment."""
    sessions = [
        {"started_at": timestamp(at(month)), "kwh": 40.0, "ere_credits": 30.0, "counts_for_ere": True}
        for month in range(1, 13)
        if at(month) < moment
    ]
    return parse_ere_position(json.dumps(position_json(sessions, moment)).encode()).content


def test_positions_add_up_and_quarters_become_final_and_are_paid_one_after_the_other():
    by_month = {month: position(at(month, 28)) for month in range(1, 13)}
    for month, each in by_month.items():
        assert (each.compliance_year, each.fee_ratio) == (2026, 0.2)
        assert each.quarters[0].credits["total"] == 30.0 * min(month, 3)
        sold = sum(quarter.credits["sold"] for quarter in each.quarters)
        settled = sum(each.credits[bucket] for bucket in ("paid", "payable", "reserved"))
        assert settled == pytest.approx(sold, abs=0.02)
    final = [[quarter.final for quarter in by_month[month].quarters] for month in (2, 5, 8, 11)]
    assert final == [[False], [False, False], [True, False, False], [True, True, False, False]]
    first = {month: each.quarters[0].realized_euros for month, each in by_month.items()}
    assert first[2] == {"paid": 0, "payable": 0, "reserved": 0}
    assert first[5]["payable"] > 0
    assert first[12]["paid"] > first[5]["paid"]
    assert (first[12]["payable"], first[12]["reserved"]) == (0, 0)


async def test_the_price_changes_once_a_week_and_is_that_of_the_sessions(client, clock):
    assert price_json(at(6, 15))["current"]["updated_at"] == "2026-06-08T09:00:00Z"  # not yet of that day
    prices = [price_json(at(6, day) + 9 * 3600)["current"] for day in range(15, 23)]
    assert [price["updated_at"] for price in prices[:7]] == ["2026-06-15T09:00:00Z"] * 7
    assert prices[7]["updated_at"] == "2026-06-22T09:00:00Z"
    assert [price["week_number"] for price in prices] == [25] * 7 + [26]
    assert all(0.45 < price["mid_eur"] < 0.53 for price in prices)
    assert parse_ere_price(json.dumps(price_json(at(6))).encode()).malformed_fields == []
    estimate = parse_sessions(await body_of(client, "sessions")).content.estimate
    assert estimate == EreEstimate(price_json(clock.now())["current"]["mid_eur"], 0.2)
