"""Exposition of all accounts: a scrape renders what has changed since the last one, and joins it with the rest.

The lines of all accounts are kept deflated, as a table: rows are blocks of accounts, columns are metric families.
Deflated pieces of text join, in any order, into one gzip member: a piece ends on a byte and refers to nothing
before it (RFC 1951, section 3.2.4; zlib's ``Z_SYNC_FLUSH`` of a fresh compressor). The CRC-32 of joined pieces
follows from theirs by polynomial arithmetic over GF(2): a CRC is a remainder modulo gzip's polynomial (RFC 1952,
section 8), so ``n`` bytes that follow multiply it by ``x`` to the power of ``8 n``. Bits are in the order of that
CRC: the highest bit is the constant term.
"""

from __future__ import annotations

import asyncio
import logging
import time
import zlib
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache, lru_cache
from itertools import accumulate, chain

import msgspec
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

_GZIP_PART_BYTES = 1 << 18
"""As many as ``web`` writes at once: with a short rest after each part, a scrape takes a seventh more CPU."""
_PLAIN_PART_BYTES = 1 << 16

LEVEL = 2
"""zlib's level. Measured: 4 % smaller than level 1 in the same time; 3 saves 1 to 2 %, but is a fifth slower."""

INFLATED_BYTES = 1 << 16
"""Most bytes that are inflated at once."""

GZIP_HEADER = b"\x1f\x8b\x08" + bytes(6) + b"\xff"
"""Without time and name, so that equal snapshots give equal bytes."""

_LAST_BLOCK = b"\x03\x00"
_POLYNOMIAL = 0xEDB88320
_ONE = 1 << 31
_X_TO_THE_8TH = 1 << 23

Change = tuple[int, bytes]
"""Digest of an account's samples in a metric family, and their lines."""

_encode = msgspec.msgpack.Encoder().encode
"""Bytes that are equal when samples are; Python's own hashes of -1 and -2 are the same."""


