"""What two pictures of an account do not share: only what is made of that can have changed."""

from __future__ import annotations

from operator import attrgetter, eq, is_
from typing import TYPE_CHECKING, TypeVar

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from joulo_exporter.snapshot import Snapshot

_Item = TypeVar("_Item")

_LISTS = (
    ("chargers", "label", eq),
    ("last_sessions", "label", eq),
    ("ended_sessions", "session_id", eq),
    ("endpoints", "endpoint", is_),
)
"""The lists of a picture, what tells their items apart (in each of their samples too), and when two are the same.

What has mappings is the same only if it is the same object: equal mappings may differ in their order.
"""

_READ_TOGETHER = (("book", "energy"), ("ere_position",), ("ere_price",))
"""What families read besides, alone or together. It has mappings too."""


def differing(former: Snapshot, latest: Snapshot) -> tuple[Snapshot, Snapshot]:
    """Return both pictures without what they share: a family has the same samples in both if it has in these.

    That holds because an item of a list gives samples of its own, whatever the others are. 0.0 and
    -0.0 are one value here.
    """
    before: dict[str, object] = {}
    after: dict[str, object] = {}
    for names in _READ_TOGETHER:
        if all(getattr(former, name) is getattr(latest, name) for name in names):
            before |= dict.fromkeys(names)
    after |= before
    for name, key, same in _LISTS:
        items = getattr(former, name) or (), getattr(latest, name) or ()
        if list(map(attrgetter(key), items[0])) == list(map(attrgetter(key), items[1])):
            items = _without(same, *items)
        before[name], after[name] = items
    return msgspec.structs.replace(former, **before), msgspec.structs.replace(latest, **after)


def _without(
    same: Callable[[_Item, _Item], bool], former: Sequence[_Item], latest: Sequence[_Item]
) -> tuple[Sequence[_Item], Sequence[_Item]]:
    pairs = [(old, new) for old, new in zip(former, latest, strict=True) if not same(old, new)]
    return tuple([old for old, _ in pairs]), tuple([new for _, new in pairs])
