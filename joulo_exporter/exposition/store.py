"""What keeps the rendered lines: one way for a few accounts, another for many."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence

    from joulo_exporter.exposition.part import Part
    from joulo_exporter.exposition.run import Run


class Store(Protocol):
    """The lines of all accounts, up to date after ``settle``."""

    def changed(self, account: str) -> None:
        """Note that the account has a new picture, or is new."""

    def settle(self) -> Iterator[None]:
        """Render what has changed until now, in steps of a few milliseconds; between them all goes on."""

    def run(self, *, openmetrics: bool) -> Generator[None, None, Run]:
        """Return everything, with HELP and TYPE, as of the last rendering; in steps."""

    def family(self, index: int) -> Part:
        """Return the lines of one family of all accounts."""

    def arranged(self, accounts: Sequence[str]) -> Store:
        """Return the store of these accounts in this order; all of them are in this one."""
