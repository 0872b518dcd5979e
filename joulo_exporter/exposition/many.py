"""The lines of many accounts: a change replaces the blobs that it touches, and nothing else."""

from __future__ import annotations

from collections import defaultdict
from functools import partial
from typing import TYPE_CHECKING

from joulo_exporter.exposition.block import SIZE, Block
from joulo_exporter.exposition.column import EMPTY, Blob, Column, blob
from joulo_exporter.exposition.run import Run

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Mapping, Sequence

    from joulo_exporter.exposition.families import Families
    from joulo_exporter.exposition.part import Part
    from joulo_exporter.exposition.patch import Piece
    from joulo_exporter.snapshot import Snapshot


class Many:
    """Keeps blocks of accounts, and a column of compressed blobs for each family.

    Args:
        families: renders.
        snapshots: of all accounts, in their order.
        blocks: of the accounts.
        columns: of the families.
    """

    def __init__(
        self,
        families: Families,
        snapshots: Mapping[str, Snapshot],
        blocks: Sequence[Block] = (),
        columns: Sequence[Column] = (),
    ) -> None:
        self._families = families
        self._snapshots = snapshots
        self._blocks = list(blocks)
        self._columns = list(columns) or [Column(families.work) for _ in range(len(families))]
        self._places = {account: index for index, block in enumerate(self._blocks) for account in block.accounts}
        self._dirty = {index: None for index, block in enumerate(self._blocks) if block.dirty}
        self._runs: dict[bool, Run] = {}
        for account in snapshots:
            if account not in self._places:
                self.changed(account)

    def changed(self, account: str) -> None:
        """Note that the account has a new picture, or is new: then it is appended."""
        index = self._places.get(account)
        if index is None:
            if not self._blocks or self._blocks[-1].full:
                self._blocks.append(Block(len(self._families)))
            index = self._places[account] = len(self._blocks) - 1
            self._blocks[index].add(account)
        else:
            self._blocks[index].dirty[account] = None
        self._dirty[index] = None

    def settle(self) -> Iterator[None]:
        """Render the accounts that have changed until now; a block changes in one step, once it is all ready."""
        for index in list(self._dirty):
            yield from self._settle(index)

    def _settle(self, index: int) -> Iterator[None]:
        block = self._blocks[index]
        version = block.version
        pictures: dict[str, Snapshot] = {}
        shown: dict[str, Snapshot] = {}
        pieces: defaultdict[int, dict[int, Piece]] = defaultdict(dict)
        for slot, account in enumerate(block.accounts):
            if account in block.dirty and account in self._snapshots:
                picture = pictures[account] = self._snapshots[account]
                rendered = self._families.changed(picture, block.shown.get(account))
                if rendered is not None:
                    shown[account] = picture
                    for family, piece in rendered.items():
                        pieces[family][slot] = piece
                yield
        changes: list[tuple[int, dict[int, bytes], Blob]] = []
        for family in sorted(pieces):
            plain = self._columns[family][index].plain
            whole = partial(self._whole, family, block, pictures)
            changed = block.changed(family, plain, pieces[family], whole)
            if changed:
                plain = block.spliced(family, plain, changed)
                changes.append((family, changed, blob(plain, self._families.work)))
                yield
        if block.version == version:  # else another answer has been faster
            block.shown |= shown
            self._commit(index, changes, pictures)

    def _whole(self, family: int, block: Block, pictures: Mapping[str, Snapshot], slot: int) -> bytes:
        return self._families.lines[family].render(pictures[block.accounts[slot]])

    def _commit(
        self, index: int, changes: list[tuple[int, dict[int, bytes], Blob]], pictures: Mapping[str, Snapshot]
    ) -> None:
        block = self._blocks[index]
        for family, changed, new in changes:
            block.note(family, changed)
            self._columns[family].replace(index, new)
        for account, picture in pictures.items():
            if self._snapshots.get(account) is picture:  # else there is a newer one already
                block.dirty.pop(account, None)
        block.version += 1
        if not block.dirty:
            self._dirty.pop(index, None)
        if changes:
            self._runs.clear()

    def run(self, *, openmetrics: bool) -> Generator[None, None, Run]:
        """Return everything, column by column."""
        run = self._runs.get(openmetrics)
        if run is None:
            parts: list[Part] = []
            for header, column in zip(self._families.headers(openmetrics=openmetrics), self._columns, strict=True):
                part = column.part()
                if part.length:
                    parts += [header, part]
                yield
            run = self._runs[openmetrics] = Run(parts)
        return run

    def family(self, index: int) -> Part:
        """Return the lines of one family of all accounts."""
        return self._columns[index].part()

    def arranged(self, accounts: Sequence[str]) -> Many:
        """Return the store of these accounts in this order.

        Blocks stay as they are where nobody has left them. All are made anew if the order is another one, or if so
        many have left that the blocks are half empty.
        """
        wanted = set(accounts)
        kept = [[account for account in block.accounts if account in wanted] for block in self._blocks]
        left = [index for index, remaining in enumerate(kept) if remaining]
        same_order = [account for remaining in kept for account in remaining] == list(accounts)
        if not same_order or len(left) > 2 * (len(accounts) // SIZE + 1):
            return Many(self._families, self._snapshots)
        blocks, columns = [], [column.kept(left) for column in self._columns]
        for position, index in enumerate(left):
            block, remaining = self._blocks[index], kept[index]
            if len(remaining) < len(block.accounts):
                block = Block(len(self._families), remaining)
                for column in columns:
                    column.replace(position, EMPTY)
            blocks.append(block)
        return Many(self._families, self._snapshots, blocks, columns)
