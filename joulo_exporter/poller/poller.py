"""The loop of one account: ask what is due, write it down, publish a new picture, rest."""

from __future__ import annotations

import asyncio
import logging
import random
from typing import TYPE_CHECKING

import msgspec

from joulo_exporter.errors import ApiError, LedgerError
from joulo_exporter.logs import event
from joulo_exporter.poller.endpoint_state import EndpointState
from joulo_exporter.poller.tasks import ChargersTask, EnergyTask, SessionsTask
from joulo_exporter.schedule import Pause, pause_after_failure, pause_after_success
from joulo_exporter.snapshot import Durations, Snapshot, last_sessions, live_chargers

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from joulo_exporter.api import JouloClient
    from joulo_exporter.ledger import AccountLedger
    from joulo_exporter.logs.failures import Notice
    from joulo_exporter.models.book import Book
    from joulo_exporter.poller.settings import Clock, Offload, PollSettings

_logger = logging.getLogger(__name__)


class Poller:
    """Keeps one account up to date.

    Args:
        client: asks the API.
        ledger: the account's ledger.
        settings: intervals and the like.
        publish: takes each new snapshot.
        offload: runs the ledger's transactions outside of the event loop.
        clock: time and sleep.
        durations: of the requests so far, by endpoint, when a poller takes over from another.
        fraction: random numbers in [0, 1) for jitter.
    """

    def __init__(  # noqa: PLR0913 -- everything that it touches is passed in
        self,
        client: JouloClient,
        ledger: AccountLedger,
        settings: PollSettings,
        publish: Callable[[Snapshot], None],
        *,
        offload: Offload,
        clock: Clock,
        durations: Mapping[str, Durations] | None = None,
        fraction: Callable[[], float] = random.random,
    ) -> None:
        self._client = client
        self._ledger = ledger
        self._settings = settings
        self._publish = publish
        self._offload = offload
        self._clock = clock
        self._fraction = fraction
        self._chargers, self._sessions, self._energy = ChargersTask(), SessionsTask(), EnergyTask()
        # In this order when several are due: a charger's slug names it before a session's nickname can.
        tasks = (self._chargers, self._sessions, self._energy)
        self._endpoints = {
            task.name: EndpointState(task, (durations or {}).get(task.name, Durations())) for task in tasks
        }
        self._book: Book | None = None
        self._busy = asyncio.Lock()

    @property
    def durations(self) -> dict[str, Durations]:
        """Return how long requests took, by endpoint, for the poller that takes over."""
        return {name: state.durations for name, state in self._endpoints.items()}

    @property
    def busy(self) -> asyncio.Lock:
        """Return the lock that is held during a refresh: who holds it can cancel the loop and lose nothing."""
        return self._busy

    async def run(self) -> None:
        """Publish what the ledger knows, then refresh for ever."""
        await self._restore()
        while True:
            mono_s = self._clock.monotonic()
            due = [state for state in self._endpoints.values() if state.due_mono_s <= mono_s]
            async with self._busy:
                for state in due:
                    await self._refresh(state)
                if due:
                    await self._read_book()
                self._publish(self._snapshot())
            await self._clock.sleep(self._rest_s())

    async def _restore(self) -> None:
        """Take up the ledger's knowledge; while it cannot be read, wait: the throttle is in it."""
        while True:
            try:
                records, walk = await self._offload(self._ledger.load)
                break
            except LedgerError as error:
                event(_logger, "error", "cannot read the ledger", account=self._settings.account, err=error)
                await self._clock.sleep(self._settings.intervals["chargers"])
        now_seconds, mono_s = self._clock.now(), self._clock.monotonic()
        for name, state in self._endpoints.items():
            record = records.get(name)
            state.task.restore(record.body if record else None, walk)
            state.restore(record, self._settings, now_seconds=now_seconds, mono_s=mono_s)
        await self._read_book()

    async def _refresh(self, state: EndpointState) -> None:
        """Ask once; the one place where exceptions become outcomes."""
        requested_at_seconds, state.requested_mono_s = self._clock.now(), self._clock.monotonic()
        try:
            await self._ask(state, requested_at_seconds)
        except ApiError as error:
            await self._failed(state, error, requested_at_seconds)
        except LedgerError as error:
            self._out_of_order(state, error, error.reason)
        except Exception as error:  # noqa: BLE001 -- a fault of ours must not end the refreshes of the account
            self._out_of_order(state, error, "internal")

    async def _ask(self, state: EndpointState, requested_at_seconds: float) -> None:
        settings, task = self._settings, state.task
        # Should the outcome never be noted, because the process dies, this pause is what a restart finds.
        provisional = Pause(requested_at_seconds, task.interval_s(settings), state.failures)
        state.due_mono_s = self._clock.monotonic() + provisional.length_s
        await self._offload(lambda: task.begin(self._ledger, provisional, settings))
        started_mono_s = self._clock.monotonic()
        try:
            record = await task.fetch(self._client)
        finally:
            state.durations = state.durations.observed(self._clock.monotonic() - started_mono_s)
        noted = msgspec.structs.replace(provisional, failures=0)
        outcome = await self._offload(lambda: record(self._ledger, noted, requested_at_seconds))
        state.succeeded(requested_at_seconds, len(outcome.malformed))
        # Asked for anew: a page may have begun or ended a walk through the history, which changes the interval.
        state.due_after(pause_after_success(task.interval_s(settings), self._fraction()))
        self._log(state, state.failure_log.succeeded(self._clock.monotonic()))
        self._log_malformed(state, outcome.malformed)
        if outcome.session_ended:
            self._endpoints[self._sessions.name].hasten(settings)

    async def _failed(self, state: EndpointState, error: ApiError, requested_at_seconds: float) -> None:
        state.failed(str(error))
        state.requests[error.code] += 1
        length_s = pause_after_failure(
            self._settings.intervals[state.task.name], state.failures, self._fraction(), error.retry_after_s
        )
        pause = Pause(requested_at_seconds, length_s, state.failures)
        state.due_after(length_s)
        self._log(state, state.failure_log.failed(error.reason, self._clock.monotonic()))
        try:
            await self._offload(lambda: self._ledger.record_failure(state.task.name, error, pause))
        except LedgerError as ledger_error:  # what the API asked for holds all the same, in memory
            self._log(state, state.failure_log.failed(ledger_error.reason, self._clock.monotonic()))

    def _out_of_order(self, state: EndpointState, error: Exception, reason: str) -> None:
        """Note a failure on our side of the wire; the next try follows as after one of the API."""
        state.failed(str(error) if isinstance(error, LedgerError) else "internal error; see the log")
        interval_s = self._settings.intervals[state.task.name]
        state.due_after(pause_after_failure(interval_s, state.failures, self._fraction()))
        notice = state.failure_log.failed(reason, self._clock.monotonic())
        if reason == "internal" and notice is not None:
            _logger.error("internal error", exc_info=error, extra={"fields": {"endpoint": state.task.name}})
        else:
            self._log(state, notice)

    async def _read_book(self) -> None:
        chargers = self._endpoints[self._chargers.name]
        name_unlinked = chargers.succeeded_at_seconds is not None or chargers.refused
        try:
            self._book = await self._offload(lambda: self._ledger.book(name_unlinked=name_unlinked))
        except Exception as error:  # noqa: BLE001 -- the former book is still true
            event(_logger, "error", "cannot read the ledger", account=self._settings.account, err=error)

    def _snapshot(self) -> Snapshot:
        settings, mono_s, book = self._settings, self._clock.monotonic(), self._book
        health = tuple(state.health(settings) for state in self._endpoints.values())
        if book is None:
            return Snapshot(settings.account, health)
        fresh = {name for name, state in self._endpoints.items() if state.fresh(settings, mono_s)}
        chargers = live_chargers(self._chargers.chargers, book, settings.tags)
        return Snapshot(
            account=settings.account,
            endpoints=health,
            book=book,
            chargers=chargers if self._chargers.name in fresh else None,
            last_sessions=last_sessions(book, settings.tags),
            energy=self._energy.energy if self._energy.name in fresh else None,
        )

    def _rest_s(self) -> float:
        """Return the time until something is due, or an answer becomes too old to be shown."""
        mono_s = self._clock.monotonic()
        moments = [state.due_mono_s for state in self._endpoints.values()]
        expiries = [state.expires_mono_s(self._settings) for state in self._endpoints.values()]
        moments += [moment for moment in expiries if moment is not None and moment > mono_s]
        return max(0.0, min(moments) - mono_s)

    def _log(self, state: EndpointState, notice: Notice | None) -> None:
        if notice is None:
            return
        level, message = (
            ("info", "refresh works again") if notice.kind == "recovered" else ("warn", "refresh failed")
        )
        event(
            _logger,
            level,  # type: ignore[arg-type]
            message,
            account=self._settings.account,
            endpoint=state.task.name,
            reason=notice.reason,
            failures=notice.failures,
            lasted_s=round(notice.lasted_s),
            err=state.error,
        )

    def _log_malformed(self, state: EndpointState, malformed: tuple[str, ...]) -> None:
        """Log each kind of malformed record once, not at every refresh."""
        news = [line for line in malformed if line not in state.malformed_logged]
        state.malformed_logged = frozenset(malformed)
        if news:
            event(
                _logger,
                "warn",
                "records left out that cannot be read",
                account=self._settings.account,
                endpoint=state.task.name,
                records=len(malformed),
                err=news[0],
            )
