"""Refresh of an endpoint: its request, and its API response in the ledger and in memory.

A task for an endpoint that has one record is a ``RecordTask``, one for pages a ``PagesTask``. Both have the same
methods: at the start ``restore``; at each refresh ``page`` chooses what to ask for, ``fetch`` asks once that is
written down, ``record`` writes the API response down, and ``keep`` takes it into memory once it is durable.

To add an endpoint, add its task to ``account_tasks``, and its content to the poller's snapshot.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeAlias

import msgspec

from joulo_exporter.api.client import CHARGERS, ENERGY, ERE_POSITION, ERE_PRICE, SESSIONS, Endpoint, JouloClient
from joulo_exporter.ledger import PAGE_SIZE, AccountLedger, Outcome, PageRequest, Pause, Walk, next_page
from joulo_exporter.models.charger import Charger, Tags, parse_chargers
from joulo_exporter.models.energy import Energy
from joulo_exporter.models.ere import ErePosition, ErePrice
from joulo_exporter.models.session import EreEstimate, SessionPage
from joulo_exporter.models.wire import ApiResponse

_LATER_FIRST_REQUESTS_PER_S = 10
"""First requests to an endpoint that is asked seldom, all accounts together."""


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
    """Least time before the first request, so that many accounts do not begin at once."""
    later_delay_s: float = 0.0
    """The same for endpoints that are asked seldom, though never longer than their interval."""

    @property
    def log_fields(self) -> dict[str, object]:
        """Return the fields of each line of the log about the account."""
        return {} if self.account is None else {"account": self.account}


def spread_settings(settings: PollSettings, position: int, accounts: int) -> PollSettings:
    """Return an account's settings with delays of its own among the accounts that begin along with it.

    First requests to endpoints that are asked seldom go out at ten a second: all at once, as after a long stop,
    they would double the load of the first minute.
    """
    return msgspec.structs.replace(
        settings,
        first_delay_s=settings.intervals["chargers"] * position / accounts,
        later_delay_s=position / _LATER_FIRST_REQUESTS_PER_S,
    )


@dataclass(eq=False)
class RecordTask:
    """Refreshes an endpoint that has one record, which stays until the next one."""

    endpoint: Endpoint[Any]
    """Path and name of the endpoint, and how its API responses are read."""
    kept: type[Any]
    """Type of the record, as the ledger keeps it."""
    record: Callable[[AccountLedger, ApiResponse[Any], Pause], Outcome]
    """Writes the API response down; takes the ledger, the response, and the pause since its request."""
    optional: bool = False
    """Whether the API may well not have the endpoint, or not for this token."""
    content: Any = None
    """Of the last API response; ``None`` before the first one."""

    @property
    def name(self) -> str:
        """Return the name of the endpoint."""
        return self.endpoint.name

    def restore(self, body: bytes | None, walk: Walk) -> None:  # noqa: ARG002
        """Take up the last API response."""
        self.content = _restored(body, self.kept)

    def follow(self, walk: Walk) -> None:
        """Follow a jump of the wall clock: nothing here is a moment."""

    def interval_s(self, settings: PollSettings) -> float:
        """Return the configured interval."""
        return settings.intervals[self.name]

    def page(self, now_seconds: float, settings: PollSettings) -> None:
        """Choose no page: there is one record."""

    async def fetch(self, client: JouloClient) -> ApiResponse[Any]:
        """Ask for the record."""
        return await client.fetch(self.endpoint)

    def keep(self, response: ApiResponse[Any], outcome: Outcome) -> None:  # noqa: ARG002
        """Serve the API response from now on."""
        self.content = response.content


class PagesTask:
    """Refreshes ``/sessions``: the newest page each interval, and older ones in between during a walk."""

    name = SESSIONS.name
    optional = False

    def __init__(self) -> None:
        self.walk = Walk()
        """Progress of reading the history."""
        self.content: EreEstimate | None = None
        """Of the last API response; the sessions themselves are in the ledger."""
        self._page = PageRequest(self.walk)

    def restore(self, body: bytes | None, walk: Walk) -> None:
        """Go on where the walk stopped, and take up the last estimate."""
        self.walk = walk
        self.content = _restored(body, EreEstimate | None)

    def follow(self, walk: Walk) -> None:
        """Go on from the walk whose moments have moved along with the wall clock."""
        self.walk = walk

    def interval_s(self, settings: PollSettings) -> float:
        """Return the pause between two pages while there are pages to read, else the configured interval."""
        return settings.intervals[self.name] if self.walk.offset is None else settings.page_interval_s

    def page(self, now_seconds: float, settings: PollSettings) -> PageRequest:
        """Choose the page to ask for now."""
        self._page = next_page(
            self.walk,
            now_seconds,
            interval_s=settings.intervals[self.name],
            resync_interval_s=settings.resync_interval_s,
        )
        return self._page

    async def fetch(self, client: JouloClient) -> ApiResponse[SessionPage]:
        """Ask for the page that was chosen, and is written down."""
        self.walk = self._page.walk
        return await client.fetch(SESSIONS, {"limit": str(PAGE_SIZE), "offset": str(self._page.offset)})

    def record(self, ledger: AccountLedger, response: ApiResponse[SessionPage], pause: Pause) -> Outcome:
        """Write the page down."""
        return ledger.record_page(response, pause, self._page)

    def keep(self, response: ApiResponse[SessionPage], outcome: Outcome) -> None:
        """Go on from the walk after the page, and serve its estimate from now on."""
        self.walk = outcome.walk or self.walk
        self.content = response.content.estimate


def _restored(body: bytes | None, kept: Any) -> Any:  # noqa: ANN401 -- a type, and a record of it
    """Return the record; ``None`` for one that an earlier version kept in another form: it is waited for anew."""
    try:
        return None if body is None else msgspec.json.decode(body, type=kept)
    except msgspec.MsgspecError:
        return None


Task: TypeAlias = RecordTask | PagesTask


def account_tasks(collectors: frozenset[str]) -> list[Task]:
    """Return the refreshes of an account that has these collectors.

    In order when several are due: a charger's slug comes before a nickname.
    """
    # With a memory of its own: a charger that is as before is not read again.
    chargers = replace(CHARGERS, parse=partial(parse_chargers, memory={}))
    return [
        RecordTask(chargers, tuple[Charger, ...], AccountLedger.record_chargers),
        PagesTask(),
        RecordTask(ENERGY, Energy, AccountLedger.record_energy),
        *([_shown_as_it_is(ERE_POSITION, ErePosition)] if ERE_POSITION.name in collectors else ()),
    ]


def public_tasks() -> list[Task]:
    """Return the refreshes that need no account."""
    return [_shown_as_it_is(ERE_PRICE, ErePrice)]


def _shown_as_it_is(endpoint: Endpoint[Any], kept: type[Any]) -> RecordTask:
    record = partial(AccountLedger.record_response, endpoint=endpoint.name)
    return RecordTask(endpoint, kept, record, optional=True)
