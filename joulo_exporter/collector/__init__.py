"""All metrics of an account, and the collector that gives them to prometheus-client."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client.registry import Collector

from joulo_exporter.collector import accounting, ended, ere, itself, live
from joulo_exporter.collector.family import Family

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from prometheus_client.metrics_core import Metric

    from joulo_exporter.snapshot import Snapshot

FAMILIES: tuple[Family, ...] = (
    *live.FAMILIES,
    *accounting.FAMILIES,
    *ended.FAMILIES,
    *ere.FAMILIES,
    *itself.FAMILIES,
)
"""Every metric of an account, in the order in which they are served."""


class JouloCollector(Collector):
    """Collects all accounts from their snapshots; it asks no one and waits for nothing.

    Args:
        snapshots: gives the snapshots of the moment.
    """

    def __init__(self, snapshots: Callable[[], Iterable[Snapshot]]) -> None:
        self._snapshots = snapshots

    def describe(self) -> Iterable[Metric]:
        """Return every family that a collection can contain, without samples."""
        return [family.empty() for family in FAMILIES]

    def collect(self) -> Iterable[Metric]:
        """Yield each family that has samples."""
        snapshots = list(self._snapshots())
        for family in FAMILIES:
            metric = family.collect(snapshots)
            if metric.samples:
                yield metric


__all__ = ["FAMILIES", "Family", "JouloCollector"]
