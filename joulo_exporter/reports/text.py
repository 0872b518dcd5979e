"""Text of reports: exact figures, local times, records as a table, CSV or JSON, completeness of the ledger."""

import csv
import io
import itertools
import os
import re
import time
import unicodedata
import zoneinfo
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import TypeVar

import msgspec

from joulo_exporter.clock import local_time
from joulo_exporter.ledger import Completeness
from joulo_exporter.ledger.reader import LedgerReader

Record = TypeVar("Record")
Fields = Mapping[str, Callable[[Record], object]]
"""Value of each column or key of a record, by its name; ``None`` is a value that the API has not given."""

# Figures and times: a float never comes between the ledger and the reader ---------------------------


def figure(hundredths: int | None) -> Decimal | None:
    """Return integer hundredths with two decimals: ``1234`` is ``12.34``."""
    return None if hundredths is None else Decimal(hundredths).scaleb(-2)


def hundredths_text(value: int) -> str:
    """Return integer hundredths with two decimals as text."""
    return str(figure(value))


def duration_text(seconds: float) -> str:
    """Return hours and minutes, such as ``3:05``."""
    minutes = round(seconds / 60)
    return f"{minutes // 60}:{minutes % 60:02d}"


def count_text(sessions: int) -> str:
    """Return a number of sessions, such as ``1 session``."""
    return f"{sessions} session{'' if sessions == 1 else 's'}"


def moment(unix_seconds: float | None, separator: str = "T") -> str | None:
    """Return a moment, to the second, with the offset of this machine's time zone."""
    return None if unix_seconds is None else local_time(unix_seconds).isoformat(separator, "seconds")


def local_day(unix_seconds: float) -> str:
    """Return the day of a moment, such as ``2026-06-17``."""
    return local_time(unix_seconds).strftime("%Y-%m-%d")


# Forms of a report ----------------------------------------------------------------------------------

EMPTY = " "
"""A cell that has no value; a value that the API has not given is shown as a dash."""
_FIGURES = {"DURATION", "SESSIONS", "KWH", "CREDITS", "COST"}
"""Columns whose cells are right-aligned."""
_CSV_LINE_END = "\r\n"
_FORMULA_STARTS = ("=", "+", "-", "@")


def table(titles: Sequence[str], lines: Callable[[], Iterable[Iterable[object]]]) -> Iterator[str]:
    """Yield the lines of a table, its head first, with columns aligned over all of them.

    ``lines`` returns the same values at each call: they are read twice, so that none has to be kept.
    """
    widths = [_width(title) for title in titles]
    for values in lines():
        widths = [max(width, _width(_cell(value))) for width, value in zip(widths, values, strict=True)]
    for values in itertools.chain([titles], lines()):
        parts = []
        for title, width, value in zip(titles, widths, values, strict=True):
            cell = _cell(value)
            blanks = " " * (width - _width(cell))
            parts.append(blanks + cell if title in _FIGURES else cell + blanks)
        yield "  ".join(parts).rstrip() + "\n"


def _cell(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "-" if value is None or value == "" else printable(str(value))


def _width(text: str) -> int:
    """Return the number of columns of a terminal that the text takes: wide characters take two, marks none."""
    visible = [each for each in text if unicodedata.category(each) not in {"Mn", "Me", "Cf"}]
    return len(visible) + sum(unicodedata.east_asian_width(each) in {"W", "F"} for each in visible)


def printable(text: str) -> str:
    """Return the text on one line, without characters that a terminal would obey."""
    if text.isprintable():
        return text
    return "".join(" " if unicodedata.category(each) in {"Cc", "Zl", "Zp"} else each for each in text)


def csv_text(fields: Fields[Record], records: Iterable[Record], *, line_end: str = "\n") -> Iterator[str]:
    """Yield CSV with a head line; texts that a spreadsheet would run as a formula get an apostrophe."""
    lines = ([_csv_cell(value(record)) for value in fields.values()] for record in records)
    for cells in itertools.chain([fields], lines):
        line = io.StringIO()
        # Before Python 3.13 the writer quotes a carriage return only if the line end has one, as in RFC 4180.
        csv.writer(line, lineterminator=_CSV_LINE_END).writerow(cells)
        yield line.getvalue().removesuffix(_CSV_LINE_END) + line_end


def _csv_cell(value: object) -> object:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        text = printable(value)
        return f"'{text}" if text.lstrip().startswith(_FORMULA_STARTS) else text
    return value


def json_text(fields: Fields[Record], records: Iterable[Record]) -> Iterator[str]:
    """Yield a JSON array, one record a line; figures are numbers with exactly their digits."""
    encoder = msgspec.json.Encoder(decimal_format="number")
    separator = "[\n"
    for record in records:
        yield separator + encoder.encode({name: value(record) for name, value in fields.items()}).decode()
        separator = ",\n"
    yield "[]\n" if separator == "[\n" else "\n]\n"


# Completeness of the ledger -----------------------------------------------------------------------

_POSIX_ZONE = re.compile(r"(?:[A-Za-z]{3,}|<[A-Za-z0-9+-]{3,}>)[+-]?\d", re.ASCII)
"""Beginning of a zone that ``TZ`` itself describes, such as ``CET-1CEST``."""


def completeness_lines(reader: LedgerReader, accounts: Iterable[str]) -> Iterator[str]:
    """Yield one line an account, such as ``the ledger is complete: 824 sessions since 2024-12-24; times in UTC``.

    A warning comes first if ``TZ`` names a zone that this system does not know, and so takes for UTC.
    """
    name = os.environ.get("TZ", "").removeprefix(":")
    zone = name or "/".join(dict.fromkeys(time.tzname))
    known = name in {"", "UTC"} or _POSIX_ZONE.match(name)
    if not known and not any((Path(folder) / name).is_file() for folder in zoneinfo.TZPATH):
        yield f"warning: this system does not know the time zone {name!r} of TZ: dates and times are in UTC"
        zone = "UTC"
    for account in accounts:
        yield f"{ledger_of(account)} {completeness_text(reader.completeness(account))}; times in {zone}"


def ledger_of(account: str) -> str:
    """Return the subject of a sentence about the ledger of an account, whose name may be empty."""
    return f"account {account}: the ledger" if account else "the ledger"


def completeness_text(known: Completeness) -> str:
    """Return a predicate such as ``is complete: 824 sessions since 2024-12-24``."""
    since = "" if known.back_to_seconds is None else f" since {local_day(known.back_to_seconds)}"
    if not known.complete:
        return f"is not complete yet: {count_text(known.sessions)} so far{since}; sums over them are too low"
    read = moment(known.read_in_full_at_seconds, " ")
    compared = "" if read is None else f", compared in full at {read}"
    unreadable = f" but for {count_text(known.unreadable)} that cannot be read" if known.unreadable else ""
    return f"is complete{unreadable}: {count_text(known.sessions)}{since}{compared}"
