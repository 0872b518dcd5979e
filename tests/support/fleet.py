"""Snapshots of many accounts as months of use would leave them, made without API, ledger and poller."""

import random
import uuid

from joulo_exporter.ledger.book import Book, Completeness, HeldTotals
from joulo_exporter.ledger.sessions import StoredSession, Totals
from joulo_exporter.models.charger import KNOWN_STATUSES, Charger, LiveSession
from joulo_exporter.models.session import Energy, Month
from joulo_exporter.snapshot import Durations, EndedSession, EndpointHealth, LiveCharger, Snapshot

START_S = 1_780_000_000.0
TAG = "04A1B2C3D4E580"
ENDPOINTS = (("chargers", 60.0, 4_000), ("sessions", 600.0, 400), ("energy", 3600.0, 70))


def fleet_snapshot(account: str | None, chargers: int, *, generation: int = 0) -> Snapshot:
    """Return an account with so many chargers; each generation is one refresh of ``/chargers`` later."""
    chance = random.Random(f"{account}")
    live = tuple(_live(chance, generation) for _ in range(chargers))
    labels = {each.charger.id: each.label for each in live}
    totals = {charger_id: _held(_totals(chance)) for charger_id in labels}
    book = Book(
        labels=labels, chargers=totals,
        vehicles={"tesla": next(iter(totals.values())), "unknown": _held(Totals())},
        last_sessions={}, ended=(), id_tags={}, meters={}, marks={}, persistent=True,
        history=Completeness(complete=True, sessions=100, back_to_seconds=START_S - 9e6),
    )  # fmt: skip
    months = tuple(Month(month=f"2026-0{number}", **_figures(chance, 40_000)) for number in (4, 5, 6))
    return Snapshot(
        account=account,
        endpoints=tuple(_health(chance, *endpoint, generation) for endpoint in ENDPOINTS),
        book=book,
        chargers=live,
        last_sessions=tuple(_ended(chance, label) for label in labels.values()),
        energy=Energy(months=months, **_figures(chance, 900_000)),
    )


def _id(chance: random.Random) -> str:
    return str(uuid.UUID(int=chance.getrandbits(128), version=4))


def _totals(chance: random.Random) -> Totals:
    kwh_hundredths = chance.randrange(10_000, 900_000)
    return Totals(kwh_hundredths, kwh_hundredths // 9, kwh_hundredths // 2500, kwh_hundredths * 9_170)


def _held(totals: Totals) -> HeldTotals:
    return HeldTotals([], totals, totals, Totals())


def _figures(chance: random.Random, most_kwh_hundredths: int) -> dict[str, int]:
    kwh_hundredths = chance.randrange(most_kwh_hundredths)
    sessions = kwh_hundredths // 2_500
    return {
        "kwh_hundredths": kwh_hundredths, "kwh_all_hundredths": kwh_hundredths + 100,
        "credits_hundredths": kwh_hundredths // 9, "sessions": sessions, "sessions_all": sessions + 1,
    }  # fmt: skip


def _live(chance: random.Random, generation: int) -> LiveCharger:
    """Return a charger; one of four is charging, and its figures change with each generation."""
    charger_id, charging = _id(chance), chance.random() < 0.25
    label, step = f"easee-home-{charger_id[:8]}", generation if charging else 0
    session = LiveSession(
        id=_id(chance), started_at_seconds=START_S - chance.randrange(20_000), id_tag=TAG,
        kwh_hundredths=chance.randrange(100, 6_000) + 18 * step,
    )  # fmt: skip
    meter_wh = chance.randrange(10**6, 10**7) + 180 * step
    charger = Charger(
        id=charger_id, slug=label, nickname=label.replace("-", " "),
        status="charging" if charging else chance.choice(KNOWN_STATUSES[1:]), charging=charging,
        connection_type="ocpp", mid_certified=True, session=session if charging else None,
        meter_wh=meter_wh, meter_at_seconds=START_S + 60.0 * step,
    )  # fmt: skip
    return LiveCharger(
        label=label, charger=charger, power_watts=10_800.0 + step % 7 if charging else 0.0,
        meter_wh=meter_wh, id_tag=TAG if charging else "", vehicle="tesla",
    )  # fmt: skip


def _ended(chance: random.Random, label: str) -> EndedSession:
    ended_at_seconds = START_S - chance.randrange(10**6)
    session = StoredSession(
        id=_id(chance), charger_id=label, started_at_seconds=ended_at_seconds - chance.randrange(40_000),
        ended_at_seconds=ended_at_seconds, kwh_hundredths=chance.randrange(6_000),
        credits_hundredths=chance.randrange(700),
    )  # fmt: skip
    return EndedSession(label, session, id_tag=TAG, vehicle="tesla")


def _health(chance: random.Random, name: str, interval_s: float, requests: int, generation: int) -> EndpointHealth:
    refreshed = generation if name == "chargers" else 0
    requests += chance.randrange(requests) + refreshed
    buckets = [int(requests * share) for share in (0.05, 0.3, 0.8, 0.95, 0.99, 0.999)]
    return EndpointHealth(
        endpoint=name, interval_s=interval_s, up=True, requests={"200": requests, "503": 2},
        succeeded_at_seconds=START_S + 60.0 * refreshed + chance.randrange(60_000) / 1000,
        durations=Durations((*buckets, *[requests] * 3), requests * 0.2137),
    )  # fmt: skip
