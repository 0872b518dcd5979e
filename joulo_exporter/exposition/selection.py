"""Answers to ``?name[]=``: the families that are asked for, and of a histogram the series."""

from __future__ import annotations

from typing import TYPE_CHECKING

from joulo_exporter.exposition.lines import only
from joulo_exporter.exposition.part import Part

if TYPE_CHECKING:
    from collections.abc import Generator

    from joulo_exporter.exposition.families import Families
    from joulo_exporter.exposition.store import Store


def selected(
    store: Store, families: Families, names: frozenset[str], *, openmetrics: bool
) -> Generator[None, None, list[Part]]:
    """Return HELP, TYPE and the series of these names, in steps.

    Args:
        store: up to date.
        families: those of the store.
        names: of series; a histogram has three.
        openmetrics: OpenMetrics 1.0 instead of the text format 0.0.4.
    """
    parts: list[Part] = []
    for index, (lines, header) in enumerate(
        zip(families.lines, families.headers(openmetrics=openmetrics), strict=True)
    ):
        asked = lines.sample_names & names
        if not asked:
            continue
        part = store.family(index)
        if asked != lines.sample_names:
            part = yield from _filtered(part, asked, families)
        if part.length:
            parts += [header, part]
        yield
    return parts


def _filtered(part: Part, names: frozenset[str], families: Families) -> Generator[None, None, Part]:
    kept, rest = [], b""
    for piece in part.lines():
        complete, newline, rest = (rest + piece).rpartition(b"\n")
        kept.append(only(complete + newline, names))
        yield
    return Part(families.work, plain=b"".join(kept))
