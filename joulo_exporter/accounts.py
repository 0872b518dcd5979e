"""Pollers of the accounts: planned from the configuration, replaced by a reload, given new tokens from files.

Token files rotate: each is read again every 15 seconds.
"""

import asyncio
import contextlib
import logging
import math
from collections.abc import Iterable, Mapping
from dataclasses import KW_ONLY, dataclass

import aiohttp
from msgspec.structs import replace

from joulo_exporter.api.client import ERE_PRICE, JouloClient
from joulo_exporter.clock import SystemClock
from joulo_exporter.config.files import Secret
from joulo_exporter.config.schema import COUNTED_TWICE, AccountConfig, Config
from joulo_exporter.errors import ConfigError, LedgerError
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
        self._plans: dict[str, Plan] = {}
        """In the order of the configuration."""
        self._pollers: dict[str, Poller] = {}
        """Pollers at work, and stopped ones: should an account come back, its throttle still holds."""
        self._tasks: dict[str, asyncio.Task[None]] = {}
        """Tasks of the pollers at work."""
        self._replaced_tokens: dict[str, Secret | None] = {}
        """Tokens before those in use, which no line of the log may show either."""
        self._shown_until_mono_s = math.inf
        """No value is too old before, by the monotonic clock: until then no scrape looks at each account."""

    @property
    def secrets(self) -> Iterable[Secret | None]:
        """Return the tokens in use, and those that they have replaced; ``None`` for the price feed."""
        return (*(plan.token for plan in self._plans.values()), *self._replaced_tokens.values())

    def served(self) -> Exposition:
        """Return the exposition without values that are too old, whatever their pollers are doing."""
        mono_s = self.clock.monotonic()
        if self._shown_until_mono_s <= mono_s:
            for poller in self._at_work:
                if poller.shown_until_mono_s <= mono_s:
                    poller.publish_snapshot()
            shown_until_mono_s = (poller.shown_until_mono_s for poller in self._at_work)
            self._shown_until_mono_s = min(shown_until_mono_s, default=math.inf)
        return self.exposition

    @property
    def _at_work(self) -> list[Poller]:
        return [self._pollers[key] for key in self._tasks]

    def _publish(self, key: str, snapshot: Snapshot) -> None:
        if key in self._tasks:  # else a reload has removed the account meanwhile
            self._shown_until_mono_s = min(self._shown_until_mono_s, self._pollers[key].shown_until_mono_s)
            self.exposition.publish(key, snapshot)

    @property
    def ready(self) -> bool:
        """Return whether each endpoint of each account has been asked."""
        snapshots = list(self.exposition.snapshots())
        return len(snapshots) == len(self._tasks) and all(snapshot.tried for snapshot in snapshots)

    @property
    def alive(self) -> bool:
        """Return whether each account's poller is at work; one that has ended comes back only with a restart."""
        return not any(task.done() for task in self._tasks.values())

    async def follow(self, wanted: Iterable[Plan]) -> None:
        """Start, stop and restart pollers until they are as planned; those with an unchanged plan stay untouched.

        Raises:
            LedgerError: the ledger cannot be used just now; then nothing has changed.
        """
        async with self._changing:
            await self._follow({plan.key: plan for plan in wanted})

    async def _follow(self, wanted: dict[str, Plan]) -> None:
        running = {poller.plan.key: poller.plan for poller in self._at_work}
        starting = [plan for key, plan in wanted.items() if running.get(key) != plan]
        # Together: one after the other, they would wait for two commits.
        noted = self.offload(keep_configured, self.database, wanted.keys())
        ledgers, _ = await asyncio.gather(
            asyncio.gather(*(self.offload(plan.ledger, self.database) for plan in starting)), noted
        )
        ending = {key: plan.token for key, plan in running.items() if wanted.get(key) != plan}
        self._plans, self._replaced_tokens = wanted, self._replaced_tokens | ending
        await asyncio.gather(*(self._stop(key, gently=True) for key in ending))
        await self.exposition.keep_only(wanted)
        for position, (plan, ledger) in enumerate(zip(starting, ledgers, strict=True)):
            self._start(plan, ledger, first_delays(plan.config.intervals, position, len(starting)))
            await asyncio.sleep(0)  # a thousand in a row would hold up the loop

    async def restored(self, within_s: float) -> None:
        """Wait until the ledger's state of all accounts is published, but at most ``within_s``."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                for poller in self._at_work:
                    await poller.restored.wait()

    async def reread(self) -> None:
        """Publish all accounts anew, when the ledger has left the disk or returned to it."""
        await asyncio.gather(*(poller.reread() for poller in self._at_work))

    async def close(self) -> None:
        """Stop all pollers at once; the ledger has the pause of a request that is still under way."""
        for key in list(self._tasks):
            await self._stop(key, gently=False)

    def _start(self, plan: Plan, ledger: AccountLedger, delays: Mapping[str, float]) -> None:
        client = JouloClient(self.session, plan.api, token=plan.token, clock=self.clock.now)
        if plan.key in self._pollers:
            self._pollers[plan.key].configure(client, ledger, plan)
        else:
            self._pollers[plan.key] = Poller(
                client,
                ledger,
                plan,
                lambda snapshot: self._publish(plan.key, snapshot),
                offload=self.offload,
                clock=self.clock,
                request_slots=self.request_slots,
            )
        task = asyncio.create_task(self._pollers[plan.key].run(delays), name=f"poller {plan.key}")
        task.add_done_callback(_log_end)
        self._tasks[plan.key] = task

    async def _stop(self, key: str, *, gently: bool) -> None:
        """End the refreshes; if ``gently``, finish and record a request under way first."""
        async with self._pollers[key].refreshing if gently else contextlib.nullcontext():
            self._tasks[key].cancel()
        await asyncio.wait([self._tasks[key]])
        del self._tasks[key]  # not before: were we cancelled while we wait, nobody else would stop it

    async def watch_token_files(self) -> None:
        """Use each new token of a file, for ever; must end before ``close`` is called, since it starts pollers.

        One call in a thread reads the files of all accounts.
        """
        unreadable: set[str] = set()
        while True:
            await self.clock.sleep(LOOK_INTERVAL_S)
            async with self._changing:
                tokens, faults = await asyncio.to_thread(_read_tokens, self._plans)
                for key in faults.keys() - unreadable:
                    message = "token not read again; the former one stays in use"
                    event(_logger, "warn", message, **self._plans[key].log_fields, err=faults[key])
                for key in tokens.keys() & unreadable:
                    event(_logger, "info", "the token can be read again", **self._plans[key].log_fields)
                unreadable = set(faults)
                plans_read = {key: replace(self._plans[key], token=token) for key, token in tokens.items()}
                rotated = {key: plan for key, plan in plans_read.items() if plan != self._plans[key]}
                if rotated:
                    with contextlib.suppress(LedgerError):  # of which the pollers say more; tried again
                        await self._follow(self._plans | rotated)
                        message = "the token has changed and the new one is used"
                        for plan in rotated.values():
                            event(_logger, "info", message, **plan.log_fields)


def _read_tokens(plans: Mapping[str, Plan]) -> tuple[dict[str, Secret], dict[str, ConfigError]]:
    """Return the tokens of accounts that have them in files, and why others cannot be used."""
    others = {plan.token: key for key, plan in plans.items()}
    tokens, faults = {}, {}
    for key, plan in plans.items():
        if plan.account is not None and plan.account.token.path is not None:
            try:
                tokens[key] = own_token(plan.account, others)
            except ConfigError as error:
                faults[key] = error
    return tokens, faults


def _log_end(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and task.exception() is not None:
        event(_logger, "error", "an account is no longer refreshed; restart the exporter", err=task.exception())
