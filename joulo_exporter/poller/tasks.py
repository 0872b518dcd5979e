"""One class an endpoint: what to ask, how to write the answer down, what of it stays in memory.

Adding an endpoint is adding a class here and naming it in the poller; one whose answer is only shown is an
``OptionalTask``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, ClassVar, Protocol, TypeVar

import msgspec

from joulo_exporter.api import CHARGERS, ENERGY, SESSIONS
from joulo_exporter.ledger import PAGE_SIZE, Walk, begin_head
from joulo_exporter.models import Answer, Charger, Energy, Session, parse_chargers

if TYPE_CHECKING:
    from joulo_exporter.api import JouloClient
    from joulo_exporter.ledger import AccountLedger
    from joulo_exporter.poller.settings import PollSettings
    from joulo_exporter.schedule import Pause


Kept = TypeVar("Kept")


Remember = Callable[[], None]
"""Takes what the ledger now has into memory; to be called once it is durable, and not before."""


def nothing_new() -> None:
    """Remember nothing."""


class Outcome(msgspec.Struct, frozen=True):
    """What a refresh that succeeded means for the poller."""

    malformed: tuple[str, ...] = ()
    session_ended: bool = False
    remember: Remember = nothing_new


class Task(Protocol):
    """The refresh of one endpoint of one account."""

    @property
    def name(self) -> str:
        """Return the endpoint's name."""

    @property
    def optional(self) -> bool:
        """Return whether the API may well not have it, or not for this token."""

    def interval_s(self, settings: PollSettings) -> float:
        """Return the least time from the next request back to the one before it."""

    def begin(self, ledger: AccountLedger, pause: Pause, settings: PollSettings) -> Remember:
        """Write down that a request goes out now."""

    async def fetch(self, client: JouloClient) -> Callable[[AccountLedger, Pause, float], Outcome]:
        """Ask; return what writes the answer down, given (ledger, pause, time)."""

    def restore(self, body: bytes | None, walk: Walk) -> None:
        """Take up what the ledger kept."""


class ChargersTask:
    """Refreshes ``/chargers``; its answer stays until the next one."""

    name: ClassVar[str] = CHARGERS.name
    optional: ClassVar[bool] = False

    def __init__(self) -> None:
        self.chargers: tuple[Charger, ...] = ()
        self._endpoint = replace(CHARGERS, parse=partial(parse_chargers, memory={}))

    def interval_s(self, settings: PollSettings) -> float:
        """Return the configured interval."""
        return settings.intervals[self.name]

    def begin(self, ledger: AccountLedger, pause: Pause, settings: PollSettings) -> Remember:  # noqa: ARG002
        """Write down that a request goes out now."""
        ledger.begin_request(self.name, pause)
        return nothing_new

    async def fetch(self, client: JouloClient) -> Callable[[AccountLedger, Pause, float], Outcome]:
        """Ask for the chargers."""
        answer = await client.fetch(self._endpoint)

        def record(ledger: AccountLedger, pause: Pause, now_seconds: float) -> Outcome:
            session_ended = ledger.record_chargers(answer, pause, now_seconds)
            return Outcome(answer.malformed, session_ended, lambda: self._keep(answer.records))

        return record

    def restore(self, body: bytes | None, walk: Walk) -> None:  # noqa: ARG002
        """Take up the last answer."""
        self._keep(_decoded(body, tuple[Charger, ...]) or ())

    def _keep(self, chargers: tuple[Charger, ...]) -> None:
        self.chargers = chargers


class SessionsTask:
    """Refreshes ``/sessions``: the newest page each interval, and older ones in between while it walks."""

    name: ClassVar[str] = SESSIONS.name
    optional: ClassVar[bool] = False

    def __init__(self) -> None:
        self.walk = Walk()
        self._offset = 0

    def interval_s(self, settings: PollSettings) -> float:
        """Return the pause between two pages while there are pages to read, else the configured interval."""
        return settings.intervals[self.name] if self.walk.offset is None else settings.page_interval_s

    def begin(self, ledger: AccountLedger, pause: Pause, settings: PollSettings) -> Remember:
        """Choose the page, and write down that it is asked for now."""
        now_seconds = pause.requested_at_seconds
        walk = self.walk
        since_head_s = now_seconds - walk.head_at_seconds
        if walk.offset and 0 <= since_head_s < settings.intervals[self.name]:
            offset = walk.offset
        else:
            offset = 0
            walk = begin_head(walk, now_seconds, settings.resync_interval_s)
        ledger.begin_page(self.name, pause, walk)
        return lambda: self._keep(walk, offset)

    async def fetch(self, client: JouloClient) -> Callable[[AccountLedger, Pause, float], Outcome]:
        """Ask for the page."""
        offset, walk = self._offset, self.walk
        answer: Answer[Session] = await client.fetch(SESSIONS, {"limit": str(PAGE_SIZE), "offset": str(offset)})

        def record(ledger: AccountLedger, pause: Pause, now_seconds: float) -> Outcome:
            after = ledger.record_sessions(answer, pause, walk, offset=offset, now_seconds=now_seconds)
            return Outcome(answer.malformed, remember=lambda: self._keep(after, offset))

        return record

    def restore(self, body: bytes | None, walk: Walk) -> None:  # noqa: ARG002
        """Go on where the walk stopped."""
        self.walk = walk

    def _keep(self, walk: Walk, offset: int) -> None:
        self.walk, self._offset = walk, offset


class EnergyTask:
    """Refreshes ``/energy``; its answer stays until the next one."""

    name: ClassVar[str] = ENERGY.name
    optional: ClassVar[bool] = False

    def __init__(self) -> None:
        self.energy: Energy | None = None

    def interval_s(self, settings: PollSettings) -> float:
        """Return the configured interval."""
        return settings.intervals[self.name]

    def begin(self, ledger: AccountLedger, pause: Pause, settings: PollSettings) -> Remember:  # noqa: ARG002
        """Write down that a request goes out now."""
        ledger.begin_request(self.name, pause)
        return nothing_new

    async def fetch(self, client: JouloClient) -> Callable[[AccountLedger, Pause, float], Outcome]:
        """Ask for the totals."""
        energy = await client.fetch(ENERGY)

        def record(ledger: AccountLedger, pause: Pause, now_seconds: float) -> Outcome:
            ledger.record_energy(energy, pause, now_seconds)
            return Outcome(energy.malformed, remember=lambda: self._keep(energy))

        return record

    def restore(self, body: bytes | None, walk: Walk) -> None:  # noqa: ARG002
        """Take up the last answer."""
        self._keep(_decoded(body, Energy))

    def _keep(self, energy: Energy | None) -> None:
        self.energy = energy


def _decoded(body: bytes | None, kept_type: type[Kept]) -> Kept | None:
    """Return what an earlier version may have kept in another form; then the next answer has to do."""
    try:
        return None if body is None else msgspec.json.decode(body, type=kept_type)
    except msgspec.MsgspecError:
        return None
