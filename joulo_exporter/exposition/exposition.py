"""Exposition of all accounts: a scrape renders what has changed since the last one, and joins it with the rest.

The lines of all accounts are kept deflated, as a table: rows are blocks of accounts, columns are metric families.
"""

from __future__ import annotations

import asyncio
import logging
import time
from array import array
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from itertools import accumulate, chain

import msgspec
from prometheus_client import CollectorRegistry

from joulo_exporter.exposition.deflate import EMPTY, GZIP_HEADER, Checksum, Piece, gzip_end, joined, piece_of
from joulo_exporter.exposition.lines import FamilyLines, only, process_lines
from joulo_exporter.logs import event
from joulo_exporter.metrics import FAMILIES, Family
from joulo_exporter.snapshot import Snapshot

_logger = logging.getLogger(__name__)

_STEP_S = 0.003
"""Seconds that a scrape works until the event loop goes on."""

BLOCK = 64
"""Accounts in a row; measured: half as many take 7 % more bytes, twice as many 3 % less, and a change is twice as
dear."""

_TOGETHER_BYTES = 1 << 18
"""Lines up to this length are deflated as one, in 2 ms: those of one account then take half of the bytes."""

_GZIP_PART_BYTES = 1 << 19
_PLAIN_PART_BYTES = 1 << 16

Change = tuple[int, bytes]
"""Digest of an account's samples in a metric family, and their lines."""

_encode = msgspec.msgpack.Encoder().encode
"""Bytes that are equal when samples are; Python's own hashes of -1 and -2 are the same."""


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
            end = gzip_end(selection.checksum, process)
            return Body(sum(map(len, parts)) + len(end), (*parts, end))
        return Body(selection.checksum.length + len(process), chain(selection.plain_parts(), (process,)))

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


class Selection(msgspec.Struct):
    """HELP, TYPE and lines of metric families, as they were at one moment.

    Attributes:
        pieces: the text, in order.
        checksum: of the text.
    """

    pieces: Sequence[Piece]
    checksum: Checksum
    _gzip_parts: list[bytes] | None = None

    def gzip_parts(self) -> Generator[None, None, Sequence[bytes]]:
        """Return the beginning of a gzip member in parts of 512 KiB, made in steps by the first call."""
        if self._gzip_parts is None:
            parts = []
            for part in _gathered((GZIP_HEADER, *(piece.deflated for piece in self.pieces)), _GZIP_PART_BYTES):
                parts.append(part)
                yield
            self._gzip_parts = parts
        return self._gzip_parts

    def plain_parts(self) -> Iterator[bytes]:
        """Yield the text in parts of 64 KiB, which are inflated one by one."""
        return _gathered((part for piece in self.pieces for part in piece.parts()), _PLAIN_PART_BYTES)


