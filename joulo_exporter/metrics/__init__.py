"""Metric families of an account, and the collector that gives them to prometheus-client."""

from collections.abc import Callable, Iterable

from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from joulo_exporter.metrics import accounting, chargers, exporter
from joulo_exporter.metrics.exporter import ConfigReloads, process_registry
from joulo_exporter.metrics.family import Family
from joulo_exporter.snapshot import Snapshot

FAMILIES: tuple[Family, ...] = (
    *chargers.FAMILIES,
    *accounting.CHARGER_TOTALS,
    *chargers.LAST_SESSION,
    *accounting.VEHICLE_TOTALS,
    *accounting.ACCOUNT_TOTALS,
    *chargers.ENDED_SESSIONS,
    *accounting.ERE,
    *exporter.FAMILIES,
)
"""Every metric family of an account, in the order in which they are served."""


class JouloCollector(Collector):
    """Serves the current snapshots of all accounts to a registry of prometheus-client."""

    def __init__(self, snapshots: Callable[[], Iterable[Snapshot]]) -> None:
        self._snapshots = snapshots

    def describe(self) -> Iterable[Metric]:
        """Return every family that a collection can contain, without samples."""
        return [family.empty() for family in FAMILIES]

    def collect(self) -> Iterable[Metric]:
        """Return each family that has samples."""
        snapshots = list(self._snapshots())
        return [metric for family in FAMILIES if (metric := family.collect(snapshots)).samples]


__all__ = ["FAMILIES", "ConfigReloads", "Family", "JouloCollector", "process_registry"]
