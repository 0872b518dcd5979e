"""Pollers of the accounts: planned by the configuration, started, stopped and replaced by a reload."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING, Any

import msgspec

from joulo_exporter.api import ERE_PRICE, JouloClient, UnknownFields
from joulo_exporter.config import PUBLIC_COLLECTORS, ApiConfig, Secret, TokenSource
from joulo_exporter.ledger import PUBLIC_ACCOUNT, AccountLedger
from joulo_exporter.logs import event
from joulo_exporter.models.tag import Tags
from joulo_exporter.poller import Poller, PollSettings, RequestSlots, spread_settings
from joulo_exporter.token_files import AccountToken, TokenFiles

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping

    import aiohttp

    from joulo_exporter.config import Config
    from joulo_exporter.exposition import Exposition
    from joulo_exporter.ledger import Database
    from joulo_exporter.poller import Clock, Handover, Offload

_logger = logging.getLogger(__name__)

_OPENED_TOGETHER = 500
"""Accounts whose ledgers are opened at the same time."""


class Plan(msgspec.Struct, frozen=True):
    """Everything that one account's poller depends on: a reload leaves the poller alone when it is unchanged."""

    key: str
    """The account's name, or an empty text."""
    source: TokenSource | None
    token: Secret | None
    """``None``, as is its source, for the public price feed."""
    api: ApiConfig
    chargers: Mapping[str, str]
    settings: PollSettings


def plans(config: Config) -> tuple[Plan, ...]:
    """Return a plan for each account, and one for the public price feed where it is on; reads the tokens.

    Raises:
        ConfigError: a token cannot be read.
    """
    accounts = tuple(
        Plan(
            key=account.name or "",
            source=account.token,
            token=account.token.read(),
            api=config.api,
            chargers=config.chargers,
            settings=account_settings(config, account.name),
        )
        for account in config.accounts
    )
    return (*accounts, _public_plan(config)) if ERE_PRICE.name in config.collectors else accounts


def _public_plan(config: Config) -> Plan:
    """Return the plan of the public price feed, without anything of an account."""
    settings = msgspec.structs.replace(account_settings(config, None), collectors=frozenset(), public=True)
    api = msgspec.structs.replace(config.api, url=config.api.ere_price_url.removesuffix(ERE_PRICE.path))
    return Plan(key=PUBLIC_ACCOUNT, source=None, token=None, api=api, chargers={}, settings=settings)


def account_settings(config: Config, account: str | None) -> PollSettings:
    """Return the settings of the poller of an account."""
    return PollSettings(
        account=account,
        intervals=config.intervals,
        stale_after_s=config.stale_after_s,
        page_interval_s=config.history.page_interval_s,
        resync_interval_s=config.history.resync_interval_s,
        tags=Tags(vehicles=config.vehicles, mode=config.id_tags),
        collectors=config.collectors - PUBLIC_COLLECTORS,
    )


class _Running(msgspec.Struct):
    plan: Plan
    ledger: AccountLedger
    token: AccountToken
    poller: Poller
    task: asyncio.Task[None]


