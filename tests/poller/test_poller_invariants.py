"""Whatever the API answers and whenever the process ends: no counter falls, and nobody asks too early."""

import asyncio
import random
import tempfile
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from support.poller_rig import CHARGERS_S, ENERGY_S, PAGE_S, SESSIONS_S, Rig, charger, listed, live

from joulo_exporter.errors import ApiConnectionError, ApiResponseError, ApiThrottledError

ENDPOINTS = ("chargers", "sessions", "energy")
INTERVALS = {"chargers": CHARGERS_S, "sessions": SESSIONS_S, "energy": ENERGY_S}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8"), max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=12,
)  # fmt: skip
FIELDS = {
    "chargers": ("id", "slug", "nickname", "name", "connection_type", "status", "mid_certified", "is_charging",
                 "current_session", "latest_meter_wh", "meter_updated_at"),
    "sessions": ("id", "charger_id", "started_at", "ended_at", "kwh", "ere_credits", "id_tag", "charger_nickname"),
    "energy": ("month", "kwh", "kwh_all", "ere_credits", "sessions", "sessions_all"),
}  # fmt: skip
GOOD = {
    "chargers": charger(live(), latest_meter_wh=5, meter_updated_at="2026-06-18T18:00:00Z"),
    "sessions": listed(),
    "energy": {"month": "2026-06", "kwh": 1, "kwh_all": 2, "ere_credits": 3, "sessions": 4, "sessions_all": 5},
}
VALUES = JSON | st.sampled_from(
    ["2026-06-18T18:00:00Z", "\x00", '"\\\n', "ñ\U0001f50c", "\r", "\u2028", 1e308, -0.0]
)


@st.composite
def answers(draw) -> tuple[str, object]:
    """Draw an endpoint with bytes, any JSON, or something near to a good answer."""
    endpoint = draw(st.sampled_from(ENDPOINTS))
    kind = draw(st.sampled_from(["bytes", "json", "near", "near"]))
    if kind == "bytes":
        return endpoint, draw(st.binary(max_size=40))
    if kind == "json":
        return endpoint, draw(
            JSON.map(lambda answer: {"chargers": answer, endpoint: answer} if answer else answer)
        )
    changes = draw(st.lists(st.dictionaries(st.sampled_from(FIELDS[endpoint]), VALUES, max_size=4), max_size=3))
    records = [GOOD[endpoint], *(GOOD[endpoint] | change for change in changes)]
    if endpoint == "energy":
        return endpoint, {"total_kwh": draw(VALUES), "total_sessions": draw(VALUES), "months": records}
    return endpoint, {endpoint: records[draw(st.integers(0, 1)) :]}


@settings(max_examples=100)
@given(st.lists(answers(), min_size=1, max_size=4))
@example([("chargers", b'{"chargers": [{"id": "c", "nickname": "\\ud83d"}]}')])
@example([("chargers", {"chargers": [{"id": '\n"\\', "slug": "\r\x00"}]})])
def test_no_answer_ends_the_poller_or_spoils_the_exposition(sequence):
    async def scenario():
        # A back-off is never longer than these, so that each step asks each endpoint once.
        async with Rig(intervals=dict.fromkeys(ENDPOINTS, 900.0), page_interval_s=400.0) as rig:
            await rig.start()
            for endpoint, answer in sequence:
                rig.api.answers[endpoint] = answer
                asked = len(rig.api.moments(endpoint))
                await rig.clock.advance(900)
                assert not rig.task.done()
                assert len(rig.api.moments(endpoint)) > asked
                assert rig.value("joulo_up", endpoint=endpoint) in (0.0, 1.0)
                assert rig.value("joulo_api_requests_total", endpoint=endpoint, code="200") >= 1.0
                outcomes = {
                    dict(pairs)["code"] for (name, pairs) in rig.series() if name == "joulo_api_requests_total"
                }
                assert outcomes <= {"200", "invalid"}  # "internal error" is none of the API's doing

    asyncio.run(scenario())


