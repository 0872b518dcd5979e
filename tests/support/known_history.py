"""Years of charging that are known by hand, as a Prometheus would hold them; and what they amount to."""

import contextlib
import math
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from operator import attrgetter
from pathlib import Path
from zoneinfo import ZoneInfo

from support.grafana import Prometheus

HOME = ZoneInfo("Europe/Amsterdam")
_STEP_S = 300  # as of a backfill
_CREDITS_AFTER_S = 1200
PRICE_EUROS, FEE_RATIO = 0.49, 0.2


@dataclass(frozen=True)
class Session:
    """A session: its energy is spread evenly, its credits come at once, 20 minutes after its end."""

    charger: str
    vehicle: str
    start: float
    """In Unix seconds, as is the end."""
    end: float
    kwh: float
    credits: float

    def kwh_until(self, at: float) -> float:
        return self.kwh * min(1.0, max(0.0, (at - self.start) / (self.end - self.start)))

    def credits_until(self, at: float) -> float:
        return self.credits if at >= self.end + _CREDITS_AFTER_S else 0.0

    def charging_at(self, at: float) -> float:
        return float(self.start <= at < self.end)

    def watts_at(self, at: float) -> float:
        return self.charging_at(at) * self.kwh / (self.end - self.start) * 3_600_000

    def ended_until(self, at: float) -> float:
        return float(at >= self.end)


@dataclass(frozen=True)
class Scraped:
    """A stretch of time in which an instance was scraped."""

    instance: str
    since: float
    """In Unix seconds, as is its end."""
    until: float
    live: bool = True
    """Without it there is only what a backfill writes, and that each hour where nothing changes."""
    lacking: float = 0
    """Shortfall of each total: its ledger does not know the corrections before it began."""


@dataclass(frozen=True)
class History:
    """Sessions, and when Prometheus looked."""

    now: datetime
    sessions: tuple[Session, ...]
    scraped: tuple[Scraped, ...]

    @property
    def last(self) -> float:
        """Unix seconds of the last scrape."""
        return max(stretch.until for stretch in self.scraped)

    def kwh(self, since: float, until: float, **labels: str) -> float:
        return sum(one.kwh_until(until) - one.kwh_until(since) for one in self.of(**labels))

    def credits(self, since: float, until: float, **labels: str) -> float:
        return sum(one.credits_until(until) - one.credits_until(since) for one in self.of(**labels))

    def ended(self, since: float, until: float, **labels: str) -> float:
        return sum(one.ended_until(until) - one.ended_until(since) for one in self.of(**labels))

    def of(self, **labels: str) -> tuple[Session, ...]:
        """Return the sessions of a charger or a vehicle, in the order of their ends."""
        wanted = labels.items()
        found = (one for one in self.sessions if all(getattr(one, name) == value for name, value in wanted))
        return tuple(sorted(found, key=attrgetter("end")))

    def names(self, label: str) -> list[str]:
        return sorted({getattr(one, label) for one in self.sessions})


def local(text: str) -> datetime:
    """Return a moment in Amsterdam; ``fold`` is that of the first of two."""
    return datetime.fromisoformat(text).replace(tzinfo=HOME)


def at(text: str) -> float:
    """Return the Unix seconds of a moment in Amsterdam."""
    return local(text).timestamp()


def session(charger: str, vehicle: str, start: str, hours: float, kwh: float) -> Session:
    """Return a session that lasts some real hours; it earns a credit for 3 kWh."""
    return Session(charger, vehicle, at(start), at(start) + hours * 3600, kwh, kwh / 3)


def exposition(history: History) -> Iterator[str]:
    """Yield OpenMetrics, metric by metric."""
    for name, label, amount in (
        ("joulo_total_kwh", "charger", Session.kwh_until),
        ("joulo_ere_credits_total", "charger", Session.credits_until),
        ("joulo_sessions_total", "charger", Session.ended_until),
        ("joulo_vehicle_kwh_total", "vehicle", Session.kwh_until),
        ("joulo_vehicle_ere_credits_total", "vehicle", Session.credits_until),
        ("joulo_vehicle_sessions_total", "vehicle", Session.ended_until),
        ("joulo_charging", "charger", Session.charging_at),
        ("joulo_charger_power_watts", "charger", Session.watts_at),
    ):
        yield from _metric(history, name, label, amount)
    yield from _last_session(history, "joulo_last_session_kwh", attrgetter("kwh"))
    yield from _last_session(history, "joulo_last_session_start_timestamp_seconds", attrgetter("start"))
    yield from _last_session(history, "joulo_last_session_end_timestamp_seconds", attrgetter("end"))
    yield from _last_session(history, "joulo_last_session_info", None)
    for name, value in (("price_euros", PRICE_EUROS), ("fee_ratio", FEE_RATIO)):
        yield f"# TYPE joulo_ere_estimate_{name} gauge\n"
        for stretch in (one for one in history.scraped if one.live):
            series = f'joulo_ere_estimate_{name}{{instance="{stretch.instance}",job="joulo"}}'
            yield from (f"{series} {value} {tick:.3f}\n" for tick in _ticks(stretch, history.sessions))
    yield "# EOF\n"


