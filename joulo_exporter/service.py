"""The composition root: builds the objects, owns their lifetimes, signals, reload, and the order of closing."""

import asyncio
import contextlib
import functools
import gc
import logging
import os
import signal
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any

import msgspec

from joulo_exporter import __version__, systemd
from joulo_exporter.accounts import Accounts, plans
from joulo_exporter.api.client import open_session
from joulo_exporter.clock import SystemClock
from joulo_exporter.config.files import Secret
from joulo_exporter.config.schema import Config
from joulo_exporter.errors import JouloExporterError
from joulo_exporter.exposition import Exposition
from joulo_exporter.ledger.database import Batches, open_ledger
from joulo_exporter.logs import FailureLog, event
from joulo_exporter.metrics import ConfigReloads, process_registry
from joulo_exporter.web.app import WebPaths, WebServices, make_application
from joulo_exporter.web.auth import Gate
from joulo_exporter.web.config import WebConfigWatcher, load_web_config
from joulo_exporter.web.server import activated_sockets, listening

_logger = logging.getLogger(__name__)

_REQUEST_SLOTS = 256
"""Requests to the API at the same time. An account needs a slot for a fraction of a second, or for its whole
timeout; of 5,000 accounts, one in ten may hang. A process may usually have 1,024 files open."""

_NOT_ACCEPTED = "socket.accept() out of system resource"
"""asyncio's message (``asyncio/selector_events.py``) where a process has no descriptors left."""

_LEDGER_LOOK_S = 10.0
"""Time between two checks that the ledger's file is in place, and that a ledger in memory can return to disk."""

_LONGEST_RESTORE_S = 3.0
"""Longest wait for the ledger's state before the web server starts, so that the first scrape finds it."""

_GARBAGE_THRESHOLDS = (1_500, 3)
"""New objects before Python searches them for garbage, and such searches before it searches what they left. By
default, 700 and 10, that takes a twentieth of the CPU of a thousand accounts: a refresh leaves next to no garbage.
Dropped connections do, and rarer searches would keep more of them in memory (measured)."""


class WebOptions(msgspec.Struct, frozen=True):
    """Options of the web server, from the command line."""

    listen_addresses: Sequence[str]
    """Empty for the sockets that systemd passes."""
    lifecycle_enabled: bool
    config_file: Path | None = None
    """The web configuration: TLS, users, headers."""
    paths: WebPaths = WebPaths()


