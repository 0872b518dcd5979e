"""Pollers of the accounts: planned from the configuration, replaced by a reload, given new tokens from files.

Token files rotate: each is read again every 15 seconds.
"""

import asyncio
import contextlib
import logging
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass

import aiohttp
from msgspec.structs import replace

from joulo_exporter.api.client import ERE_PRICE, JouloClient
from joulo_exporter.clock import SystemClock
from joulo_exporter.config.files import Secret
from joulo_exporter.config.schema import COUNTED_TWICE, AccountConfig, Config
from joulo_exporter.errors import ConfigError
from joulo_exporter.exposition import Exposition
from joulo_exporter.ledger.account import AccountLedger, keep_configured
from joulo_exporter.ledger.database import Batches, Database
from joulo_exporter.logs import event
from joulo_exporter.poller.endpoint import Plan
from joulo_exporter.poller.poller import Poller
from joulo_exporter.snapshot import Snapshot

_logger = logging.getLogger(__name__)

LOOK_INTERVAL_S = 15.0
"""Time between two readings of the token files: well within the shortest interval of an endpoint."""

_LATER_FIRST_REQUESTS_PER_S = 10
"""First requests per second to endpoints that are asked seldom, all accounts together."""


def plans(config: Config) -> tuple[Plan, ...]:
    """Return a plan for each account, and in the first shard one for the price feed if it is on; reads the tokens.

    Raises:
        ConfigError: a token cannot be read, or two accounts have the same one.
    """
    others: dict[Secret | None, str] = {}
    common = replace(config, accounts=())
    accounts = tuple(Plan(common, account, own_token(account, others)) for account in config.accounts)
    has_price_feed = ERE_PRICE.name in config.collectors and config.shard.holds(None)
    return (*accounts, Plan(common)) if has_price_feed else accounts


def own_token(account: AccountConfig, others: dict[Secret | None, str]) -> Secret:
    """Read the token of an account, and add it to those of the others, with their names.

    Raises:
        ConfigError: it cannot be read, or another account has it, in a file or variable of its own.
    """
    token, name = account.token.read(), account.name or ""
    if others.setdefault(token, name) != name:
        raise account.token.where.fault(COUNTED_TWICE.format(f"account {others[token]}"))
    return token


def first_delays(intervals: Mapping[str, float], position: int, accounts: int) -> dict[str, float]:
    """Return the least seconds before an account's first requests, among the accounts that start at the same time.

    First requests are spread over the interval of ``/chargers``; those to endpoints that are asked seldom go out
    at ten a second at most: all at once, as after a long stop, they would double the load of the first minute.
    """
    spread_s = max(intervals["chargers"], accounts / _LATER_FIRST_REQUESTS_PER_S)
    return {name: min(interval_s, spread_s) * position / accounts for name, interval_s in intervals.items()}


@dataclass(eq=False)
class _RunningAccount:
    """The poller of one account, and the state of the account's token file."""

    poller: Poller
    task: asyncio.Task[None]
    file_unreadable: bool = False


