"""The optional endpoints: an answer that is shown as it is, and stays until the next one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

import msgspec

from joulo_exporter.api import ERE_POSITION, ERE_PRICE
from joulo_exporter.models import ErePosition, ErePrice
from joulo_exporter.poller.tasks import ChargersTask, EnergyTask, Outcome, SessionsTask, nothing_new

if TYPE_CHECKING:
    from collections.abc import Callable

    from joulo_exporter.api import Endpoint, JouloClient
    from joulo_exporter.ledger import AccountLedger, Walk
    from joulo_exporter.poller.settings import PollSettings
    from joulo_exporter.poller.tasks import Remember, Task
    from joulo_exporter.schedule import Pause


class _Answer(Protocol):
    @property
    def malformed(self) -> tuple[str, ...]: ...


Kept = TypeVar("Kept", bound=_Answer)


class OptionalTask(Generic[Kept]):
    """Refreshes one optional endpoint.

    Args:
        endpoint: what to ask for.
        kept_type: of its answer.
    """

    optional = True

    def __init__(self, endpoint: Endpoint[Kept], kept_type: type[Kept]) -> None:
        self.name = endpoint.name
        self.answer: Kept | None = None
        self._endpoint = endpoint
        self._kept_type = kept_type

    def interval_s(self, settings: PollSettings) -> float:
        """Return the configured interval."""
        return settings.intervals[self.name]

    def begin(self, ledger: AccountLedger, pause: Pause, settings: PollSettings) -> Remember:  # noqa: ARG002
        """Write down that a request goes out now."""
        ledger.begin_request(self.name, pause)
        return nothing_new

    async def fetch(self, client: JouloClient) -> Callable[[AccountLedger, Pause, float], Outcome]:
        """Ask."""
        answer = await client.fetch(self._endpoint)

        def record(ledger: AccountLedger, pause: Pause, now_seconds: float) -> Outcome:
            ledger.record_answer(self.name, answer, len(answer.malformed), pause, now_seconds)
            return Outcome(answer.malformed, remember=lambda: self._keep(answer))

        return record

    def restore(self, body: bytes | None, walk: Walk) -> None:  # noqa: ARG002
        """Take up the last answer; one that an earlier version kept in another form is waited for anew."""
        try:
            self._keep(None if body is None else msgspec.json.decode(body, type=self._kept_type))
        except msgspec.MsgspecError:
            self._keep(None)

    def _keep(self, answer: Kept | None) -> None:
        self.answer = answer


def ere_position_task() -> OptionalTask[ErePosition]:
    """Return the refresh of an account's ``/ere-position``."""
    return OptionalTask(ERE_POSITION, ErePosition)


def ere_price_task() -> OptionalTask[ErePrice]:
    """Return the refresh of the public price feed."""
    return OptionalTask(ERE_PRICE, ErePrice)


def account_tasks(settings: PollSettings) -> list[Task]:
    """Return the refreshes of all that an account is asked, in the order of the poller."""
    tasks: list[Task] = [ChargersTask(), SessionsTask(), EnergyTask()]
    return [*tasks, *([ere_position_task()] if ERE_POSITION.name in settings.collectors else [])]
