"""The history as OpenMetrics with timestamps, for ``promtool tsdb create-blocks-from openmetrics``.

OpenMetrics wants the series of a metric together, and the samples of a series in the order of time. So the
ledger is read once for each series, and nothing of it is kept.

promtool reads the whole text once for each block that it makes, so every line counts. ``_needed`` leaves out the
samples that no query of the dashboards looks for.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping

import msgspec

from joulo_exporter.errors import LedgerError
from joulo_exporter.ledger.reader import LedgerReader
from joulo_exporter.metrics import Family
from joulo_exporter.models.charger import Tags
from joulo_exporter.reports.series import (
    CHARGING,
    HISTORIES,
    POWER,
    AccountHistory,
    Charge,
    Quantity,
    Series,
    last_at,
    values_at,
)
from joulo_exporter.reports.text import completeness_text, hundredths_text, ledger_of

_SAMPLES_PER_REPORT = 1_000
_HOUR_MS = 3_600_000
_SHORTEST_TENURE_MS = 900_000
"""A session that was the last one for less has no series of its own: it would have too few samples to be found."""
_ALONE_MS = 600_000
"""From the last sample of a session's own series to the first one of the next session's.

Prometheus looks back five minutes, VictoriaMetrics a step of the query: ten minutes in the dashboards.
"""
_HUNDREDTHS = 2


class Backfill(msgspec.Struct, frozen=True):
    """The part of the history that is printed, and its form."""

    now_seconds: float
    """The present: every series ends here, with the value that the exporter serves."""
    step_s: float = 300.0
    """From one sample to the next while a value changes. Prometheus takes a series for gone after five minutes."""
    labels: Mapping[str, str] = {}
    """Labels that Prometheus adds when it scrapes, such as ``job`` and ``instance``."""
    from_seconds: float | None = None
    to_seconds: float | None = None
    """The first moment that is too late. The values of the present are left out then."""
    constant_power: bool = False
    """Whether the power of each session is known to be constant, as only that of a simulator is."""


def backfill(
    reader: LedgerReader,
    accounts: Iterable[str],
    tags: Tags,
    wanted: Backfill,
    progress: Callable[[float], None],
) -> Iterator[str]:
    """Return the lines of the exposition.

    Args:
        reader: the ledger.
        accounts: names of the accounts that the exporter serves.
        tags: the configuration's vehicles.
        wanted: the part of the history.
        progress: called now and then with the share of the work that is done, from 0 to 1.

    Raises:
        LedgerError: the history of an account is not complete.
    """
    histories = [_history(reader, account, tags, wanted) for account in accounts]
    return _exposition(histories, wanted, progress)


def _history(reader: LedgerReader, account: str, tags: Tags, wanted: Backfill) -> AccountHistory:
    known = reader.completeness(account)
    if not known.complete:
        raise LedgerError(
            f"{ledger_of(account)} {completeness_text(known)}; wait until joulo_history_complete is 1"
        )
    history = AccountHistory(reader, account, tags, round(wanted.now_seconds * 1000))
    if history.unlabelled:
        raise LedgerError(
            f"{ledger_of(account)} has no label for charger {history.unlabelled[0]} yet; "
            "let the exporter run until it has read /chargers"
        )
    return history


def _exposition(
    histories: list[AccountHistory], wanted: Backfill, progress: Callable[[float], None]
) -> Iterator[str]:
    plan = [
        (family, quantity, [series for history in histories for series in history.series(family, quantity)])
        for family, quantity in HISTORIES
        if quantity is not POWER or wanted.constant_power
    ]
    count = sum(len(series) for _, _, series in plan)
    done = 0
    for family, quantity, all_series in plan:
        name = family.empty().name
        yield f"# HELP {name} {_escaped(family.help)}\n# TYPE {name} {family.type}\n"
        for series in all_series:
            for share, line in _lines(family, quantity, series, wanted):
                if share is not None:
                    progress((done + share) / count)
                yield line
            done += 1
    progress(1.0)
    yield "# EOF\n"


def _lines(
    family: Family, quantity: Quantity, series: Series, wanted: Backfill
) -> Iterator[tuple[float | None, str]]:
    """Yield the lines of a series, now and then with the share of it that is done."""
    if series.of_session is not None:
        for charge, moments in _tenures(series, wanted):
            named = series.of_session(charge)
            if named is not None:
                start = _start(family, series.labels | named, wanted)
                for moment_ms in moments:
                    yield None, f"{start}1 {_text(moment_ms, 3)}\n"
        return
    start = _start(family, series.labels, wanted)
    samples = _samples(quantity, series, wanted)
    if quantity not in {CHARGING, POWER}:  # their panels show a gap where there is no sample
        samples = _needed(samples, round(wanted.step_s * 1000))
    first_ms = None
    end_ms = round(wanted.now_seconds * 1000)
    for number, (moment_ms, value) in enumerate(samples):
        first_ms = moment_ms if first_ms is None else first_ms
        noted = number % _SAMPLES_PER_REPORT == 0 and end_ms > first_ms
        share = (moment_ms - first_ms) / (end_ms - first_ms) if noted else None
        figure = hundredths_text(value) if quantity.decimals == _HUNDREDTHS else _text(value, quantity.decimals)
        yield share, f"{start}{figure} {_text(moment_ms, 3)}\n"


def _start(family: Family, labels: dict[str, str], wanted: Backfill) -> str:
    """Return the beginning of the lines of a series."""
    text = ",".join(
        f'{name}="{_escaped(value)}"' for name, value in sorted((labels | dict(wanted.labels)).items())
    )
    return f"{family.name}{{{text}}} "


def _tenures(series: Series, wanted: Backfill) -> Iterator[tuple[Charge, list[int]]]:
    """Yield (session, moments of its samples) of each session of a charger that was the last one for a while.

    A sample each step for an hour is enough to find it. Of two sessions there is never one at the same time: a
    charger would have two vehicles, and a query that joins them would fail.
    """
    first = next(series.charges(), None)
    if first is None:
        return
    end_ms = _end_ms(wanted)
    last: Charge | None = None
    moments: list[int] = []
    for tick, charge in last_at(series.charges(), _ticks(first.start_ms, end_ms, wanted)):
        if charge is not last:
            if last is not None:
                yield last, _alone(moments, tick)
            last, moments = charge, []
        if not moments or tick - moments[0] <= _HOUR_MS:
            moments.append(tick)
    if last is not None:  # the exporter may have another one, when Prometheus scrapes it
        yield last, _alone(moments, end_ms)


def _alone(moments: list[int], next_ms: int) -> list[int]:
    """Return the moments that are early enough before those of another session."""
    if next_ms - moments[0] < _SHORTEST_TENURE_MS:
        return []
    return [moment for moment in moments if next_ms - moment >= _ALONE_MS]


def _end_ms(wanted: Backfill) -> int:
    """Return the first moment that is too late for the grid."""
    now_ms = round(wanted.now_seconds * 1000)
    return now_ms if wanted.to_seconds is None else min(now_ms, round(wanted.to_seconds * 1000))


def _samples(quantity: Quantity, series: Series, wanted: Backfill) -> Iterator[tuple[int, int]]:
    """Yield (milliseconds, value): on the grid of the step, and at the end the value that is served now."""
    end_ms = _end_ms(wanted)
    first = next(series.charges(), None)
    if first is not None:
        if series.ends:
            last_end_ms = max(charge.end_ms for charge in series.charges())
            end_ms = min(end_ms, last_end_ms + 2 * round(wanted.step_s * 1000))
        yield from values_at(series.charges(), quantity, _ticks(first.start_ms, end_ms, wanted))
    if wanted.to_seconds is None and series.served is not None:
        yield round(wanted.now_seconds * 1000), series.served


def _needed(samples: Iterable[tuple[int, int]], step_ms: int) -> Iterator[tuple[int, int]]:
    """Yield the samples around changes and one for each full hour.

    Each step has a sample while the value changes and for an hour after it, and so does the step before a change:
    queries in steps of less than an hour look for what is new at most a step later. Else there is one at each
    full hour: the totals are looked up by ``last_over_time`` of an hour, and longer steps end at full hours.
    A gap and its two ends count as changes, and so do the first and the last sample.

    Args:
        samples: (milliseconds, value), a step apart but for gaps.
        step_ms: the step.
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
        # The last of these is for a step that does not divide the hour.
        if (
            moment_ms - changed_ms <= _HOUR_MS
            or moment_ms % _HOUR_MS < step_ms
            or moment_ms + step_ms - written_ms > _HOUR_MS
        ):
            yield sample
            written_ms = moment_ms
    if before is not None and before[0] != written_ms:
        yield before


def _ticks(first_ms: int, end_ms: int, wanted: Backfill) -> range:
    """Return the grid's moments before the end, from the last one that shows nothing of the first session."""
    step_ms = round(wanted.step_s * 1000)
    first_ms = (first_ms - 1) // step_ms * step_ms
    if wanted.from_seconds is not None:
        first_ms = max(first_ms, -(-round(wanted.from_seconds * 1000) // step_ms) * step_ms)
    return range(first_ms, end_ms, step_ms)


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")


def _text(value: int, decimals: int) -> str:
    """Return an integer whose last digits are decimals, exactly, without zeros at the end."""
    whole, rest = divmod(value, 10**decimals)
    return f"{whole}.{rest:0{decimals}d}".rstrip("0") if rest else str(whole)