def _metric(history: History, name: str, label: str, amount: Callable[[Session, float], float]) -> Iterator[str]:
    family = name.removesuffix("_total")
    yield f"# TYPE {family} {'gauge' if name == family else 'counter'}\n"
    for value in history.names(label):
        sessions = history.of(**{label: value})
        for stretch in history.scraped:
            series = f'{name}{{{label}="{value}",instance="{stretch.instance}",job="joulo"}}'
            done, ahead = 0.0, list(sessions)
            lacking = stretch.lacking if name.endswith(("_kwh", "_total")) else 0
            for tick in _ticks(stretch, sessions):
                while ahead and ahead[0].end + _CREDITS_AFTER_S < tick:
                    done += amount(ahead.pop(0), tick)
                total = done + sum(amount(one, tick) for one in ahead[:3])
                yield f"{series} {round(total - lacking, 6)} {tick:.3f}\n"


def _last_session(history: History, name: str, figure: Callable[[Session], float] | None) -> Iterator[str]:
    """Yield a figure of each charger's last session; without one its vehicle.

    Of that a backfill has the first hour, and nothing in the ten minutes before the next end. Neither has a scrape
    here: OpenMetrics has no markers of staleness, with which Prometheus ends a series.
    """
    yield f"# TYPE {name} gauge\n"
    for stretch in history.scraped:
        for charger in history.names("charger"):
            sessions = history.of(charger=charger)
            ahead, last, lines = list(sessions), None, {}
            for tick in _ticks(stretch, sessions):
                while ahead and ahead[0].end <= tick:
                    last = ahead.pop(0)
                alone = not ahead or ahead[0].end - tick >= 600
                if last and (figure or (alone and (stretch.live or tick - last.end <= 3600))):
                    more, value = ("", figure(last)) if figure else (f',vehicle="{last.vehicle}"', 1)
                    series = f'{name}{{charger="{charger}",instance="{stretch.instance}",job="joulo"{more}}}'
                    lines.setdefault(series, []).append(f"{series} {value} {tick:.3f}\n")
            for found in lines.values():
                yield from found