@dataclass(eq=False)
class Accounts:
    """Runs one poller per account."""

    session: aiohttp.ClientSession
    """The connection pool."""
    database: Database
    exposition: Exposition
    """Takes the snapshots."""
    _: KW_ONLY
    offload: Batches
    """Runs the ledger's transactions."""
    clock: SystemClock
    request_slots: asyncio.Semaphore
    """Bounds how many ask at the same time."""

    def __post_init__(self) -> None:
        self._changing = asyncio.Lock()
        self._running: dict[str, _RunningAccount] = {}
        self._replaced_tokens: dict[str, Secret | None] = {}
        """Tokens before those in use, which no line of the log may show either."""
        self._shown_until_mono_s = math.inf
        """No value is too old before, by the monotonic clock: until then no scrape looks at each account."""
        self._former: dict[str, Poller] = {}
        """Pollers of accounts that have been stopped: should an account come back, its throttle still holds."""

    @property
    def secrets(self) -> Iterable[Secret]:
        """Return the tokens in use, and those that they have replaced."""
        in_use = [running.poller.plan.token for running in self._running.values()]
        return [token for token in (*in_use, *self._replaced_tokens.values()) if token is not None]

    def served(self) -> Exposition:
        """Return the exposition without values that are too old, whatever their pollers are doing."""
        mono_s = self.clock.monotonic()
        if self._shown_until_mono_s <= mono_s:
            pollers = [running.poller for running in self._running.values()]
            for poller in pollers:
                if poller.shown_until_mono_s <= mono_s:
                    poller.publish_snapshot()
            self._shown_until_mono_s = min((each.shown_until_mono_s for each in pollers), default=math.inf)
        return self.exposition

    def _publish(self, key: str, snapshot: Snapshot) -> None:
        if key in self._running:  # else a reload has removed the account meanwhile
            poller = self._running[key].poller
            self._shown_until_mono_s = min(self._shown_until_mono_s, poller.shown_until_mono_s)
            self.exposition.publish(key, snapshot)

    @property
    def ready(self) -> bool:
        """Return whether each endpoint of each account has been asked."""
        snapshots = list(self.exposition.snapshots())
        return len(snapshots) == len(self._running) and all(snapshot.tried for snapshot in snapshots)

    @property
    def alive(self) -> bool:
        """Return whether each account's poller is at work; one that has ended comes back only with a restart."""
        return not any(running.task.done() for running in self._running.values())

    async def follow(self, wanted: Iterable[Plan]) -> None:
        """Start, stop and restart pollers until they are as planned; those with an unchanged plan stay untouched.

        Raises:
            LedgerError: the ledger cannot be used just now; then nothing has changed.
        """
        async with self._changing:
            plans_by_key = {plan.key: plan for plan in wanted}
            running = {key: running.poller.plan for key, running in self._running.items()}
            starting = [plan for key, plan in plans_by_key.items() if running.get(key) != plan]
            # Together: one after the other, they would wait for two commits.
            noted = self.offload(keep_configured, self.database, plans_by_key.keys())
            ledgers, _ = await asyncio.gather(
                asyncio.gather(*(self.offload(plan.ledger, self.database) for plan in starting)), noted
            )
            ending = [key for key, plan in running.items() if plans_by_key.get(key) != plan]
            await asyncio.gather(*(self._stop(key, gently=True) for key in ending))
            self.exposition.keep_only(plans_by_key)
            for position, (plan, ledger) in enumerate(zip(starting, ledgers, strict=True)):
                self._start(plan, ledger, first_delays(plan.config.intervals, position, len(starting)))
                await asyncio.sleep(0)  # a thousand in a row would hold up the loop

    async def restored(self, within_s: float) -> None:
        """Wait until the ledger's state of all accounts is published, but at most ``within_s``."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                for running in list(self._running.values()):
                    await running.poller.restored.wait()

    async def reread(self) -> None:
        """Publish all accounts anew, when the ledger has left the disk or returned to it."""
        await asyncio.gather(*(running.poller.reread() for running in list(self._running.values())))

    async def close(self) -> None:
        """Stop all pollers at once; the ledger has the pause of a request that is still under way."""
        for key in list(self._running):
            await self._stop(key, gently=False)

    def _start(self, plan: Plan, ledger: AccountLedger, delays: Mapping[str, float]) -> None:
        client = JouloClient(self.session, plan.api, token=plan.token, clock=self.clock.now)
        poller = self._former.pop(plan.key, None)
        if poller is not None:
            poller.configure(client, ledger, plan)
        else:
            poller = Poller(
                client,
                ledger,
                plan,
                lambda snapshot: self._publish(plan.key, snapshot),
                offload=self.offload,
                clock=self.clock,
                request_slots=self.request_slots,
            )
        task = asyncio.create_task(poller.run(delays), name=f"poller {plan.key}")
        task.add_done_callback(_log_end)
        self._running[plan.key] = _RunningAccount(poller, task)

    async def _stop(self, key: str, *, gently: bool) -> None:
        """End the refreshes; if ``gently``, finish and record a request under way first."""
        running = self._running[key]
        async with running.poller.refreshing if gently else contextlib.nullcontext():
            running.task.cancel()
        await asyncio.wait([running.task])
        self._former[key] = running.poller
        del self._running[key]  # not before: were we cancelled while we wait, nobody else would stop it

    # Token files ------------------------------------------------------------------------------------

    async def watch_token_files(self) -> None:
        """Use each new token of a file, for ever; must end before ``close`` is called, since it starts pollers.

        One call in a thread reads the files of all accounts.
        """
        while True:
            await self.clock.sleep(LOOK_INTERVAL_S)
            for running, read in await asyncio.to_thread(list, _read_tokens(list(self._running.values()))):
                named = running.poller.plan.log_fields
                was_unreadable, running.file_unreadable = running.file_unreadable, isinstance(read, ConfigError)
                if running.file_unreadable and not was_unreadable:
                    event(_logger, "warn", "token not read again; the former one stays in use", **named, err=read)
                elif was_unreadable and not running.file_unreadable:
                    event(_logger, "info", "the token can be read again", **named)
                if isinstance(read, Secret) and read != running.poller.plan.token:
                    event(_logger, "info", "the token has changed and the new one is used", **named)
                    await self._rotate(running, read)

    async def _rotate(self, running: _RunningAccount, token: Secret) -> None:
        """Go on with a new token, under the throttle of the former one."""
        async with self._changing:
            plan = running.poller.plan
            if self._running.get(plan.key) is running:  # no reload has ended or replaced it
                self._replaced_tokens[plan.key] = plan.token
                await self._stop(plan.key, gently=True)
                self._start(replace(plan, token=token), running.poller.ledger, {})


def _read_tokens(accounts: Sequence[_RunningAccount]) -> Iterator[tuple[_RunningAccount, Secret | ConfigError]]:
    """Yield the token of each account that has it in a file, or why it cannot be used."""
    others = {running.poller.plan.token: running.poller.plan.key for running in accounts}
    for running in accounts:
        account = running.poller.plan.account
        if account is not None and account.token.path is not None:
            try:
                yield running, own_token(account, others)
            except ConfigError as error:
                yield running, error


def _log_end(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and task.exception() is not None:
        event(_logger, "error", "an account is no longer refreshed; restart the exporter", err=task.exception())
