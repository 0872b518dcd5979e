"""The bytes of /metrics: what has changed is rendered and compressed, a scrape joins what is there."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING
from weakref import WeakSet

from joulo_exporter.exposition import few
from joulo_exporter.exposition.answer import Answer
from joulo_exporter.exposition.families import Families
from joulo_exporter.exposition.few import Few
from joulo_exporter.exposition.many import Many
from joulo_exporter.exposition.part import deflated
from joulo_exporter.exposition.run import Run
from joulo_exporter.exposition.selection import selected
from joulo_exporter.exposition.tail import Tail
from joulo_exporter.exposition.work import Work

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable

    from prometheus_client import CollectorRegistry

    from joulo_exporter.exposition.store import Store
    from joulo_exporter.snapshot import Snapshot

_TURN_S = 0.003
"""How long rendering goes on until others have their turn."""

_PLAIN_KEPT_S = 300.0
"""Lines of many accounts are kept uncompressed from the second scrape for them within this time on, until none has
asked for as long; Prometheus never does."""


class Exposition:
    """Serves the snapshots of all accounts, and the metrics of the process.

    A new snapshot is rendered at the next scrape: several that come between two scrapes cost as much as one.

    Args:
        process: the registry of the process's own metrics, which are read at each scrape.
        clock: seconds of a clock that never goes back.
    """

    def __init__(self, process: CollectorRegistry, clock: Callable[[], float] = time.monotonic) -> None:
        self.work = Work()
        self._tail = Tail(process)
        self._clock = clock
        self._snapshots: dict[str, Snapshot] = {}
        self._families = Families(self.work)
        self._store: Store = Few(self._families, self._snapshots)
        self._answering = asyncio.Lock()
        self._plain_asked_at_s = -_PLAIN_KEPT_S
        self._plain_kept = False
        self._plain_runs: WeakSet[Run] = WeakSet()

    def snapshots(self) -> Iterable[Snapshot]:
        """Return the snapshots of the moment, in the order of their accounts."""
        return self._snapshots.values()

    def publish(self, account: str, snapshot: Snapshot) -> None:
        """Take a new snapshot of an account; at the next scrape that account is rendered, and no other."""
        self._snapshots[account] = snapshot
        self._store.changed(account)
        if len(self._snapshots) > few.LIMIT and isinstance(self._store, Few):
            self._store = Many(self._families, self._snapshots)

    def keep_only(self, accounts: Iterable[str]) -> None:
        """Forget all other accounts, and serve these in this order."""
        kept = {name: self._snapshots[name] for name in accounts if name in self._snapshots}
        if list(kept) == list(self._snapshots):
            return
        self._snapshots.clear()
        self._snapshots.update(kept)
        if len(kept) <= few.LIMIT and isinstance(self._store, Many):
            self._store = Few(self._families, self._snapshots)
        else:
            self._store = self._store.arranged(list(kept))

    async def answer(self, *, openmetrics: bool, compressed: bool, names: frozenset[str]) -> Answer:
        """Return the answer to a scrape, with all that was published before it; others have their turns meanwhile.

        Args:
            openmetrics: OpenMetrics 1.0 instead of the text format 0.0.4.
            compressed: gzipped.
            names: only series of these names; all if empty.
        """
        async with self._answering:  # who comes second finds the work done
            steps = self._answer(openmetrics=openmetrics, compressed=compressed, names=names)
            turn_ends_s = time.perf_counter() + _TURN_S
            try:
                while True:
                    next(steps)
                    if time.perf_counter() > turn_ends_s:
                        await asyncio.sleep(0)
                        turn_ends_s = time.perf_counter() + _TURN_S
            except StopIteration as end:
                answer: Answer = end.value
                return answer

    def render(self, *, openmetrics: bool, compressed: bool, names: frozenset[str]) -> bytes:
        """Return the same as bytes, at once, for who has nothing else to do."""
        steps = self._answer(openmetrics=openmetrics, compressed=compressed, names=names)
        try:
            while True:
                next(steps)
        except StopIteration as end:
            answer: Answer = end.value
            return answer.whole()

    def _answer(
        self, *, openmetrics: bool, compressed: bool, names: frozenset[str]
    ) -> Generator[None, None, Answer]:
        store = yield from self._settled()
        if names:
            run = Run((yield from selected(store, self._families, names, openmetrics=openmetrics)))
        else:
            run = yield from store.run(openmetrics=openmetrics)
            yield from self._kept_for_more(run, compressed=compressed)
        if compressed:
            yield from run.deflate()
        tail = self._tail.render(openmetrics=openmetrics, names=names)
        return Answer(run, tail, deflated(tail, self.work) if compressed else None)

    def _settled(self) -> Generator[None, None, Store]:
        """Return the store, up to date; accounts that come and go meanwhile may replace it.

        One that has been replaced does nothing more: its blocks belong to the new one, its columns do not.
        """
        while True:
            store = self._store
            for _ in store.settle():
                yield
                if store is not self._store:
                    break
            else:
                return store

    def _kept_for_more(self, run: Run, *, compressed: bool) -> Generator[None, None, None]:
        """Keep what will be asked for again, as recent scrapes suggest."""
        now_s = self._clock()
        plain_in_use = now_s - self._plain_asked_at_s < _PLAIN_KEPT_S
        if compressed:
            yield from run.file_blocks()
        else:
            self._plain_asked_at_s = now_s
            self._plain_kept = self._plain_kept or plain_in_use
            self._plain_runs.add(run)
            yield from run.file_lines(keep=plain_in_use)
        if self._plain_kept and not plain_in_use:
            self._plain_kept = False
            for each in (run, *self._plain_runs):  # the parts of a run that has gone are parts of this one, too
                each.forget_lines()
            self._plain_runs.clear()
