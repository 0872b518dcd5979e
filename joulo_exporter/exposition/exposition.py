"""Exposition of all accounts: a scrape renders what has changed since the last one, and joins it with the rest.

The lines of all accounts are kept deflated, as a table: rows are blocks of accounts, columns are metric families.
Deflated texts join, in any order, into one gzip member: each ends on a byte and refers to nothing before it
(RFC 1951, section 3.2.4; zlib's ``Z_SYNC_FLUSH`` of a fresh compressor). The CRC-32 of joined texts follows from
theirs by polynomial arithmetic over GF(2): a CRC is a remainder modulo gzip's polynomial (RFC 1952, section 8),
so ``n`` bytes that follow multiply it by ``x`` to the power of ``8 n``. Bits are in the order of that CRC: the
highest bit is the constant term.
"""

from __future__ import annotations

import asyncio
import logging
import time
import zlib
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import accumulate, chain

import msgspec
from msgspec.structs import replace
from prometheus_client import CollectorRegistry

from joulo_exporter.exposition.lines import FamilyLines, only, process_lines
from joulo_exporter.logs import event
from joulo_exporter.metrics import FAMILIES, Family
from joulo_exporter.snapshot import Snapshot

_logger = logging.getLogger(__name__)

_STEP_S = 0.003
"""Seconds that a scrape works before it yields to the event loop."""

BLOCK = 64
"""Accounts in a row of the table. Measured: half as many take 7 % more bytes; twice as many take 3 % fewer, and
double the cost of a change."""

_TOGETHER_BYTES = 1 << 18
"""Up to this length all lines are deflated as one text, in 2 ms: those of a single account take half the bytes."""

RUN_BYTES = 1 << 18
"""Most bytes of a gzip response that are written at once, and wait for a client that does not read. Measured: a
quarter of this size takes half as much CPU again."""

INFLATED_BYTES = 1 << 16
"""Most bytes of a plain response that are inflated and written at once."""

LEVEL = 2
"""zlib's level. Measured: 4 % smaller than level 1 in the same time; 3 saves 1 to 2 %, but is a fifth slower."""

GZIP_HEADER = b"\x1f\x8b\x08" + bytes(6) + b"\xff"
"""Without time and name, so that equal snapshots give equal bytes."""

_LAST_BLOCK = b"\x03\x00"
_POLYNOMIAL = 0xEDB88320
_ONE = 1 << 31
_ALL_ONES = 0xFFFFFFFF
_ZEROS = 1 << 14
"""Bytes up to which a CRC of zeros is quicker than products."""

Change = tuple[int, bytes]
"""Digest of an account's samples in a metric family, and their lines."""

_encode = msgspec.msgpack.Encoder().encode
"""Bytes that are equal when samples are; Python's own hashes of -1 and -2 are the same."""


class Body(msgspec.Struct, frozen=True):
    """Body of a response."""

    length: int
    """In bytes."""
    parts: Iterable[bytes]
    """To be iterated once, and written one by one; those of a plain response are made only then."""


