"""What a poller is told, and the means it is given."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeVar

import msgspec

from joulo_exporter.schedule import first_request_delay_s, later_spread_s

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from joulo_exporter.snapshot import Tags

Result = TypeVar("Result")


class Clock(Protocol):
    """Time, so that a test can move it by hand."""

    def now(self) -> float:
        """Return wall-clock time, Unix seconds."""

    def monotonic(self) -> float:
        """Return seconds of a clock that never jumps."""

    def sleep(self, duration_s: float) -> Awaitable[None]:
        """Wait."""


class Offload(Protocol):
    """Runs what blocks, such as a transaction, outside of the event loop."""

    def __call__(self, work: Callable[[], Result]) -> Awaitable[Result]:
        """Return what ``work`` returns, or raise what it raises."""


class PollSettings(msgspec.Struct, frozen=True):
    """The part of the configuration that a poller follows."""

    account: str | None
    """The ``account`` label."""
    intervals: Mapping[str, float]
    """Seconds between two requests, by endpoint."""
    stale_after_s: float
    page_interval_s: float
    resync_interval_s: float
    tags: Tags
    collectors: frozenset[str] = frozenset()
    """The optional endpoints of the account."""
    public: bool = False
    """Whether this is no account, but the public price feed, which belongs to the process."""
    first_delay_s: float = 0.0
    """How long to wait at least before the first request, so that many accounts do not begin at once."""
    later_delay_s: float = 0.0
    """The same for what is asked seldom, though never longer than its interval."""


def spread_settings(settings: PollSettings, position: int, accounts: int) -> PollSettings:
    """Return an account's settings with a place of its own among the accounts that begin along with it."""
    return msgspec.structs.replace(
        settings,
        first_delay_s=first_request_delay_s(position, accounts, settings.intervals["chargers"]),
        later_delay_s=first_request_delay_s(position, accounts, later_spread_s(accounts)),
    )
