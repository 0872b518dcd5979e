"""Figures as text, exact to the hundredth: a float never comes between the ledger and the reader."""

from __future__ import annotations

import unicodedata


def hundredths_text(value: int) -> str:
    """Return integer hundredths with two decimals: ``1234`` is ``12.34``."""
    sign = "-" if value < 0 else ""
    whole, rest = divmod(abs(value), 100)
    return f"{sign}{whole}.{rest:02d}"


def duration_text(seconds: float) -> str:
    """Return hours and minutes, such as ``3:05``."""
    minutes = round(seconds / 60)
    return f"{minutes // 60}:{minutes % 60:02d}"


def printed(text: str) -> str:
    """Return the text on one line, without characters that a terminal would obey."""
    return "".join(
        " " if unicodedata.category(character) in {"Cc", "Zl", "Zp"} else character for character in text
    )


def display_width(text: str) -> int:
    """Return how many columns of a terminal the text takes: wide characters take two, marks none."""
    return sum(_character_width(character) for character in text)


def aligned(text: str, width: int, *, right: bool) -> str:
    """Return the text filled with blanks to so many columns of a terminal."""
    blanks = " " * (width - display_width(text))
    return blanks + text if right else text + blanks


def _character_width(character: str) -> int:
    if unicodedata.category(character) in {"Mn", "Me", "Cf"}:
        return 0
    return 2 if unicodedata.east_asian_width(character) in {"W", "F"} else 1
