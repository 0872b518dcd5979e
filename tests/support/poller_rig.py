"""A poller with a ledger and an exposition around it, an API that a test scripts, and a clock that it moves."""

import asyncio
import contextlib
import itertools
import math
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import NamedTuple

import msgspec
from msgspec.structs import replace
from prometheus_client import CollectorRegistry
from support.client_library import rendered
from support.exposition import Samples, samples_of
from support.fake_clock import FakeClock
from support.parsing import ANYTHING

from joulo_exporter.config.schema import load_config
from joulo_exporter.exposition import Exposition
from joulo_exporter.ledger.database import Database
from joulo_exporter.ledger.history import PAGE_SIZE
from joulo_exporter.models.wire import Plausibility, read_response
from joulo_exporter.poller.endpoint import Plan
from joulo_exporter.poller.poller import Poller

CHARGERS_S, SESSIONS_S, ENERGY_S, PAGE_S = 60.0, 600.0, 3600.0, 10.0
STALE_AFTER_S, RESYNC_S = 900.0, 7 * 86_400.0
CHARGER = "6f1d2c0a-7b1e-4c55-9d0e-1a2b3c4d5e6f"

CONFIG = load_config(None, {"JOULO_TOKEN": "joulo_of_the_rig"})
"""All keys as they are if nobody sets them; the constants above are some of them."""
PLAN = Plan(CONFIG, CONFIG.accounts[0])


async def inline(work, *args, **kwargs):
    """Run the ledger's work here and now."""
    return work(*args, **kwargs)


class Request(NamedTuple):
    """One request, as it went out."""

    endpoint: str
    mono_s: float
    wall_s: float
    offset: int | None


class ScriptedApi:
    """Stand-in for the client: answers each endpoint with what ``answers`` has for it.

    An answer is bytes or something to be written as JSON, an exception, or a function of the query that gives
    one of these; it may be a coroutine. Of a list of sessions it is the page that is asked for.
    """

    max_power_kw: float | None = None
    """Bounds what is believed, as in the exporter; ``None`` for tests whose figures are made up."""

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.requests: list[Request] = []
        self.answers: dict[str, object] = {
            "chargers": {"chargers": [charger()]},
            "sessions": {"sessions": []},
            "energy": {"total_kwh": 10.0, "total_ere_credits": 3.0, "total_sessions": 2},
        }

    async def fetch(self, endpoint, params=None):
        offset = int(params["offset"]) if params else None
        self.requests.append(Request(endpoint.name, self.clock.monotonic(), self.clock.now(), offset))
        answer = self.answers[endpoint.name]
        if offset is not None and isinstance(answer, dict) and isinstance(answer.get("sessions"), list):
            answer = answer | {"sessions": answer["sessions"][offset : offset + PAGE_SIZE]}
        if callable(answer):
            answer = answer(params)
        if asyncio.iscoroutine(answer):
            answer = await answer
        if isinstance(answer, BaseException):
            raise answer
        body = answer if isinstance(answer, bytes) else msgspec.json.encode(answer)
        bounds = Plausibility(self.clock.now(), self.max_power_kw) if self.max_power_kw else ANYTHING
        return read_response(body, bounds, endpoint.parse)

    def moments(self, endpoint: str) -> list[float]:
        """Return when an endpoint was asked, on the monotonic clock."""
        return [request.mono_s for request in self.requests if request.endpoint == endpoint]

    def pauses(self, endpoint: str) -> list[float]:
        """Return the seconds from each request of an endpoint to the next one."""
        return [later - earlier for earlier, later in itertools.pairwise(self.moments(endpoint))]


