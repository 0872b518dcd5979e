"""What two pictures of an account do not share: only what is made of that can have changed."""

from __future__ import annotations

from functools import cache
from operator import attrgetter, eq, is_
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from joulo_exporter.ledger import Book, Totals
    from joulo_exporter.snapshot import EndpointHealth, LiveCharger, Snapshot

_Item = TypeVar("_Item")


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


@cache
def _named(kind: type[msgspec.Struct], name: str) -> tuple[tuple[str, str], ...]:
    """Return the fields of a kind of record, each with the name that it has in ``Family.reads``."""
    return tuple((field, f"{name}.{field}") for field in kind.__struct_fields__)


def _fields(name: str, old: msgspec.Struct, new: msgspec.Struct) -> list[str]:
    """Return the fields in which two records differ, with a name before the dot."""
    changed = []
    for field, full_name in _named(type(old), name):
        before, after = getattr(old, field), getattr(new, field)
        if before is not after and before != after:
            changed.append(full_name)
    return changed


def _of_live_charger(old: LiveCharger, new: LiveCharger) -> Iterable[str]:
    fields = _fields("chargers", old, new)
    if _CHARGER in fields:
        fields.remove(_CHARGER)
        fields += _fields(_CHARGER, old.charger, new.charger)
        before, after = old.charger.session, new.charger.session
        if _SESSION in fields and before is not None and after is not None:
            fields.remove(_SESSION)
            fields += _fields(_SESSION, before, after)
    return fields


def _of_health(old: EndpointHealth, new: EndpointHealth) -> Iterable[str]:
    return (*_fields("endpoints", old, new), "endpoints.requests")


_LISTS = (
    _List("chargers", attrgetter("label"), eq, _of_live_charger),
    _List("last_sessions", attrgetter("label"), eq, lambda _old, _new: ("last_sessions",)),
    _List("ended_sessions", attrgetter("session_id"), eq, lambda _old, _new: ("ended_sessions",)),
    _List("endpoints", attrgetter("endpoint"), is_, _of_health),
)

_WHOLE = ("energy", "ere_position", "ere_price")
"""What is compared as a whole. It has mappings too."""

_BY_KEY = ("chargers", "vehicles")
"""Mappings of the book; each of their keys has samples of its own."""

_OF_BOOK = ("labels", "complete", "persistent")
"""What else of the book is shown, but for its marks: single values, and a mapping whose order does not show."""

_CHARGER, _SESSION = "chargers.charger", "chargers.charger.session"
_METER = "meter_wh"
"""Marks of this series are shown as ``chargers.meter_wh``, and change with each refresh."""


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
    if len(former) != len(latest):
        return former, latest, (each.name,)
    pairs = [pair for pair in zip(former, latest, strict=True) if pair[0] is not pair[1] and not each.same(*pair)]
    fields: set[str] = set()
    for old, new in pairs:
        if each.key(old) != each.key(new):
            return former, latest, (each.name,)
        fields.update(each.fields(old, new))
    return tuple([old for old, _ in pairs]), tuple([new for _, new in pairs]), fields


def _books(former: Book | None, latest: Book | None) -> tuple[Book | None, Book | None, Iterable[str]]:
    """Return both books without the sums that they share, and the names of what differs."""
    if former is latest:
        return former, latest, ()
    if former is None or latest is None:
        return former, latest, [f"book.{name}" for name in (*_OF_BOOK, "marks", *_BY_KEY)]
    changed = {f"book.{name}" for name in _OF_BOOK if getattr(former, name) != getattr(latest, name)}
    if any(series != _METER for (series, _), _ in former.marks.items() ^ latest.marks.items()):
        changed.add("book.marks")
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
    changed = [key for key, value in latest.items() if value is not former[key] and value != former[key]]
    fields = {field for key in changed for field in _fields(name, former[key], latest[key])}
    return {key: former[key] for key in changed}, {key: latest[key] for key in changed}, fields