@cache
def _ticks(stretch: Scraped, sessions: tuple[Session, ...]) -> list[float]:
    """Return the moments of the samples: each step, or around sessions each step and else each hour."""

    def each(step: int, begin: float, end: float) -> Iterable[int]:
        return range(int(max(begin, stretch.since) // step + 1) * step, math.ceil(min(end, stretch.until)), step)

    ticks = {*each(_STEP_S if stretch.live else 3600, stretch.since, stretch.until)}
    if not stretch.live:
        for one in sessions:
            ticks.update(each(_STEP_S, one.start - 2 * _STEP_S, one.end + 3 * 3600))
    return [stretch.since, *sorted(ticks), stretch.until]


@contextlib.contextmanager
def prometheus_with(
    database: Callable[..., AbstractContextManager[str]], lines: Iterable[str], folder: Path
) -> Iterator[Prometheus]:
    """Run a database of ``processes.DATABASES`` that holds an OpenMetrics text, and scrapes nothing."""
    openmetrics = folder / "history.om"
    with openmetrics.open("w") as output:
        output.writelines(lines)
    with database(folder, [], openmetrics, block="8760h") as url:
        yield Prometheus(url)


# --- The histories


def _nights(first: str, last: str, charger: str, vehicle: str, hour: str, *of: float) -> list[Session]:
    """Return a session each night, from one day to another."""
    days = [local(first) + timedelta(days=day) for day in range((local(last) - local(first)).days + 1)]
    return [session(charger, vehicle, f"{day:%Y-%m-%d}T{hour}", *of) for day in days]


def _young(since: str) -> History:
    """Return what is seen at noon where Prometheus began at a moment, with sessions long before and ever since."""
    return History(
        now=local("2026-06-11T12:00"),
        sessions=(
            session("front", "tesla", "2026-05-31T22:00", 6, 30.0),
            session("back", "zoe", "2026-06-10T16:50", 5, 20.0),
            session("front", "tesla", "2026-06-11T07:00", 8, 64.0),  # in progress
        ),
        scraped=(Scraped("a:9973", at(since), at("2026-06-11T11:59:45")),),
    )


HISTORIES = {
    # Seen on the Sunday of 25 hours: it began at +02:00, the year at +01:00, now it is +01:00. There are sessions
    # across every boundary. The exporter moved on 24 October: for some hours Prometheus scraped it under two
    # names; since noon it does so again. Before 20 October there is only what was backfilled.
    "autumn": History(
        now=local("2026-10-25T19:07:23.412"),
        sessions=(
            session("front", "tesla", "2025-12-31T22:00", 4, 44.0),  # across New Year
            session("front", "tesla", "2026-09-30T22:30", 3, 30.0),  # across the 1st
            session("back", "zoe", "2026-10-14T10:00", 2, 12.0),
            session("front", "tesla", "2026-10-18T23:00", 3, 21.0),  # across Monday
            *_nights("2026-10-20", "2026-10-23", "front", "tesla", "22:00", 4, 20.0),
            session("back", "unknown", "2026-10-22T09:00", 1, 5.0),
            session("front", "tesla", "2026-10-24T23:30", 6, 36.0),  # across midnight, and the change of the clock
            session("back", "zoe", "2026-10-25T18:07:13", 2, 14.0),  # in progress: half of it
        ),
        scraped=(
            Scraped("a:9973", at("2025-12-31T12:00"), at("2026-01-01T12:00"), live=False),
            Scraped("a:9973", at("2026-09-30T12:00"), at("2026-10-20T12:00"), live=False),
            Scraped("a:9973", at("2026-10-20T12:05"), at("2026-10-24T23:58")),
            Scraped("b:9973", at("2026-10-24T15:00"), at("2026-10-25T19:07:13")),
            Scraped("c:9973", at("2026-10-25T12:00"), at("2026-10-25T19:07:13")),
        ),
    ),
    # Seen on the Sunday of 23 hours, with a restart of the exporter last Tuesday.
    "spring": History(
        now=local("2026-03-29T22:15:00.700"),
        sessions=(
            *_nights("2026-03-20", "2026-03-28", "front", "tesla", "23:00", 4, 24.0),
            session("back", "zoe", "2026-03-29T12:00", 2, 9.0),
        ),
        scraped=(
            Scraped("a:9973", at("2026-02-28T00:00"), at("2026-03-24T23:40")),
            Scraped("a:9973", at("2026-03-24T23:55"), at("2026-03-29T22:14:50")),
        ),
    ),
    # Seen after a night in which nothing ran: 10 of its 30 kWh were charged yesterday.
    "down": History(
        now=local("2026-06-11T12:00:00.100"),
        sessions=(
            session("front", "tesla", "2026-06-09T12:00", 2, 8.0),
            session("front", "tesla", "2026-06-10T22:00", 6, 30.0),
            session("back", "zoe", "2026-06-11T10:00", 1, 7.0),
        ),
        scraped=(
            Scraped("a:9973", at("2026-05-25T00:00"), at("2026-06-10T20:00")),
            Scraped("a:9973", at("2026-06-11T09:00"), at("2026-06-11T11:59:45")),
        ),
    ),
    # Seen after the exporter moved without its ledger: its totals are 3 kWh lower.
    "without_ledger": History(
        now=local("2026-06-11T12:00:00.100"),
        sessions=(
            session("front", "tesla", "2026-06-01T12:00", 2, 8.0),
            session("back", "zoe", "2026-06-01T10:00", 1, 7.0),
            session("back", "zoe", "2026-06-11T10:00", 1, 7.0),
        ),
        scraped=(
            Scraped("a:9973", at("2026-06-01T00:00"), at("2026-06-11T08:00")),
            Scraped("b:9973", at("2026-06-11T08:00"), at("2026-06-11T11:59:45"), lacking=3),
        ),
    ),
    "nine_minutes": _young("2026-06-11T11:51:20"),
    "an_hour": _young("2026-06-11T10:47:31"),
    "a_day": _young("2026-06-10T17:23:05"),
    # Seen 20 minutes after the beginning of a month, a week after a change of the clock.
    "eighteen_months": History(
        now=local("2026-11-01T00:20"),
        sessions=(
            *_nights("2025-05-04", "2026-10-26", "front", "tesla", "23:30", 2, 14.0)[::7],
            *_nights("2025-05-31", "2026-10-30", "back", "zoe", "12:00", 2, 9.0)[::13],
            session("front", "tesla", "2026-10-31T22:00", 4, 32.0),  # across the 1st, and in progress
        ),
        scraped=(
            Scraped("a:9973", at("2025-05-01T00:00"), at("2026-10-20T12:00"), live=False),
            Scraped("a:9973", at("2026-10-20T12:05"), at("2026-11-01T00:19:50")),
        ),
    ),
}