def _log_exception(failures: FailureLog, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Log only now and then that no descriptors are left for new connections, and pass on any other exception.

    asyncio's own handler logs a traceback for each connection that it tries to accept, many each second.
    """
    if context["message"] != _NOT_ACCEPTED:
        loop.default_exception_handler(context)
    elif failures.failed("accept", loop.time()) is not None:
        message = "connections wait, since the process has no descriptors left; raise its limit (ulimit -n)"
        event(_logger, "error", message, err=context.get("exception"))


@contextlib.asynccontextmanager
async def _background(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Run endless work in the background while the block lasts."""
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


class Service:
    """The exporter from start to end.

    ``load`` reads the configuration, at the start and at each reload, and raises ``ConfigError``.
    """

    def __init__(self, load: Callable[[], Config], options: WebOptions) -> None:
        self._load = load
        self._options = options
        self._config = load()
        self._plans = plans(self._config)
        self._web_config = WebConfigWatcher(options.config_file)
        self._reloads = ConfigReloads(successful=True, succeeded_at_seconds=time.time())
        self._reload_asked = asyncio.Event()
        self._reloaded: asyncio.Future[str | None] = asyncio.Future()
        """Outcome of the next reload, which all who ask before it begins share: many cost no more than a few."""
        self._clock = SystemClock()
        self._accounts: Accounts | None = None
        self._stop = asyncio.Event()
        self._bound: list[str] = []

    def secrets(self) -> list[Secret]:
        """Return the secrets that no line of the log may show."""
        known = [self._config.api.proxy_url, *(plan.token for plan in self._plans)]
        known += self._accounts.secrets if self._accounts is not None else ()
        return list(dict.fromkeys(secret for secret in known if secret is not None))

    async def run(self, started: Callable[[str, list[str]], None] | None = None) -> None:
        """Serve until SIGTERM or SIGINT.

        Args:
            started: called with ``http`` or ``https`` and the bound addresses once they accept connections.

        Raises:
            JouloExporterError: an address cannot be listened on, or another process has the storage path.
        """
        fields = {"shard": self._config.shard.ordinal, "total_shards": self._config.shard.total}
        event(_logger, "info", "starting", version=__version__, accounts=len(self._config.accounts), **fields)
        # The stack unwinds in reverse order: first reloads, then the web server, pollers, and the ledger.
        async with contextlib.AsyncExitStack() as stack:
            loop = asyncio.get_running_loop()
            loop.set_exception_handler(functools.partial(_log_exception, FailureLog()))
            handlers = {signal.SIGTERM: self._stop.set, signal.SIGINT: self._stop.set, signal.SIGHUP: self.reload}
            for number, handler in handlers.items():
                loop.add_signal_handler(number, handler)
                stack.callback(loop.remove_signal_handler, number)
            accounts = await self._start(stack)
            if started is not None:
                started("http" if self._web_config.tls is None else "https", self._bound)
            systemd.notify("READY=1", f"STATUS={self._status()}")
            await stack.enter_async_context(_background(systemd.watch(lambda: accounts.alive)))
            # Only now: a SIGHUP that comes early waits until there is something to reload.
            await stack.enter_async_context(_background(self._reload_when_asked(accounts)))
            await self._stop.wait()
            systemd.notify("STOPPING=1", "STATUS=stopping")
            event(_logger, "info", "stopping")

    async def _start(self, stack: contextlib.AsyncExitStack) -> Accounts:
        database = await asyncio.to_thread(open_ledger, self._config.storage_path, time.time())
        batches = Batches(database)
        stack.push_async_callback(batches.close)
        session = await stack.enter_async_context(open_session())
        accounts = self._accounts = Accounts(
            session,
            database,
            Exposition(process_registry(__version__, self._reloads, self._config.shard)),
            offload=batches,
            clock=self._clock,
            request_slots=asyncio.Semaphore(_REQUEST_SLOTS),
        )
        stack.push_async_callback(accounts.close)
        await stack.enter_async_context(_background(accounts.watch_token_files()))
        # The objects of all accounts live on: with thousands of accounts, each search of them for garbage would
        # stop the loop for a quarter of a second.
        gc.disable()
        try:
            await accounts.follow(self._plans)
            await accounts.restored(_LONGEST_RESTORE_S)
        finally:
            gc.freeze()
            gc.set_threshold(*_GARBAGE_THRESHOLDS)
            gc.enable()
        # Only now: the last account of a thousand would be opened a second after the others.
        self._keep_time(accounts, len(self._plans))
        await stack.enter_async_context(_background(self._tend_ledger(accounts)))
        await self._listen(stack, accounts)
        return accounts

    @staticmethod
    async def _tend_ledger(accounts: Accounts) -> None:
        persistent = accounts.database.persistent
        while True:
            await asyncio.sleep(_LEDGER_LOOK_S)
            await accounts.offload.tend()
            if persistent != accounts.database.persistent:
                persistent = accounts.database.persistent
                await accounts.reread()

    def _keep_time(self, accounts: Accounts, planned: int) -> None:
        """Set the interval in which accounts wake and transactions share a commit: 1 s for a thousand accounts.

        It lengthens the pauses, never shortens them, and is far less than their jitter.
        """
        accounts.offload.interval_s = self._clock.tick_s = min(1.0, planned * 0.001)

    def reload(self) -> asyncio.Future[str | None]:
        """Read the configuration and the tokens again; a fault changes nothing.

        Returns:
            The reason for a failure, in one line; ``None`` after a success.
        """
        self._reload_asked.set()
        return asyncio.shield(self._reloaded)  # whoever stops waiting does not end it for the others

    async def _reload_when_asked(self, accounts: Accounts) -> None:
        while True:
            await self._reload_asked.wait()
            self._reload_asked.clear()
            reloaded, self._reloaded = self._reloaded, asyncio.Future()
            systemd.notify_reloading()
            failure = await self._reload(accounts)
            status = self._status() if failure is None else "configuration not reloaded: see the log"
            systemd.notify("READY=1", f"STATUS={status}")
            reloaded.set_result(failure)

    async def _reload(self, accounts: Accounts) -> str | None:
        try:
            config = await asyncio.to_thread(self._load)
            wanted = await asyncio.to_thread(plans, config)
            web_config = await asyncio.to_thread(load_web_config, self._options.config_file)
            await accounts.follow(wanted)
        except Exception as error:  # noqa: BLE001 -- a fault of ours must not end the reloads
            self._reloads.successful = False
            event(_logger, "error", "configuration not reloaded; the former one stays in force", err=error)
            return str(error) if isinstance(error, JouloExporterError) else "internal error; see the log"
        self._keep_time(accounts, len(wanted))
        if config.storage_path != self._config.storage_path:
            event(_logger, "warn", "storage.path has changed, which takes a restart")
        self._config = config
        self._web_config.take(web_config)
        self._reloads.successful, self._reloads.succeeded_at_seconds = True, time.time()
        event(_logger, "info", "configuration reloaded", accounts=len(config.accounts))
        return None

    async def _listen(self, stack: contextlib.AsyncExitStack, accounts: Accounts) -> None:
        options = self._options
        services = WebServices(
            exposition=accounts.served,
            ready=lambda: accounts.ready,
            reload=self.reload if options.lifecycle_enabled else None,
        )
        paths = options.paths
        application = make_application(services, Gate(lambda: self._web_config.config), paths)
        activated = () if options.listen_addresses else activated_sockets(os.environ)
        serving = listening(
            application, options.listen_addresses, tls=lambda: self._web_config.tls, activated=activated
        )
        self._bound = await stack.enter_async_context(serving)
        await stack.enter_async_context(_background(self._web_config.watch()))
        tls, path = self._web_config.tls is not None, paths.prefix + paths.telemetry
        for address in self._bound:
            event(_logger, "info", "listening", address=address, tls=tls, telemetry_path=path)

    def _status(self) -> str:
        """Return the line that ``systemctl status`` shows."""
        accounts = len(self._config.accounts)
        return f"serving {accounts} {'account' if accounts == 1 else 'accounts'} on {', '.join(self._bound)}"
