"""The history as OpenMetrics with timestamps, for ``promtool tsdb create-blocks-from openmetrics``.

Each moment of the past becomes a snapshot with what the ledger knows of it, and the metric families that serve the
present make its samples. Times are integer milliseconds, energy is integer hundredths: that of a session is spread
evenly over its duration, rounded down, so that a sum over sessions never falls from one sample to the next.

OpenMetrics wants the series of a metric together, and the samples of a series in the order of time. So the
sessions of an account are read anew for each metric, and not kept.

promtool reads the whole text once for each block that it makes, so every line counts. ``_needed`` leaves out the
samples that no query of the dashboards looks for.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import groupby
from operator import itemgetter

import msgspec
from msgspec.structs import replace

from joulo_exporter.errors import LedgerError
from joulo_exporter.exposition.lines import header, labelled
from joulo_exporter.ledger.book import Book, Completeness, HeldTotals, vehicle_of
from joulo_exporter.ledger.reader import LedgerReader, RecordedSession
from joulo_exporter.ledger.sessions import Totals
from joulo_exporter.metrics import FAMILIES, Family
from joulo_exporter.metrics.chargers import LAST_SESSION
from joulo_exporter.metrics.family import Labels, number, series_of
from joulo_exporter.models.charger import Charger, LiveSession, Tags
from joulo_exporter.snapshot import EndedSession, LiveCharger, Snapshot

_HOUR_MS = 3_600_000
_ALONE_MS = 600_000
"""Time from the last sample of a session's own series to the first sample of the next session's.

Prometheus looks back five minutes, VictoriaMetrics a step of the query: ten minutes in the dashboards.
"""

_POWER = "joulo_charger_power_watts"
"""The ledger keeps only the latest power: there is a history if that of each session is known to be constant."""
_INFO = "joulo_last_session_info"
_LIVE = ("joulo_charging", "joulo_session_kwh", _POWER)
"""Metrics from ``/chargers``: their last value is that of the charger, if it is still linked."""
HISTORY = {
    *_LIVE,
    "joulo_total_kwh",
    "joulo_ere_credits_total",
    "joulo_sessions_total",
    "joulo_session_seconds_total",
    *(family.name for family in LAST_SESSION),
    "joulo_vehicle_kwh_total",
    "joulo_vehicle_ere_credits_total",
    "joulo_vehicle_sessions_total",
}
"""The metrics that have a history."""

_EMPTY_BOOK = Book({}, {}, (), {}, Completeness(complete=True, sessions=0, back_to_seconds=None), persistent=True)


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


# The past of a charger or a vehicle -----------------------------------------------------------------


class TimedSession(msgspec.Struct, frozen=True):
    """A session of the ledger with its start and end in milliseconds, and its labels."""

    session: RecordedSession
    start_ms: int
    end_ms: int
    """Not before the start; of a session in progress, the present."""
    id_tag: str = ""
    """As labels may show it."""
    vehicle: str | None = None
    """``None`` while a tag may still come."""

    def kwh_hundredths_at(self, moment_ms: int) -> int:
        """Return the energy until a moment between start and end."""
        return (self.session.kwh_hundredths or 0) * (moment_ms - self.start_ms) // (self.end_ms - self.start_ms)


def last_of(sessions: Iterable[TimedSession]) -> TimedSession | None:
    """Return the finished session that ended last, then began last; of equal ones the first, as in the ledger."""

    def rank(timed: TimedSession) -> tuple[float, float]:
        return timed.session.ended_at_seconds or 0.0, timed.session.started_at_seconds or 0.0

    finished = (timed for timed in sessions if timed.session.ended_at_seconds is not None)
    return max(finished, key=rank, default=None)


class Timeline(msgspec.Struct, frozen=True):
    """A charger or a vehicle with its sessions, ordered by start."""

    key: str
    """The charger's id, or the vehicle."""
    label: str
    sessions: list[TimedSession]

    def snapshot(
        self, totals: Totals, last: TimedSession | None, charger: Charger | None, watts: int | None = None
    ) -> Snapshot:
        """Return a snapshot of this one alone, as a charger and as a vehicle: a family looks for its own kind."""
        totals_of = {self.key: HeldTotals([], totals, totals, Totals())}
        book = replace(_EMPTY_BOOK, labels={self.key: self.label}, chargers=totals_of, vehicles=totals_of)
        live = () if charger is None else (LiveCharger(self.label, charger, watts, None, "", ""),)
        ended = () if last is None else (EndedSession(self.label, last.session, last.id_tag, last.vehicle or ""),)
        return Snapshot(None, (), book=book, chargers=live, last_sessions=ended)

    def snapshots(self, ticks: Iterable[int]) -> Iterator[tuple[int, Snapshot]]:
        """Yield each of the rising ticks, and the snapshot of that moment.

        The snapshot is the same object while nothing changes.
        """
        upcoming = deque(self.sessions)
        active: list[TimedSession] = []
        totals, last, idle = Totals(), None, Charger(self.key, charging=False)
        snapshot = self.snapshot(totals, last, idle, 0)
        for moment_ms in ticks:
            while upcoming and upcoming[0].start_ms <= moment_ms:
                active.append(upcoming.popleft())
            if active:
                ended = [each for each in active if each.end_ms <= moment_ms]
                active = [each for each in active if each.end_ms > moment_ms]
                for each in ended:
                    totals += each.session.totals
                last = last_of(ended if last is None else (last, *ended))
                charger, watts = idle, 0
                if active:  # of several sessions in progress the charger shows the one that began last
                    current = active[-1]
                    live = LiveSession(current.session.id, kwh_hundredths=current.kwh_hundredths_at(moment_ms))
                    charger = Charger(self.key, charging=True, session=live)
                    length_ms = current.end_ms - current.start_ms
                    watts = current.kwh_hundredths_at(current.end_ms) * 36_000_000 // length_ms
                so_far = Totals(sum(each.kwh_hundredths_at(moment_ms) for each in active))
                snapshot = self.snapshot(totals + so_far, last, charger, watts)
            yield moment_ms, snapshot


