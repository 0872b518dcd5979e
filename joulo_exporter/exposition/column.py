"""One family of many accounts: a blob for each block of accounts, compressed on its own."""

from __future__ import annotations

import zlib
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, NamedTuple

from joulo_exporter.exposition.crc import combined, shift_of
from joulo_exporter.exposition.part import Part, deflated, inflated

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from joulo_exporter.exposition.work import Work


class Blob(NamedTuple):
    """The lines of a block of accounts, deflated."""

    blocks: bytes | memoryview
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
        self._part: Part | None = None

    def __getitem__(self, index: int) -> Blob:
        return self._blobs[index] if index < len(self._blobs) else EMPTY

    def replace(self, index: int, new: Blob) -> None:
        """Put a blob in its place; those before it that nobody has filled are empty."""
        self._blobs += [EMPTY] * (index + 1 - len(self._blobs))
        self._blobs[index] = new
        self._part = None

    def kept(self, indices: Sequence[int]) -> Column:
        """Return the column of these blocks only."""
        return Column(self._work, [self[index] for index in indices])

    @property
    def joined(self) -> bool:
        """Return whether ``part`` costs nothing."""
        return self._part is not None

    def part(self) -> Part:
        """Return the blobs as one part; they then are views of it, so that nothing is kept twice."""
        if self._part is None:
            self._part = self._join()
        return self._part

    def _join(self) -> Part:
        self._work.columns_joined += 1
        blocks = b"".join([blob.blocks for blob in self._blobs])
        view = memoryview(blocks)
        ends = accumulate((len(blob.blocks) for blob in self._blobs), initial=0)
        crc = 0
        for position, (blob, (start, end)) in enumerate(zip(self._blobs, pairwise(ends), strict=True)):
            if blob.length:
                crc = combined(crc, blob.crc, blob.shift)
                self._blobs[position] = blob._replace(blocks=view[start:end])
        return Part(self._work, blocks=blocks, crc=crc, length=sum(blob.length for blob in self._blobs))
