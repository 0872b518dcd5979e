"""Parts of an answer: bytes that are known plain or deflated, and made the other only if somebody asks for that.

A gzip answer is one member (RFC 1952): every part is a run of deflate blocks that ends on a byte and refers
to nothing before it (RFC 1951, section 3.2.4; zlib's ``Z_SYNC_FLUSH`` of a fresh compressor), so that parts can be
joined in any order. One final empty block ends them all.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

from joulo_exporter.exposition.crc import shift_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from joulo_exporter.exposition.work import Work

LEVEL = 2
"""Of zlib; measured: 4 % smaller than level 1 in the same time. Level 3: 1 to 2 % smaller, a fifth longer."""
_DEFLATE_STEP = 1 << 18  # 2 ms
_INFLATE_STEP = 1 << 14  # makes some 150 KiB
SHORT = 1 << 13
"""Bytes; parts with less are not worth a piece of their own."""


def deflated(plain: bytes, work: Work) -> bytes:
    """Return the bytes as deflate blocks that other parts can follow."""
    work.blobs_deflated += 1
    work.bytes_deflated += len(plain)
    compressor = zlib.compressobj(LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)
    return compressor.compress(plain) + compressor.flush(zlib.Z_SYNC_FLUSH)


def inflated(blocks: bytes | memoryview) -> bytes:
    """Return what ``deflated`` was given."""
    return zlib.decompressobj(-zlib.MAX_WBITS).decompress(blocks)


class Part:
    """Some lines of an answer.

    Args:
        work: counts what is done.
        plain: the lines themselves, or ``None``.
        blocks: the lines, deflated, or ``None``; one of the two is given.
        crc: CRC-32 of the lines, where only the blocks are given.
        length: of the lines, in bytes, where only the blocks are given.
    """

    __slots__ = ("_lines", "_plain", "_work", "blocks", "crc", "length", "shift")

    def __init__(
        self, work: Work, *, plain: bytes | None = None, blocks: bytes | None = None, crc: int = 0, length: int = 0
    ) -> None:
        self._work = work
        self._plain = plain
        self._lines: Sequence[bytes | memoryview] | None = None if plain is None else [plain]
        self.blocks: bytes | memoryview | None = blocks
        self.crc = crc if plain is None else zlib.crc32(plain)
        self.length = length if plain is None else len(plain)
        self.shift = shift_of(self.length)

    def deflate(self) -> Iterator[None]:
        """Make the blocks, step by step."""
        if self.blocks is None and self._plain is not None:
            pieces = []
            for start in range(0, self.length, _DEFLATE_STEP):
                pieces.append(deflated(self._plain[start : start + _DEFLATE_STEP], self._work))
                yield
            self.blocks = b"".join(pieces)

    def inflate(self) -> Iterator[None]:
        """Make the lines and keep them, step by step."""
        if self._lines is None:
            pieces = []
            for piece in self.lines():
                pieces.append(piece)
                yield
            self._lines = pieces

    def forget_lines(self) -> None:
        """Drop the lines, if they can be made again."""
        if self._plain is None:
            self._lines = None

    def move_blocks(self, place: memoryview) -> None:
        """Have the blocks in another place from now on; short ones stay, which several runs share."""
        if len(place) >= SHORT:
            self.blocks = place

    def move_lines(self, place: memoryview) -> None:
        """Have the lines in another place from now on, if they can be made again."""
        if self._plain is None:
            self._lines = [place]

    def lines(self) -> Iterator[bytes | memoryview]:
        """Yield the lines in pieces; none is kept that was not before."""
        if self._lines is not None:
            yield from self._lines
        elif self.blocks:
            decompressor = zlib.decompressobj(-zlib.MAX_WBITS)
            view = memoryview(self.blocks)
            for start in range(0, len(view), _INFLATE_STEP):
                yield decompressor.decompress(view[start : start + _INFLATE_STEP])