def samples_of(family: Family, snapshot: Snapshot) -> list[tuple[Labels, float]]:
    """Return the samples of a family that has one series in each; those of the history all have."""
    return [(labels, value) for labels, sample in family.samples(snapshot) for *_, value in series_of(sample)]


# The series of an account ---------------------------------------------------------------------------


class _AccountHistory:
    """The series of one account."""

    def __init__(self, reader: LedgerReader, account: str, tags: Tags, wanted: Backfill) -> None:
        self._reader = reader
        self._account = account
        self._tags = tags
        self._wanted = wanted
        self._step_ms = _milliseconds(wanted.step_s)
        self._now_ms = self._end_ms = _milliseconds(wanted.now_seconds)
        if wanted.to_seconds is not None:
            self._end_ms = min(self._now_ms, _milliseconds(wanted.to_seconds))
        self._held = reader.held_totals(account, tags.vehicles)
        self._labels = reader.labels(account)
        self._chargers = {charger.id: charger for charger in reader.last_chargers(account)}
        for charger_id in {session.charger_id for session in reader.sessions(account)} - self._labels.keys():
            remedy = "let the exporter run until it has read /chargers"
            where = f"account {account}: " if account else ""
            raise LedgerError(f"{where}charger {charger_id} has no label yet; {remedy}")

    def series(self, family: Family) -> Iterator[tuple[dict[str, str], Iterable[tuple[int, float]]]]:
        """Yield the labels that the exporter gives to each series of a metric, and its (milliseconds, value)."""
        kind = family.labels[0]
        account = {"account": self._account} if self._account else {}
        sessions: dict[str | None, list[TimedSession]] = {}
        for timed in map(self._timed, self._reader.sessions(self._account)):
            key = timed.session.charger_id if kind == "charger" else timed.vehicle
            sessions.setdefault(key, []).append(timed)
        for name, totals in self._held[kind].items():
            timeline = Timeline(name, self._labels[name] if kind == "charger" else name, sessions.get(name, []))
            past = self._samples(family, timeline, totals.held)
            for values, of_series in groupby(past, key=itemgetter(0)):
                samples: Iterable[tuple[int, float]] = ((moment_ms, value) for _, moment_ms, value in of_series)
                if family.name == _INFO:
                    samples = self._tenure(list(samples)) if values[-1] else ()
                elif family.name not in {"joulo_charging", _POWER}:  # whose panels show a gap without a sample
                    samples = _needed(samples, self._step_ms)
                yield dict(zip(family.labels, values, strict=True)) | account, samples

    def _samples(self, family: Family, timeline: Timeline, held: Totals) -> Iterator[tuple[Labels, int, float]]:
        """Yield the values on the grid of the step, and at the end the value that is served now, if any."""
        end_ms, charger = self._end_ms, self._chargers.get(timeline.key)
        if family.name in _LIVE and charger is None:  # no longer linked: the series ends with its last session
            end_ms = min(end_ms, max((timed.end_ms for timed in timeline.sessions), default=0) + 2 * self._step_ms)
        shown, samples = None, []
        for moment_ms, snapshot in timeline.snapshots(self._ticks(timeline.sessions, end_ms)):
            if snapshot is not shown:
                shown, samples = snapshot, samples_of(family, snapshot)
            for labels, value in samples:
                yield labels, moment_ms, value
        if self._wanted.to_seconds is None and family.name != _INFO:
            for labels, value in samples_of(family, timeline.snapshot(held, last_of(timeline.sessions), charger)):
                yield labels, self._now_ms, value

    def _tenure(self, samples: list[tuple[int, float]]) -> Iterable[tuple[int, float]]:
        """Return the samples that are needed of a session that was the last one of its charger for a while.

        A sample each step for an hour is enough to find it, a single one is not. No two sessions have samples at
        once: a charger would have two vehicles, and a query that joins them would fail.
        """
        # From the end on, the exporter may serve another session to Prometheus.
        end_ms = min(samples[-1][0] + self._step_ms, self._end_ms)
        latest_ms = min(samples[0][0] + _HOUR_MS, end_ms - _ALONE_MS)
        needed = [sample for sample in samples if sample[0] <= latest_ms]
        return needed if len(needed) > 1 else ()

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
        end_ms = self._now_ms if session.over_seconds is None else _milliseconds(session.over_seconds)
        end_ms = max(start_ms, min(end_ms, self._now_ms))
        vehicle = vehicle_of(session.tag, self._tags.vehicles)
        return TimedSession(session, start_ms, end_ms, self._tags.shown(session.id_tag), vehicle)


