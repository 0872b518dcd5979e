"""Fields of answers that this version does not know: counted, and named once, so that a user can tell us."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import msgspec

from joulo_exporter.logs import event

if TYPE_CHECKING:
    from collections.abc import Iterator

    from joulo_exporter.api.endpoint import Endpoint

_logger = logging.getLogger(__name__)

_MOST_NAMES = 64
_LONGEST_NAME = 64
_Object = dict[str, msgspec.Raw]


class UnknownFields:
    """The names seen so far, by endpoint; never a value."""

    def __init__(self) -> None:
        self._names: dict[str, set[str]] = {}

    def count(self, endpoint: str) -> int:
        """Return how many distinct names were seen, at most 64."""
        return len(self._names.get(endpoint, ()))

    def look(self, endpoint: Endpoint[object], body: bytes) -> None:
        """Take note of an answer's fields: those of the answer itself, and of the first record of each list."""
        names = self._names.setdefault(endpoint.name, set())
        try:
            for name in _names(body):
                if name not in endpoint.known and name not in names and len(names) < _MOST_NAMES:
                    names.add(name)
                    event(_logger, "debug", "a field that this version does not know", endpoint=endpoint.name,
                          field=name[:_LONGEST_NAME])  # fmt: skip
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return  # whether the answer can be read is decided elsewhere


def _names(body: bytes) -> Iterator[str]:
    for name, value in msgspec.json.decode(body, type=_Object).items():
        yield name
        raw = bytes(value)
        if raw.startswith(b"["):
            first = next((bytes(item) for item in msgspec.json.decode(raw, type=list[msgspec.Raw])), b"")
            yield from _within(f"{name}[]", first)
        else:
            yield from _within(name, raw)


def _within(path: str, raw: bytes) -> Iterator[str]:
    if raw.startswith(b"{"):
        yield from (f"{path}.{name}" for name in msgspec.json.decode(raw, type=_Object))
