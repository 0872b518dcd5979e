"""Text of reports: exact figures, local times, records as a table, CSV or JSON, completeness of the ledger."""

import csv
import io
import os
import time
import unicodedata
import zoneinfo
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import TypeVar

import msgspec

from joulo_exporter.clock import local_time
from joulo_exporter.errors import LedgerError
from joulo_exporter.ledger.book import Completeness
from joulo_exporter.ledger.reader import LedgerReader

Record = TypeVar("Record")
Fields = Mapping[str, Callable[[Record], object]]
"""Value of each column or key of a record, by its name; ``None`` is a value that the API has not given."""

# Figures and times: a float never comes between the ledger and the reader ---------------------------


def figure(hundredths: int | None) -> Decimal | None:
    """Return integer hundredths with two decimals: ``1234`` is ``12.34``."""
    return None if hundredths is None else Decimal(hundredths).scaleb(-2)


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


# Forms of a report ----------------------------------------------------------------------------------

EMPTY = " "
"""A cell that has no value; a value that the API has not given is shown as a dash."""
_FIGURES = {"duration", "sessions", "kwh", "ere_credits", "cost_euros"}
"""Columns whose cells are right-aligned."""
_TITLES = {"id_tag": "TAG", "counts_for_ere": "ELIGIBLE", "ere_credits": "CREDITS", "cost_euros": "COST"}
"""Titles of columns that are not their names."""
_FORMULA_STARTS = ("=", "+", "-", "@")


def table(names: Collection[str], lines: Iterable[Iterable[object]]) -> str:
    """Return a table, the titles of its columns first, with columns aligned over all of its lines."""
    titles = [_TITLES.get(name, name.upper()) for name in names]
    texts = [titles, *([_cell(value) for value in values] for values in lines)]
    widths = [max(map(_width, column)) for column in zip(*texts, strict=True)]
    text = ""
    for cells in texts:
        parts = []
        for name, width, cell in zip(names, widths, cells, strict=True):
            blanks = " " * (width - _width(cell))
            parts.append(blanks + cell if name in _FIGURES else cell + blanks)
        text += "  ".join(parts).rstrip() + "\n"
    return text


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
    return "".join(" " if unicodedata.category(each) in {"Cc", "Zl", "Zp"} else each for each in text)


def csv_text(fields: Fields[Record], records: Iterable[Record], *, line_end: str = "\n") -> str:
    """Return CSV with a head line; texts that a spreadsheet would run as a formula get an apostrophe."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator=line_end)
    writer.writerow(fields)
    writer.writerows([_csv_cell(value(record)) for value in fields.values()] for record in records)
    return text.getvalue()


def _csv_cell(value: object) -> object:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        text = printable(value)
        return f"'{text}" if text.lstrip().startswith(_FORMULA_STARTS) else text
    return value


def json_text(fields: Fields[Record], records: Iterable[Record]) -> str:
    """Return a JSON array, one record a line; figures are numbers with exactly their digits."""
    encoder = msgspec.json.Encoder(decimal_format="number")
    objects = ({name: value(record) for name, value in fields.items()} for record in records)
    lines = ",\n".join(encoder.encode(each).decode() for each in objects)
    return f"[\n{lines}\n]\n" if lines else "[]\n"


# Completeness of the ledger -----------------------------------------------------------------------


def completeness_lines(reader: LedgerReader, accounts: Iterable[str]) -> Iterator[str]:
    """Yield one line an account, such as ``the ledger is complete: 824 sessions since 2024-12-24; times in UTC``.

    A warning comes first if ``TZ`` names a zone that this system does not know, and so takes for UTC.
    """
    name = os.environ.get("TZ", "").removeprefix(":")
    zone = name or "/".join(dict.fromkeys(time.tzname))
    # In place of a zone that it does not know, the system has an offset of 0.
    known = not name or "UTC" in name or time.timezone or time.daylight
    if not known and not any((Path(folder) / name).is_file() for folder in zoneinfo.TZPATH):
        yield f"warning: this system does not know the time zone {name!r} of TZ: dates and times are in UTC"
        zone = "UTC"
    for account in accounts:
        yield f"{_completeness_text(account, reader.completeness(account))}; times in {zone}"


def require_complete(reader: LedgerReader, accounts: Iterable[str]) -> None:
    """Raise ``LedgerError`` unless the whole history of the accounts is in the ledger."""
    for account in accounts:
        known = reader.completeness(account)
        if not known.complete:
            raise LedgerError(f"{_completeness_text(account, known)}; wait until joulo_history_complete is 1")


def _completeness_text(account: str, known: Completeness) -> str:
    """Return a sentence such as ``the ledger is complete: 824 sessions since 2024-12-24``."""
    since = "" if known.back_to_seconds is None else f" since {local_time(known.back_to_seconds).date()}"
    ledger = f"account {account}: the ledger" if account else "the ledger"
    if not known.complete:
        sessions = count_text(known.sessions)
        return f"{ledger} is not complete yet: {sessions} so far{since}; sums over them are too low"
    read = moment(known.read_in_full_at_seconds, " ")
    compared = "" if read is None else f", compared in full at {read}"
    unreadable = f" but for {count_text(known.unreadable)} that cannot be read" if known.unreadable else ""
    return f"{ledger} is complete{unreadable}: {count_text(known.sessions)}{since}{compared}"
