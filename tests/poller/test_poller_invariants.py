"""Whatever the API answers and whenever the process ends: no counter falls, and nobody asks too early."""

import asyncio
import json
import math
import random
from collections.abc import Iterator

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from support.fake_clock import START_S
from support.parsing import changed, leaves
from support.poller_rig import CHARGERS_S, ENERGY_S, PAGE_S, SESSIONS_S, Rig, charger, listed, live
from support.snapshots import fixture

from joulo_exporter.api.client import CHARGERS, ENERGY, SESSIONS
from joulo_exporter.config.schema import HistoryConfig
from joulo_exporter.errors import ApiConnectionError, ApiError, ApiResponseError
from joulo_exporter.models.wire import Plausibility, read_response

ENDPOINTS = ("chargers", "sessions", "energy")
INTERVALS = {"chargers": CHARGERS_S, "sessions": SESSIONS_S, "energy": ENERGY_S}
PAYLOADS = {endpoint: fixture(endpoint) for endpoint in ENDPOINTS}
KEYS = st.sampled_from(sorted({key for path in leaves(PAYLOADS) for key in path if isinstance(key, str)}))
TIMES = st.datetimes().map(lambda moment: moment.isoformat() + "Z")
ODD = st.sampled_from(["\x00", '"\\\n', "\r", "\u2028", 1e308, -0.0])
# json.dumps writes NaN and Infinity, and lone surrogates as escapes: all of which must not break us either.
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | TIMES | ODD,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS | st.text(), inner, max_size=8),
)
DAMAGE = st.binary(max_size=4) | st.sampled_from([b"-", b"e9", b"null", b"[", b"{}", b"\\ud83d"])


@st.composite
def bodies(draw, endpoint: str) -> bytes:
    """Draw bytes, any JSON, or a recorded API response that has other values or is damaged."""
    kind, payload = draw(st.sampled_from(["bytes", "JSON", "values", "damage"])), PAYLOADS[endpoint]
    if kind == "bytes":
        return draw(st.binary(max_size=40))
    if kind == "JSON":
        payload = draw(VALUES | st.dictionaries(KEYS, VALUES, max_size=6))
    elif kind == "values":
        for path in draw(st.lists(st.sampled_from(list(leaves(payload))), max_size=4)):
            payload = changed(payload, path, draw(VALUES))
    body = json.dumps(payload).encode()
    if kind != "damage":
        return body
    at = draw(st.integers(0, len(body)))
    return body[:at] + draw(DAMAGE) + body[at + draw(st.integers(0, 4)) :]


def numbers(record: msgspec.Struct) -> Iterator[tuple[str, float]]:
    """Yield every number in a record, after the name of its field."""
    for name, inner in msgspec.structs.asdict(record).items():
        for item in inner if isinstance(inner, tuple) else (inner,):
            if isinstance(item, msgspec.Struct):
                yield from numbers(item)
            elif isinstance(item, int | float) and not isinstance(item, bool):
                yield name, item


@pytest.mark.parametrize("endpoint", [CHARGERS, SESSIONS, ENERGY], ids=lambda endpoint: endpoint.name)
@given(data=st.data())
@settings(max_examples=300)
def test_any_bytes_are_records_or_our_error(endpoint, data):
    try:
        response = read_response(data.draw(bodies(endpoint.name)), Plausibility(START_S), endpoint.parse)
    except ApiResponseError as error:
        assert str(error).isprintable()  # noqa: PT017 -- one of two good ends
        return
    for name, number in numbers(response):
        assert math.isfinite(number)
        assert number >= 0
        if name.endswith("_hundredths"):
            assert type(number) is int
        if name.endswith("_at_seconds"):
            assert 1420070400 <= number <= START_S + 3600
    json.dumps(msgspec.to_builtins(response), ensure_ascii=False).encode()  # no text that cannot be sent on


NAMED_BODIES = st.sampled_from(ENDPOINTS).flatmap(lambda name: st.tuples(st.just(name), bodies(name)))


@settings(max_examples=100)
@given(st.lists(NAMED_BODIES, min_size=1, max_size=4))
@example([("chargers", b'{"chargers": [{"id": "c", "nickname": "\\ud83d"}]}')])
@example([("chargers", b'{"chargers": [{"id": "\\n\\"\\\\", "slug": "\\r\\u0000"}]}')])
def test_no_answer_ends_the_poller_or_spoils_the_exposition(sequence):
    async def scenario():
        # A back-off is never longer than these, so that each step asks each endpoint once.
        async with Rig(
            intervals=dict.fromkeys(ENDPOINTS, 900.0), history=HistoryConfig(page_interval_s=400.0)
        ) as rig:
            await rig.start()
            for endpoint, body in sequence:
                rig.api.answers[endpoint] = body
                asked = len(rig.api.moments(endpoint))
                await rig.clock.advance(900)
                assert not rig.task.done()
                assert len(rig.api.moments(endpoint)) > asked
                assert rig.value("joulo_up", endpoint=endpoint) in (0.0, 1.0)
                outcomes = rig.counts("joulo_api_requests_total", "code", endpoint=endpoint)
                assert outcomes["200"] >= 1.0
                assert outcomes.keys() <= {"200", "invalid"}  # "internal error" is none of the API's doing

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
            after_s = self.source.choice([None, 0.0, 30.0, 700.0, 5000.0])
            self.until[endpoint] = self.rig.clock.monotonic() + (after_s or 0.0)
            return ApiError("429", status=429, retry_after_s=after_s)
        if roll < 0.25:
            return self.source.choice([ApiConnectionError("no"), ApiResponseError("no"), b"<html>", b'{"chargers'])
        return {"chargers": self.chargers, "sessions": self.page, "energy": self.energy}[endpoint](params)

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
    if action == "advance":
        await rig.clock.advance(source.choice([5, 61, 61, 300, 700, 2000]))
    elif action == "jump":
        jump_s = source.choice([-7200.0, -30.0, 30.0, 7200.0])
        rig.clock.step_wall(jump_s)
        household.jumped_s = max(household.jumped_s, jump_s)
    elif action == "reload":
        reloading = asyncio.create_task(rig.reload())
        while not reloading.done():  # it waits for an API response that is under way
            await rig.clock.advance(1)
        await reloading
    else:  # after a jump forward of the wall clock nothing shows a new process that it is too early
        watch.forgiven |= set(ENDPOINTS) if household.jumped_s > 0 else set()
        household.jumped_s = 0.0
        await rig.restart(source.choice([0, 1, 45, 1000]))
    assert not rig.task.done()


@pytest.mark.parametrize(
    ("seed", "slow_share"), [*((seed, 0.0) for seed in range(8)), (8, 0.1), (9, 0.3), (10, 0.9)]
)
async def test_no_sequence_makes_a_counter_fall_or_a_request_come_early(tmp_path, seed, slow_share):
    source = random.Random(seed)
    async with Rig(tmp_path) as rig:
        household = Household(rig, source, slow_share)
        household.sessions = [listed(f"old{number}", 2.0) for number in range(source.choice([0, 3, 250]))]
        watch = Watch(rig, household)
        await rig.start()
        for _ in range(30):
            await _step(rig, household, watch, source)
            assert watch.faults == []
        assert len(rig.api.requests) > 10
        assert watch.highest
