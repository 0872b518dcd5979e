"""What has changed in an account's lines, where that is less than all of them."""

from __future__ import annotations

import msgspec


class Patch(msgspec.Struct, frozen=True, gc=False):
    """Lines that take the place of those of the same series; the others of the account's family stay."""

    lines: bytes
    each: int = 1
    """How many lines a sample has: those of a histogram stand one after the other."""

    def __len__(self) -> int:
        """Return the bytes of the lines."""
        return len(self.lines)

    def applied(self, piece: bytes) -> bytes | None:
        """Return the account's lines with these among them; ``None`` if one of the series is not there."""
        lines = self.lines.split(b"\n")
        for first in range(0, len(lines) - 1, self.each):
            last = first + self.each - 1
            start = piece.find(_series(lines[first]))
            end = piece.find(_series(lines[last]), start) if last > first else start
            if start < 0 or end < 0:
                return None
            new = b"\n".join(lines[first : last + 1]) if last > first else lines[first]
            piece = b"".join((piece[:start], new, piece[piece.index(b"\n", end) :]))
        return piece


Piece = bytes | Patch
"""What is new of a family's lines of an account: all of them, or some."""


def _series(line: bytes) -> bytes:
    """Return what a line begins with, up to its value.

    A series is found by its name and labels alone: within the value of a label the quotation marks that it begins
    with would be escaped.
    """
    return line[: line.rindex(b" ") + 1]
