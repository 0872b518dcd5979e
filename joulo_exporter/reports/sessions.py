"""Sessions of the ledger, selected and labelled, as a table for people, or as CSV and JSON for machines."""

from __future__ import annotations

import csv
import heapq
from collections.abc import Callable, Iterator
from itertools import groupby
from operator import attrgetter
from typing import TYPE_CHECKING

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
    local_text,
    table,
)

if TYPE_CHECKING:
    from joulo_exporter.ledger.reader import LedgerReader, RecordedSession
    from joulo_exporter.models.tag import Tags

_ID_START = 8
"""Characters of a charger's id that stand for a label until it has one."""
_CSV_LINE_END = "\r\n"
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")

_COLUMNS = (
    Column("START"),
    Column("END"),
    Column("DURATION", right=True),
    Column("CHARGER"),
    Column("NICKNAME"),
    Column("VEHICLE"),
    Column("TAG"),
    Column("KWH", right=True),
    Column("CREDITS", right=True),
    Column("ELIGIBLE"),
)


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
    counts_for_ere: bool | None

    @property
    def duration_s(self) -> float | None:
        """Return the time from start to end; ``None`` while it is in progress."""
        if self.started_at_seconds is None or self.ended_at_seconds is None:
            return None
        return max(0.0, self.ended_at_seconds - self.started_at_seconds)


Rows = Callable[[], Iterator[SessionRow]]
"""Gives the rows anew each time, by their beginning."""


def session_rows(reader: LedgerReader, tags: Tags, selection: Selection) -> Iterator[SessionRow]:
    """Return the sessions of all accounts, by their beginning; they are read as they are used."""
    return heapq.merge(
        *(_account_rows(reader, account, tags, selection) for account in reader.accounts),
        key=attrgetter("began_seconds"),
    )


def _account_rows(reader: LedgerReader, account: str, tags: Tags, selection: Selection) -> Iterator[SessionRow]:
    labels = reader.labels(account)
    charger_id = None
    if selection.charger is not None:
        charger_id = next((key for key, label in labels.items() if label == selection.charger), "")
    for session in reader.sessions(
        account, from_seconds=selection.from_seconds, to_seconds=selection.to_seconds, charger_id=charger_id
    ):
        vehicle = tags.vehicle(session.id_tag)
        if selection.vehicle in {None, vehicle}:
            yield _row(session, account, labels, vehicle, tags)


def _row(session: RecordedSession, account: str, labels: dict[str, str], vehicle: str, tags: Tags) -> SessionRow:
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
        counts_for_ere=None if session.counts_for_ere is None else bool(session.counts_for_ere),
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


def _as_table(rows: Rows, *, named: bool) -> Iterator[str]:
    """Yield a table with a line of totals after each month, and one at the end."""
    columns = (Column("ACCOUNT"), *_COLUMNS) if named else _COLUMNS
    return table(columns, lambda: _table_lines(rows(), named=named))


def _table_lines(rows: Iterator[SessionRow], *, named: bool) -> Iterator[Cells]:
    blank = ("",) * (len(_COLUMNS) + named)
    total = _Total()
    for month, of_month in groupby(rows, key=lambda row: local_month(row.began_seconds)):
        subtotal = _Total()
        for row in of_month:
            subtotal.add(row)
            total.add(row)
            yield _cells(row, named=named)
        yield subtotal.cells(f"total {month}", named=named)
        yield blank
    yield total.cells("total", named=named)


class _Total:
    """Totals over rows."""

    def __init__(self) -> None:
        self._kwh = self._credits = self._sessions = 0

    def add(self, row: SessionRow) -> None:
        self._kwh += row.kwh_hundredths or 0
        self._credits += row.credits_hundredths or 0
        self._sessions += 1

    def cells(self, name: str, *, named: bool) -> Cells:
        figures = (hundredths_text(self._kwh), hundredths_text(self._credits))
        return (*(("",) if named else ()), name, count_text(self._sessions), "", "", "", "", "", *figures, "")


