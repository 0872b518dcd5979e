"""What a scrape is answered with."""

from __future__ import annotations

import zlib
from itertools import chain
from typing import TYPE_CHECKING

from joulo_exporter.exposition.run import GZIP_HEADER

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from joulo_exporter.exposition.run import Run

_LAST_BLOCK = b"\x03\x00"


class Answer:
    """The bytes of an answer, in pieces that are made while it is written, if need be.

    Args:
        run: all accounts.
        tail: the lines that follow them.
        blocks: the same deflated, for an answer that is gzipped; then the run is deflated already.
    """

    def __init__(self, run: Run, tail: bytes, blocks: bytes | None = None) -> None:
        self._run = run
        self._blocks: Sequence[bytes | memoryview] = run.blocks
        self._compressed = blocks is not None
        self._ending = tail
        self.length = run.length + len(tail)
        self.front = run.files.get(self._compressed)
        """The file that the answer begins with, if there is one."""
        if blocks is not None:
            crc, length = zlib.crc32(tail, run.crc), self.length % 2**32
            self._ending = blocks + _LAST_BLOCK + crc.to_bytes(4, "little") + length.to_bytes(4, "little")
            self.length = len(GZIP_HEADER) + sum(map(len, self._blocks)) + len(self._ending)

    def pieces(self) -> Iterable[bytes | memoryview]:
        """Return the bytes in pieces, together ``length`` bytes."""
        if self.front is not None:
            return (self.front.view, self._ending)
        if self._compressed:
            return (GZIP_HEADER, *self._blocks, self._ending)
        return chain((piece for part in self._run.parts for piece in part.lines()), self.rest())

    def rest(self) -> Sequence[bytes]:
        """Return what follows the front, in pieces."""
        return (self._ending,)

    def whole(self) -> bytes:
        """Return the bytes as one."""
        return b"".join(self.pieces())
