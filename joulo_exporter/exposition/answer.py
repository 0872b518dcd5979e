"""What a scrape is answered with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from joulo_exporter.exposition.crc import combined
from joulo_exporter.exposition.run import GZIP_HEADER

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from joulo_exporter.exposition.part import Part
    from joulo_exporter.exposition.run import Run

_LAST_BLOCK = b"\x03\x00"


class Answer:
    """The bytes of an answer, in pieces that are made while it is written, if need be.

    Args:
        run: all accounts.
        tail: what follows them.
        compressed: gzipped; then all parts are deflated already.
    """

    def __init__(self, run: Run, tail: Part, *, compressed: bool) -> None:
        self._run, self._tail = run, tail
        self._ending: bytes | None = None
        self.length = run.length + tail.length
        self.front = run.files.get(compressed)
        """The file that the answer begins with, if there is one."""
        if compressed:
            crc = combined(run.crc, tail.crc, tail.shift)
            length = self.length % 2**32
            end = _LAST_BLOCK + crc.to_bytes(4, "little") + length.to_bytes(4, "little")
            self._ending = b"".join((tail.blocks or b"", end))
            self._blocks = run.blocks
            self.length = len(GZIP_HEADER) + sum(map(len, self._blocks)) + len(self._ending)

    def pieces(self) -> Iterable[bytes | memoryview]:
        """Return the bytes in pieces, together ``length`` bytes."""
        if self.front is not None:
            return (self.front.view, *self.rest())
        if self._ending is not None:
            return (GZIP_HEADER, *self._blocks, self._ending)
        return (piece for part in (*self._run.parts, self._tail) for piece in part.lines())

    def rest(self) -> Sequence[bytes | memoryview]:
        """Return what follows the front, in pieces."""
        return tuple(self._tail.lines()) if self._ending is None else (self._ending,)

    def whole(self) -> bytes:
        """Return the bytes as one."""
        return b"".join(self.pieces())
