"""Exposition of all accounts: a scrape renders what has changed since the last one, and joins it with the rest."""

from __future__ import annotations

import asyncio
import time
from itertools import chain
from typing import TYPE_CHECKING

import msgspec

from joulo_exporter.exposition.deflate import gzip_end
from joulo_exporter.exposition.lines import FamilyLines, process_lines
from joulo_exporter.exposition.table import Table
from joulo_exporter.metrics import FAMILIES

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Sequence

    from prometheus_client import CollectorRegistry

    from joulo_exporter.metrics import Family
    from joulo_exporter.snapshot import Snapshot

_STEP_S = 0.003
"""Seconds that a scrape works until the event loop goes on."""


class Body(msgspec.Struct, frozen=True):
    """Body of a response.

    Attributes:
        length: in bytes.
        parts: the bytes, to be iterated once; some are made meanwhile.
    """

    length: int
    parts: Iterable[bytes]


class Exposition:
    """Serves the snapshots of all accounts, and the metrics of the process.

    A new snapshot is only noted. The next scrape renders it: several between two scrapes cost as much as one.

    Args:
        process: the registry of the process's own metrics, which are read at each scrape.
        families: metric families of an account.
        clock: returns seconds of a clock that never goes back.
    """

    def __init__(
        self,
        process: CollectorRegistry,
        *,
        families: Sequence[Family] = FAMILIES,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._process = process
        self._families = tuple(map(FamilyLines, families))
        self._clock = clock
        self._snapshots: dict[str, Snapshot] = {}
        self._table = Table(self._families, self._snapshots)
        self._scraping = asyncio.Lock()

    def snapshots(self) -> Iterable[Snapshot]:
        """Return the current snapshots, in the order of their accounts."""
        return self._snapshots.values()

    def publish(self, account: str, snapshot: Snapshot) -> None:
        """Take a new snapshot of an account; a new account comes last."""
        self._snapshots[account] = snapshot
        self._table.note(account)

    def keep_only(self, accounts: Iterable[str]) -> None:
        """Forget all other accounts, and serve these in this order; if anything changes, all are rendered anew."""
        kept = {account: self._snapshots[account] for account in accounts if account in self._snapshots}
        if list(kept) != list(self._snapshots):
            self._snapshots = kept
            self._table = Table(self._families, self._snapshots)

    async def scrape(self, *, openmetrics: bool, compressed: bool, names: frozenset[str]) -> Body:
        """Return the body of the response, with all snapshots published before; the event loop goes on meanwhile.

        Args:
            openmetrics: OpenMetrics 1.0 instead of the text format 0.0.4.
            compressed: gzipped.
            names: only series of these names; all if empty.
        """
        async with self._scraping:  # the second of two scrapes finds the work done
            steps = self._steps(openmetrics=openmetrics, compressed=compressed, names=names)
            pause_at_s = self._clock() + _STEP_S
            try:
                while True:
                    next(steps)
                    if self._clock() > pause_at_s:
                        await asyncio.sleep(0)
                        pause_at_s = self._clock() + _STEP_S
            except StopIteration as end:
                body: Body = end.value
                return body

    def render(self, *, openmetrics: bool, compressed: bool, names: frozenset[str]) -> bytes:
        """Return the bytes of ``scrape`` at once, for callers without an event loop.

        Raises:
            RuntimeError: a scrape is in progress.
        """
        if self._scraping.locked():
            raise RuntimeError("a scrape is in progress")
        steps = self._steps(openmetrics=openmetrics, compressed=compressed, names=names)
        try:
            while True:
                next(steps)
        except StopIteration as end:
            body: Body = end.value
            return b"".join(body.parts)

    def _steps(self, *, openmetrics: bool, compressed: bool, names: frozenset[str]) -> Generator[None, None, Body]:
        table = yield from self._settled()
        selection = yield from table.select(openmetrics=openmetrics, names=names)
        parts = (yield from selection.gzip_parts()) if compressed else ()
        process = process_lines(self._process, openmetrics=openmetrics, names=names)
        if compressed:
            end = gzip_end(selection.sum, process)
            return Body(sum(map(len, parts)) + len(end), (*parts, end))
        return Body(selection.sum.length + len(process), chain(selection.plain_parts(), (process,)))

    def _settled(self) -> Generator[None, None, Table]:
        """Return the table without notes of before; accounts that a reload removes meanwhile begin another one."""
        while True:
            table = self._table
            for _ in table.settle():
                yield
                if table is not self._table:
                    break
            else:
                return table