class Body(msgspec.Struct, frozen=True):
    """Body of a response."""

    length: int
    """In bytes."""
    parts: Iterable[bytes]
    """To be iterated once; some parts are made only then."""


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
            compressed: whether the body is gzipped.
            names: only series of these names; all if empty.
        """
        async with self._scraping:  # the second of two scrapes finds the work done
            pace = Pace()
            while True:
                table = self._table
                await table.settle(pace)
                if table is self._table:  # else a reload has begun another table
                    break
            selection = await table.select(pace, openmetrics=openmetrics, names=names)
            parts = await selection.gzip_parts(pace) if compressed else ()
        process = process_lines(self._process, openmetrics=openmetrics, names=names)
        if compressed:
            end = gzip_end(selection.checksum, process)
            return Body(sum(map(len, parts)) + len(end), (*parts, end))
        return Body(selection.checksum.length + len(process), chain(selection.plain_parts(), (process,)))


class Pace:
    """Yields to the event loop after each 3 ms of work."""

    def __init__(self) -> None:
        self._pause_at_s = time.perf_counter() + _STEP_S

    async def step(self) -> None:
        """End a step of the work."""
        if time.perf_counter() > self._pause_at_s:
            await asyncio.sleep(0)
            self._pause_at_s = time.perf_counter() + _STEP_S


class Selection(msgspec.Struct):
    """HELP, TYPE and lines of metric families, as they were at one moment, and their checksum."""

    pieces: Sequence[Piece]
    checksum: Checksum
    _gzip_parts: list[bytes] | None = None

    async def gzip_parts(self, pace: Pace) -> Sequence[bytes]:
        """Return the beginning of a gzip member in parts of 256 KiB, which the first call makes."""
        if self._gzip_parts is None:
            parts = []
            for part in _gathered((GZIP_HEADER, *(piece.deflated for piece in self.pieces)), _GZIP_PART_BYTES):
                parts.append(part)
                await pace.step()
            self._gzip_parts = parts
        return self._gzip_parts

    def plain_parts(self) -> Iterator[bytes]:
        """Yield the text in parts of 64 KiB, which are inflated one by one."""
        return _gathered((part for piece in self.pieces for part in piece.parts()), _PLAIN_PART_BYTES)


class Table:
    """Lines of all accounts, in the order in which they were first noted; a new table has noted them all.

    Args:
        families: renderers of the metric families, in the order in which they are served.
        snapshots: the latest of each account, which the caller keeps up to date.
    """

    def __init__(self, families: Sequence[FamilyLines], snapshots: Mapping[str, Snapshot]) -> None:
        self._families = families
        self._headers = [
            [piece_of(family.headers[openmetrics]) for family in families] for openmetrics in (False, True)
        ]
        self._snapshots = snapshots
        self._noted = dict.fromkeys(snapshots)
        self._positions: dict[str, int] = {}
        self._blocks: list[_Block] = []
        self._checksums: dict[int, Checksum] = {}
        self._everything: dict[bool, Selection] = {}

    def note(self, account: str) -> None:
        """Note that an account has a new snapshot."""
        self._noted[account] = None

    async def settle(self, pace: Pace) -> None:
        """Render the accounts noted so far and exchange their lines."""
        rows: dict[int, list[str]] = {}
        for account in self._noted:
            row = self._positions.setdefault(account, len(self._positions)) // BLOCK
            if row == len(self._blocks):
                self._blocks.append(_Block(len(self._families)))
            rows.setdefault(row, []).append(account)
        for row, accounts in rows.items():
            await self._settle_block(self._blocks[row], accounts, pace)

    async def _settle_block(self, block: _Block, accounts: Sequence[str], pace: Pace) -> None:
        snapshots: dict[str, Snapshot] = {}
        changes: dict[int, dict[int, Change]] = {}
        for account in accounts:
            snapshot = snapshots[account] = self._snapshots[account]
            slot = self._positions[account] % BLOCK
            try:
                changed = block.changes(slot, self._families, snapshot)
            except Exception as error:  # noqa: BLE001 -- a fault of ours; other accounts are still served
                message = "an account cannot be shown as it is now"
                event(_logger, "error", message, account=snapshot.account, err=error)
            else:
                for family, change in changed.items():
                    changes.setdefault(family, {})[slot] = change
            await pace.step()
        for family, by_slot in changes.items():
            block.exchange(family, by_slot)
            self._checksums.pop(family, None)
            self._everything.clear()
            await pace.step()
        for account, snapshot in snapshots.items():
            if self._snapshots[account] is snapshot:  # else there is a newer one already
                del self._noted[account]

    async def select(self, pace: Pace, *, openmetrics: bool, names: frozenset[str]) -> Selection:
        """Return the families with samples of these names; without names, all of them, kept until lines change.

        A histogram has samples of three names.
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
                column = [await _filtered(piece, asked, pace) for piece in column]
                total = joined(piece.checksum for piece in column)
            if total.length:
                header = self._headers[openmetrics][index]
                pieces += (header, *column)
                checksums += (header.checksum, total)
            await pace.step()
        selection = Selection(pieces, joined(checksums))
        if selection.checksum.length <= _TOGETHER_BYTES:
            selection = Selection([piece_of(b"".join(selection.plain_parts()))], selection.checksum)
            await pace.step()
        if not names:
            self._everything[openmetrics] = selection
        return selection


class _Block:
    """Up to ``BLOCK`` neighbouring accounts: a deflated piece of lines for each metric family.

    Digests of 64 bits show which samples have changed: to keep samples or their lines would double the memory.
    """

    __slots__ = ("_digests", "_lengths", "cells")

    def __init__(self, families: int) -> None:
        self.cells = [EMPTY] * families
        self._lengths = array("I", bytes(4 * BLOCK * families))
        self._digests = array("q", bytes(8 * BLOCK * families))

    def changes(self, slot: int, families: Sequence[FamilyLines], snapshot: Snapshot) -> dict[int, Change]:
        """Return the digest and the new lines of each column in which the account at a slot has changed."""
        changed = {}
        for index, family in enumerate(families):
            samples = list(family.samples(snapshot))
            digest = hash(_encode(samples)) if samples else 0
            if digest != self._digests[index * BLOCK + slot]:
                changed[index] = digest, family.render(samples, snapshot.account)
        return changed

    def exchange(self, family: int, changes: Mapping[int, Change]) -> None:
        """Replace the lines of some accounts, by their slots in the block, in one step."""
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