class Rig:
    """One account at work."""

    def __init__(self, folder: Path | None = None, **settings) -> None:
        self.clock = FakeClock()
        self.api = ScriptedApi(self.clock)
        self.plan = PLAN
        self._configure(settings)
        self.folder = folder
        self.fraction = 0.0
        self.offload: Callable[..., object] = inline
        self.on_publish: Callable[[], object] = lambda: None
        """Called after each snapshot that is published."""
        self._open()

    def _configure(self, settings) -> None:
        self.plan = replace(self.plan, config=replace(self.plan.config, **settings))

    def _open(self) -> None:
        self.database = Database(self.folder)
        self.ledger = self.plan.ledger(self.database)
        self.exposition = Exposition(CollectorRegistry())
        self.task: asyncio.Task[None] | None = None

    def publish(self, snapshot) -> None:
        self.snapshot = snapshot
        self.exposition.publish("", snapshot)
        self.on_publish()

    async def start(self) -> None:
        """Start a poller, and let it do what it does at once."""
        self.poller = Poller(
            self.api, self.ledger, self.plan, self.publish,
            offload=self.offload, clock=self.clock, request_slots=asyncio.Semaphore(1),
            fraction=lambda: self.fraction,
        )  # fmt: skip
        await self._run()

    async def _run(self) -> None:
        self.task = asyncio.create_task(self.poller.run())
        await self.clock.settle()

    async def stop(self) -> None:
        """End the poller wherever it stands, as a crash does."""
        if self.task is not None:
            self.task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self.task
            self.task = None

    async def restart(self, away_s: float = 0.0) -> None:
        """End the process, and begin another one on the same ledger."""
        await self.stop()
        if self.folder is not None:
            self.database.close()
            self._open()
        else:
            self.exposition = Exposition(CollectorRegistry())
        await self.clock.advance(away_s)
        await self.start()

    async def reload(self, **settings) -> None:
        """Let the poller follow another configuration."""
        async with self.poller.refreshing:
            self.task.cancel()
        await asyncio.wait([self.task])
        self._configure(settings)
        self.poller.configure(self.api, self.ledger, self.plan)
        await self._run()

    async def __aenter__(self):
        return self

    async def __aexit__(self, *_):
        await self.stop()
        self.database.close()

    def series(self) -> Samples:
        """Return every series of the exposition, as it is scraped."""
        if self.poller.shown_until_mono_s <= self.clock.monotonic():
            self.poller.publish_snapshot()
        return samples_of(rendered(self.exposition).decode())

    def value(self, name: str, **labels: str) -> float | None:
        """Return the value of the one series of this name that has these labels; ``None`` if there is none."""
        series = [(dict(pairs), value) for (sample, pairs), value in self.series().items() if sample == name]
        found = [value for pairs, value in series if labels.items() <= pairs.items()]
        assert len(found) <= 1, f"{name}{labels} is not one series"
        return found[0] if found else None

    def counts(self, name: str, by: str, **labels: str) -> dict[str, float]:
        """Return the values of the series of this name that have these labels, by a further label."""
        series = [(dict(pairs), value) for (sample, pairs), value in self.series().items() if sample == name]
        return {pairs[by]: value for pairs, value in series if labels.items() <= pairs.items()}

    def counters(self) -> dict[object, float]:
        """Return what may never fall, whether the process begins anew or not."""
        series = self.series()
        counters = [key for key in series if key[0].endswith("_total") or key[0] == "joulo_total_kwh"]
        return {key: series[key] for key in counters if not math.isnan(series[key])}


@contextlib.asynccontextmanager
async def at_work(folder: Path | None = None, **given) -> AsyncIterator[Rig]:
    """Give an account whose poller has started, with API responses by endpoint, and settings."""
    names = ("chargers", "sessions", "energy", "ere_position")
    answers = {name: given.pop(name) for name in names if name in given}
    async with Rig(folder, **given) as rig:
        rig.api.answers |= answers
        await rig.start()
        yield rig


def charger(session: dict | None = None, **fields) -> dict:
    """Return a charger of the wire format."""
    return {"id": CHARGER, "slug": "oprit", "status": "online", "is_charging": session is not None,
            "current_session": session} | fields  # fmt: skip


def live(session_id: str = "s1", kwh: float | None = 5.0, **fields) -> dict:
    """Return a session in progress of the wire format."""
    return {"id": session_id, "started_at": "2026-06-18T18:00:00Z", "kwh_so_far": kwh} | fields


def listed(session_id: str = "s1", kwh: float = 5.0, *, ended_at: str | None = "2026-06-18T19:00:00Z", **fields):
    """Return a session as ``/sessions`` lists it."""
    return {"id": session_id, "charger_id": CHARGER, "started_at": "2026-06-18T18:00:00Z", "ended_at": ended_at,
            "kwh": kwh, "status": "completed", "ere_credits": None} | fields  # fmt: skip


def chargers(*records: dict) -> dict:
    """Return an API response of ``/chargers``."""
    return {"chargers": list(records)}


def sessions(*records: dict) -> dict:
    """Return an API response of ``/sessions``, newest first."""
    return {"sessions": list(records)}
