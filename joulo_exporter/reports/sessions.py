"""Sessions of the ledger, selected, labelled and priced: as a table for people, as CSV and JSON for machines."""

from __future__ import annotations

import csv
import heapq
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import groupby
from operator import attrgetter
from typing import TYPE_CHECKING, TypeVar

import msgspec

from joulo_exporter.errors import ConfigError
from joulo_exporter.models.tag import UNKNOWN_VEHICLE
from joulo_exporter.reports.text import (
    UNKNOWN,
    Cells,
    Column,
    count_text,
    duration_text,
    hundredths_text,
    local_month,
    local_quarter,
    local_text,
    local_time,
    printable,
    table,
)

if TYPE_CHECKING:
    from joulo_exporter.ledger.reader import LedgerReader, RecordedSession
    from joulo_exporter.models.tag import Tags
    from joulo_exporter.models.tariffs import Tariff, Tariffs

Record = TypeVar("Record")

_ID_START = 8
"""Characters of a charger's id that stand for a label until it has one."""
_CSV_LINE_END = "\r\n"
_FORMULA_STARTS = ("=", "+", "-", "@")

_COLUMNS = (
    Column("START"),
    Column("END"),
    Column("DURATION", right=True),
    Column("CHARGER"),
    Column("NICKNAME"),
    Column("VEHICLE"),
    Column("TAG"),
    Column("ELIGIBLE"),
    Column("KWH", right=True),
    Column("CREDITS", right=True),
)
_COST = Column("COST", right=True)


class Selection(msgspec.Struct, frozen=True):
    """Conditions on sessions; ``None`` is no condition."""

    from_seconds: float | None = None
    to_seconds: float | None = None
    """The first moment that is too late; both are about the beginning of a session."""
    charger: str | None = None
    """A ``charger`` label."""
    vehicle: str | None = None


class SessionRow(msgspec.Struct, frozen=True):
    """One session; ``None`` is a value that the API has not given."""

    account: str
    session_id: str
    charger: str
    charger_id: str
    nickname: str
    vehicle: str
    id_tag: str
    """As the configuration lets it be shown."""
    began_seconds: float
    """For the order and the month, when ``started_at_seconds`` is not known."""
    started_at_seconds: float | None
    ended_at_seconds: float | None
    in_progress: bool
    kwh_hundredths: int | None
    credits_hundredths: int | None
    counts_for_ere: bool | None = None
    tariff: Tariff | None = None
    """The one of the day on which it began, local time."""
    corrected_at_seconds: float | None = None
    """When the exporter learnt last that figures which were final had changed; ``None`` where it never did."""
    first_kwh_hundredths: int | None = None
    """Of a corrected session: the energy that was final first."""

    @property
    def cost_cents(self) -> int | None:
        """Return the cost of its energy; ``None`` where there is no tariff, or no energy is known."""
        if self.tariff is None or self.kwh_hundredths is None:
            return None
        return self.tariff.cost_cents(self.kwh_hundredths)

    @property
    def duration_s(self) -> float | None:
        """Return the time from start to end; ``None`` while it is in progress."""
        if self.started_at_seconds is None or self.ended_at_seconds is None:
            return None
        return max(0.0, self.ended_at_seconds - self.started_at_seconds)


Rows = Callable[[], Iterator[SessionRow]]
"""Gives the rows anew each time, by their beginning."""


def session_rows(reader: LedgerReader, tags: Tags, tariffs: Tariffs, selection: Selection) -> Iterator[SessionRow]:
    """Return the sessions of all accounts, by their beginning; they are read as they are used."""
    return heapq.merge(
        *(_account_rows(reader, account, tags, tariffs, selection) for account in reader.accounts),
        key=attrgetter("began_seconds"),
    )


def _account_rows(
    reader: LedgerReader, account: str, tags: Tags, tariffs: Tariffs, selection: Selection
) -> Iterator[SessionRow]:
    labels = reader.labels(account)
    charger_id = None
    if selection.charger is not None:
        charger_id = next((key for key, label in labels.items() if label == selection.charger), "")
    for session in reader.sessions(
        account, from_seconds=selection.from_seconds, to_seconds=selection.to_seconds, charger_id=charger_id
    ):
        vehicle = tags.vehicle(session.id_tag)
        if selection.vehicle in {None, vehicle}:
            tariff = tariffs.of(vehicle, local_time(session.began_seconds).date())
            yield _row(session, account, labels, vehicle, tags, tariff)


