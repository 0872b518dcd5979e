"""The loop of one account: ask what is due, write it down, publish a new picture, rest."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING

from joulo_exporter.errors import ApiError, LedgerError
from joulo_exporter.poller.books import Books
from joulo_exporter.poller.endpoint_state import EndpointState, Handover
from joulo_exporter.poller.notices import Notices
from joulo_exporter.poller.optional import ere_position_task, ere_price_task
from joulo_exporter.poller.picture import FreshAnswers, picture
from joulo_exporter.poller.tasks import ChargersTask, EnergyTask, SessionsTask
from joulo_exporter.poller.turns import Turns
from joulo_exporter.schedule import Pause, pause_after_failure, pause_after_success

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from joulo_exporter.api import JouloClient
    from joulo_exporter.ledger import AccountLedger
    from joulo_exporter.poller.settings import Clock, Offload, PollSettings
    from joulo_exporter.poller.tasks import Outcome, Task
    from joulo_exporter.snapshot import Snapshot


class Poller:
    """Keeps one account up to date.

    Args:
        client: asks the API.
        ledger: the account's ledger.
        settings: intervals and the like.
        publish: takes each new snapshot.
        offload: runs the ledger's transactions outside of the event loop.
        clock: time and sleep.
        turns: bounds how many accounts ask at the same time; ``None`` for an account that is alone.
        former: what the poller before this one left, by endpoint, when this one takes over from it.
        fraction: random numbers in [0, 1) for jitter.
        token_refused: told each time when the API refuses the token.
        unknown_fields: tells how many fields of an endpoint's answers nobody here knows.
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
        turns: Turns | None = None,
        former: Mapping[str, Handover] | None = None,
        fraction: Callable[[], float] = random.random,
        token_refused: Callable[[], None] = lambda: None,
        unknown_fields: Callable[[str], int] = lambda _endpoint: 0,
    ) -> None:
        self._client = client
        self._ledger = ledger
        self._settings = settings
        self._publish = publish
        self._offload = offload
        self._clock = clock
        self._turns = turns or Turns(1)
        self._fraction = fraction
        self._token_refused = token_refused
        self._unknown_fields = unknown_fields
        self._chargers, self._sessions, self._energy = ChargersTask(), SessionsTask(), EnergyTask()
        self._ere_position, self._ere_price = ere_position_task(), ere_price_task()
        self._endpoints = {
            task.name: EndpointState(task, (former or {}).get(task.name, Handover())) for task in self._tasks()
        }
        self._requested_at_seconds = 0.0  # of the latest request, by the wall clock
        self._notices = Notices(settings.account)
        self._books = Books(ledger, self._notices, offload=offload, clock=clock, public=settings.public)
        self._busy = asyncio.Lock()
        self._shown: Snapshot | None = None
        self.shown = asyncio.Event()
        """Set once what the ledger knows has been published."""

    def _tasks(self) -> Iterator[Task]:
        """Yield what is asked, in this order when several are due: a charger's slug comes before a nickname."""
        if self._settings.public:
            yield self._ere_price
            return
        yield from (self._chargers, self._sessions, self._energy)
        if self._ere_position.name in self._settings.collectors:
            yield self._ere_position

    @property
    def handover(self) -> dict[str, Handover]:
        """Return what the poller that takes over has to know, by endpoint."""
        return {name: state.handover for name, state in self._endpoints.items()}

    @property
    def handover_after_rotation(self) -> dict[str, Handover]:
        """Return the same for a poller with a new token: what the old one was refused is asked again."""
        return {name: state.handover_after_rotation for name, state in self._endpoints.items()}

    @property
    def busy(self) -> asyncio.Lock:
        """Return the lock that is held during a refresh: who holds it can cancel the loop and lose nothing."""
        return self._busy

    async def run(self) -> None:
        """Publish what the ledger knows, then refresh for ever."""
        await self._restore()
        self._show()
        self.shown.set()
        while True:
            if not await self._refresh_due():
                self._show()
            await self._clock.sleep(self._rest_s())

    async def _refresh_due(self) -> bool:
        """Refresh what is due; return whether there was anything. Who sleeps then holds no list of it."""
        mono_s = self._clock.monotonic()
        due = [state for state in self._endpoints.values() if state.due_mono_s <= mono_s]
        for state in due:
            async with self._busy:
                await self._refresh(state)
                # Now, not after the other endpoints, which may keep us waiting for an answer.
                self._show()
        return bool(due)

    async def _restore(self) -> None:
        """Take up the ledger's knowledge; while it cannot be read, wait: the throttle is in it."""
        while True:
            try:
                records, walk = await self._offload(self._ledger.load)
                break
            except Exception as error:  # noqa: BLE001 -- asking without the throttle is no way out
                self._notices.ledger_failed(error, self._clock.monotonic())
                await self._clock.sleep(self._settings.intervals[self._chargers.name])
        now_seconds, mono_s = self._clock.now(), self._clock.monotonic()
        for name, state in self._endpoints.items():
            record = records.get(name)
            state.task.restore(record.body if record else None, walk)
            state.restore(record, self._settings, now_seconds=now_seconds, mono_s=mono_s)
        await self._books.read(name_unlinked=self._shows_unlinked())

    async def _refresh(self, state: EndpointState) -> None:
        """Ask once; the one place where exceptions become outcomes."""
        try:
            try:
                await self._ask(state)
            except ApiError as error:
                await self._failed(state, error)
        except Exception as error:  # noqa: BLE001 -- a fault of ours must not end the refreshes of the account
            self._out_of_order(state, error)
            await self._books.read(name_unlinked=self._shows_unlinked())

    async def _ask(self, state: EndpointState) -> None:
        hung = any(endpoint.hung for endpoint in self._endpoints.values())
        async with self._turns.take(hung=hung):  # before the request is written down: it must go out at once then
            requested_at_seconds = await self._begin(state)
            try:
                record = await state.task.fetch(self._client)
            finally:
                asked_for_s = self._clock.monotonic() - state.requested_mono_s
                state.durations = state.durations.observed(asked_for_s)
        await self._answered(state, record, requested_at_seconds)

    async def _begin(self, state: EndpointState) -> float:
        """Write down that a request goes out now; return when that is, by the wall clock."""
        settings, task = self._settings, state.task
        # Should the outcome never be noted, because the process dies, this pause is what a restart finds.
        provisional = Pause(self._clock.now(), task.interval_s(settings), state.failures)
        remember = await self._offload(lambda: task.begin(self._ledger, provisional, settings))
        remember()
        # The ledger may have taken its time, and the pause counts from the request.
        self._requested_at_seconds = self._clock.now()
        state.requested(self._clock.monotonic(), task.interval_s(settings))
        return self._requested_at_seconds

    async def _answered(
        self,
        state: EndpointState,
        record: Callable[[AccountLedger, Pause, float], Outcome],
        requested_at_seconds: float,
    ) -> None:
        settings, task = self._settings, state.task
        noted = Pause(requested_at_seconds, state.pause.length_s if state.pause else 0.0)
        outcome = await self._books.written(
            lambda: record(self._ledger, noted, requested_at_seconds), name_unlinked=self._shows_unlinked(task)
        )
        outcome.remember()
        # Asked for anew: a page may have begun or ended a walk through the history, which changes the interval.
        length_s = pause_after_success(task.interval_s(settings), self._fraction())
        state.succeeded(requested_at_seconds, len(outcome.malformed), length_s)
        self._notices.succeeded(state, self._clock.monotonic())
        self._notices.malformed(state, outcome.malformed)
        if outcome.session_ended:
            self._endpoints[self._sessions.name].hasten(settings)

    async def _failed(self, state: EndpointState, error: ApiError) -> None:
        state.failed(str(error), error)
        if state.token_refused:
            self._token_refused()
        mono_s = self._clock.monotonic()
        length_s = state.pause_after_failure_s(self._settings, self._fraction(), error.retry_after_s, mono_s)
        state.rest_after_failure(length_s)
        self._notices.failed(state, error.reason, mono_s)
        pause = Pause(self._requested_at_seconds, length_s, state.failures)
        try:
            await self._books.written(
                lambda: self._ledger.record_failure(state.task.name, error, pause),
                name_unlinked=self._shows_unlinked(),
            )
        except LedgerError as ledger_error:  # what the API asked for holds all the same, in memory
            self._notices.ledger_failed(ledger_error, mono_s)
        else:  # only what is written down is counted: a counter must not fall with a restart
            state.requests[error.code] += 1

    def _out_of_order(self, state: EndpointState, error: Exception) -> None:
        """Note a failure on our side of the wire; the next try follows as after one of the API."""
        mono_s = self._clock.monotonic()
        state.failed(str(error) if isinstance(error, LedgerError) else "internal error; see the log")
        # Whether a request went out or not, the pause counts from now.
        interval_s = self._settings.intervals[state.task.name]
        state.due_mono_s = mono_s + pause_after_failure(interval_s, state.failures, self._fraction())
        self._notices.out_of_order(state, error, mono_s)

    def _shows_unlinked(self, answered: Task | None = None) -> bool:
        """Return whether chargers that ``/chargers`` does not show can be named; ``answered`` has just been."""
        state = self._endpoints.get(self._chargers.name)
        return answered is self._chargers or (
            state is not None and (state.succeeded_at_seconds is not None or state.refused)
        )

    def _show(self) -> None:
        try:
            self._shown = self._snapshot()
            self._publish(self._shown)
        except Exception as error:  # noqa: BLE001 -- what cannot be shown must not end the refreshes
            self._notices.not_shown(error)

    def _snapshot(self) -> Snapshot:
        settings, mono_s = self._settings, self._clock.monotonic()
        health = tuple(
            state.health(settings, self._unknown_fields(name)) for name, state in self._endpoints.items()
        )
        fresh = {name for name, state in self._endpoints.items() if state.fresh(settings, mono_s)}
        answers = FreshAnswers(
            chargers=self._chargers.chargers if self._chargers.name in fresh else None,
            energy=self._energy.energy if self._energy.name in fresh else None,
            ere_position=self._ere_position.answer if self._ere_position.name in fresh else None,
            ere_price=self._ere_price.answer if self._ere_price.name in fresh else None,
        )
        return picture(settings, health, self._books.book, answers, self._shown)

    def _rest_s(self) -> float:
        """Return the time until something is due, or an answer becomes too old to be shown."""
        mono_s = self._clock.monotonic()
        moments = [state.due_mono_s for state in self._endpoints.values()]
        expiries = [state.expires_mono_s(self._settings) for state in self._endpoints.values()]
        moments += [moment for moment in expiries if moment is not None and moment > mono_s]
        return max(0.0, min(moments) - mono_s)
