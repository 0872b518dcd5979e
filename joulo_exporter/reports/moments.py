"""Moments as people write and read them: in this machine's time zone, with its offset."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

_DATE = re.compile(r"(\d{4})(?:-(\d{2})(?:-(\d{2}))?)?", re.ASCII)
# A day in another spelling (20260617, 2026-W25) is none: taken for its first moment, --to would leave the day out.
_MOMENT = re.compile(r"\d{4}-\d{2}-\d{2}[T ].+", re.ASCII)

EXAMPLES = "2026, 2026-06, 2026-06-17 or 2026-06-17T18:30 (an offset such as +02:00 can follow)"


def parse_from(text: str) -> float:
    """Return the Unix seconds at which a year, month, day or moment begins, here if it names no offset.

    Raises:
        ValueError: it is none of these.
    """
    return _parsed(text, 0)


def parse_to(text: str) -> float:
    """Return the Unix seconds at which a year, month or day is over, or of the moment itself.

    Raises:
        ValueError: it is none of these.
    """
    return _parsed(text, 1)


def local_text(unix_seconds: float, *, separator: str = " ") -> str:
    """Return a moment, to the second, in this machine's time zone with its offset."""
    return _local(unix_seconds).isoformat(sep=separator, timespec="seconds")


def local_month(unix_seconds: float) -> str:
    """Return the month of a moment in this machine's time zone, such as ``2026-06``."""
    return _local(unix_seconds).strftime("%Y-%m")


def local_day(unix_seconds: float) -> str:
    """Return the day of a moment in this machine's time zone, such as ``2026-06-17``."""
    return _local(unix_seconds).strftime("%Y-%m-%d")


def _local(unix_seconds: float) -> datetime:
    return datetime.fromtimestamp(unix_seconds, UTC).astimezone()


def _span(text: str) -> tuple[datetime, datetime] | None:
    """Return when a year, month or day begins and when the next one does; nothing for other texts."""
    match = _DATE.fullmatch(text)
    if match is None:
        return None
    year, month, day = (None if part is None else int(part) for part in match.groups())
    first = datetime(year or 0, month or 1, day or 1)  # noqa: DTZ001 -- local time, which astimezone() adds
    if day is not None:
        return first, first + timedelta(days=1)
    if month is not None:
        return first, (first + timedelta(days=31)).replace(day=1)
    return first, first.replace(year=first.year + 1)


def _parsed(text: str, edge: int) -> float:
    """Return the first (0) or second (1) edge of a span, or the moment."""
    try:
        span = _span(text)
        return _unix_seconds(span[edge] if span else _moment(text))
    except (ValueError, OverflowError):
        raise ValueError(f"{text!r} is not a date or time; write {EXAMPLES}") from None


def _moment(text: str) -> datetime:
    if not _MOMENT.fullmatch(text):
        raise ValueError(text)
    return datetime.fromisoformat(text)


def _unix_seconds(moment: datetime) -> float:
    return moment.astimezone().timestamp() if moment.tzinfo is None else moment.timestamp()
