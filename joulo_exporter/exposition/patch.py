"""What has changed in an account's lines, where that is less than all of them."""

from __future__ import annotations


class Patch(bytes):
    """Lines that take the place of those of the same series; the others of the account's family stay."""

    __slots__ = ()

    def applied(self, piece: bytes) -> bytes | None:
        """Return the account's lines with these among them; ``None`` if one of the series is not there."""
        for line in self.split(b"\n")[:-1]:
            # A series is found by its name and labels alone: within the value of a label the quotation marks that
            # it begins with would be escaped.
            start = piece.find(line[: line.rindex(b" ") + 1])
            if start < 0:
                return None
            piece = b"".join((piece[:start], line, piece[piece.index(b"\n", start) :]))
        return piece