class Exposition:
    """Serves the snapshots of all accounts, and the metrics of the process.

    A new snapshot is only noted. The next scrape renders it: several between two scrapes cost as much as one.

    Args:
        process: the registry of the process's own metrics, which are read at each scrape.
        families: metric families of an account.
    """

    def __init__(self, process: CollectorRegistry, families: Sequence[Family] = FAMILIES) -> None:
        self._process = process
        self._families = tuple(map(FamilyLines, families))
        self._headers = [
            [text_of(family.headers[openmetrics]) for family in self._families] for openmetrics in (False, True)
        ]
        self._snapshots: dict[str, Snapshot] = {}
        self._noted: dict[str, None] = {}
        """Accounts whose snapshot has not been rendered."""
        self._positions: dict[str, int] = {}
        """Place of each account in the table: in the order in which they were first noted."""
        self._blocks: list[_Block] = []
        self._columns: dict[int, Text] = {}
        """Joined cells of a metric family, until one of them changes."""
        self._whole: dict[bool, Text] = {}
        """All lines in each format, OpenMetrics or not, until any of them changes."""
        self._table = asyncio.Lock()
        """Held by whoever reads or changes the table; the second of two scrapes finds the work done."""
        self._pause_at_s = 0.0

    def snapshots(self) -> Iterable[Snapshot]:
        """Return the current snapshots, in the order of their accounts."""
        return self._snapshots.values()

    def publish(self, account: str, snapshot: Snapshot) -> None:
        """Take a new snapshot of an account; a new account comes last."""
        self._snapshots[account] = snapshot
        self._noted[account] = None

    async def keep_only(self, accounts: Iterable[str]) -> None:
        """Forget all other accounts, and serve these in this order; if anything changes, all are rendered anew."""
        async with self._table:
            kept = {account: self._snapshots[account] for account in accounts if account in self._snapshots}
            if list(kept) != list(self._snapshots):
                self._snapshots, self._noted = kept, dict.fromkeys(kept)
                for each in (self._positions, self._blocks, self._columns, self._whole):
                    each.clear()

    async def scrape(self, *, openmetrics: bool, compressed: bool, names: frozenset[str]) -> Body:
        """Return the body of the response, with all snapshots published before; the event loop goes on meanwhile.

        Args:
            openmetrics: OpenMetrics 1.0 instead of the text format 0.0.4.
            compressed: whether the body is gzipped.
            names: only series of these names; all if empty.
        """
        async with self._table:
            self._pause_at_s = time.perf_counter() + _STEP_S
            await self._settle()
            text = await self._selected(openmetrics=openmetrics, names=names)
        process = process_lines(self._process, openmetrics=openmetrics, names=names)
        if not compressed:
            return Body(text.length + len(process), chain(text.parts(), (process,)))
        parts = (GZIP_HEADER, *text.runs, gzip_end(text, process))
        return Body(sum(map(len, parts)), parts)

    async def _step(self) -> None:
        """End a step of the work: after 3 ms of it, the event loop goes on."""
        if time.perf_counter() > self._pause_at_s:
            await asyncio.sleep(0)
            self._pause_at_s = time.perf_counter() + _STEP_S

    async def _settle(self) -> None:
        """Render the accounts noted so far and exchange their lines."""
        rows: dict[int, list[str]] = {}
        for account in self._noted:
            row = self._positions.setdefault(account, len(self._positions)) // BLOCK
            if row == len(self._blocks):
                self._blocks.append(_Block(len(self._families)))
            rows.setdefault(row, []).append(account)
        for row, accounts in rows.items():
            await self._settle_block(self._blocks[row], accounts)

    async def _settle_block(self, block: _Block, accounts: Sequence[str]) -> None:
        rendered: dict[str, Snapshot] = {}
        changes: dict[int, dict[int, Change]] = {}
        for account in accounts:
            snapshot = rendered[account] = self._snapshots[account]
            place = self._positions[account] % BLOCK
            try:
                changed = self._changes(block, place, snapshot)
            except Exception as error:  # noqa: BLE001 -- a fault of ours; other accounts are still served
                message = "an account cannot be shown as it is now"
                event(_logger, "error", message, account=snapshot.account, err=error)
            else:
                for family, change in changed.items():
                    changes.setdefault(family, {})[place] = change
            await self._step()
        for family, by_place in changes.items():
            block.exchange(family, by_place)
            self._columns.pop(family, None)
            self._whole.clear()
            await self._step()
        for account, snapshot in rendered.items():
            if self._snapshots[account] is snapshot:  # else there is a newer one already
                del self._noted[account]

    def _changes(self, block: _Block, place: int, snapshot: Snapshot) -> Mapping[int, Change]:
        """Return the digest and the new lines in each metric family in which an account has changed."""
        changed = {}
        for index, family in enumerate(self._families):
            samples = list(family.samples(snapshot))
            digest = hash(_encode(samples)) if samples else 0
            if digest != block.digests[index * BLOCK + place]:
                changed[index] = digest, family.render(samples, snapshot.account)
        return changed

    async def _selected(self, *, openmetrics: bool, names: frozenset[str]) -> Text:
        """Return the families with samples of these names, or all of them; a histogram has three names."""
        if not names and openmetrics in self._whole:
            return self._whole[openmetrics]
        texts: list[Text] = []
        for index, family in enumerate(self._families):
            asked = family.sample_names & names if names else family.sample_names
            if not asked:
                continue
            if asked == family.sample_names:
                column = self._columns.get(index) or joined(block.cells[index] for block in self._blocks)
                self._columns[index] = column
            else:
                column = joined([await self._filtered(block.cells[index], asked) for block in self._blocks])
            if column.length:
                texts += (self._headers[openmetrics][index], column)
            await self._step()
        selected = joined(texts)
        if selected.length <= _TOGETHER_BYTES:
            selected = text_of(selected.inflated())
            await self._step()
        else:
            selected = replace(selected, runs=await self._gathered(selected.runs))
        if not names:
            self._whole[openmetrics] = selected
        return selected

    async def _filtered(self, text: Text, names: frozenset[str]) -> Text:
        kept = text_of(only(text.inflated(), names))
        await self._step()
        return kept

    async def _gathered(self, runs: Iterable[bytes]) -> tuple[bytes, ...]:
        """Join neighbouring runs into as few as ``RUN_BYTES`` allows."""
        parts: list[bytes] = []
        waiting: list[bytes] = []
        size = 0
        for run in runs:
            if size + len(run) > RUN_BYTES:
                parts.append(b"".join(waiting))
                waiting, size = [], 0
                await self._step()
            waiting.append(run)
            size += len(run)
        return (*parts, b"".join(waiting))


