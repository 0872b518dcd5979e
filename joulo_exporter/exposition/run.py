"""Parts one after the other, as most answers begin with them."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from joulo_exporter.exposition.crc import combined
from joulo_exporter.exposition.memory_file import filed
from joulo_exporter.exposition.part import SHORT

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from joulo_exporter.exposition.memory_file import MemoryFile
    from joulo_exporter.exposition.part import Part

GZIP_HEADER = b"\x1f\x8b\x08" + bytes(6) + b"\xff"  # no time, no name: equal pictures are equal bytes
_WORTH_A_FILE = 1 << 20
"""Bytes; with less, little of an answer's time is the sending of its bytes."""
_OFTEN = {True: 2, False: 1}
"""Answers, gzipped or not. To make a file of blocks takes the time that it saves in some ten answers: two servers
that ask at the same time shall not pay that after each change. Lines take more time than their file."""


class Run:
    """Parts, with the CRC-32 and the length of them all.

    Attributes:
        files: what answers begin with, gzipped (``True``) or not, once that has been asked for often.
    """

    __slots__ = ("__weakref__", "_asked", "_blocks", "crc", "files", "length", "parts")

    def __init__(self, parts: Sequence[Part]) -> None:
        self.parts = parts
        self.length = sum(part.length for part in parts)
        self.crc = 0
        for part in parts:
            self.crc = combined(self.crc, part.crc, part.shift)
        self._blocks: list[bytes | memoryview] | None = None
        self._asked = {True: 0, False: 0}
        self.files: dict[bool, MemoryFile] = {}

    @property
    def blocks(self) -> Sequence[bytes | memoryview]:
        """Return the blocks of all parts; nothing before ``deflate``."""
        return self._blocks or ()

    def deflate(self) -> Iterator[None]:
        """Make the blocks of all parts, step by step."""
        if self._blocks is None:
            for part in self.parts:
                yield from part.deflate()
            self._blocks = _gathered(part.blocks or b"" for part in self.parts)

    def forget_lines(self) -> None:
        """Drop the lines that can be made again."""
        self.files.pop(False, None)
        for part in self.parts:
            part.forget_lines()

    def file_blocks(self) -> Iterator[None]:
        """Make the blocks; put them into a file if they are asked for often, step by step."""
        yield from self.deflate()
        size = len(GZIP_HEADER) + sum(map(len, self.blocks))
        if not self._wants_file(size, compressed=True):
            return
        file = yield from filed((GZIP_HEADER, *self.blocks), size)
        if file is not None:
            self._blocks = [file.view[len(GZIP_HEADER) :]]
            end = len(GZIP_HEADER)
            for part in self.parts:
                start, end = end, end + len(part.blocks or b"")
                part.move_blocks(file.view[start:end])
                yield  # what it had before is given back to the system, which takes its time
            self.files[True] = file

    def file_lines(self, *, keep: bool) -> Iterator[None]:
        """Make the lines and put them into a file if they are asked for often, step by step.

        Args:
            keep: lines are to be kept, in a file or not; else this one only counts.
        """
        wanted = self._wants_file(self.length, compressed=False)
        if keep and wanted:
            file = yield from filed((piece for part in self.parts for piece in part.lines()), self.length)
            if file is not None:
                end = 0
                for part in self.parts:
                    start, end = end, end + part.length
                    part.move_lines(file.view[start:end])
                    yield  # as above
                self.files[False] = file
        if keep and False not in self.files:
            for part in self.parts:
                yield from part.inflate()

    def _wants_file(self, size: int, *, compressed: bool) -> bool:
        self._asked[compressed] += 1
        often = self._asked[compressed] > _OFTEN[compressed]
        return often and size >= _WORTH_A_FILE and compressed not in self.files


def _gathered(pieces: Iterable[bytes | memoryview]) -> list[bytes | memoryview]:
    """Join neighbours that are short."""
    gathered: list[bytes | memoryview] = []
    for short, group in groupby(pieces, lambda piece: len(piece) < SHORT):
        neighbours = list(group)
        gathered += [b"".join(neighbours)] if short else neighbours
    return gathered