def _row(
    session: RecordedSession,
    account: str,
    labels: dict[str, str],
    vehicle: str,
    tags: Tags,
    tariff: Tariff | None,
) -> SessionRow:
    return SessionRow(
        account=account,
        session_id=session.id,
        charger=labels.get(session.charger_id, session.charger_id[:_ID_START]),
        charger_id=session.charger_id,
        nickname=session.charger_nickname or "",
        vehicle=vehicle,
        id_tag=tags.shown(session.id_tag),
        began_seconds=session.began_seconds,
        started_at_seconds=session.started_at_seconds,
        ended_at_seconds=session.ended_at_seconds,
        in_progress=session.ended_at_seconds is None and session.next_start_seconds is None,
        kwh_hundredths=session.kwh_hundredths,
        credits_hundredths=session.credits_hundredths,
        tariff=tariff,
        counts_for_ere=None if session.counts_for_ere is None else bool(session.counts_for_ere),
        corrected_at_seconds=session.corrected_at_seconds,
        first_kwh_hundredths=None if session.corrected_at_seconds is None else session.first_kwh_hundredths,
    )


def refuse_unknown(reader: LedgerReader, tags: Tags, selection: Selection) -> None:
    """Refuse a charger or vehicle that does not exist; the message lists those that do.

    Raises:
        ConfigError: no charger has that label, or there is no such vehicle.
    """
    labels = {label for account in reader.accounts for label in reader.labels(account).values()}
    vehicles = {UNKNOWN_VEHICLE, *tags.vehicles.values()}
    for flag, wanted, known, where in (
        ("--charger", selection.charger, labels, "the ledger"),
        ("--vehicle", selection.vehicle, vehicles, "the configuration"),
    ):
        if wanted is not None and wanted not in known:
            raise ConfigError(
                f"{flag}: {wanted!r} is not in {where}; it has {', '.join(sorted(known)) or 'none yet'}"
            )


# The table ----------------------------------------------------------------------------------------


class Total:
    """Totals over rows."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.kwh_hundredths = self.credits_hundredths = self.cost_cents = self.sessions = 0
        self.unpriced = 0
        """Number of sessions without a cost."""

    def add(self, row: SessionRow) -> None:
        """Add a row."""
        self.sessions += 1
        self.kwh_hundredths += row.kwh_hundredths or 0
        self.credits_hundredths += row.credits_hundredths or 0
        self.cost_cents += row.cost_cents or 0
        self.unpriced += row.cost_cents is None


GROUPS: dict[str, Callable[[SessionRow], str]] = {
    "month": lambda row: local_month(row.began_seconds),
    "quarter": lambda row: local_quarter(row.began_seconds),
    "year": lambda row: local_month(row.began_seconds)[:4],
    "vehicle": attrgetter("vehicle"),
    "charger": lambda row: f"{row.account}/{row.charger}" if row.account else row.charger,
}
"""By name: the group of a session, in whose order the groups are listed."""


def totals_by(rows: Iterable[SessionRow], by: str) -> list[Total]:
    """Return the totals of each group."""
    totals: dict[str, Total] = {}
    for row in rows:
        name = GROUPS[by](row)
        totals.setdefault(name, Total(name)).add(row)
    return [totals[name] for name in sorted(totals)]


def report(rows: Rows, form: str, *, by: str | None, named: bool, priced: bool) -> Iterator[str]:
    """Return the sessions, or totals over them, as text.

    Args:
        rows: the sessions.
        form: one of ``FORMATS``.
        by: one of ``GROUPS``, for their totals alone.
        named: whether accounts have names, which are shown then.
        priced: whether there are tariffs, and so a column of costs.
    """
    hidden = {name for name, shown in (("account", named), ("cost_euros", priced)) if not shown}
    if form == "table":
        return _group_table(rows(), by, priced=priced) if by else _table(rows, named=named, priced=priced)
    text_of = csv_text if form == "csv" else _json_text
    if by is None:
        return text_of({name: value for name, value in _FIELDS.items() if name not in hidden}, rows())
    fields: dict[str, Callable[[Total], object]] = {by: attrgetter("name"), **_TOTAL_FIELDS}
    return text_of({name: value for name, value in fields.items() if name not in hidden}, totals_by(rows(), by))


def _table(rows: Rows, *, named: bool, priced: bool) -> Iterator[str]:
    """Yield a table with a line of totals after each month, and one at the end."""
    columns = (*((Column("ACCOUNT"),) if named else ()), *_COLUMNS, *((_COST,) if priced else ()))
    return table(columns, lambda: _table_lines(rows(), named=named, priced=priced))


def _table_lines(rows: Iterator[SessionRow], *, named: bool, priced: bool) -> Iterator[Cells]:
    total = Total("total")
    for month, of_month in groupby(rows, key=GROUPS["month"]):
        subtotal = Total(f"total {month}")
        for row in of_month:
            subtotal.add(row)
            total.add(row)
            yield _cells(row, named=named, priced=priced)
        yield _total_cells(subtotal, named=named, priced=priced)
        yield ("",) * (named + len(_COLUMNS) + priced)
    yield _total_cells(total, named=named, priced=priced)


def _group_table(rows: Iterable[SessionRow], by: str, *, priced: bool) -> Iterator[str]:
    rows = list(rows)
    total = Total("total")
    for row in rows:
        total.add(row)
    heads = ("SESSIONS", "KWH", "CREDITS", *(("COST",) if priced else ()))
    lines = [
        (each.name, str(each.sessions), *_figures(each, priced=priced)) for each in (*totals_by(rows, by), total)
    ]
    return table((Column(by.upper()), *(Column(head, right=True) for head in heads)), lambda: lines)


def _total_cells(total: Total, *, named: bool, priced: bool) -> Cells:
    names = (*(("",) if named else ()), total.name, count_text(total.sessions))
    return (*names, "", "", "", "", "", "", *_figures(total, priced=priced))


def _figures(total: Total, *, priced: bool) -> Cells:
    figures = (total.kwh_hundredths, total.credits_hundredths, *((total.cost_cents,) if priced else ()))
    return tuple(map(hundredths_text, figures))


def _cells(row: SessionRow, *, named: bool, priced: bool) -> Cells:
    start = None if row.started_at_seconds is None else local_text(row.started_at_seconds)
    end = None if row.ended_at_seconds is None else local_text(row.ended_at_seconds)
    duration_s = row.duration_s
    figures = (row.kwh_hundredths, row.credits_hundredths, *((row.cost_cents,) if priced else ()))
    return (
        *((row.account,) if named else ()),
        start or UNKNOWN,
        end or ("in progress" if row.in_progress else UNKNOWN),
        UNKNOWN if duration_s is None else duration_text(duration_s),
        row.charger,
        row.nickname or UNKNOWN,
        row.vehicle,
        row.id_tag or UNKNOWN,
        UNKNOWN if row.counts_for_ere is None else ("yes" if row.counts_for_ere else "no"),
        *(UNKNOWN if figure is None else hundredths_text(figure) for figure in figures),
    )


# CSV and JSON -------------------------------------------------------------------------------------

FORMATS = ("table", "csv", "json")


def csv_text(
    fields: Mapping[str, Callable[[Record], object]], records: Iterable[Record], *, line_end: str = "\n"
) -> Iterator[str]:
    """Yield CSV with a head line; texts that a spreadsheet would run as a formula get an apostrophe."""
    # Before Python 3.13 the writer quotes a carriage return only where line ends have one, as RFC 4180's do.
    writer = csv.writer(_Echo(line_end), lineterminator=_CSV_LINE_END)
    yield writer.writerow(fields)
    for record in records:
        yield writer.writerow([_csv_cell(value(record)) for value in fields.values()])


def _json_text(fields: Mapping[str, Callable[[Record], object]], records: Iterable[Record]) -> Iterator[str]:
    """Yield a JSON array, one record a line; a value that the API has not given is ``null``."""
    separator = "[\n"
    for record in records:
        yield separator + msgspec.json.encode({name: value(record) for name, value in fields.items()}).decode()
        separator = ",\n"
    yield "[]\n" if separator == "[\n" else "\n]\n"


class _Echo:
    """A file whose ``write`` returns the line, as the CSV writer's ``writerow`` does then."""

    def __init__(self, line_end: str) -> None:
        self._line_end = line_end

    def write(self, text: str) -> str:
        return text.removesuffix(_CSV_LINE_END) + self._line_end