def _needed(samples: Iterable[tuple[int, float]], step_ms: int) -> Iterator[tuple[int, float]]:
    """Yield the samples around changes and one for each full hour.

    Each step has a sample while the value changes and for an hour after, and so does the step before a change:
    queries in steps of less than an hour look for what is new at most a step later. Else there is a sample at each
    full hour: the totals are looked up by ``last_over_time`` of an hour, and longer steps end at full hours.
    A gap and its two ends count as changes, and so do the first and the last sample.
    """
    before: tuple[int, float] | None = None
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
    reader: LedgerReader, accounts: Iterable[str], tags: Tags, wanted: Backfill, progress: Callable[[float], None]
) -> Iterator[str]:
    """Yield the exposition piece by piece; ``progress`` is called with the share of the work that is done, 0 to 1.

    The history of the accounts must be complete. A charger without a label is a ``LedgerError``.
    """
    histories = [_AccountHistory(reader, account, tags, wanted) for account in accounts]
    known = HISTORY if wanted.constant_power else HISTORY - {_POWER}
    families = [family for family in FAMILIES if family.name in known]
    for done, family in enumerate(families):
        yield header(family.empty(), openmetrics=True)
        progress(done / len(families))
        for history in histories:
            for labels, samples in history.series(family):
                name = labelled(family.name, tuple({**labels, **wanted.labels}.items()))
                for moment_ms, value in samples:
                    yield f"{name} {number(value)} {moment_ms / 1000:.15g}\n"
    progress(1)
    yield "# EOF\n"


def _milliseconds(seconds: float) -> int:
    return round(seconds * 1000)
