"""The lines of a few accounts: after a change all are joined and compressed as one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from joulo_exporter.exposition.part import Part
from joulo_exporter.exposition.run import Run

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Mapping, Sequence

    from joulo_exporter.exposition.families import Families
    from joulo_exporter.snapshot import Snapshot

LIMIT = 16
"""Accounts; measured: from here on it is cheaper to replace the few blobs that a change touches."""


class Few:
    """Keeps the lines of each account.

    Args:
        families: renders.
        snapshots: of all accounts, in their order.
    """

    def __init__(self, families: Families, snapshots: Mapping[str, Snapshot]) -> None:
        self._families = families
        self._snapshots = snapshots
        self._pieces: dict[str, tuple[bytes, ...]] = {}
        self._dirty = dict.fromkeys(snapshots)
        self._runs: dict[bool, Run] = {}

    def changed(self, account: str) -> None:
        """Note that the account has a new picture, or is new."""
        self._dirty[account] = None

    def settle(self) -> Iterator[None]:
        """Render the accounts that have changed, one a step."""
        while self._dirty:
            account = next(iter(self._dirty))
            del self._dirty[account]
            snapshot = self._snapshots.get(account)  # none for an account that a reload took away in the middle
            pieces = None if snapshot is None else self._families.render(snapshot)
            if pieces is not None:
                self._pieces[account] = pieces
                self._runs.clear()
            yield

    def run(self, *, openmetrics: bool) -> Generator[None, None, Run]:
        """Return everything as one part."""
        run = self._runs.get(openmetrics)
        if run is None:
            headers = self._families.headers(openmetrics=openmetrics)
            columns = [self._lines(index) for index in range(len(headers))]
            plain = b"".join(
                b"".join((*header.lines(), column))
                for header, column in zip(headers, columns, strict=True)
                if column
            )
            run = self._runs[openmetrics] = Run([Part(self._families.work, plain=plain)])
            yield
        return run

    def family(self, index: int) -> Part:
        """Return the lines of one family of all accounts."""
        return Part(self._families.work, plain=self._lines(index))

    def arranged(self, accounts: Sequence[str]) -> Few:
        """Return the store of these accounts in this order."""
        arranged = Few(self._families, self._snapshots)
        arranged._pieces = {account: self._pieces[account] for account in accounts if account in self._pieces}
        arranged._dirty = dict.fromkeys(account for account in accounts if account in self._dirty)
        return arranged

    def _lines(self, index: int) -> bytes:
        pieces = self._pieces
        return b"".join([pieces[account][index] for account in self._snapshots if account in pieces])