def moment(seconds: float | None) -> str | None:
    """Return a moment as JSON and CSV write it."""
    return None if seconds is None else local_text(seconds, separator="T")


def figure(hundredths: int | None) -> msgspec.Raw | None:
    """Return a number as JSON and CSV write it, digit by digit: no float rounds it."""
    return None if hundredths is None else msgspec.Raw(hundredths_text(hundredths).encode())


_FIELDS: dict[str, Callable[[SessionRow], object]] = {
    "account": attrgetter("account"),
    "session_id": attrgetter("session_id"),
    "charger": attrgetter("charger"),
    "charger_id": attrgetter("charger_id"),
    "nickname": attrgetter("nickname"),
    "vehicle": attrgetter("vehicle"),
    "id_tag": attrgetter("id_tag"),
    "started_at": lambda row: moment(row.started_at_seconds),
    "ended_at": lambda row: moment(row.ended_at_seconds),
    "in_progress": attrgetter("in_progress"),
    "duration_seconds": lambda row: None if row.duration_s is None else round(row.duration_s),
    "kwh": lambda row: figure(row.kwh_hundredths),
    "ere_credits": lambda row: figure(row.credits_hundredths),
    "counts_for_ere": attrgetter("counts_for_ere"),
    "cost_euros": lambda row: figure(row.cost_cents),
    "corrected_at": lambda row: moment(row.corrected_at_seconds),
    "first_kwh": lambda row: figure(row.first_kwh_hundredths),
}
_TOTAL_FIELDS: dict[str, Callable[[Total], object]] = {
    "sessions": attrgetter("sessions"),
    "kwh": lambda total: figure(total.kwh_hundredths),
    "ere_credits": lambda total: figure(total.credits_hundredths),
    "cost_euros": lambda total: figure(total.cost_cents),
}


def _csv_cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, msgspec.Raw):
        return bytes(value).decode()
    text = printable(str(value))
    return f"'{text}" if text.lstrip().startswith(_FORMULA_STARTS) else text
