"""Text of reports: exact figures, local dates and times, aligned tables, and how complete the ledger is."""

from __future__ import annotations

import itertools
import os
import re
import time
import unicodedata
import zoneinfo
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from joulo_exporter.ledger.reader import Completeness, LedgerReader

UNKNOWN = "-"
"""Stands in a table for a value that the API has not given."""

# Figures: a float never comes between the ledger and the reader ------------------------------------


def hundredths_text(value: int) -> str:
    """Return integer hundredths with two decimals: ``1234`` is ``12.34``."""
    sign = "-" if value < 0 else ""
    whole, rest = divmod(abs(value), 100)
    return f"{sign}{whole}.{rest:02d}"


def duration_text(seconds: float) -> str:
    """Return hours and minutes, such as ``3:05``."""
    minutes = round(seconds / 60)
    return f"{minutes // 60}:{minutes % 60:02d}"


def count_text(sessions: int) -> str:
    """Return a number of sessions, such as ``1 session``."""
    return f"{sessions} session{'' if sessions == 1 else 's'}"


# Dates and times, in this machine's time zone ------------------------------------------------------

_DATE = re.compile(r"(\d{4})(?:-(\d{2})(?:-(\d{2}))?)?", re.ASCII)
# A day in another spelling (20260617, 2026-W25) is refused: taken for its first moment, --to would omit the day.
_MOMENT = re.compile(r"\d{4}-\d{2}-\d{2}[T ].+", re.ASCII)

_POSIX_ZONE = re.compile(r"(?:[A-Za-z]{3,}|<[A-Za-z0-9+-]{3,}>)[+-]?\d", re.ASCII)
"""Beginning of a zone that ``TZ`` itself describes, such as ``CET-1CEST``."""

_EXAMPLES = "2026, 2026-06, 2026-06-17 or 2026-06-17T18:30 (an offset such as +02:00 can follow)"


def parse_from(text: str) -> float:
    """Return the Unix seconds at which a year, month, day or moment begins, here if it names no offset.

    Raises:
        ValueError: it is none of these.
    """
    return _parsed(text)[0]


def parse_to(text: str) -> float:
    """Return the Unix seconds at which a year, month or day is over, or of the moment itself.

    Raises:
        ValueError: it is none of these.
    """
    return _parsed(text)[1]


def _parsed(text: str) -> tuple[float, float]:
    """Return the two edges of a span; of a moment they are the same."""
    try:
        begin, end = (edge if edge.tzinfo else edge.astimezone() for edge in _edges(text))
        return begin.timestamp(), end.timestamp()
    except (ValueError, OverflowError):
        raise ValueError(f"{text!r} is not a date or time; write {_EXAMPLES}") from None


def _edges(text: str) -> tuple[datetime, datetime]:
    match = _DATE.fullmatch(text)
    if match is None:
        if not _MOMENT.fullmatch(text):
            raise ValueError(text)
        return (moment := datetime.fromisoformat(text)), moment
    year, month, day = (None if part is None else int(part) for part in match.groups())
    first = datetime(year or 0, month or 1, day or 1)  # noqa: DTZ001 -- local time, which astimezone() adds
    if day is not None:
        return first, first + timedelta(days=1)
    if month is not None:
        return first, (first + timedelta(days=31)).replace(day=1)
    return first, first.replace(year=first.year + 1)


def local_text(unix_seconds: float, *, separator: str = " ") -> str:
    """Return a moment, to the second, with the offset of its time zone."""
    return local_time(unix_seconds).isoformat(sep=separator, timespec="seconds")


def local_day(unix_seconds: float) -> str:
    """Return the day of a moment, such as ``2026-06-17``."""
    return local_time(unix_seconds).strftime("%Y-%m-%d")


def _zone() -> tuple[str, bool]:
    """Return the name of the time zone, and whether this system knows it; one that it does not know is UTC."""
    name = os.environ.get("TZ", "").removeprefix(":")
    if not name:
        return "/".join(dict.fromkeys(time.tzname)), True
    files = (Path(folder) / name for folder in zoneinfo.TZPATH)
    return name, name == "UTC" or _POSIX_ZONE.match(name) is not None or any(file.is_file() for file in files)


def local_time(unix_seconds: float) -> datetime:
    """Return a moment in this machine's time zone."""
    return datetime.fromtimestamp(unix_seconds, UTC).astimezone()


# Tables -------------------------------------------------------------------------------------------

_GAP = "  "
_FIGURES = {"DURATION", "SESSIONS", "KWH", "CREDITS", "COST"}
"""Columns whose cells stand at their right edge."""

Cells = tuple[str, ...]


def table(columns: Iterable[str], lines: Callable[[], Iterable[Cells]]) -> Iterator[str]:
    """Yield the lines of a table, its head first, with columns aligned over all of them.

    Args:
        columns: their titles, from left to right.
        lines: gives the lines, the same each time: they are read twice, so that none has to be kept.
    """
    head = tuple(columns)
    widths = [_width(title) for title in head]
    for cells in lines():
        widths = [max(width, _width(printable(cell))) for width, cell in zip(widths, cells, strict=True)]
    for cells in itertools.chain([head], lines()):
        parts = (
            _aligned(printable(cell), width, right=title in _FIGURES)
            for title, width, cell in zip(head, widths, cells, strict=True)
        )
        yield _GAP.join(parts).rstrip() + "\n"


def printable(text: str) -> str:
    """Return the text on one line, without characters that a terminal would obey."""
    return "".join(
        " " if unicodedata.category(character) in {"Cc", "Zl", "Zp"} else character for character in text
    )


def _aligned(text: str, width: int, *, right: bool) -> str:
    blanks = " " * (width - _width(text))
    return blanks + text if right else text + blanks


def _width(text: str) -> int:
    """Return the number of columns of a terminal that the text takes: wide characters take two, marks none."""
    visible = [each for each in text if unicodedata.category(each) not in {"Mn", "Me", "Cf"}]
    return len(visible) + sum(unicodedata.east_asian_width(each) in {"W", "F"} for each in visible)


# Completeness of the ledger -----------------------------------------------------------------------


def completeness_lines(reader: LedgerReader, accounts: Iterable[str]) -> Iterator[str]:
    """Yield one line an account, such as ``the ledger is complete: 824 sessions since 2024-12-24; times in UTC``.

    Before them stands a warning if ``TZ`` names a zone that this system does not know.
    """
    zone, known = _zone()
    if not known:
        yield f"warning: this system does not know the time zone {zone!r} of TZ: dates and times are in UTC"
    for account in accounts:
        text = completeness_text(reader.completeness(account))
        yield f"{ledger_of(account)} {text}; times in {zone if known else 'UTC'}"


def ledger_of(account: str) -> str:
    """Return the subject of a sentence about the ledger of an account, whose name may be empty."""
    return f"account {account}: the ledger" if account else "the ledger"


def completeness_text(known: Completeness) -> str:
    """Return a predicate such as ``is complete: 824 sessions since 2024-12-24``."""
    since = "" if known.back_to_seconds is None else f" since {local_day(known.back_to_seconds)}"
    if not known.complete:
        return f"is not complete yet: {count_text(known.sessions)} so far{since}; sums over them are too low"
    read = known.read_in_full_at_seconds
    compared = "" if read is None else f", compared in full at {local_text(read)}"
    unreadable = f" but for {count_text(known.unreadable)} that cannot be read" if known.unreadable else ""
    return f"is complete{unreadable}: {count_text(known.sessions)}{since}{compared}"
