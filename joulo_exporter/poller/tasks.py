"""Refresh of an endpoint: its request, and its API response in the ledger and in memory.

At each refresh ``page`` chooses what to ask for, ``fetch`` asks once that is written down, ``record`` writes the
API response down, and ``keep`` takes it into memory once it is durable.

To add an endpoint, add its task to ``account_tasks``, and its content to the poller's snapshot.
"""

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import msgspec

from joulo_exporter.api.client import CHARGERS, ENERGY, ERE_POSITION, ERE_PRICE, SESSIONS, Endpoint, JouloClient
from joulo_exporter.ledger import PAGE_SIZE, AccountLedger, Outcome, PageRequest, Walk, next_page
from joulo_exporter.models.charger import Charger, Tags, parse_chargers
from joulo_exporter.models.ere import ErePosition, ErePrice
from joulo_exporter.models.session import Energy, EreEstimate, SessionPage
from joulo_exporter.models.wire import ApiResponse

_LATER_FIRST_REQUESTS_PER_S = 10
"""First requests to an endpoint that is asked seldom, all accounts together."""


class PollSettings(msgspec.Struct, frozen=True):
    """The part of the configuration that a poller follows."""

    account: str | None
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
class Task:
    """Refreshes an endpoint that has one record, which stays until the next one."""

    endpoint: Endpoint[Any]
    kept: Any
    """Type of what the ledger keeps of an API response, to serve it after a restart."""
    record: Callable[..., Outcome]
    """Writes an API response down; takes the ledger, the response, and the pause since its request."""
    optional: bool = False
    """Whether the API may well not have the endpoint, or not for this token."""
    content: Any = None
    """Of the last API response; ``None`` before the first one."""
    walk: Walk = field(default_factory=Walk)
    """Progress of reading the history, which only pages follow."""

    @property
    def name(self) -> str:
        """Return the name of the endpoint."""
        return self.endpoint.name

    def restore(self, body: bytes | None, walk: Walk) -> None:
        """Take up the last API response, unless an earlier version kept it in another form, and the walk."""
        self.walk, self.content = walk, None
        with contextlib.suppress(msgspec.MsgspecError):
            self.content = None if body is None else msgspec.json.decode(body, type=self.kept)

    def interval_s(self, settings: PollSettings) -> float:
        """Return the configured interval."""
        return settings.intervals[self.name]

    def page(self, now_seconds: float, settings: PollSettings) -> PageRequest | None:  # noqa: ARG002
        """Choose no page: there is one record."""
        return None

    async def fetch(self, client: JouloClient) -> ApiResponse[Any]:
        """Ask for the record."""
        return await client.fetch(self.endpoint)

    def keep(self, response: ApiResponse[Any], outcome: Outcome) -> None:  # noqa: ARG002
        """Serve the API response from now on."""
        self.content = response.content


class PagesTask(Task):
    """Refreshes ``/sessions``: the newest page each interval, and older ones in between during a walk.

    Its content is the estimate of the last page; the sessions themselves are in the ledger.
    """

    asked: PageRequest

    def interval_s(self, settings: PollSettings) -> float:
        """Return the pause between two pages while there are pages to read, else the configured interval."""
        return settings.intervals[self.name] if self.walk.offset is None else settings.page_interval_s

    def page(self, now_seconds: float, settings: PollSettings) -> PageRequest:
        """Choose the page to ask for now."""
        self.asked = next_page(
            self.walk,
            now_seconds,
            interval_s=settings.intervals[self.name],
            resync_interval_s=settings.resync_interval_s,
        )
        self.record = partial(AccountLedger.record_page, request=self.asked)
        return self.asked

    async def fetch(self, client: JouloClient) -> ApiResponse[SessionPage]:
        """Ask for the page that was chosen, and is written down."""
        self.walk = self.asked.walk
        return await client.fetch(self.endpoint, {"limit": str(PAGE_SIZE), "offset": str(self.asked.offset)})

    def keep(self, response: ApiResponse[SessionPage], outcome: Outcome) -> None:
        """Go on from the walk after the page, and serve its estimate from now on."""
        self.walk, self.content = outcome.walk or self.walk, response.content.estimate


def account_tasks(settings: PollSettings) -> list[Task]:
    """Return the refreshes of an account, or those that need none.

    In order when several are due: a charger's slug comes before a nickname.
    """
    if settings.public:
        return [_shown_as_it_is(ERE_PRICE, ErePrice)]
    collectors = settings.collectors
    # With a memory of its own: a charger that is as before is not read again.
    chargers = replace(CHARGERS, parse=partial(parse_chargers, memory={}))
    return [
        Task(chargers, tuple[Charger, ...], AccountLedger.record_chargers),
        PagesTask(SESSIONS, EreEstimate | None, AccountLedger.record_page),
        Task(ENERGY, Energy, AccountLedger.record_energy),
        *([_shown_as_it_is(ERE_POSITION, ErePosition)] if ERE_POSITION.name in collectors else ()),
    ]


def _shown_as_it_is(endpoint: Endpoint[Any], kept: type[Any]) -> Task:
    record = partial(AccountLedger.record_response, endpoint=endpoint.name)
    return Task(endpoint, kept, record, optional=True)
