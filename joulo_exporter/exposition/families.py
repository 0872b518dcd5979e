"""All families, ready to render an account."""

from __future__ import annotations

import logging
from functools import lru_cache
from itertools import accumulate
from typing import TYPE_CHECKING, TypeVar

from joulo_exporter.collector import FAMILIES
from joulo_exporter.exposition.difference import differing
from joulo_exporter.exposition.lines import FamilyLines
from joulo_exporter.exposition.part import Part
from joulo_exporter.logs import event

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from joulo_exporter.exposition.patch import Piece
    from joulo_exporter.exposition.work import Work
    from joulo_exporter.snapshot import Snapshot

_New = TypeVar("_New", bound="Piece")

_logger = logging.getLogger(__name__)

_KINDS_OF_CHANGE = 256
"""Sets of fields that change together, whose readers are remembered; there are a few dozen."""


class Families:
    """Renders accounts, and has HELP and TYPE of each family at hand.

    Args:
        work: counts what is rendered.
    """

    def __init__(self, work: Work) -> None:
        self.work = work
        self.lines = tuple(FamilyLines(family) for family in FAMILIES)
        self._reading: dict[str, set[int]] = {}
        for index, family in enumerate(FAMILIES):
            for field in family.reads:
                for name in accumulate(field.split("."), "{}.{}".format):  # and all that it is part of
                    self._reading.setdefault(name, set()).add(index)
        self._of_interest = lru_cache(_KINDS_OF_CHANGE)(self._readers)
        self._headers: dict[bool, list[Part]] = {}

    def __len__(self) -> int:
        return len(self.lines)

    def render(self, snapshot: Snapshot) -> tuple[bytes, ...] | None:
        """Return the account's lines, family by family; ``None`` if that failed, which takes nobody else down."""
        pieces = self._attempted(snapshot, lambda: self._whole(snapshot))
        return None if pieces is None else tuple(pieces.values())

    def changed(self, snapshot: Snapshot, former: Snapshot | None) -> Mapping[int, Piece] | None:
        """Return what changes in the families that show something else than they did; ``None`` if that failed.

        Args:
            snapshot: of the account.
            former: what is shown of it; ``None`` if that is nothing, and all families are wanted.
        """
        if former is None or former.account != snapshot.account:
            return self._attempted(snapshot, lambda: self._whole(snapshot))
        return self._attempted(snapshot, lambda: self._differing(snapshot, former))

    def _attempted(self, snapshot: Snapshot, render: Callable[[], dict[int, _New]]) -> dict[int, _New] | None:
        try:
            pieces = render()
        except Exception as error:  # noqa: BLE001 -- a fault of ours, whatever it is; the others are scraped on
            event(_logger, "error", "an account cannot be shown as it is now", account=snapshot.account, err=error)
            return None
        self.work.accounts_rendered += 1
        self.work.bytes_rendered += sum(map(len, pieces.values()))
        return pieces

    def _whole(self, snapshot: Snapshot) -> dict[int, bytes]:
        return {index: lines.render(snapshot) for index, lines in enumerate(self.lines)}

    def _differing(self, snapshot: Snapshot, former: Snapshot) -> dict[int, Piece]:
        before, after, changed = differing(former, snapshot)
        pieces: dict[int, Piece] = {}
        for index in self._of_interest(changed):
            piece = self.lines[index].change(snapshot, before, after)
            if piece is not None:
                pieces[index] = piece
        return pieces

    def _readers(self, fields: frozenset[str]) -> list[int]:
        """Return the families that read one of these fields."""
        return sorted(set().union(*(self._reading.get(name, ()) for name in fields)))

    def headers(self, *, openmetrics: bool) -> list[Part]:
        """Return HELP and TYPE of each family; made when a format is first asked for."""
        if openmetrics not in self._headers:
            self._headers[openmetrics] = [
                Part(self.work, plain=lines.header(openmetrics=openmetrics)) for lines in self.lines
            ]
        return self._headers[openmetrics]
