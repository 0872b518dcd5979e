"""Snapshots of an account as the poller would make them, from answers of the API in JSON."""

from __future__ import annotations

import json
import weakref
from collections.abc import Iterable, Mapping
from pathlib import Path

import msgspec
from prometheus_client import CollectorRegistry
from support.ledger_rig import LedgerRig
from support.parsing import parse_chargers, parse_energy, parse_ere_position, parse_ere_price, parse_sessions

from joulo_exporter.errors import ApiTimeoutError
from joulo_exporter.ledger.account import EndpointRecord, Pause, Refreshes
from joulo_exporter.ledger.book import Book
from joulo_exporter.ledger.history import PAGE_SIZE
from joulo_exporter.metrics import JouloCollector
from joulo_exporter.models.charger import IdTagMode, Tags
from joulo_exporter.snapshot import Durations, EndpointHealth, Snapshot, ended_sessions, live_chargers

FIXTURES = Path(__file__).parents[1] / "fixtures"
NOW = 1_781_810_000.0  # 2026-06-18T19:13:20Z, half an hour after the meter of the fixture was read
INTERVALS = {"chargers": 60.0, "sessions": 600.0, "energy": 3600.0}
DRIVEWAY, GARAGE = "6f1d2c0a-7b1e-4c55-9d0e-1a2b3c4d5e6f", "a0b1c2d3-e4f5-4678-9abc-def012345678"
LIVE_SESSION, LAST_SESSION = "0d9c8b7a-1111-4a5b-8c6d-7e8f90a1b2c3", "1e2d3c4b-2222-4b6c-9d7e-8f90a1b2c3d4"
TAG = "04A1B2C3D4E580"
VEHICLES = {"DEADBEEF12345678": "tesla"}


def fixture(name: str) -> dict:
    """Read a recorded answer, to be changed at will."""
    return json.loads((FIXTURES / f"{name}.json").read_bytes())


class Household:
    """An account with a real ledger in memory, into which answers go as JSON."""

    def __init__(
        self,
        *,
        account: str | None = None,
        vehicles: Mapping[str, str] = VEHICLES,
        labels: Mapping[str, str] = {},
        id_tags: IdTagMode = "show",
    ) -> None:
        self.account = account
        self.tags = Tags(vehicles, id_tags)
        self.rig = LedgerRig(None, name=account or "", configured_labels=labels, vehicles=vehicles)
        weakref.finalize(self, self.rig.close)
        self.now_seconds = NOW
        self.charger_records = ()
        self.energy_record = None
        self.estimate = None

    def chargers(self, answer: dict) -> Household:
        parsed = parse_chargers(json.dumps(answer).encode())
        self.rig.ledger.begin_request("chargers", self._pause("chargers"))
        self.rig.ledger.record_chargers(parsed, self._pause("chargers"))
        self.charger_records = parsed.content
        return self

    def sessions(self, answer: dict) -> Household:
        """Take the newest page of ``/sessions``; fewer than 100 sessions are all that the account has."""
        parsed = parse_sessions(json.dumps(answer).encode())
        self.rig.now_seconds = self.now_seconds
        self.rig.page(parsed, offset=0)
        while len(answer["sessions"]) < PAGE_SIZE and (offset := self.rig.walk.offset) is not None:
            rest = answer | {"sessions": answer["sessions"][offset:]}
            self.rig.page(parse_sessions(json.dumps(rest).encode()), offset=offset)
        self.estimate = parsed.content.estimate
        return self

    def energy(self, answer: dict) -> Household:
        parsed = parse_energy(json.dumps(answer).encode())
        self.rig.ledger.begin_request("energy", self._pause("energy"))
        self.rig.ledger.record_energy(parsed, self._pause("energy"))
        self.energy_record = parsed.content
        return self

    def time_out(self, endpoint: str) -> Household:
        """Let a request fail."""
        pause = self._pause(endpoint, failures=1)
        self.rig.ledger.record_failure(endpoint, ApiTimeoutError("no answer"), pause)
        return self

    def snapshot(self, *, stale: Iterable[str] = (), book: Book | None = None) -> Snapshot:
        """Return what is served now; the answers of the endpoints in ``stale`` are too old for that."""
        book = book or self.rig.ledger.book(name_unlinked=True, now_seconds=self.now_seconds)
        return Snapshot(
            account=self.account,
            endpoints=self._health(),
            book=book,
            chargers=None if "chargers" in stale else live_chargers(self.charger_records, book, self.tags),
            last_sessions=ended_sessions(book.last_sessions.values(), book, self.tags),
            ended_sessions=ended_sessions(book.ended, book, self.tags),
            energy=None if "energy" in stale else self.energy_record,
            ere_estimate=None if "sessions" in stale else self.estimate,
        )

    def _pause(self, endpoint: str, failures: int = 0) -> Pause:
        return Pause(self.now_seconds, INTERVALS[endpoint], failures)

    def _health(self) -> tuple[EndpointHealth, ...]:
        records, _ = self.rig.ledger.load()
        return tuple(
            EndpointHealth(
                endpoint=endpoint,
                interval_s=interval_s,
                **{name: getattr(record, name) for name in Refreshes.__struct_fields__},
                durations=Durations().observed(0.2).observed(3.0),
            )
            for endpoint, interval_s in INTERVALS.items()
            for record in [records.get(endpoint, EndpointRecord())]
        )


def recorded(**options) -> Household:
    """Return a household that has taken all recorded answers."""
    household = Household(**options)
    return household.chargers(fixture("chargers")).sessions(fixture("sessions")).energy(fixture("energy"))


def recorded_snapshot(**options) -> Snapshot:
    return recorded(**options).snapshot()


def with_position(snapshot: Snapshot, answer: dict | None = None) -> Snapshot:
    """Return the snapshot of an account that shows its ERE position too."""
    body = json.dumps(fixture("ere-position") if answer is None else answer).encode()
    return msgspec.structs.replace(snapshot, ere_position=parse_ere_position(body).content)


def market_snapshot(answer: dict | None = None) -> Snapshot:
    """Return the snapshot of the public price feed."""
    body = json.dumps(fixture("ere-price") if answer is None else answer).encode()
    health = EndpointHealth("ere_price", 3600.0, up=True, succeeded_at_seconds=NOW, requests={"200": 1})
    return Snapshot(None, (health,), ere_price=parse_ere_price(body).content, public=True)


def registry_of(*snapshots: Snapshot) -> CollectorRegistry:
    registry = CollectorRegistry()
    registry.register(JouloCollector(lambda: snapshots))
    return registry


def series(*snapshots: Snapshot) -> dict[str, float]:
    """Return every series that is served, as Prometheus writes it down, with its value."""
    served = {}
    for sample in (sample for metric in registry_of(*snapshots).collect() for sample in metric.samples):
        labels = ",".join(f"{key}={value!r}" for key, value in sample.labels.items())
        name = f"{sample.name}{{{labels}}}" if labels else sample.name
        assert name not in served, "a series is served twice"
        served[name] = sample.value
    return served


def series_of(metric: str, *snapshots: Snapshot) -> dict[str, float]:
    """Return the series of one metric, without its name."""
    served = series(*snapshots)
    return {text.removeprefix(metric): served[text] for text in served if text.split("{")[0] == metric}
