"""One family of many accounts: a blob for each block of accounts, compressed on its own."""

from __future__ import annotations

import zlib
from itertools import accumulate, chain, repeat
from typing import TYPE_CHECKING, NamedTuple

from joulo_exporter.exposition.crc import combined, shift_of
from joulo_exporter.exposition.part import Part, deflated, inflated

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from joulo_exporter.exposition.work import Work


class Blob(NamedTuple):
    """The lines of a block of accounts, deflated."""

    blocks: bytes | memoryview
    """Empty in a column that has joined them: then they are a piece of the whole."""
    crc: int
    length: int
    """Of the lines."""
    shift: int

    @property
    def plain(self) -> bytes:
        """Return the lines."""
        return inflated(self.blocks)


EMPTY = Blob(b"", 0, 0, shift_of(0))


def blob(plain: bytes, work: Work) -> Blob:
    """Return the lines as a blob."""
    return Blob(deflated(plain, work), zlib.crc32(plain), len(plain), shift_of(len(plain))) if plain else EMPTY


class Column:
    """The blobs of one family, in the order of their accounts.

    Args:
        work: counts what is done.
        blobs: of the blocks.
    """

    def __init__(self, work: Work, blobs: Iterable[Blob] = ()) -> None:
        self._work = work
        self._blobs = list(blobs)
        self._joined: Part | None = None
        """All blobs as they were when they were asked for last."""
        self._ends: list[int] = []
        """Where they end in it."""
        self._up_to_date = False

    def __getitem__(self, index: int) -> Blob:
        if index >= len(self._blobs):
            return EMPTY
        blob = self._blobs[index]
        if blob.blocks or not blob.length:
            return blob
        return blob._replace(blocks=self._whole()[self._ends[index - 1] if index else 0 : self._ends[index]])

    def replace(self, index: int, new: Blob) -> None:
        """Put a blob in its place; those before it that nobody has filled are empty."""
        self._blobs += [EMPTY] * (index + 1 - len(self._blobs))
        self._blobs[index] = new
        self._up_to_date = False

    def kept(self, indices: Sequence[int]) -> Column:
        """Return the column of these blocks only."""
        return Column(self._work, [self[index] for index in indices])

    def part(self) -> Part:
        """Return the blobs as one part; from then on they are pieces of it, so that nothing is kept twice."""
        if self._joined is None or not self._up_to_date:
            self._joined, self._up_to_date = self._join(), True
        return self._joined

    def _whole(self) -> memoryview:
        # Looked up each time: the part may have moved to a file.
        return memoryview((self._joined and self._joined.blocks) or b"")

    def _join(self) -> Part:
        self._work.columns_joined += 1
        whole, start = self._whole(), 0
        ends = chain(self._ends, repeat(0))  # a blob that is new has no end in what was joined, and needs none
        pieces: list[bytes | memoryview] = []
        for blob, end in zip(self._blobs, ends, strict=False):
            pieces.append(blob.blocks if blob.blocks or not blob.length else whole[start:end])
            start = end
        crc = length = 0
        for blob in self._blobs:
            if blob.length:
                crc = combined(crc, blob.crc, blob.shift)
                length += blob.length
        # Until this has succeeded nothing has changed: without memory for it, the next scrape finds all as it was.
        joined = Part(self._work, blocks=b"".join(pieces), crc=crc, length=length)
        self._ends, self._blobs = (
            list(accumulate(map(len, pieces))),
            [blob._replace(blocks=b"") if blob.blocks else blob for blob in self._blobs],
        )
        return joined