def _cells(row: SessionRow, *, named: bool) -> Cells:
    start = None if row.started_at_seconds is None else local_text(row.started_at_seconds)
    end = None if row.ended_at_seconds is None else local_text(row.ended_at_seconds)
    duration_s = row.duration_s
    return (
        *((row.account,) if named else ()),
        start or UNKNOWN,
        end or ("in progress" if row.in_progress else UNKNOWN),
        UNKNOWN if duration_s is None else duration_text(duration_s),
        row.charger,
        row.nickname or UNKNOWN,
        row.vehicle,
        row.id_tag or UNKNOWN,
        UNKNOWN if row.kwh_hundredths is None else hundredths_text(row.kwh_hundredths),
        UNKNOWN if row.credits_hundredths is None else hundredths_text(row.credits_hundredths),
        UNKNOWN if row.counts_for_ere is None else ("yes" if row.counts_for_ere else "no"),
    )


# CSV and JSON -------------------------------------------------------------------------------------


def _as_csv(rows: Rows, *, named: bool) -> Iterator[str]:
    """Yield CSV with a head line; texts that a spreadsheet would run as a formula get an apostrophe."""
    fields = _fields(named=named)
    # Before Python 3.13 the writer quotes a carriage return only where line ends have one, as RFC 4180's do.
    writer = csv.writer(_Echo(), lineterminator=_CSV_LINE_END)
    yield writer.writerow(fields)
    for row in rows():
        yield writer.writerow([_csv_cell(value(row)) for value in fields.values()])


def _as_json(rows: Rows, *, named: bool) -> Iterator[str]:
    """Yield a JSON array, one session a line; a value that the API has not given is ``null``."""
    fields = _fields(named=named)
    separator = "[\n"
    for row in rows():
        record = {name: value(row) for name, value in fields.items()}
        yield separator + msgspec.json.encode(record).decode()
        separator = ",\n"
    yield "[]\n" if separator == "[\n" else "\n]\n"


FORMATS: dict[str, Callable[..., Iterator[str]]] = {"table": _as_table, "csv": _as_csv, "json": _as_json}
"""By name: makes the text of ``Rows``; ``named`` says whether accounts have names, which are shown then."""


class _Echo:
    """A file whose ``write`` returns the line, as the CSV writer's ``writerow`` does then."""

    def write(self, text: str) -> str:
        return text.removesuffix(_CSV_LINE_END) + "\n"


def _moment(seconds: float | None) -> str | None:
    return None if seconds is None else local_text(seconds, separator="T")


def _figure(hundredths: int | None) -> msgspec.Raw | None:
    """Return a number as JSON writes it, digit by digit: no float rounds it."""
    return None if hundredths is None else msgspec.Raw(hundredths_text(hundredths).encode())


_FIELDS: dict[str, Callable[[SessionRow], object]] = {
    "account": attrgetter("account"),
    "session_id": attrgetter("session_id"),
    "charger": attrgetter("charger"),
    "charger_id": attrgetter("charger_id"),
    "nickname": attrgetter("nickname"),
    "vehicle": attrgetter("vehicle"),
    "id_tag": attrgetter("id_tag"),
    "started_at": lambda row: _moment(row.started_at_seconds),
    "ended_at": lambda row: _moment(row.ended_at_seconds),
    "in_progress": attrgetter("in_progress"),
    "duration_seconds": lambda row: None if row.duration_s is None else round(row.duration_s),
    "kwh": lambda row: _figure(row.kwh_hundredths),
    "ere_credits": lambda row: _figure(row.credits_hundredths),
    "counts_for_ere": attrgetter("counts_for_ere"),
}


def _fields(*, named: bool) -> dict[str, Callable[[SessionRow], object]]:
    return {name: value for name, value in _FIELDS.items() if named or name != "account"}


def _csv_cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, msgspec.Raw):
        return bytes(value).decode()
    text = str(value)
    return f"'{text}" if text.startswith(_FORMULA_STARTS) else text
