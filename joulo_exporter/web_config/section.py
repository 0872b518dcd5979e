"""Reading of the file's mappings key by key, each fault with the path of its key."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from joulo_exporter.config.files import Where, nearest

if TYPE_CHECKING:
    from collections.abc import Iterable

    from joulo_exporter.config.document import Node

# Looks like a word: a token that has slipped to the place of a key has digits, or is longer.
_WORD = re.compile(r"(?!(?i:joulo_))[A-Za-z][A-Za-z_.-]{0,23}")

# A section whose content is commented out remains as a key without a value.
_NOTHING = ("", "~", "null")


class Section:
    """A mapping of the file, all of whose keys are known ones.

    Values are never shown in an error: any of them may be a token in the wrong place.
    """

    def __init__(self, where: Where, node: Node, known: Iterable[str], example: str) -> None:
        self.where = where
        self._values = mapping(where, node, example)
        for key in self._values:
            _refuse_unknown(where, key, tuple(known))

    def has(self, key: str) -> bool:
        """Tell whether a key is given, with or without a value."""
        return key in self._values

    def node(self, key: str) -> Node:
        """Return what stands at a key, as it stands there; an empty text for a key that is not given."""
        return self._values.get(key, "")

    def text(self, key: str, example: str) -> str | None:
        """Return the text at a key without blanks around it; ``None`` for a key that is not given.

        Raises:
            ConfigError: there is a list, a mapping or nothing at the key.
        """
        if key not in self._values:
            return None
        value = self._values[key]
        if not isinstance(value, str):
            raise self.where.child(key).fault(f"must be a single value, such as {example}")
        if not value.strip():
            raise self.where.child(key).fault(f"is empty; write a value, such as {example}, or remove the key")
        return value.strip()

    def section(self, key: str, known: Iterable[str], example: str) -> Section:
        """Return the mapping at a key; an empty one where nothing is given.

        Raises:
            ConfigError: it is no mapping, or has an unknown key.
        """
        return Section(self.where.child(key), self.node(key), known, example)


def mapping(where: Where, node: Node, example: str) -> dict[str, Node]:
    """Return a mapping, an empty one where nothing is given.

    Raises:
        ConfigError: it is something else.
    """
    if isinstance(node, dict):
        return node
    if node in _NOTHING:
        return {}
    raise where.fault(f"must be a mapping, such as {example}")


def sequence(where: Where, node: Node, example: str) -> list[Node]:
    """Return a list, an empty one where nothing is given.

    Raises:
        ConfigError: it is something else.
    """
    if isinstance(node, list):
        return node
    if node in _NOTHING:
        return []
    raise where.fault(f"must be a list, such as {example}")


def _refuse_unknown(where: Where, key: str, known: tuple[str, ...]) -> None:
    if key in known:
        return
    meant = nearest(key, known)
    if meant is not None:
        raise where.child(key).fault(f"unknown key; did you mean {meant}?")
    known_here = f"known here: {', '.join(known)}"
    if _WORD.fullmatch(key):
        raise where.child(key).fault(f"unknown key; {known_here}")
    raise where.fault(f"has an unknown key, not shown since it may be a token; {known_here}")