async def _filtered(piece: Piece, names: frozenset[str], pace: Pace) -> Piece:
    kept = piece_of(only(piece.text(), names))
    await pace.step()
    return kept


def _gathered(texts: Iterable[bytes], most_bytes: int) -> Iterator[bytes]:
    """Join neighbouring texts into parts of at most so many bytes; a longer text is a part of its own."""
    waiting: list[bytes] = []
    size = 0
    for text in texts:
        if size + len(text) > most_bytes and waiting:
            yield b"".join(waiting)
            waiting, size = [], 0
        waiting.append(text)
        size += len(text)
    if waiting:
        yield b"".join(waiting)


# Deflated text, and checksums that join ------------------------------------------------------------


class Checksum(msgspec.Struct, frozen=True, gc=False):
    """Length in bytes and CRC-32 of a text."""

    length: int = 0
    crc: int = 0
    factor: int = _ONE
    """``factor(length)``, kept because it takes longer than the rest."""


def joined(checksums: Iterable[Checksum]) -> Checksum:
    """Return the checksum of texts that follow each other."""
    length = crc = 0
    for each in checksums:
        crc = product(crc, each.factor) ^ each.crc
        length += each.length
    return Checksum(length, crc, factor(length))


class Piece(msgspec.Struct, frozen=True, gc=False):
    """A text, deflated."""

    deflated: bytes = b""
    """Raw deflate blocks; empty for an empty text."""
    checksum: Checksum = Checksum()

    def text(self) -> bytes:
        """Return the text."""
        return zlib.decompressobj(-zlib.MAX_WBITS).decompress(self.deflated)

    def parts(self) -> Iterator[bytes]:
        """Yield the text in parts of at most ``INFLATED_BYTES``."""
        inflater, rest = zlib.decompressobj(-zlib.MAX_WBITS), self.deflated
        while rest:  # the end of a piece, which holds no text, is left until all text is out
            yield inflater.decompress(rest, INFLATED_BYTES)
            rest = inflater.unconsumed_tail


EMPTY = Piece()


def piece_of(text: bytes) -> Piece:
    """Return a text as a piece."""
    return Piece(deflated(text), Checksum(len(text), zlib.crc32(text), factor(len(text)))) if text else EMPTY


def deflated(text: bytes) -> bytes:
    """Return a text as deflate blocks that other blocks can precede and follow."""
    compressor = zlib.compressobj(LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)
    return compressor.compress(text) + compressor.flush(zlib.Z_SYNC_FLUSH)


def gzip_end(total: Checksum, text: bytes) -> bytes:
    """Return the end of a gzip member, with a last text, after texts of this total checksum."""
    crc, length = zlib.crc32(text, total.crc), (total.length + len(text)) % 2**32
    return deflated(text) + _LAST_BLOCK + crc.to_bytes(4, "little") + length.to_bytes(4, "little")


@lru_cache(maxsize=4096)
def factor(length: int) -> int:
    """Return the polynomial by which so many following bytes multiply a CRC-32."""
    result, position = _ONE, 0
    while length:
        if length & 1:
            result = product(result, _doubled(position))
        length >>= 1
        position += 1
    return result


@cache
def _doubled(times: int) -> int:
    """Return the factor of ``2 ** times`` bytes."""
    return product(_doubled(times - 1), _doubled(times - 1)) if times else _X_TO_THE_8TH


def product(left: int, right: int) -> int:
    """Return the product of two polynomials modulo that of the CRC."""
    result = 0
    while left:
        if left & _ONE:
            result ^= right
        left = (left << 1) & 0xFFFFFFFF
        right = right >> 1 ^ _POLYNOMIAL if right & 1 else right >> 1
    return result
