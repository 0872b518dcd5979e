"""Bytes that the system can send by itself, from a file that is nowhere but in memory."""

from __future__ import annotations

import mmap
import os
import weakref
from functools import cached_property
from typing import TYPE_CHECKING

from joulo_exporter.exposition import large_pages

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator


class MemoryFile:
    """A file without a name, see ``memfd_create(2)``; it lasts as long as somebody refers to it, or to its view.

    What is in it never changes: an answer that is on its way refers to these very pages.

    Args:
        size: in bytes.

    Raises:
        OSError: there is no memory for it, or no descriptor, or it is not allowed.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self._descriptor = os.memfd_create("joulo_exporter")
        weakref.finalize(self, os.close, self._descriptor)
        self._room = large_pages.whole(size)
        os.ftruncate(self._descriptor, self._room)

    def fileno(self) -> int:
        """Return the descriptor."""
        return self._descriptor

    @cached_property
    def view(self) -> memoryview:
        """Return the bytes, which are not copied."""
        return memoryview(mmap.mmap(self._descriptor, self.size, prot=mmap.PROT_READ))

    def reserve(self) -> Iterator[None]:
        """Give the file its pages, if the system has large ones, step by step; before the first byte."""
        return large_pages.reserve(self._descriptor, self._room)

    def append(self, piece: bytes | memoryview) -> None:
        """Write what follows."""
        remaining = memoryview(piece)
        while remaining:
            remaining = remaining[os.write(self._descriptor, remaining) :]


def filed(pieces: Iterable[bytes | memoryview], size: int) -> Generator[None, None, MemoryFile | None]:
    """Return a file of these pieces, made step by step; ``None`` where there are no such files.

    Args:
        pieces: together so many bytes.
        size: in bytes.
    """
    if not hasattr(os, "memfd_create"):
        return None  # not Linux
    try:
        file = MemoryFile(size)
        yield from file.reserve()
        for piece in pieces:
            file.append(piece)
            yield
        _ = file.view  # is mapped here, where a refusal does no harm
    except OSError:
        return None
    return file
