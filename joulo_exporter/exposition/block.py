"""A block of accounts: where the lines of each account stand in the blobs of the block."""

from __future__ import annotations

from array import array
from itertools import accumulate
from typing import TYPE_CHECKING

from joulo_exporter.exposition.patch import Patch, Piece

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from joulo_exporter.snapshot import Snapshot

SIZE = 64
"""Accounts; measured: half as many take 7 % more bytes, twice as many 3 % less, and a change is twice as dear."""


class Block:
    """Up to ``SIZE`` accounts, one after the other.

    Args:
        families: how many there are.
        accounts: in their order; all of them are dirty, and nothing is shown of them.
    """

    __slots__ = ("_digests", "_families", "_lengths", "accounts", "dirty", "shown", "version")

    def __init__(self, families: int, accounts: Iterable[str] = ()) -> None:
        self.accounts = list(accounts)
        self.dirty = dict.fromkeys(self.accounts)
        self.shown: dict[str, Snapshot] = {}
        self.version = 0
        self._families = families
        self._lengths = array("I", bytes(4 * SIZE * families))
        self._digests = array("q", bytes(8 * SIZE * families))

    @property
    def full(self) -> bool:
        """Return whether there is no room for another account."""
        return len(self.accounts) >= SIZE

    def add(self, account: str) -> None:
        """Append an account."""
        self.accounts.append(account)
        self.dirty[account] = None

    def changed(
        self, family: int, plain: bytes, pieces: Mapping[int, Piece], render: Callable[[int], bytes]
    ) -> dict[int, bytes]:
        """Return those of the family's new pieces, by slot, that are not what stands there.

        A digest of 64 bits tells: to keep the pieces themselves would be a second copy of everything.

        Args:
            family: which one.
            plain: its lines as they stand in the block.
            pieces: by slot.
            render: gives all of a slot's lines, where a patch is not for those that stand there.
        """
        start, lengths, ends = self._standing(family)
        changed = {}
        for slot, new in pieces.items():
            if isinstance(new, Patch):
                piece = new.applied(plain[ends[slot] - lengths[slot] : ends[slot]]) or render(slot)
            else:
                piece = new
            if self._digests[start + slot] != _digest(piece):
                changed[slot] = piece
        return changed

    def spliced(self, family: int, plain: bytes, pieces: Mapping[int, bytes]) -> bytes:
        """Return the family's lines with these pieces in the place of the former ones."""
        _, lengths, ends = self._standing(family)
        parts, copied = [], 0
        for slot in sorted(pieces):
            parts += [plain[copied : ends[slot] - lengths[slot]], pieces[slot]]
            copied = ends[slot]
        return b"".join([*parts, plain[copied:]])

    def _standing(self, family: int) -> tuple[int, array[int], list[int]]:
        """Return where the family's numbers begin, the length of each slot's lines, and where they end."""
        start = family * SIZE
        lengths = self._lengths[start : start + SIZE]
        return start, lengths, list(accumulate(lengths))

    def note(self, family: int, pieces: Mapping[int, bytes]) -> None:
        """Note what stands in the block from now on."""
        start = family * SIZE
        for slot, piece in pieces.items():
            self._lengths[start + slot] = len(piece)
            self._digests[start + slot] = _digest(piece)


def _digest(piece: bytes) -> int:
    return hash(piece)