class Accounts:
    """Runs one poller an account.

    Args:
        session: the connection pool.
        database: the ledger's file.
        exposition: takes the snapshots.
        offload: runs the ledger's transactions.
        clock: time and sleep.
        request_slots: bounds how many ask at the same time; ``None`` for one after the other.
        in_thread: runs the reads of token files.
    """

    def __init__(
        self,
        session: aiohttp.ClientSession,
        database: Database,
        exposition: Exposition,
        *,
        offload: Offload,
        clock: Clock,
        request_slots: RequestSlots | None = None,
        in_thread: Callable[..., Awaitable[Any]] = asyncio.to_thread,
    ) -> None:
        self._session = session
        self._database = database
        self._exposition = exposition
        self._offload = offload
        self._clock = clock
        self._request_slots = request_slots or RequestSlots(1)
        self._changing = asyncio.Lock()
        self._running: dict[str, _Running] = {}
        self._unknown: dict[str, UnknownFields] = {}
        self._former: dict[str, dict[str, Handover]] = {}
        self._token_files = TokenFiles(self._tokens, self._rotate, clock=clock, in_thread=in_thread)

    @property
    def secrets(self) -> Iterable[Secret]:
        """Return the tokens in use, and those that they have replaced."""
        return [token for each in self._tokens() for token in (each.token, each.former) if token is not None]

    def _tokens(self) -> Iterable[AccountToken]:
        return [running.token for running in self._running.values()]

    @property
    def ready(self) -> bool:
        """Return whether each endpoint of each account has been asked."""
        snapshots = list(self._exposition.snapshots())
        return len(snapshots) == len(self._running) and all(snapshot.tried for snapshot in snapshots)

    @property
    def alive(self) -> bool:
        """Return whether each account's poller is at work: one that has ended takes a restart."""
        return not any(running.task.done() for running in self._running.values())

    async def follow(self, wanted: Iterable[Plan]) -> None:
        """Start, stop and restart pollers until they are as planned; those that are so already stay untouched.

        Raises:
            LedgerError: the ledger cannot be used just now; then nothing has changed.
        """
        async with self._changing:
            plans_by_key = {plan.key: plan for plan in wanted}
            running = {key: running.plan for key, running in self._running.items()}
            starting = [plan for key, plan in plans_by_key.items() if running.get(key) != plan]
            ledgers: list[AccountLedger] = []
            for first in range(0, len(starting), _OPENED_TOGETHER):  # all thousands at once would hold the loop
                ledgers += await asyncio.gather(*map(self._ledger, starting[first : first + _OPENED_TOGETHER]))
            ending = [key for key, plan in running.items() if plans_by_key.get(key) != plan]
            await asyncio.gather(*(self._stop(key, gently=True) for key in ending))
            self._exposition.keep_only(plans_by_key)
            self._token_files.start()
            for position, (plan, ledger) in enumerate(zip(starting, ledgers, strict=True)):
                token = AccountToken(plan.key, plan.source, plan.token)
                settings = spread_settings(plan.settings, position, len(starting))
                self._running[plan.key] = self._started(plan, settings, ledger, token)
                await asyncio.sleep(0)  # a thousand of them would hold the loop

    async def restored(self, within_s: float) -> None:
        """Wait until the ledger's knowledge of all accounts is published, at most so many seconds."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                for running in list(self._running.values()):
                    await running.poller.restored.wait()

    async def close(self) -> None:
        """Stop all pollers at once; a request without an API response yet holds its pause in the ledger."""
        await self._token_files.stop()  # the first, because it starts a poller when a token has changed
        for key in list(self._running):
            await self._stop(key, gently=False)

    async def _rotate(self, token: AccountToken, new: Secret) -> None:
        """Go on with a new token: a new poller takes over, with the throttle of the one before it."""
        async with self._changing:
            key = token.key
            running = self._running.get(key)
            if running is None or running.token is not token:  # a reload has ended or replaced it
                return
            plan = msgspec.structs.replace(running.plan, token=new)
            await self._stop(key, gently=True)
            self._former[key] = running.poller.handover(new_token=True)
            self._running[key] = self._started(plan, plan.settings, running.ledger, token)

    async def _ledger(self, plan: Plan) -> AccountLedger:
        return await self._offload(
            AccountLedger,
            self._database,
            plan.key,
            configured_labels=plan.chargers,
            vehicles=plan.settings.tags.vehicles,
            max_power_kw=plan.api.max_power_kw,
        )

    def _started(self, plan: Plan, settings: PollSettings, ledger: AccountLedger, token: AccountToken) -> _Running:
        client = JouloClient(
            self._session,
            plan.api,
            token=plan.token,
            clock=self._clock.now,
            unknown=self._unknown.setdefault(plan.key, UnknownFields()),
        )
        poller = Poller(
            client,
            ledger,
            settings,
            lambda snapshot: self._exposition.publish(plan.key, snapshot),
            offload=self._offload,
            clock=self._clock,
            request_slots=self._request_slots,
            former=self._former.get(plan.key),
            token_refused=lambda: self._token_files.refused(token),
            unknown_fields=self._unknown[plan.key].count,
        )
        task = asyncio.create_task(poller.run(), name=f"poller {plan.key}")
        task.add_done_callback(_log_end)
        return _Running(plan, ledger, token, poller, task)

    async def _stop(self, key: str, *, gently: bool) -> None:
        running = self._running[key]
        if gently:
            async with running.poller.refreshing:  # a request under way is finished and written down first
                running.task.cancel()
        else:
            running.task.cancel()
        await asyncio.wait([running.task])
        self._former[key] = running.poller.handover()
        del self._running[key]  # not before: were we cancelled while we wait, nobody else would stop it


def _log_end(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and task.exception() is not None:
        event(_logger, "error", "an account is no longer refreshed; restart the exporter", err=task.exception())
