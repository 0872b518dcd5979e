"""Durations as Prometheus writes them: ``90s``, ``10m``, ``1h30m``, ``7d``.

The grammar is that of ``model.ParseDuration`` in prometheus/common: whole numbers, each unit at most
once, from the longest to the shortest; a day has 24 hours, a week 7 days, a year 365 days.
"""

from __future__ import annotations

import re
from itertools import starmap

_DAY_MS = 24 * 60 * 60 * 1000
_UNITS_MS = (
    ("y", 365 * _DAY_MS),
    ("w", 7 * _DAY_MS),
    ("d", _DAY_MS),
    ("h", 60 * 60 * 1000),
    ("m", 60 * 1000),
    ("s", 1000),
    ("ms", 1),
)
_DURATION = re.compile("".join(f"(?:([0-9]+){unit})?" for unit, _ in _UNITS_MS))
_BARE_NUMBER = re.compile(r"[+-]?[0-9]+(?:\.[0-9]*)?")

# Prometheus keeps durations as 64-bit nanoseconds: what does not fit there is refused here too.
_LONGEST_MS = (2**63 - 1) // 1_000_000
_LONGEST_TEXT = 64

_EXAMPLES = "such as 90s, 10m, 1h30m or 7d"


def parse_duration(text: str) -> float:
    """Return the seconds of a duration; ``0`` needs no unit, as in Prometheus.

    Raises:
        ValueError: it is not a duration; the message is a predicate ("has no unit; ...") without the text.
    """
    if text == "0":
        return 0.0
    if _BARE_NUMBER.fullmatch(text):
        raise ValueError(f"has no unit; write a duration {_EXAMPLES}")
    match = _DURATION.fullmatch(text) if text and len(text) <= _LONGEST_TEXT else None
    if match is None:
        raise ValueError(
            f"is not a duration; write one {_EXAMPLES}: whole numbers with units y w d h m s ms, in that order"
        )
    factors = zip(match.groups(default="0"), (factor for _, factor in _UNITS_MS), strict=True)
    milliseconds = sum(starmap(_product, factors))
    if milliseconds > _LONGEST_MS:
        raise ValueError("is longer than the 292 years that Prometheus can count; write a shorter duration")
    return milliseconds / 1000


def format_duration(seconds: float) -> str:
    """Return a duration, to the millisecond, as Prometheus prints it.

    Years and weeks are used only where nothing remains below them: ``90d`` reads easier than ``12w6d``.

    Args:
        seconds: not negative.
    """
    rest = round(seconds * 1000)
    parts = []
    for unit, factor in _UNITS_MS:
        if unit in ("y", "w") and rest % factor:
            continue
        count, rest = divmod(rest, factor)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts) or "0s"


def _product(digits: str, factor: int) -> int:
    return int(digits) * factor
