"""Snapshots of many accounts as months of use would leave them, made without API, ledger and poller."""

import random
import uuid

from joulo_exporter.ledger import Book, StoredSession, Totals
from joulo_exporter.models.charger import KNOWN_STATUSES, Charger, LiveSession
from joulo_exporter.models.energy import Energy, Month
from joulo_exporter.snapshot import Durations, EndedSession, EndpointHealth, LiveCharger, Snapshot

START_S = 1_780_000_000.0
MONTHS = ("2026-04", "2026-05", "2026-06")
BRANDS = ("Alfen Eve", "Zaptec Go", "Easee Home", "Wallbox Pulsar")
ENDPOINTS = (("chargers", 60.0, 4_000), ("sessions", 600.0, 400), ("energy", 3600.0, 70))


def fleet_snapshot(account: str | None, chargers: int, *, generation: int = 0) -> Snapshot:
    """Return an account with so many chargers; each generation is one refresh of ``/chargers`` later."""
    chance = random.Random(f"{account}")
    ids = [str(uuid.UUID(int=chance.getrandbits(128), version=4)) for _ in range(chargers)]
    labels = {
        charger_id: f"{chance.choice(BRANDS).lower().replace(' ', '-')}-{charger_id[:8]}" for charger_id in ids
    }
    totals = {charger_id: _totals(chance) for charger_id in ids}
    now_seconds = START_S + 60.0 * generation + chance.randrange(60_000) / 1000
    return Snapshot(
        account=account,
        endpoints=tuple(
            _health(chance, now_seconds, endpoint, generation if endpoint[0] == "chargers" else 0)
            for endpoint in ENDPOINTS
        ),
        book=_book(labels, totals),
        chargers=tuple(_live(chance, charger_id, label, generation) for charger_id, label in labels.items()),
        last_sessions=tuple(_ended(chance, label) for label in labels.values()),
        energy=_energy(chance),
    )


def _totals(chance: random.Random) -> Totals:
    kwh_hundredths = chance.randrange(10_000, 900_000)
    return Totals(kwh_hundredths, kwh_hundredths // 9, kwh_hundredths // 2500, kwh_hundredths * 9_170)


def _book(labels: dict[str, str], totals: dict[str, Totals]) -> Book:
    return Book(
        labels=labels, chargers=totals, vehicles={"tesla": next(iter(totals.values())), "unknown": Totals()},
        last_sessions={}, ended=(), id_tags={}, meters={},
        marks={}, complete=True, sessions=100, back_to_seconds=START_S - 9e6, persistent=True,
    )  # fmt: skip


def _live(chance: random.Random, charger_id: str, label: str, generation: int) -> LiveCharger:
    """Return a charger; one of four is charging, and its figures change with each generation."""
    charging = chance.random() < 0.25
    kwh_hundredths, meter_wh = chance.randrange(100, 6_000), chance.randrange(10**6, 10**7)
    started_at_seconds, session_id = START_S - chance.randrange(20_000), uuid.UUID(int=chance.getrandbits(128))
    step = generation if charging else 0
    charger = Charger(
        id=charger_id,
        slug=label,
        nickname=label.replace("-", " "),
        status="charging" if charging else chance.choice(KNOWN_STATUSES[1:]),
        charging=charging,
        connection_type="ocpp",
        mid_certified=True,
        session=LiveSession(
            id=str(session_id), started_at_seconds=started_at_seconds, id_tag="04A1B2C3D4E580",
            kwh_hundredths=kwh_hundredths + 18 * step,
        )
        if charging
        else None,
        meter_wh=meter_wh + 180 * step,
        meter_at_seconds=START_S + 60.0 * step,
    )  # fmt: skip
    return LiveCharger(
        label=label,
        charger=charger,
        power_watts=10_800.0 + step % 7 if charging else 0.0,
        meter_wh=charger.meter_wh,
        id_tag="04A1B2C3D4E580" if charging else "",
        vehicle="tesla",
    )


def _ended(chance: random.Random, label: str) -> EndedSession:
    ended_at_seconds = START_S - chance.randrange(10**6)
    session = StoredSession(
        id=str(uuid.UUID(int=chance.getrandbits(128))),
        charger_id=label,
        started_at_seconds=ended_at_seconds - chance.randrange(40_000),
        ended_at_seconds=ended_at_seconds,
        kwh_hundredths=chance.randrange(6_000),
        credits_hundredths=chance.randrange(700),
    )
    return EndedSession(label, session, id_tag="04A1B2C3D4E580", vehicle="tesla")


def _energy(chance: random.Random) -> Energy:
    months = tuple(
        Month(
            month=month, kwh_hundredths=(kwh := chance.randrange(40_000)), kwh_all_hundredths=kwh + 100,
            credits_hundredths=kwh // 9, sessions=kwh // 2_500, sessions_all=kwh // 2_500 + 1,
        )
        for month in MONTHS
    )  # fmt: skip
    total = chance.randrange(10_000, 900_000)
    return Energy(
        kwh_hundredths=total, kwh_all_hundredths=total + 100, credits_hundredths=total // 9,
        sessions=total // 2_500, sessions_all=total // 2_500 + 1, months=months,
    )  # fmt: skip


def _health(
    chance: random.Random, now_seconds: float, endpoint: tuple[str, float, int], generation: int
) -> EndpointHealth:
    name, interval_s, requests = endpoint
    requests += chance.randrange(requests) + generation
    buckets = [int(requests * share) for share in (0.05, 0.3, 0.8, 0.95, 0.99, 0.999)]
    return EndpointHealth(
        endpoint=name,
        interval_s=interval_s,
        up=True,
        succeeded_at_seconds=now_seconds if name == "chargers" else START_S,
        requests={"200": requests, "503": 2},
        durations=Durations((*buckets, requests, requests), requests, requests * 0.2137),
    )
