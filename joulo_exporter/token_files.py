"""Token files that rotate: read again when they change, and when the API refuses the token."""

from __future__ import annotations

import asyncio
import logging
from functools import partial
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from joulo_exporter.config.files import Fingerprint, fingerprint
from joulo_exporter.errors import ConfigError
from joulo_exporter.logs import event

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from joulo_exporter.config import Secret, TokenSource
    from joulo_exporter.poller import Clock, Offload

Params = ParamSpec("Params")
Result = TypeVar("Result")

_logger = logging.getLogger(__name__)

LOOK_INTERVAL_S = 15.0
"""Time between two looks at a token file: well within the shortest interval of an endpoint."""


class SharedThread:
    """Runs the calls of a short while one after the other, in one thread.

    Thousands of accounts look at their files at the same time; a thread for each look would cost more than the
    looks. It is not the ledger's thread, which must not wait for the file system of a token.

    Args:
        gather_s: seconds from the first call to the start of the thread.
    """

    def __init__(self, gather_s: float = 0.1) -> None:
        self._gather_s = gather_s
        self._waiting: list[tuple[Callable[[], Any], asyncio.Future[Any]]] = []
        self._running: set[asyncio.Task[None]] = set()

    async def __call__(
        self, work: Callable[Params, Result], *args: Params.args, **kwargs: Params.kwargs
    ) -> Result:
        """Return the result of ``work(*args, **kwargs)``, or raise its exception."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Result] = loop.create_future()
        if not self._waiting:
            loop.call_later(self._gather_s, self._begin)
        self._waiting.append((partial(work, *args, **kwargs), future))
        return await future

    def _begin(self) -> None:
        batch, self._waiting = self._waiting, []
        task = asyncio.get_running_loop().create_task(_run(batch))
        self._running.add(task)  # the loop itself holds tasks only weakly
        task.add_done_callback(self._running.discard)


async def _run(batch: list[tuple[Callable[[], Any], asyncio.Future[Any]]]) -> None:
    outcomes = await asyncio.to_thread(lambda: [_outcome(work) for work, _ in batch])
    for (_, future), (value, error) in zip(batch, outcomes, strict=True):
        if future.cancelled():
            continue
        if error is None:
            future.set_result(value)
        else:
            future.set_exception(error)


def _outcome(work: Callable[[], Any]) -> tuple[Any, Exception | None]:
    try:
        return work(), None
    except Exception as error:  # noqa: BLE001 -- it is raised where the work was asked for
        return None, error


class TokenWatch:
    """Watches the token of one account until it is stopped.

    Args:
        account: for the log.
        source: the place of the token, if there is one; only files are watched.
        token: the token in use.
        rotate: puts a new token to use; it is awaited before the next look.
        clock: time and sleep.
        in_thread: runs the reading of the file, which may be slow, outside of the event loop.
    """

    def __init__(
        self,
        account: str | None,
        source: TokenSource | None,
        token: Secret | None,
        rotate: Callable[[Secret], Awaitable[None]],
        *,
        clock: Clock,
        in_thread: Offload,
    ) -> None:
        self._named: dict[str, object] = {} if account is None else {"account": account}
        self._source = source if source is not None and source.path is not None else None
        self._rotate = rotate
        self._clock = clock
        self._in_thread = in_thread
        self.token = token
        self.former: Secret | None = None
        """The token before the one in use, which no line of the log may show either."""
        self._seen: Fingerprint | None = None
        self._unreadable = False
        self._looking = asyncio.Lock()
        self._stopped = False
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self) -> None:
        """Begin to look at the file; there is nothing to do for other sources."""
        if self._source is not None:
            self._spawn(self._watch(self._source))

    def refused(self) -> None:
        """Read the file now: the API has refused the token."""
        if self._source is not None and not self._stopped:
            self._spawn(self._look(self._source, always=True))

    async def stop(self) -> None:
        """End all looking, for good: the last API response to a poller that stops may be a refusal."""
        self._stopped = True
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _spawn(self, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)  # the loop itself holds tasks only weakly
        task.add_done_callback(self._tasks.discard)

    async def _watch(self, source: TokenSource) -> None:
        while True:
            await self._clock.sleep(LOOK_INTERVAL_S)
            await self._look(source, always=False)

    async def _look(self, source: TokenSource, *, always: bool) -> None:
        async with self._looking:
            # Before the file is read: a change in between shows at the next look.
            path = source.path
            seen = None if path is None else await self._in_thread(fingerprint, path)
            # The cause of a fault need not be in the file: a folder's permissions, or a full table of files.
            if seen == self._seen and seen is not None and not (always or self._unreadable):
                return
            self._seen = seen
            try:
                token = await self._in_thread(source.read)
            except ConfigError as error:
                if not self._unreadable:
                    event(_logger, "warn", "token not read again; the former one stays in use", **self._named,
                          err=error)  # fmt: skip
                self._unreadable = True
            else:
                await self._use(source, token)

    async def _use(self, source: TokenSource, token: Secret) -> None:
        if self._unreadable:
            event(_logger, "info", "the token can be read again", **self._named)
        self._unreadable = False
        if token == self.token:
            return
        self.former, self.token = self.token, token
        event(_logger, "info", "the token has changed and the new one is used", **self._named, source=source.shown)
        await self._rotate(token)
