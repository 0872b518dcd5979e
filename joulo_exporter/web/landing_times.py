"""Moments and durations in the page's words."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

_UNITS = (("d", timedelta(days=1)), ("h", timedelta(hours=1)), ("min", timedelta(minutes=1)))


def moment(seconds: float) -> str:
    """Return a Unix time as a ``<time>`` element in UTC."""
    at = datetime.fromtimestamp(int(seconds), UTC)
    return f'<time datetime="{at:%Y-%m-%dT%H:%M:%SZ}">{at:%Y-%m-%d %H:%M:%S} UTC</time>'


def age(seconds: float, now_seconds: float) -> str:
    """Return how long ago a Unix time was; 0 s for one that a corrected clock has put into the future."""
    return f"{_rounded_down(max(0.0, now_seconds - seconds))} ago"


def duration(seconds: float) -> str:
    """Return a duration exactly, such as ``1 h 30 min`` or ``90.5 s`` below its smallest whole unit."""
    words, rest = [], seconds
    for unit, size in _UNITS:
        count, rest = divmod(rest, size.total_seconds())
        if count:
            words.append(f"{count:.0f} {unit}")
    return " ".join([*words, f"{rest:g} s"] if rest or not words else words)


def _rounded_down(seconds: float) -> str:
    for unit, size in _UNITS:
        if seconds >= size.total_seconds():
            return f"{seconds // size.total_seconds():.0f} {unit}"
    return f"{seconds:.0f} s"
