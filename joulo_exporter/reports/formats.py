"""The forms in which sessions are written: a table for people, CSV and JSON for machines."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from itertools import groupby
from typing import Any

import msgspec

from joulo_exporter.reports.figures import duration_text, hundredths_text
from joulo_exporter.reports.moments import local_month, local_text
from joulo_exporter.reports.rows import Row
from joulo_exporter.reports.table import Cells, Column, table

Rows = Callable[[], Iterator[Row]]
"""Gives the rows anew each time."""

_UNKNOWN = "-"
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
)


def as_table(rows: Rows, *, named: bool) -> Iterator[str]:
    """Yield a table with a line of totals after each month, and one at the end.

    Args:
        rows: by their beginning.
        named: whether accounts have names, which are shown then.
    """
    columns = (Column("ACCOUNT"), *_COLUMNS) if named else _COLUMNS
    return table(columns, lambda: _table_lines(rows(), named=named))


def as_csv(rows: Rows, *, named: bool) -> Iterator[str]:
    """Yield CSV with a head line; texts that a spreadsheet would run as a formula get an apostrophe."""
    lines: list[str] = []
    # Before Python 3.13 the writer quotes a carriage return only where line ends have one, as RFC 4180's do.
    writer = csv.writer(_Lines(lines), lineterminator=_CSV_LINE_END)
    head_is_due = True
    for row in rows():
        fields = _fields(row, named=named)
        if head_is_due:
            writer.writerow(fields)
            head_is_due = False
        writer.writerow([_csv_cell(value) for value in fields.values()])
        yield "".join(lines)
        lines.clear()
    if head_is_due:
        writer.writerow(_fields(_NOTHING, named=named))
        yield "".join(lines)


def as_json(rows: Rows, *, named: bool) -> Iterator[str]:
    """Yield a JSON array, one session a line; what the API has not given is ``null``."""
    separator = "[\n"
    for row in rows():
        yield separator + msgspec.json.encode(_fields(row, named=named)).decode()
        separator = ",\n"
    yield "[]\n" if separator == "[\n" else "\n]\n"


FORMATS: dict[str, Callable[..., Iterator[str]]] = {"table": as_table, "csv": as_csv, "json": as_json}
"""By the name that the command line knows."""


class _Lines:
    """A file as the CSV writer needs one, which keeps what was written."""

    def __init__(self, lines: list[str]) -> None:
        self._lines = lines

    def write(self, text: str) -> None:
        self._lines.append(text.removesuffix(_CSV_LINE_END) + "\n")


class _Sum:
    """Totals over rows."""

    def __init__(self) -> None:
        self._kwh = self._credits = self._sessions = 0

    def add(self, row: Row) -> None:
        self._kwh += row.kwh_hundredths or 0
        self._credits += row.credits_hundredths or 0
        self._sessions += 1

    def cells(self, name: str, *, named: bool) -> Cells:
        count = f"{self._sessions} session{'' if self._sessions == 1 else 's'}"
        figures = (hundredths_text(self._kwh), hundredths_text(self._credits))
        return (*(("",) if named else ()), f"total {name}".rstrip(), count, "", "", "", "", "", *figures)


def _table_lines(rows: Iterator[Row], *, named: bool) -> Iterator[Cells]:
    blank = ("",) * (len(_COLUMNS) + named)
    total = _Sum()
    for month, of_month in groupby(rows, key=lambda row: local_month(row.began_seconds)):
        subtotal = _Sum()
        for row in of_month:
            subtotal.add(row)
            total.add(row)
            yield _cells(row, named=named)
        yield subtotal.cells(month, named=named)
        yield blank
    yield total.cells("", named=named)


def _cells(row: Row, *, named: bool) -> Cells:
    start = None if row.started_at_seconds is None else local_text(row.started_at_seconds)
    end = None if row.ended_at_seconds is None else local_text(row.ended_at_seconds)
    duration_s = row.duration_s
    return (
        *((row.account,) if named else ()),
        start or _UNKNOWN,
        end or ("in progress" if row.in_progress else _UNKNOWN),
        _UNKNOWN if duration_s is None else duration_text(duration_s),
        row.charger,
        row.nickname or _UNKNOWN,
        row.vehicle,
        row.id_tag or _UNKNOWN,
        _UNKNOWN if row.kwh_hundredths is None else hundredths_text(row.kwh_hundredths),
        _UNKNOWN if row.credits_hundredths is None else hundredths_text(row.credits_hundredths),
    )


def _fields(row: Row, *, named: bool) -> dict[str, Any]:
    duration_s = row.duration_s
    return {
        **({"account": row.account} if named else {}),
        "session_id": row.session_id,
        "charger": row.charger,
        "charger_id": row.charger_id,
        "nickname": row.nickname,
        "vehicle": row.vehicle,
        "id_tag": row.id_tag,
        "started_at": _moment(row.started_at_seconds),
        "ended_at": _moment(row.ended_at_seconds),
        "in_progress": row.in_progress,
        "duration_seconds": None if duration_s is None else round(duration_s),
        "kwh": _figure(row.kwh_hundredths),
        "ere_credits": _figure(row.credits_hundredths),
    }


def _moment(seconds: float | None) -> str | None:
    return None if seconds is None else local_text(seconds, separator="T")


def _figure(hundredths: int | None) -> msgspec.Raw | None:
    """Return a number as JSON writes it, digit by digit: no float rounds it."""
    return None if hundredths is None else msgspec.Raw(hundredths_text(hundredths).encode())


def _csv_cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, msgspec.Raw):
        return bytes(value).decode()
    text = str(value)
    return f"'{text}" if text.startswith(_FORMULA_STARTS) else text


_NOTHING = Row(
    account="",
    session_id="",
    charger="",
    charger_id="",
    nickname="",
    vehicle="",
    id_tag="",
    began_seconds=0.0,
    started_at_seconds=None,
    ended_at_seconds=None,
    in_progress=False,
    kwh_hundredths=None,
    credits_hundredths=None,
)
"""Stands for a row where only the names of the fields matter."""
