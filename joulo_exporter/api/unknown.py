"""Fields of answers that this version does not know: counted, and named once, so that a user can tell us."""

from __future__ import annotations

import logging
from functools import cache
from typing import TYPE_CHECKING

import msgspec

from joulo_exporter.logs import event

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from joulo_exporter.api.endpoint import Endpoint

_logger = logging.getLogger(__name__)

_MOST_NAMES = 64
_LONGEST_NAME = 64
_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])
_LIST = msgspec.json.Decoder(list[msgspec.Raw])


class UnknownFields:
    """The names seen so far, by endpoint; never a value."""

    def __init__(self) -> None:
        self._names: dict[str, set[str]] = {}

    def count(self, endpoint: str) -> int:
        """Return how many distinct names were seen, at most 64."""
        return len(self._names.get(endpoint, ()))

    def look(self, endpoint: Endpoint[object], body: bytes) -> None:
        """Take note of an answer's fields: those of the answer itself, and of the first record of each list."""
        try:
            for name in _strangers(body, _by_section(endpoint.known)):
                names = self._names.setdefault(endpoint.name, set())
                if name not in names and len(names) < _MOST_NAMES:
                    names.add(name)
                    event(_logger, "debug", "a field that this version does not know", endpoint=endpoint.name,
                          field=name[:_LONGEST_NAME])  # fmt: skip
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return  # whether the answer can be read is decided elsewhere


@cache  # one entry an endpoint
def _by_section(known: frozenset[str]) -> Mapping[str, frozenset[str]]:
    """Return the known names by what stands before their dot; those of the answer itself by an empty text."""
    sections: dict[str, set[str]] = {}
    for path in known:
        section, _, name = path.rpartition(".")
        sections.setdefault(section, set()).add(name)
    return {section: frozenset(names) for section, names in sections.items()}


def _strangers(body: bytes, known: Mapping[str, frozenset[str]]) -> Iterator[str]:
    """Yield the fields that are not known, with the section that they stand in."""
    answer = _OBJECT.decode(body)
    for name, value in answer.items():
        if name not in known.get("", ()):
            yield name
        if bytes(value).startswith(b"["):
            first = next(iter(_LIST.decode(value)), None)
            yield from _within(f"{name}[]", first, known)
        else:
            yield from _within(name, value, known)


def _within(section: str, raw: msgspec.Raw | None, known: Mapping[str, frozenset[str]]) -> Iterator[str]:
    if raw is None or not bytes(raw).startswith(b"{"):
        return
    names = _OBJECT.decode(raw)
    for name in names:
        if name not in known.get(section, ()):
            yield f"{section}.{name}"
