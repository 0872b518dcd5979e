"""What two pictures of an account do not share: only what is made of that can have changed."""

from __future__ import annotations

from operator import attrgetter, is_
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from joulo_exporter.models.book import Book
    from joulo_exporter.snapshot import Snapshot

_Item = TypeVar("_Item")
_Value = TypeVar("_Value")


def _equal(one: object, other: object) -> bool:
    return one is other or one == other


_LISTS = (
    ("chargers", attrgetter("label"), _equal),
    ("last_sessions", attrgetter("label"), _equal),
    ("ended_sessions", attrgetter("session_id"), _equal),
    ("endpoints", attrgetter("endpoint"), is_),
)
"""The lists of a picture, what tells their items apart (in each of their samples too), and when two are the same.

What has mappings is the same only if it is the same object: equal mappings may differ in their order.
"""

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
    changed: list[str] = []
    for name, key, same in _LISTS:
        old, new = getattr(former, name) or (), getattr(latest, name) or ()
        if old is not new:
            if list(map(key, old)) == list(map(key, new)):
                old, new = _without(same, old, new)
            if old or new:
                changed.append(name)
            before[name], after[name] = old, new
        else:
            before[name] = after[name] = ()
    changed += [name for name in _WHOLE if getattr(former, name) is not getattr(latest, name)]
    before["book"], after["book"], in_book = _books(former.book, latest.book)
    return Difference(
        msgspec.structs.replace(former, **before),
        msgspec.structs.replace(latest, **after),
        frozenset((*changed, *in_book)),
    )


def _without(
    same: Callable[[_Item, _Item], bool], former: Sequence[_Item], latest: Sequence[_Item]
) -> tuple[Sequence[_Item], Sequence[_Item]]:
    pairs = [(old, new) for old, new in zip(former, latest, strict=True) if not same(old, new)]
    return tuple([old for old, _ in pairs]), tuple([new for _, new in pairs])


def _books(former: Book | None, latest: Book | None) -> tuple[Book | None, Book | None, Sequence[str]]:
    """Return both books without the sums that they share, and the names of what differs."""
    if former is latest:
        return former, latest, ()
    if former is None or latest is None:
        return former, latest, [f"book.{name}" for name in (*_OF_BOOK, *_BY_KEY)]
    changed = [name for name in _OF_BOOK if getattr(former, name) != getattr(latest, name)]
    before: dict[str, object] = {}
    after: dict[str, object] = {}
    for name in _BY_KEY:
        before[name], after[name] = _sums(getattr(former, name), getattr(latest, name))
        if before[name] or after[name]:
            changed.append(name)
    if "labels" not in changed:  # else the same sums may stand under another name
        former, latest = msgspec.structs.replace(former, **before), msgspec.structs.replace(latest, **after)
    return former, latest, [f"book.{name}" for name in changed]


def _sums(
    former: Mapping[str, _Value], latest: Mapping[str, _Value]
) -> tuple[Mapping[str, _Value], Mapping[str, _Value]]:
    if list(former) != list(latest):
        return former, latest
    changed = [key for key, value in latest.items() if former[key] is not value and former[key] != value]
    return {key: former[key] for key in changed}, {key: latest[key] for key in changed}