class Table:
    """Lines of all accounts, in the order in which they were first noted; in a new table all are noted.

    Args:
        families: renderers of the metric families, in the order in which they are served.
        snapshots: the latest of each account, which the caller keeps up to date.
    """

    def __init__(self, families: Sequence[FamilyLines], snapshots: Mapping[str, Snapshot]) -> None:
        self._families = families
        self._snapshots = snapshots
        self._noted = dict.fromkeys(snapshots)
        self._positions: dict[str, int] = {}
        self._blocks: list[_Block] = []
        self._checksums: dict[int, Checksum] = {}
        self._header_pieces: dict[bool, Sequence[Piece]] = {}
        self._everything: dict[bool, Selection] = {}

    def note(self, account: str) -> None:
        """Note that an account has a new snapshot."""
        self._noted[account] = None

    def settle(self) -> Iterator[None]:
        """Render the accounts noted so far and exchange their lines, in steps of a few milliseconds."""
        rows: dict[int, list[str]] = {}
        for account in self._noted:
            row = self._positions.setdefault(account, len(self._positions)) // BLOCK
            if row == len(self._blocks):
                self._blocks.append(_Block(len(self._families)))
            rows.setdefault(row, []).append(account)
        for row, accounts in rows.items():
            yield from self._settle_block(self._blocks[row], accounts)

    def _settle_block(self, block: _Block, accounts: Sequence[str]) -> Iterator[None]:
        snapshots: dict[str, Snapshot] = {}
        changes: dict[int, dict[int, Change]] = {}
        for account in accounts:
            snapshot = snapshots[account] = self._snapshots[account]
            slot = self._positions[account] % BLOCK
            try:
                changed = block.changes(slot, self._families, snapshot)
            except Exception as error:  # noqa: BLE001 -- a fault of ours, whatever it is; the others are scraped on
                event(
                    _logger,
                    "error",
                    "an account cannot be shown as it is now",
                    account=snapshot.account,
                    err=error,
                )
            else:
                for family, change in changed.items():
                    changes.setdefault(family, {})[slot] = change
            yield
        for family, by_slot in changes.items():
            block.exchange(family, by_slot)
            self._checksums.pop(family, None)
            self._everything.clear()
            yield
        for account, snapshot in snapshots.items():
            if self._snapshots[account] is snapshot:  # else there is a newer one already
                del self._noted[account]

    def select(self, *, openmetrics: bool, names: frozenset[str]) -> Generator[None, None, Selection]:
        """Return the families with samples of these names, in steps; without names all, kept until lines change.

        Args:
            openmetrics: HELP and TYPE of OpenMetrics 1.0 instead of the text format 0.0.4.
            names: of samples; a histogram has three.
        """
        if not names and openmetrics in self._everything:
            return self._everything[openmetrics]
        pieces: list[Piece] = []
        checksums: list[Checksum] = []
        for index, family in enumerate(self._families):
            asked = family.sample_names & names if names else family.sample_names
            if not asked:
                continue
            column = [block.cells[index] for block in self._blocks if block.cells[index] is not EMPTY]
            if asked == family.sample_names:
                total = self._checksums.get(index) or joined(piece.checksum for piece in column)
                self._checksums[index] = total
            else:
                column = yield from _filtered(column, asked)
                total = joined(piece.checksum for piece in column)
            if total.length:
                header = self._headers(openmetrics=openmetrics)[index]
                pieces += (header, *column)
                checksums += (header.checksum, total)
            yield
        selection = Selection(pieces, joined(checksums))
        if selection.checksum.length <= _TOGETHER_BYTES:
            selection = Selection([piece_of(b"".join(selection.plain_parts()))], selection.checksum)
            yield
        if not names:
            self._everything[openmetrics] = selection
        return selection

    def _headers(self, *, openmetrics: bool) -> Sequence[Piece]:
        if openmetrics not in self._header_pieces:
            self._header_pieces[openmetrics] = [
                piece_of(family.header(openmetrics=openmetrics)) for family in self._families
            ]
        return self._header_pieces[openmetrics]


class _Block:
    """Up to ``BLOCK`` neighbouring accounts: a deflated piece of lines for each metric family.

    Digests of 64 bits tell which samples are as before: to keep them, or their lines, would double the memory.

    Args:
        families: their number.
    """

    __slots__ = ("_digests", "_lengths", "cells")

    def __init__(self, families: int) -> None:
        self.cells = [EMPTY] * families
        self._lengths = array("I", bytes(4 * BLOCK * families))
        self._digests = array("q", bytes(8 * BLOCK * families))

    def changes(self, slot: int, families: Sequence[FamilyLines], snapshot: Snapshot) -> dict[int, Change]:
        """Return the families whose samples differ from those of before, each with its digest and its new lines.

        Args:
            slot: the account's place in the block.
            families: in the order of the columns.
            snapshot: of the account.
        """
        changed = {}
        for index, family in enumerate(families):
            samples = list(family.samples(snapshot))
            digest = hash(_encode(samples)) if samples else 0
            if digest != self._digests[index * BLOCK + slot]:
                changed[index] = digest, family.render(samples, snapshot.account)
        return changed

    def exchange(self, family: int, changes: Mapping[int, Change]) -> None:
        """Replace the lines of some accounts, by their places in the block, in one step."""
        first = family * BLOCK
        lengths = self._lengths[first : first + BLOCK]
        ends = list(accumulate(lengths))
        text, copied = self.cells[family].text(), 0
        parts: list[bytes] = []
        for slot, (_, lines) in sorted(changes.items()):
            parts += (text[copied : ends[slot] - lengths[slot]], lines)
            copied = ends[slot]
        self.cells[family] = piece_of(b"".join((*parts, text[copied:])))
        for slot, (digest, lines) in changes.items():
            self._lengths[first + slot], self._digests[first + slot] = len(lines), digest


def _filtered(column: Iterable[Piece], names: frozenset[str]) -> Generator[None, None, list[Piece]]:
    """Return the samples of these names, in steps."""
    kept = []
    for piece in column:
        kept.append(piece_of(only(piece.text(), names)))
        yield
    return kept


def _gathered(texts: Iterable[bytes], least_bytes: int) -> Iterator[bytes]:
    """Join neighbours to parts of at least so many bytes."""
    waiting: list[bytes] = []
    size = 0
    for text in texts:
        waiting.append(text)
        size += len(text)
        if size >= least_bytes:
            yield b"".join(waiting)
            waiting, size = [], 0
    if waiting:
        yield b"".join(waiting)
