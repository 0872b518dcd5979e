"""The loop of one account: ask the endpoints that are due, write the ledger, publish a new snapshot, sleep."""

import asyncio
import logging
import math
import random
from collections.abc import Callable, Mapping
from dataclasses import KW_ONLY, dataclass
from types import MappingProxyType
from typing import Any, TypeVar

import msgspec

from joulo_exporter.api.client import CHARGERS, ENERGY, OPTIONAL_ENDPOINTS, SESSIONS, Endpoint, JouloClient
from joulo_exporter.clock import SystemClock
from joulo_exporter.errors import ApiError, ApiRefusalError, LedgerError
from joulo_exporter.ledger.account import AccountLedger, ClockJump
from joulo_exporter.ledger.book import Book
from joulo_exporter.ledger.database import Batches
from joulo_exporter.ledger.history import FEW_MISSING, Outcome
from joulo_exporter.logs import FailureLog, Level, event
from joulo_exporter.poller.endpoint import EndpointState, Plan, account_endpoints
from joulo_exporter.snapshot import EndpointHealth, Snapshot, ended_sessions, live_chargers

_logger = logging.getLogger(__name__)

Result = TypeVar("Result")

_LEAST_JUMP_S = 10.0
"""Smallest jump of the wall clock that is followed: a smaller difference is slewing, and does no harm."""


