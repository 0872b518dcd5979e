"""Single values as the exporter-toolkit reads them: a key without a value is a key that is not given."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, TypeVar

from joulo_exporter.config.files import nearest
from joulo_exporter.web_config.section import sequence

if TYPE_CHECKING:
    from collections.abc import Mapping

    from joulo_exporter.config.files import Where
    from joulo_exporter.web_config.section import Section

Value = TypeVar("Value")

_NOTHING = ("", "~", "null", "Null", "NULL")
# YAML 1.1, as Go's yaml.v2 reads it.
_TRUE = frozenset({"y", "yes", "on", "true"})
_FALSE = frozenset({"n", "no", "off", "false"})
_NUMBER = re.compile(r"[0-9]{1,9}")
_DURATION = re.compile(r"(?:[0-9]+(?:\.[0-9]*)?(?:ns|us|µs|ms|s|m|h))+")
_PIECE = re.compile(r"([0-9]+(?:\.[0-9]*)?)(ns|us|µs|ms|s|m|h)")
_UNITS_S = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}


def is_given(section: Section, key: str) -> bool:
    """Tell whether there is more at a key than a blank or ``null``."""
    node = section.node(key)
    return not (isinstance(node, str) and node.strip() in _NOTHING)


def text(section: Section, key: str, example: str) -> str | None:
    """Return the text at a key, ``None`` where nothing is given.

    Raises:
        ConfigError: a list or a mapping stands there.
    """
    return section.text(key, example) if is_given(section, key) else None


def switch(section: Section, key: str, *, default: bool) -> bool:
    """Return the boolean at a key.

    Raises:
        ConfigError: it is none.
    """
    given = text(section, key, "true")
    if given is None:
        return default
    if given.lower() not in _TRUE | _FALSE:
        raise section.where.child(key).fault("must be true or false; write one of them")
    return given.lower() in _TRUE


def whole_number(section: Section, key: str) -> int:
    """Return the whole number at a key, 0 where nothing is given.

    Raises:
        ConfigError: it is none, or has more than nine digits.
    """
    given = text(section, key, "10") or "0"
    if not _NUMBER.fullmatch(given):
        raise section.where.child(key).fault("must be a whole number; write one such as 10")
    return int(given)


def go_duration_s(section: Section, key: str) -> float:
    """Return the seconds that a duration of Go (``time.ParseDuration``) at a key gives, 0 where nothing is given.

    Raises:
        ConfigError: it is none.
    """
    given = text(section, key, "1s") or "0"
    if given == "0":
        return 0.0
    if not _DURATION.fullmatch(given):
        raise section.where.child(key).fault("is not a duration; write one such as 500ms, 1s or 1m30s")
    return sum(float(number) * _UNITS_S[unit] for number, unit in _PIECE.findall(given))


def choice(section: Section, key: str, choices: Mapping[str, Value]) -> Value | None:
    """Return what the word at a key stands for, ``None`` where nothing is given.

    Raises:
        ConfigError: it is no word of ``choices``.
    """
    given = text(section, key, next(iter(choices)))
    return None if given is None else _chosen(section.where.child(key), given, choices)


def choices(section: Section, key: str, known: Mapping[str, Value]) -> tuple[Value, ...]:
    """Return what each word of the list at a key stands for.

    Raises:
        ConfigError: it is no list, or one of its words is not in ``known``.
    """
    words = texts(section, key, next(iter(known)))
    where = section.where.child(key)
    return tuple(_chosen(where.item(position), word, known) for position, word in enumerate(words))


def texts(section: Section, key: str, example: str) -> list[str]:
    """Return the texts of the list at a key.

    Raises:
        ConfigError: it is no list of texts.
    """
    where = section.where.child(key)
    found = []
    for position, item in enumerate(sequence(where, section.node(key), f"[{example}]")):
        if not isinstance(item, str) or not item.strip():
            raise where.item(position).fault(f"must be a single value, such as {example}")
        found.append(item.strip())
    return found


def _chosen(where: Where, word: str, known: Mapping[str, Value]) -> Value:
    if word in known:
        return known[word]
    by_small_letters = {name.lower(): name for name in known}
    meant = nearest(word, by_small_letters)
    if meant is not None:
        raise where.fault(f"is not known; did you mean {by_small_letters[meant]}?")
    raise where.fault(f"is not known; known here: {', '.join(known)}")
