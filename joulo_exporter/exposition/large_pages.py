"""Large pages for a file that is in memory only: the system then sends it with a fraction of the work.

Linux keeps such a file in pages of 4 KiB, unless the machine was set up otherwise, and handles each of them when
the file is written and when it is sent. ``madvise(2)`` with ``MADV_COLLAPSE`` joins the pages of one file, however
the machine was set up (Linux 6.1). Where that cannot be had, nothing changes but the time that it takes.
"""

from __future__ import annotations

import mmap
import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

SIZE = 1 << 21
"""Of a large page, where a small one has 4 KiB; where it has more, the system declines."""

_COLLAPSE = 25  # MADV_COLLAPSE; the standard library has no name for it yet
_FIXED = 0x10  # MAP_FIXED, nor for this
_IN_PLACE = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS


def whole(length: int) -> int:
    """Return the length in large pages, in bytes."""
    return -(-length // SIZE) * SIZE


def reserve(descriptor: int, length: int) -> Iterator[None]:
    """Have large pages reserved for a new file, one a step: to fill them is cheaper than to join full ones.

    Args:
        descriptor: of the file, whose bytes are all zero.
        length: of the file in bytes, a multiple of ``SIZE``.

    Raises:
        OSError: there is no memory, not even for small pages.
    """
    if sys.maxsize < 1 << 32:
        return  # where an offset in a file and a register differ in size
    try:
        import ctypes  # noqa: PLC0415 -- few have so much to serve that they get here
    except ImportError:
        return  # a Python that was built without it

    system = ctypes.CDLL(None)
    system.mmap.restype = ctypes.c_void_p
    system.mmap.argtypes = (ctypes.c_void_p, ctypes.c_size_t, *(3 * (ctypes.c_int,)), ctypes.c_long)
    system.madvise.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
    # Pages can be joined where the address is a multiple of the large page, and the system chooses another. So
    # reserve enough, and let the file take the place of what is in the middle; all of it goes when the block ends.
    with mmap.mmap(-1, length + SIZE, flags=_IN_PLACE) as room:
        address = whole(ctypes.addressof(ctypes.c_char.from_buffer(room)))
        flags = mmap.MAP_SHARED | _FIXED
        if system.mmap(address, length, mmap.PROT_READ, flags, descriptor, 0) != address:
            return
        for start in range(0, length, SIZE):
            os.pwrite(descriptor, b"\0", start)  # of nothing at all, no page is made
            if system.madvise(address + start, SIZE, _COLLAPSE):
                return
            yield
