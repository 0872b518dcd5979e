"""The durations of the configuration: defaults, and what the API's documentation allows, in one place."""

from __future__ import annotations

import math
from types import MappingProxyType
from typing import TYPE_CHECKING

import msgspec

from joulo_exporter.config.durations import format_duration

if TYPE_CHECKING:
    from collections.abc import Mapping

_DOCUMENTED = "the API documents no faster polling, and it has no newer data"
_SLOW = "it is not in the vendor's guide, and changes a few times a day at most"
_PAGED = "it is the pause between two requests to the API"
_REPEATED = "it is the time between two fetches of the whole history from the API"


class DurationRule(msgspec.Struct, frozen=True):
    """A duration's default and bounds, in seconds."""

    default_s: float
    floor_s: float = 0.0
    """The shortest; 0 for anything longer than nothing. It does not bind an API on a loopback address."""
    ceiling_s: float = math.inf
    why: str = ""
    """Why there is a floor."""

    def fault(self, seconds: float, *, loopback: bool) -> str | None:
        """Return why a duration is out of bounds, with the remedy, as a predicate; ``None`` if it is not."""
        if seconds <= 0:
            return f"must be longer than 0; write for example {format_duration(self.default_s)}"
        if seconds < self.floor_s and not loopback:
            floor = format_duration(self.floor_s)
            return (
                f"is shorter than {floor}: {self.why}; write {floor} or more "
                "(only an API on a loopback address may be asked faster)"
            )
        if seconds > self.ceiling_s:
            ceiling = format_duration(self.ceiling_s)
            return f"is longer than {ceiling}; write {ceiling} or less"
        return None


INTERVALS: Mapping[str, DurationRule] = MappingProxyType(
    {
        "chargers": DurationRule(60, floor_s=60, why=_DOCUMENTED),
        "sessions": DurationRule(600, floor_s=600, why=_DOCUMENTED),
        "energy": DurationRule(3600, floor_s=600, why=_DOCUMENTED),
        "ere_position": DurationRule(3600, floor_s=3600, why=_SLOW),
        "ere_price": DurationRule(3600, floor_s=3600, why=_SLOW),
    }
)
"""The time between two requests, by the endpoint's name; the floors are those of the vendor's guide."""

COLLECTORS = ("ere_position", "ere_price")
"""What is asked for only where the configuration says so, by the endpoint's name."""

PUBLIC_COLLECTORS = frozenset({"ere_price"})
"""Those of them that belong to no account."""

TIMEOUT = DurationRule(10, ceiling_s=300)
STALE_AFTER = DurationRule(900)
PAGE_INTERVAL = DurationRule(10, floor_s=1, why=_PAGED)
RESYNC_INTERVAL = DurationRule(7 * 86_400, floor_s=3600, why=_REPEATED)