class Household:
    """An API that misbehaves in every way that a random source thinks of, but keeps to the wire format."""

    def __init__(self, rig: Rig, source: random.Random, slow_share: float) -> None:
        self.rig = rig
        self.source = source
        self.sessions: list[dict] = []
        self.page_size = source.choice([100, 40])
        """Some give smaller pages than the limit that they state."""
        self.slow_share = slow_share
        self.energy_kwh = 100.0
        self.jumped_s = 0.0
        self.until: dict[str, float] = {}
        """Monotonic time before which nobody may ask."""
        for endpoint in ENDPOINTS:
            rig.api.answers[endpoint] = lambda params, endpoint=endpoint: self.answer(endpoint, params)

    async def answer(self, endpoint: str, params) -> object:
        self.move()
        roll = self.source.random()
        if self.slow_share and self.source.random() < self.slow_share:  # longer than the interval, most of them
            await self.rig.clock.sleep(self.source.choice([5.0, 130.0, 700.0, 4000.0]))
        if roll < 0.1:
            return self.throttled(endpoint)
        if roll < 0.25:
            return self.source.choice([ApiConnectionError("no"), ApiResponseError("no"), b"<html>", b'{"chargers'])
        return {"chargers": self.chargers, "sessions": self.page, "energy": self.energy}[endpoint](params)

    def throttled(self, endpoint: str) -> ApiThrottledError:
        after_s = self.source.choice([None, 0.0, 30.0, 700.0, 5000.0])
        self.until[endpoint] = self.rig.clock.monotonic() + (after_s or 0.0)
        return ApiThrottledError("429", status=429, retry_after_s=after_s)

    def move(self) -> None:
        """Begin, continue, end, correct, withdraw."""
        for session in self.sessions:
            if session["ended_at"] is None:
                session["kwh"] += self.source.choice([0, 0.5, 0.5, -0.2]) if session["kwh"] > 1 else 0.5
                if self.source.random() < 0.2:
                    session["ended_at"] = "2026-06-18T19:00:00Z"
        if (
            len(self.sessions) < 300
            and self.source.random() < 0.1
            and all(session["ended_at"] for session in self.sessions)
        ):
            count = self.source.choice([1, 1, 1, 1, 130])
            for _ in range(count):
                number = len(self.sessions)
                tag = self.source.choice([None, "", "04A1B2C3D4E580"])
                self.sessions.insert(0, listed(f"s{number}-{self.source.random()}", 1.0, id_tag=tag))
            self.sessions[0]["ended_at"] = None
        if self.sessions and self.source.random() < 0.2:
            chosen = self.source.choice(self.sessions)
            chosen["kwh"] = self.source.choice([0.0, chosen["kwh"] / 2])
            chosen["ere_credits"] = self.source.choice([None, 0.1, 2.0])
        if self.sessions and self.source.random() < 0.1:
            self.sessions.remove(self.source.choice(self.sessions))
        self.energy_kwh += self.source.choice([1, 1, -30])

    def chargers(self, _params) -> object:
        if self.source.random() < 0.15:
            return self.source.choice([{}, {"chargers": []}, {"chargers": [charger() | {"id": "other"}]}])
        running = next((session for session in self.sessions if session["ended_at"] is None), None)
        current = running and live(running["id"], self.source.choice([None, running["kwh"]]))
        bad = [{"id": 5}] if self.source.random() < 0.2 else []
        wh = self.source.choice([None, 1000, 5000, 3000])
        return {"chargers": [*bad, charger(current, latest_meter_wh=wh, meter_updated_at="2026-06-18T18:00:00Z")]}

    def page(self, params) -> dict:
        begin = int(params["offset"])
        page = [dict(session) for session in self.sessions[begin : begin + self.page_size]]
        if page and self.source.random() < 0.2:
            page[-1] = {"id": None}
        return {"sessions": page, "limit": 100, "offset": begin}

    def energy(self, _params) -> dict:
        return {"total_kwh": max(0.0, self.energy_kwh), "total_sessions": len(self.sessions)}


class Watch:
    """Compares what is served with what was served, and requests with those before them."""

    def __init__(self, rig: Rig, household: Household) -> None:
        self.rig, self.household = rig, household
        self.highest: dict[object, float] = {}
        self.last: dict[str, float] = {}
        self.forgiven: set[str] = set()
        self.faults: list[str] = []
        scripted = rig.api.fetch

        async def fetch(endpoint, params=None):
            self.asked(endpoint.name, params)
            return await scripted(endpoint, params)

        rig.api.fetch, rig.on_publish = fetch, self.served

    def asked(self, endpoint: str, params) -> None:
        mono_s = self.rig.clock.monotonic()
        walking = endpoint == "sessions" and self.rig.ledger.load()[1].offset is not None
        least_s = PAGE_S if walking else INTERVALS[endpoint]
        if endpoint in self.last and endpoint not in self.forgiven:
            if mono_s - self.last[endpoint] < least_s - 1e-6:
                self.faults.append(f"{endpoint} {params} {mono_s - self.last[endpoint]} s after the one before")
            if mono_s < self.household.until.get(endpoint, 0.0) - 1e-6:
                self.faults.append(f"{endpoint} asked before Retry-After was over")
        self.last[endpoint] = mono_s
        if endpoint in self.forgiven:  # nor can the requests after it know of the pause that is over by the clock
            self.household.until.pop(endpoint, None)
        self.forgiven.discard(endpoint)

    def served(self) -> None:
        for key, value in self.rig.counters().items():
            if value < self.highest.get(key, 0.0):
                self.faults.append(f"{key} fell from {self.highest[key]} to {value}")
            self.highest[key] = max(value, self.highest.get(key, 0.0))


async def _step(rig: Rig, household: Household, watch: Watch, source: random.Random) -> None:
    action = source.choices(["advance", "jump", "restart", "reload", "crash"], [14, 1, 2, 1, 1])[0]
    jumped_s = 0.0
    if action == "advance":
        await rig.clock.advance(source.choice([5, 61, 61, 300, 700, 2000]))
    elif action == "jump":
        jumped_s = source.choice([-7200.0, -30.0, 30.0, 7200.0])
        rig.clock.step_wall(jumped_s)
    elif action == "reload":
        reloading = asyncio.create_task(rig.reload())
        while not reloading.done():  # it waits for an API response that is under way
            await rig.clock.advance(1)
        await reloading
    else:  # after a jump forward of the wall clock nothing shows a new process that it is too early
        watch.forgiven |= set(ENDPOINTS) if household.jumped_s > 0 else set()
        household.jumped_s = 0.0
        await rig.restart(source.choice([0, 1, 45, 1000]))
    household.jumped_s = max(household.jumped_s, jumped_s)
    assert not rig.task.done()


@pytest.mark.parametrize(
    ("seed", "slow_share"), [*((seed, 0.0) for seed in range(8)), (8, 0.1), (9, 0.3), (10, 0.9)]
)
async def test_no_sequence_makes_a_counter_fall_or_a_request_come_early(seed, slow_share):
    source = random.Random(seed)
    with tempfile.TemporaryDirectory() as folder:
        async with Rig(Path(folder)) as rig:
            household = Household(rig, source, slow_share)
            household.sessions = [listed(f"old{number}", 2.0) for number in range(source.choice([0, 3, 250]))]
            watch = Watch(rig, household)
            await rig.start()
            for _ in range(30):
                await _step(rig, household, watch, source)
                assert watch.faults == []
            assert len(rig.api.requests) > 10
            assert watch.highest
