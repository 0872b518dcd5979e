"""Where a fault is, and the one line that says so."""

from __future__ import annotations

import re
import unicodedata

import msgspec

from joulo_exporter.errors import ConfigError

# Looks like a word: a token that has slipped to the place of a key has digits, or is longer.
_WORD = re.compile(r"[A-Za-z][A-Za-z_.-]{0,23}")

_LONGEST_NAME = 128
_UNPRINTED = frozenset({"Cc", "Cs", "Zl", "Zp"})  # control, surrogates, line and paragraph separators


class Where(msgspec.Struct, frozen=True):
    """A place in the configuration: a file, or ``environment``, and the path of a key in it."""

    source: str
    key: str = ""

    def child(self, key: str) -> Where:
        """Return the place of a key below this one."""
        return Where(self.source, f"{self.key}.{key}" if self.key else key)

    def item(self, position: int) -> Where:
        """Return the place of an item of the list here, counted from 0."""
        return Where(self.source, f"{self.key}[{position}]")

    def fault(self, text: str) -> ConfigError:
        """Return the error ``SOURCE: KEY: text``, one line whatever the names of files are."""
        return ConfigError(one_line(f"{self}: {text}"))

    def __str__(self) -> str:
        return f"{self.source}: {self.key}" if self.key else self.source


def one_line(text: str) -> str:
    """Return the text with everything that cannot be printed escaped."""
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)


def looks_like_a_key(key: str) -> bool:
    """Tell whether an unknown key may be shown: never one that could be a token in the wrong place."""
    return _WORD.fullmatch(key) is not None and not key.lower().startswith("joulo_")


def name_fault(name: str) -> str | None:
    """Return what makes a text unfit for a label's value, ``None`` when nothing does."""
    if not name:
        return "is empty; give it a name"
    if len(name) > _LONGEST_NAME:
        return f"is longer than {_LONGEST_NAME} characters; shorten it"
    if not is_printed(name):
        return "has a line end or another control character in it; remove it"
    return None


def is_printed(text: str) -> bool:
    """Tell whether a text is free of control characters, line ends and halves of surrogate pairs."""
    return not any(unicodedata.category(char) in _UNPRINTED for char in text)
