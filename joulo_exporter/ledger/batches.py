"""The ledger's work of many accounts, in one commit after the other by one thread."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

    from joulo_exporter.ledger.database import Database, Done, Work

    _Waiting = tuple[Work, asyncio.Future[Any]]

Params = ParamSpec("Params")
Result = TypeVar("Result")

LARGEST_BATCH = 100
"""Work in one commit; bounds how long a failure of all is tried again, one by one."""

_RESULTS_AT_ONCE = 6
"""Each caller that gets its result goes on at once, with a snapshot to render or a request to send: the event loop
serves others in between."""

_RESULTS_APART_S = 0.005
"""Between those, so that the API responses to their requests do not come all at once either."""


class Batches:
    """Runs the ledger's work of many accounts by one thread, with one commit for all that waits.

    A commit waits for the disk and costs far more than the statements of an account. No caller gets its result
    before the commit that holds it.

    Args:
        database: the ledger's file, used by this alone.
    """

    def __init__(self, database: Database) -> None:
        self.interval_s = 0.0
        """The least time from the beginning of a batch to that of the next, unless that one is full."""
        self._database = database
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="ledger")
        self._waiting: list[_Waiting] = []
        self._timer: asyncio.TimerHandle | None = None
        self._began_at_s = float("-inf")
        self._writing: asyncio.Future[list[Done]] | None = None

    def __call__(
        self, work: Callable[Params, Result], *args: Params.args, **kwargs: Params.kwargs
    ) -> asyncio.Future[Result]:
        """Return the result of ``work(*args, **kwargs)``, or raise its error, once its writes are durable."""
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._waiting.append((partial(work, *args, **kwargs), future))
        self._schedule()
        return future

    async def tend(self) -> None:
        """Look after the file by the ledger's own thread, between two batches."""
        await asyncio.get_running_loop().run_in_executor(self._thread, self._database.tend)

    async def close(self) -> None:
        """Write what waits, then close the file, by the ledger's own thread."""
        self.interval_s = 0.0
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        while self._writing is not None or self._waiting:
            self._schedule()
            await asyncio.sleep(0) if self._writing is None else await asyncio.wait([self._writing])
        await asyncio.get_running_loop().run_in_executor(self._thread, self._database.close)
        self._thread.shutdown()

    def _schedule(self) -> None:
        """See to it that waiting work is done: at once, or when enough time has passed."""
        if self._writing is not None or not self._waiting:
            return
        full = len(self._waiting) == LARGEST_BATCH
        if self._timer is not None and not full:
            return
        if self._timer is not None:
            self._timer.cancel()
        loop = asyncio.get_running_loop()
        wait_s = 0.0 if len(self._waiting) >= LARGEST_BATCH else self._began_at_s + self.interval_s - loop.time()
        # Never in this event-loop iteration: work that comes in the same one is done along with it.
        self._timer = loop.call_later(max(0.0, wait_s), self._write)

    def _write(self) -> None:
        loop = asyncio.get_running_loop()
        self._timer = None
        self._began_at_s = loop.time()
        taken, self._waiting = self._waiting[:LARGEST_BATCH], self._waiting[LARGEST_BATCH:]
        batch = [(work, future) for work, future in taken if not future.done()]  # cancelled work is not done
        works = [work for work, _ in batch]
        self._writing = loop.run_in_executor(self._thread, self._database.run_batch, works)
        self._writing.add_done_callback(lambda written: self._written(batch, written))

    def _written(self, batch: list[_Waiting], written: asyncio.Future[list[Done]]) -> None:
        self._writing = None
        self._schedule()
        futures = [future for _, future in batch]
        error = written.exception()
        results = [(None, error)] * len(futures) if error else written.result()
        self._deliver(list(zip(futures, results, strict=True)))

    def _deliver(self, results: list[tuple[asyncio.Future[Any], Done]]) -> None:
        for future, (result, error) in results[:_RESULTS_AT_ONCE]:
            if future.done():  # cancelled while it was written
                continue
            if error is None:
                future.set_result(result)
            else:
                future.set_exception(error)
        if results[_RESULTS_AT_ONCE:]:
            asyncio.get_running_loop().call_later(_RESULTS_APART_S, self._deliver, results[_RESULTS_AT_ONCE:])
