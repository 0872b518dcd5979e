"""A table for people: columns aligned over all its lines, whose number does not matter."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from joulo_exporter.reports.figures import aligned, display_width, printed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

_GAP = "  "

Cells = tuple[str, ...]


class Column(msgspec.Struct, frozen=True):
    """One column."""

    title: str
    right: bool = False
    """Whether its figures stand at its right edge."""


def table(columns: tuple[Column, ...], lines: Callable[[], Iterable[Cells]]) -> Iterator[str]:
    """Yield the lines of the table, its head first.

    Args:
        columns: from left to right.
        lines: gives the lines, the same each time: they are read twice, so that none has to be kept.
    """
    head = tuple(column.title for column in columns)
    widths = [display_width(title) for title in head]
    for cells in lines():
        widths = [max(width, display_width(printed(cell))) for width, cell in zip(widths, cells, strict=True)]
    yield _line(columns, widths, head)
    for cells in lines():
        yield _line(columns, widths, cells)


def _line(columns: tuple[Column, ...], widths: list[int], cells: Cells) -> str:
    parts = (
        aligned(printed(cell), width, right=column.right)
        for column, width, cell in zip(columns, widths, cells, strict=True)
    )
    return _GAP.join(parts).rstrip() + "\n"
