"""The history as OpenMetrics with timestamps, for ``promtool tsdb create-blocks-from openmetrics``.

Everything is an integer: times are milliseconds, energy and credits hundredths. A session's energy is
spread evenly over its duration, rounded down, so that a sum over sessions never falls from one sample to the next.

OpenMetrics wants the series of a metric together, and the samples of a series in the order of time. So the
sessions of an account are read anew for each metric, and not kept.

promtool reads the whole text once for each block that it makes, so every line counts. ``_needed`` leaves out the
samples that no query of the dashboards looks for.
"""

import heapq
from collections.abc import Callable, Iterable, Iterator, Mapping
from operator import attrgetter, itemgetter

import msgspec

from joulo_exporter.errors import LedgerError
from joulo_exporter.ledger import Totals, vehicle_of
from joulo_exporter.ledger.reader import LedgerReader, RecordedSession
from joulo_exporter.metrics import FAMILIES, Family
from joulo_exporter.models.charger import Charger, Tags
from joulo_exporter.reports.text import completeness_text, hundredths_text, ledger_of

_HOUR_MS = 3_600_000
_SHORTEST_TENURE_MS = 900_000
"""A session that was the last one for less time gets no series: it would have too few samples to be found."""
_ALONE_MS = 600_000
"""Time from the last sample of a session's own series to the first sample of the next session's.

Prometheus looks back five minutes, VictoriaMetrics a step of the query: ten minutes in the dashboards.
"""
_HUNDREDTHS = 2

Samples = Iterable[tuple[int, int]]
"""Pairs of milliseconds and a value."""


class Backfill(msgspec.Struct, frozen=True):
    """The part of the history that is printed, and its form."""

    now_seconds: float
    """The present: every series ends here, with the value that the exporter serves."""
    step_s: float = 300.0
    """Time between samples while a value changes. Prometheus takes a series for gone after five minutes."""
    labels: Mapping[str, str] = {}
    """Labels that Prometheus adds when it scrapes, such as ``job`` and ``instance``."""
    from_seconds: float | None = None
    to_seconds: float | None = None
    """The first moment that is too late; if it is given, the values of the present are left out."""
    constant_power: bool = False
    """Whether the power of each session is known to be constant, as only that of a simulator is."""


# Sessions and the figures that follow from them -----------------------------------------------------


class TimedSession(msgspec.Struct, frozen=True):
    """A session of the ledger with its start and end in milliseconds."""

    session: RecordedSession
    start_ms: int
    end_ms: int
    """Not before the start; of a session in progress, the present."""
    vehicle: str | None = None
    """``None`` while a tag may still come."""

    def kwh_hundredths_at(self, moment_ms: int) -> int:
        """Return the energy until a moment between start and end."""
        return (self.session.kwh_hundredths or 0) * (moment_ms - self.start_ms) // (self.end_ms - self.start_ms)

    @property
    def mean_watts(self) -> int:
        """Return the mean power from start to end."""
        return (self.session.kwh_hundredths or 0) * 36_000_000 // (self.end_ms - self.start_ms)


def last_of(sessions: Iterable[TimedSession]) -> TimedSession | None:
    """Return the finished session that ended last, then began last; of equal ones the first, as in the ledger."""

    def rank(timed: TimedSession) -> tuple[float, float]:
        return timed.session.ended_at_seconds or 0.0, timed.session.started_at_seconds or 0.0

    finished = (timed for timed in sessions if timed.session.ended_at_seconds is not None)
    return max(finished, key=rank, default=None)


class Tally(msgspec.Struct):
    """The sessions of a series as they stand at a moment."""

    moment_ms: int = 0
    totals: Totals = Totals()
    """Totals of the sessions that have ended."""
    last: TimedSession | None = None
    """The finished session that ended last."""
    active: list[tuple[int, int, TimedSession]] = []
    """Sessions in progress, a heap by their end; the second number is the order of their starts."""

    @property
    def kwh_hundredths(self) -> int:
        """Return all energy until now."""
        return self.totals.kwh_hundredths + sum(
            each.kwh_hundredths_at(self.moment_ms) for _, _, each in self.active
        )

    @property
    def current(self) -> TimedSession | None:
        """Return the session in progress; of several the one that began last."""
        return max(self.active, key=lambda entry: entry[1])[2] if self.active else None