@dataclass(eq=False)
class Poller:
    """Keeps one account up to date."""

    client: JouloClient
    ledger: AccountLedger
    plan: Plan
    publish: Callable[[Snapshot], None]
    """Takes each new snapshot."""
    _: KW_ONLY
    offload: Batches
    """Runs the ledger's transactions outside of the event loop."""
    clock: SystemClock
    request_slots: asyncio.Semaphore
    """Bounds how many accounts ask at the same time; slots are given in the order of asking."""
    fraction: Callable[[], float] = random.random
    """Gives random numbers in [0, 1) for jitter."""

    def __post_init__(self) -> None:
        self.endpoints: dict[str, EndpointState] = {}
        """The state of each, by name, in the order in which those that are due together are asked."""
        self._noted_since_seconds = self.clock.now()
        """Start of the process by the wall clock, as ``ClockJump`` has it."""
        self._wall_ahead_s = self._noted_since_seconds - self.clock.monotonic()
        """Wall clock minus monotonic clock."""
        self._ledger_log = FailureLog()
        self._book: Book | None = None
        self._durable: tuple[Book, tuple[EndpointHealth, ...]] | None = None
        """The book that was on disk last, and the health that was published along with it."""
        self.refreshing = asyncio.Lock()
        """Held during a refresh, or a jump of the wall clock: whoever acquires it can safely cancel the loop."""
        self.restored = asyncio.Event()
        """Set once the ledger's state has been published."""
        self.shown_until_mono_s = math.inf
        """When the first API response of the last snapshot becomes too old to be shown, by the monotonic clock."""
        self.configure(self.client, self.ledger, self.plan)

    def configure(self, client: JouloClient, ledger: AccountLedger, plan: Plan) -> None:
        """Follow a plan, while the loop does not run; each endpoint keeps its state."""
        self.client, self.ledger, self.plan = client, ledger, plan
        former, self.endpoints = self.endpoints, {}
        for new in account_endpoints(plan, self.clock, self.fraction):
            self.endpoints[new.name] = former.get(new.name, new)
            self.endpoints[new.name].configure(new.endpoint, plan)
        self.restored.clear()

    async def run(self, first_delays: Mapping[str, float] = MappingProxyType({})) -> None:
        """Publish the ledger's state, then refresh for ever; once cancelled, it can be run again.

        ``first_delays`` has the least seconds before the first request, by endpoint.
        """
        if not self.restored.is_set():
            await self._restore(first_delays)
            self.publish_snapshot()
            self.restored.set()
        while True:
            async with self.refreshing:
                await self._follow_wall_clock()
            mono_s = self.clock.monotonic()
            due = [state for state in self.endpoints.values() if state.due_mono_s <= mono_s]
            for state in due:
                async with self.refreshing:
                    await self.refresh(state)
                    # Now, not after the other endpoints, whose API responses may take their time.
                    self.publish_snapshot()
            due_mono_s = min(state.due_mono_s for state in self.endpoints.values())
            await self.clock.sleep(max(0.0, due_mono_s - self.clock.monotonic()))

    async def reread(self) -> None:
        """Publish the ledger's present state, when the ledger has left the disk or returned to it."""
        if self.restored.is_set():
            await self._read_book()
            self.publish_snapshot()

    async def _follow_wall_clock(self) -> None:
        """Move all moments noted since the start along with the wall clock, if that has jumped."""
        now_seconds = self.clock.now()
        wall_ahead_s = now_seconds - self.clock.monotonic()
        jump_s = wall_ahead_s - self._wall_ahead_s
        if abs(jump_s) >= _LEAST_JUMP_S:
            jump = ClockJump(self._noted_since_seconds, now_seconds - jump_s, jump_s)
            try:
                walk = await self._write(self.ledger.move_moments, jump)
            except Exception as error:  # noqa: BLE001 -- tried again next time
                self._log_ledger_failure(error)
                return
            for state in self.endpoints.values():
                state.follow(jump, walk)
            self._noted_since_seconds += jump_s
        self._wall_ahead_s = wall_ahead_s

    async def _restore(self, first_delays: Mapping[str, float]) -> None:
        """Take up the ledger's state; while it cannot be read, wait, since the throttle is part of it."""
        while True:
            try:
                records, walk = await self.offload(self.ledger.load)
                break
            except Exception as error:  # noqa: BLE001 -- nothing may be asked without the throttle
                self._log_ledger_failure(error)
                await self.clock.sleep(self.plan.config.intervals[CHARGERS.name])
        for name, state in self.endpoints.items():
            state.restore(records.get(name), walk, first_delays.get(name, 0.0))
        await self._read_book()

    # One refresh ----------------------------------------------------------------------------------

    async def refresh(self, state: EndpointState) -> None:
        """Ask once, whatever the pause, and note the outcome; the one place where exceptions become outcomes."""
        try:
            try:
                await self._ask(state)
            except ApiError as error:
                await self._record_failure(state, error)
        except Exception as error:  # noqa: BLE001 -- a fault of ours must not end the refreshes of the account
            state.failed_internally(error)
            await self._read_book()

    async def _ask(self, state: EndpointState) -> None:
        """Note a request, send it, and store the API response, which is served only once it is durable."""
        # Acquired before the request is noted, which must then go out at once.
        async with self.request_slots:
            state.requested()
            page = state.page()
            pause = state.recorded_pause(state.pause.failures)
            await self.offload(self.ledger.begin_request, state.name, pause, page)
            # The ledger may have taken its time, and the pause counts from the request.
            state.requested()
            response = await state.fetch(self.client, page)
        outcome = await self._write(state.record, self.ledger, response, state.recorded_pause(failures=0))
        state.succeeded(response, outcome)
        if outcome.session_ended:
            self.endpoints[SESSIONS.name].bring_forward()
        if outcome.missing:
            self._log_missing(outcome)

    def _log_missing(self, outcome: Outcome) -> None:
        """Log sessions that the history no longer lists; many at once are a warning."""
        message = "sessions withdrawn that the history no longer lists"
        if not outcome.withdrawn:
            message = "the history lacks many sessions; they are withdrawn if the next comparison misses them too"
        level: Level = "warn" if outcome.missing > FEW_MISSING else "info"
        event(_logger, level, message, **self.plan.log_fields, sessions=outcome.missing)

    async def _record_failure(self, state: EndpointState, error: ApiError) -> None:
        state.failed(error)
        try:
            pause = state.recorded_pause(state.pause.failures)
            await self._write(self.ledger.record_failure, state.name, error, pause)
        except LedgerError as ledger_error:  # the pause that the API asked for holds all the same, in memory
            self._log_ledger_failure(ledger_error)
        else:
            state.count_request(error.code)

    # The ledger -----------------------------------------------------------------------------------

    async def _write(self, write: Callable[..., Result], *args: object) -> Result:
        """Write to the ledger by one of its methods, and then read the book, both with one commit.

        When the book cannot be read, the outcome that was just written stands, and the former book is kept.

        Raises:
            LedgerError: it could not be written.
        """
        result, book = await self.offload(self._write_and_read, write, *args)
        if book is not None:
            self._book = book
            if self._ledger_log.failures:
                self._ledger_log.succeeded(self.clock.monotonic())
                event(_logger, "info", "the ledger works again", **self.plan.log_fields)
        return result

    def _write_and_read(self, write: Callable[..., Result], *args: object) -> tuple[Result, Book | None]:
        result = write(*args)
        if self.plan.account is None:
            return result, None
        chargers = self.endpoints[CHARGERS.name]
        # Chargers that /chargers does not show get names only after its response: its slugs take precedence.
        name_unlinked = chargers.health.succeeded_at_seconds is not None or isinstance(
            chargers.api_error, ApiRefusalError
        )
        try:
            return result, self.ledger.book(name_unlinked=name_unlinked, now_seconds=self.clock.now())
        except Exception as error:  # noqa: BLE001 -- the former book is still true
            self._log_ledger_failure(error)
            return result, None

    async def _read_book(self) -> None:
        """Read the book; when that fails the former one stays."""
        try:
            await self._write(bool)  # nothing to write
        except Exception as error:  # noqa: BLE001 -- the former book is still true
            self._log_ledger_failure(error)

    def _log_ledger_failure(self, error: Exception) -> None:
        reason = "ledger" if isinstance(error, LedgerError) else "internal"
        if self._ledger_log.failed(reason, self.clock.monotonic()) is not None:
            event(_logger, "error", "cannot use the ledger", **self.plan.log_fields, err=error)

    # The snapshot ---------------------------------------------------------------------------------

    def publish_snapshot(self) -> None:
        """Publish the present state, without the API responses that have become too old."""
        mono_s, states = self.clock.monotonic(), self.endpoints.values()
        self.shown_until_mono_s = min(
            (state.expires_mono_s for state in states if state.expires_mono_s > mono_s), default=math.inf
        )
        try:
            self.publish(self._snapshot())
        except Exception as error:  # noqa: BLE001 -- a snapshot that cannot be rendered must not end the refreshes
            message = "internal error; the former values are served"
            event(_logger, "error", message, **self.plan.log_fields, err=error)

    def _snapshot(self) -> Snapshot:
        account, book = self.plan.label, self._book
        health = tuple(state.health for state in self.endpoints.values())
        optional = {each.name: self._fresh(each) for each in OPTIONAL_ENDPOINTS}
        if book is None:
            return Snapshot(account, health, public=self.plan.account is None, **optional)
        if book.persistent:
            self._durable = book, health
        elif self._durable is not None:
            book, health = _held(book, health, *self._durable)
        chargers = self._fresh(CHARGERS)
        return Snapshot(
            account=account,
            endpoints=health,
            book=book,
            chargers=None if chargers is None else live_chargers(chargers, book, self.plan.config.tags),
            last_sessions=ended_sessions(book.last_sessions.values(), book, self.plan.config.tags),
            ended_sessions=ended_sessions(book.ended, book, self.plan.config.tags),
            energy=self._fresh(ENERGY),
            ere_estimate=self._fresh(SESSIONS),
            **optional,
        )

    def _fresh(self, endpoint: Endpoint) -> Any:  # noqa: ANN401 -- of the endpoint
        """Return the content of the last API response, if it may still be served as live."""
        state = self.endpoints.get(endpoint.name)
        return state.content if state is not None and self.clock.monotonic() < state.expires_mono_s else None


def _held(
    book: Book, health: tuple[EndpointHealth, ...], durable: Book, durable_health: tuple[EndpointHealth, ...]
) -> tuple[Book, tuple[EndpointHealth, ...]]:
    """Return book and health with the counters that were on disk last: after a crash, others would fall."""
    former = {then.endpoint: then for then in durable_health}
    counts = ("requests", "malformed", "malformed_fields")
    return (
        msgspec.structs.replace(book, chargers=durable.chargers, vehicles=durable.vehicles, marks=durable.marks),
        tuple(
            msgspec.structs.replace(now, **{name: getattr(former.get(now.endpoint, now), name) for name in counts})
            for now in health
        ),
    )