class _Block:
    """Up to ``BLOCK`` neighbouring accounts: the text of each metric family.

    Digests of 64 bits show which samples have changed: to keep samples or their lines would double the memory.
    """

    __slots__ = ("_lengths", "cells", "digests")

    def __init__(self, families: int) -> None:
        self.cells = [Text()] * families
        self.digests = array("q", bytes(8 * BLOCK * families))
        """Of each account in each family, as ``_lengths`` are: families one after the other."""
        self._lengths = array("I", bytes(4 * BLOCK * families))

    def exchange(self, family: int, changes: Mapping[int, Change]) -> None:
        """Replace the lines of some accounts, by their places in the block, in one step."""
        first = family * BLOCK
        lengths, text = self._lengths[first : first + BLOCK], self.cells[family].inflated()
        lines = [text[end - length : end] for end, length in zip(accumulate(lengths), lengths, strict=True)]
        for place, (digest, new) in changes.items():
            lines[place], self._lengths[first + place], self.digests[first + place] = new, len(new), digest
        self.cells[family] = text_of(b"".join(lines))


# Deflated texts that join ---------------------------------------------------------------------------


class Text(msgspec.Struct, frozen=True, gc=False):
    """A text, deflated, with its length and its checksum."""

    runs: tuple[bytes, ...] = ()
    """Raw deflate blocks, none longer than ``RUN_BYTES``, that other texts can precede and follow."""
    length: int = 0
    """Of the text, in bytes."""
    crc: int = 0
    """CRC-32 of the text."""
    factor: int = _ONE
    """``factor(length)``, kept because it takes longer than the rest."""

    def parts(self) -> Iterator[bytes]:
        """Yield the text in parts of at most ``INFLATED_BYTES``."""
        inflater = zlib.decompressobj(-zlib.MAX_WBITS)
        for run in self.runs:
            rest = run
            while rest:  # the end of the last one, which holds no text, is left until all text is out
                yield inflater.decompress(rest, INFLATED_BYTES)
                rest = inflater.unconsumed_tail

    def inflated(self) -> bytes:
        """Return the text."""
        return b"".join(self.parts())


def text_of(text: bytes) -> Text:
    """Return a text, deflated."""
    deflated = _deflated(text) if text else b""
    runs = tuple(deflated[start : start + RUN_BYTES] for start in range(0, len(deflated), RUN_BYTES))
    return Text(runs, len(text), zlib.crc32(text), factor(len(text)))


def joined(texts: Iterable[Text]) -> Text:
    """Return the text of texts that follow each other."""
    runs: list[bytes] = []
    length = crc = 0
    for each in texts:
        runs += each.runs
        crc = product(crc, each.factor) ^ each.crc
        length += each.length
    return Text(tuple(runs), length, crc, factor(length))


def gzip_end(before: Text, text: bytes) -> bytes:
    """Return the end of a gzip member, with a last text."""
    crc, length = zlib.crc32(text, before.crc), (before.length + len(text)) % 2**32
    return _deflated(text) + _LAST_BLOCK + crc.to_bytes(4, "little") + length.to_bytes(4, "little")


def _deflated(text: bytes) -> bytes:
    compressor = zlib.compressobj(LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)
    return compressor.compress(text) + compressor.flush(zlib.Z_SYNC_FLUSH)


@lru_cache(maxsize=4096)  # texts change more often than their lengths
def factor(length: int) -> int:
    """Return the polynomial by which so many following bytes multiply a CRC-32."""
    if length <= _ZEROS:  # zlib's own CRC of zeros, without its inversion before and after
        return zlib.crc32(bytes(length), _ONE ^ _ALL_ONES) ^ _ALL_ONES
    half = factor(length // 2)
    return product(factor(length % 2), product(half, half))


def product(left: int, right: int) -> int:
    """Return the product of two polynomials modulo that of the CRC."""
    result = 0
    while left:
        if left & _ONE:
            result ^= right
        left = (left << 1) & _ALL_ONES
        right = right >> 1 ^ _POLYNOMIAL if right & 1 else right >> 1
    return result