def tallies(sessions: Iterable[TimedSession], ticks: Iterable[int]) -> Iterator[Tally]:
    """Yield the tally of sessions, ordered by start, at each of the rising ticks; always the same object."""
    tally = Tally()
    upcoming = iter(sessions)
    following = next(upcoming, None)
    number = 0
    for tally.moment_ms in ticks:
        while following is not None and following.start_ms <= tally.moment_ms:
            number += 1
            heapq.heappush(tally.active, (following.end_ms, number, following))
            following = next(upcoming, None)
        while tally.active and tally.active[0][0] <= tally.moment_ms:
            ended = heapq.heappop(tally.active)[2]
            tally.totals += ended.session.totals
            tally.last = last_of((ended,) if tally.last is None else (tally.last, ended))
        yield tally


class Quantity(msgspec.Struct, frozen=True):
    """A figure that follows from sessions."""

    decimals: int
    """Number of an integer's last digits that are decimals: 2 for hundredths."""
    at: Callable[[Tally], int | None]
    """Its value at a moment."""
    live: Callable[[Charger], int | None] | None = None
    """For a figure of the session in progress, gone when that ends: its value now, from the charger."""


def _of_current(figure: Callable[[TimedSession, int], int]) -> Callable[[Tally], int]:
    """Return the figure of the session in progress, 0 while there is none."""
    return lambda tally: 0 if (current := tally.current) is None else figure(current, tally.moment_ms)


def _of_last(figure: Callable[[TimedSession], int | None]) -> Callable[[Tally], int | None]:
    """Return the figure of the session that ended last; ``None`` before the first end."""
    return lambda tally: None if tally.last is None else figure(tally.last)


def _live_kwh_hundredths(charger: Charger) -> int | None:
    if charger.session is None:
        return None if charger.session_unreadable else 0
    return charger.session.kwh_hundredths


_TOTAL_KWH = Quantity(2, attrgetter("kwh_hundredths"))
_TOTAL_CREDITS = Quantity(2, attrgetter("totals.credits_hundredths"))
_FINISHED = Quantity(0, attrgetter("totals.sessions"))
_CHARGING = Quantity(
    0, _of_current(lambda *_: 1), lambda charger: None if charger.charging is None else int(charger.charging)
)
_POWER = Quantity(0, _of_current(lambda current, _: current.mean_watts), lambda _: None)
"""The ledger keeps no power: there is a history only if the power of each session is known to be constant."""
_INFO = Quantity(0, _of_last(lambda _: 1))

QUANTITIES = {
    "joulo_charging": _CHARGING,
    "joulo_session_kwh": Quantity(2, _of_current(TimedSession.kwh_hundredths_at), _live_kwh_hundredths),
    "joulo_charger_power_watts": _POWER,
    "joulo_total_kwh": _TOTAL_KWH,
    "joulo_ere_credits_total": _TOTAL_CREDITS,
    "joulo_sessions_total": _FINISHED,
    "joulo_session_seconds_total": Quantity(3, attrgetter("totals.duration_ms")),
    "joulo_last_session_kwh": Quantity(2, _of_last(attrgetter("session.kwh_hundredths"))),
    "joulo_last_session_ere_credits": Quantity(2, _of_last(attrgetter("session.credits_hundredths"))),
    "joulo_last_session_start_timestamp_seconds": Quantity(
        9, _of_last(lambda last: _nanoseconds(last.session.started_at_seconds))
    ),
    "joulo_last_session_end_timestamp_seconds": Quantity(
        9, _of_last(lambda last: _nanoseconds(last.session.ended_at_seconds))
    ),
    "joulo_last_session_info": _INFO,
    "joulo_vehicle_kwh_total": _TOTAL_KWH,
    "joulo_vehicle_ere_credits_total": _TOTAL_CREDITS,
    "joulo_vehicle_sessions_total": _FINISHED,
}
"""The quantity of each metric that has a history."""

# The series of an account ---------------------------------------------------------------------------


