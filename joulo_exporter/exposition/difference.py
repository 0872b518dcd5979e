"""What two pictures of an account do not share: only what is made of that can have changed."""

from __future__ import annotations

from operator import attrgetter, is_
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from joulo_exporter.models.book import Book, Totals
    from joulo_exporter.snapshot import EndpointHealth, LiveCharger, Snapshot

_Item = TypeVar("_Item")


def _equal(one: object, other: object) -> bool:
    return one is other or one == other


class _List(NamedTuple):
    """A list of a picture."""

    name: str
    key: Callable[[Any], str]
    """What tells its items apart, in each of their samples too."""
    same: Callable[[object, object], bool]
    """Whether two items are the same; what has mappings is so only if it is one object: equal ones may differ in
    their order."""
    fields: Callable[[Any, Any], Iterable[str]]
    """The fields in which two items differ, as ``Family.reads`` names them."""


def _fields(name: str, old: msgspec.Struct, new: msgspec.Struct) -> list[str]:
    """Return the fields in which two records differ, with a name before the dot."""
    pairs = zip(old.__struct_fields__, msgspec.structs.astuple(old), msgspec.structs.astuple(new), strict=True)
    return [f"{name}.{field}" for field, before, after in pairs if not _equal(before, after)]


def _of_live_charger(old: LiveCharger, new: LiveCharger) -> Iterable[str]:
    fields = _fields("chargers", old, new)
    if "chargers.charger" in fields:
        fields.remove("chargers.charger")
        fields += _fields("chargers.charger", old.charger, new.charger)
    return fields


def _of_health(old: EndpointHealth, new: EndpointHealth) -> Iterable[str]:
    return (*_fields("endpoints", old, new), "endpoints.requests")


_LISTS = (
    _List("chargers", attrgetter("label"), _equal, _of_live_charger),
    _List("last_sessions", attrgetter("label"), _equal, lambda _old, _new: ("last_sessions",)),
    _List("ended_sessions", attrgetter("session_id"), _equal, lambda _old, _new: ("ended_sessions",)),
    _List("endpoints", attrgetter("endpoint"), is_, _of_health),
)

_WHOLE = ("energy", "ere_position", "ere_price")
"""What is compared as a whole. It has mappings too."""

_BY_KEY = ("chargers", "vehicles")
"""Mappings of the book; each of their keys has samples of its own."""

_OF_BOOK = ("labels", "marks", "complete", "persistent")
"""What else of the book is shown: single values, and mappings whose order does not show."""


class Difference(NamedTuple):
    """Two pictures of an account without what they share, and where they differ."""

    before: Snapshot
    after: Snapshot
    changed: frozenset[str]
    """Names as in ``Family.reads``; what differs is among them, and little else."""


def differing(former: Snapshot, latest: Snapshot) -> Difference:
    """Return both pictures without what they share: a family has the same samples in both if it has in these.

    That holds because an item of a list gives samples of its own, whatever the others are. 0.0 and
    -0.0 are one value here.
    """
    before: dict[str, object] = {}
    after: dict[str, object] = {}
    changed: set[str] = {name for name in _WHOLE if getattr(former, name) is not getattr(latest, name)}
    for each in _LISTS:
        before[each.name], after[each.name], fields = _items(
            each, getattr(former, each.name) or (), getattr(latest, each.name) or ()
        )
        changed.update(fields)
    before["book"], after["book"], in_book = _books(former.book, latest.book)
    changed.update(in_book)
    return Difference(
        msgspec.structs.replace(former, **before), msgspec.structs.replace(latest, **after), frozenset(changed)
    )


def _items(
    each: _List, former: Sequence[_Item], latest: Sequence[_Item]
) -> tuple[Sequence[_Item], Sequence[_Item], Iterable[str]]:
    """Return both lists without what they share, and the fields in which the rest differs, or the list's name."""
    if former is latest:
        return (), (), ()
    if list(map(each.key, former)) != list(map(each.key, latest)):
        return former, latest, (each.name,)
    pairs = [(old, new) for old, new in zip(former, latest, strict=True) if not each.same(old, new)]
    fields = {field for old, new in pairs for field in each.fields(old, new)}
    return tuple([old for old, _ in pairs]), tuple([new for _, new in pairs]), fields


def _books(former: Book | None, latest: Book | None) -> tuple[Book | None, Book | None, Iterable[str]]:
    """Return both books without the sums that they share, and the names of what differs."""
    if former is latest:
        return former, latest, ()
    if former is None or latest is None:
        return former, latest, [f"book.{name}" for name in (*_OF_BOOK, *_BY_KEY)]
    changed = {f"book.{name}" for name in _OF_BOOK if not _equal(getattr(former, name), getattr(latest, name))}
    before: dict[str, object] = {}
    after: dict[str, object] = {}
    for name in _BY_KEY:
        before[name], after[name], fields = _sums(f"book.{name}", getattr(former, name), getattr(latest, name))
        changed.update(fields)
    if "book.labels" not in changed:  # else the same sums may stand under another name
        former, latest = msgspec.structs.replace(former, **before), msgspec.structs.replace(latest, **after)
    return former, latest, changed


def _sums(
    name: str, former: Mapping[str, Totals], latest: Mapping[str, Totals]
) -> tuple[Mapping[str, Totals], Mapping[str, Totals], Iterable[str]]:
    if former is latest:
        return {}, {}, ()
    if list(former) != list(latest):
        return former, latest, (name,)
    changed = [key for key, value in latest.items() if not _equal(former[key], value)]
    fields = {field for key in changed for field in _fields(name, former[key], latest[key])}
    return {key: former[key] for key in changed}, {key: latest[key] for key in changed}, fields