class _AccountHistory:
    """The series of one account.

    Raises:
        LedgerError: the history is not complete, or a charger has no label yet.
    """

    def __init__(self, reader: LedgerReader, account: str, tags: Tags, wanted: Backfill) -> None:
        self._reader = reader
        self._account = account
        self._tags = tags
        self._wanted = wanted
        self._step_ms = _milliseconds(wanted.step_s)
        self._now_ms = self._end_ms = _milliseconds(wanted.now_seconds)
        if wanted.to_seconds is not None:
            self._end_ms = min(self._now_ms, _milliseconds(wanted.to_seconds))
        known = reader.completeness(account)
        if not known.complete:
            fault = f"{completeness_text(known)}; wait until joulo_history_complete is 1"
            raise LedgerError(f"{ledger_of(account)} {fault}")
        held = zip(("charger", "vehicle"), reader.held_totals(account, tags.vehicles), strict=True)
        self._totals = {kind: {name: each.held for name, each in totals.items()} for kind, totals in held}
        vehicles = {name: name for name in self._totals["vehicle"]}
        self._labels = {"charger": reader.labels(account), "vehicle": vehicles}
        self._live = {charger.id: charger for charger in reader.last_chargers(account)}
        for charger_id in sorted(self._totals["charger"].keys() - self._labels["charger"].keys()):
            fault = f"has no label for charger {charger_id} yet; let the exporter run until it has read /chargers"
            raise LedgerError(f"{ledger_of(account)} {fault}")

    def series(self, family: Family, quantity: Quantity) -> Iterator[tuple[dict[str, str], Samples]]:
        """Yield (labels, samples) of each series of a metric, with the labels that the exporter gives it."""
        kind = family.labels[0]
        key_of = attrgetter("vehicle" if kind == "vehicle" else "session.charger_id")
        sessions: dict[str, list[TimedSession]] = {}
        for timed in map(self._timed, self._reader.sessions(self._account)):
            sessions.setdefault(key_of(timed), []).append(timed)
        for key, label in sorted(self._labels[kind].items(), key=itemgetter(1)):
            named = {kind: label} | ({"account": self._account} if self._account else {})
            if quantity is _INFO:
                for last, moments in self._tenures(sessions.get(key, [])):
                    if last.vehicle is not None:
                        tag = self._tags.shown(last.session.id_tag)
                        own = {"session_id": last.session.id, "id_tag": tag, "vehicle": last.vehicle}
                        yield named | own, ((moment_ms, 1) for moment_ms in moments)
                continue
            samples = self._samples(quantity, key, sessions.get(key, []), self._totals[kind][key])
            # The panels of these two show a gap where there is no sample.
            gaps = quantity in {_CHARGING, _POWER}
            yield named, samples if gaps else _needed(samples, self._step_ms)

    def _samples(
        self, quantity: Quantity, key: str, sessions: list[TimedSession], totals: Totals
    ) -> Iterator[tuple[int, int]]:
        """Yield the values on the grid of the step, and at the end the value that is served now, if any."""
        end_ms = self._end_ms
        served: int | None = None
        if quantity.live is None:
            served = quantity.at(Tally(totals=totals, last=last_of(sessions)))
        elif key in self._live:
            served = quantity.live(self._live[key])
        else:  # no longer linked: the series ends with its last session
            end_ms = min(end_ms, max((timed.end_ms for timed in sessions), default=0) + 2 * self._step_ms)
        for tally in tallies(sessions, self._ticks(sessions, end_ms)):
            value = quantity.at(tally)
            if value is not None:
                yield tally.moment_ms, value
        if self._wanted.to_seconds is None and served is not None:
            yield self._now_ms, served

    def _tenures(self, sessions: list[TimedSession]) -> Iterator[tuple[TimedSession, range]]:
        """Yield (session, moments of its samples) of each session of a charger that was the last one for a while.

        A sample each step for an hour is enough to find it. No two sessions have samples at once: a charger
        would have two vehicles, and a query that joins them would fail.
        """
        begins: list[tuple[int, TimedSession]] = []
        for tally in tallies(sessions, self._ticks(sessions, self._end_ms)):
            if tally.last is not None and (not begins or tally.last is not begins[-1][1]):
                begins.append((tally.moment_ms, tally.last))
        # From the end on, the exporter may serve another session to Prometheus.
        ends = [*(begin_ms for begin_ms, _ in begins[1:]), self._end_ms]
        for (begin_ms, last), end_ms in zip(begins, ends, strict=False):
            if end_ms - begin_ms >= _SHORTEST_TENURE_MS:
                yield last, range(begin_ms, min(begin_ms + _HOUR_MS, end_ms - _ALONE_MS) + 1, self._step_ms)

    def _ticks(self, sessions: list[TimedSession], end_ms: int) -> range:
        """Return the grid's moments before the end, from the last one that shows nothing of the first session."""
        if not sessions:
            return range(0)
        first_ms = (sessions[0].start_ms - 1) // self._step_ms * self._step_ms
        if self._wanted.from_seconds is not None:
            first_ms = max(first_ms, -(-_milliseconds(self._wanted.from_seconds) // self._step_ms) * self._step_ms)
        return range(first_ms, end_ms, self._step_ms)

    def _timed(self, session: RecordedSession) -> TimedSession:
        start_ms = min(_milliseconds(session.began_seconds), self._now_ms)
        moments = (session.ended_at_seconds, session.next_start_seconds)
        ends = [_milliseconds(moment) for moment in moments if moment is not None]
        end_ms = max(start_ms, min([self._now_ms, *ends]))
        return TimedSession(session, start_ms, end_ms, vehicle_of(session.tag, self._tags.vehicles))


def _needed(samples: Samples, step_ms: int) -> Iterator[tuple[int, int]]:
    """Yield the samples around changes and one for each full hour.

    Each step has a sample while the value changes and for an hour after, and so does the step before a change:
    queries in steps of less than an hour look for what is new at most a step later. Else there is a sample at each
    full hour: the totals are looked up by ``last_over_time`` of an hour, and longer steps end at full hours.
    A gap and its two ends count as changes, and so do the first and the last sample.
    """
    before: tuple[int, int] | None = None
    changed_ms = written_ms = 0
    for sample in samples:
        moment_ms, value = sample
        if before is None or value != before[1] or moment_ms - before[0] != step_ms:
            if before is not None and before[0] != written_ms:
                yield before
            changed_ms = moment_ms
        before = sample
        # The last condition is for a step that does not divide the hour.
        if (
            moment_ms - changed_ms <= _HOUR_MS
            or moment_ms % _HOUR_MS < step_ms
            or moment_ms + step_ms - written_ms > _HOUR_MS
        ):
            yield sample
            written_ms = moment_ms
    if before is not None and before[0] != written_ms:
        yield before


# The text -------------------------------------------------------------------------------------------


def backfill(
    reader: LedgerReader,
    accounts: Iterable[str],
    tags: Tags,
    wanted: Backfill,
    progress: Callable[[float], None],
) -> Iterator[str]:
    """Return the lines of the exposition; ``progress`` is called with the share of the work that is done, 0 to 1.

    Raises:
        LedgerError: the history of an account is not complete.
    """
    histories = [_AccountHistory(reader, account, tags, wanted) for account in accounts]
    return _exposition(histories, wanted, progress)


def _exposition(
    histories: list[_AccountHistory], wanted: Backfill, progress: Callable[[float], None]
) -> Iterator[str]:
    metrics = [(family, QUANTITIES[family.name]) for family in FAMILIES if family.name in QUANTITIES]
    if not wanted.constant_power:
        metrics = [(family, quantity) for family, quantity in metrics if quantity is not _POWER]
    for number, (family, quantity) in enumerate(metrics):
        name = family.empty().name
        yield f"# HELP {name} {_escaped(family.help)}\n# TYPE {name} {family.type}\n"
        for place, history in enumerate(histories):
            progress((number + place / len(histories)) / len(metrics))
            for labels, samples in history.series(family, quantity):
                pairs = sorted((labels | dict(wanted.labels)).items())
                text = ",".join(f'{label}="{_escaped(value)}"' for label, value in pairs)
                start = f"{family.name}{{{text}}} "
                for moment_ms, value in samples:
                    yield f"{start}{_text(value, quantity.decimals)} {_text(moment_ms, 3)}\n"
    progress(1.0)
    yield "# EOF\n"


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")


def _text(value: int, decimals: int) -> str:
    """Return an integer whose last digits are decimals, exactly; with trailing zeros only for hundredths."""
    if decimals == _HUNDREDTHS:
        return hundredths_text(value)
    whole, rest = divmod(value, 10**decimals)
    return f"{whole}.{rest:0{decimals}d}".rstrip("0") if rest else str(whole)


def _milliseconds(seconds: float) -> int:
    return round(seconds * 1000)


def _nanoseconds(seconds: float | None) -> int | None:
    # Multiplied by 10**9 in one go, a float of today would lose digits.
    return None if seconds is None else int(seconds) * 10**9 + round(seconds % 1 * 10**9)
