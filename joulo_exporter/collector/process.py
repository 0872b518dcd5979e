"""Metrics of the process: its version, its configuration, and what the client library tells of any process."""

from __future__ import annotations

import platform
from dataclasses import dataclass
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, PlatformCollector
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.gc_collector import GCCollector
from prometheus_client.registry import Collector

from joulo_exporter.collector.proc import ProcessMetrics
from joulo_exporter.sharding import ALONE

if TYPE_CHECKING:
    from collections.abc import Iterable

    from prometheus_client.metrics_core import Metric

    from joulo_exporter.sharding import Shard


@dataclass(slots=True)
class ConfigReloads:
    """How the last loading of the configuration went."""

    successful: bool
    succeeded_at_seconds: float


class ExporterCollector(Collector):
    """The exporter's version, the state of its configuration, and its place among the shards."""

    def __init__(self, version: str, reloads: ConfigReloads, shard: Shard = ALONE) -> None:
        self._reloads = reloads
        self._build = GaugeMetricFamily(
            "joulo_exporter_build_info",
            "Version of the exporter and of Python, always 1.",
            labels=("version", "python_version"),
        )
        self._build.add_metric((version, platform.python_version()), 1)
        self._ordinal = GaugeMetricFamily(
            "joulo_exporter_shard_ordinal",
            "Which shard of the accounts this exporter serves, from 0; the label says the same.",
            labels=("shard_ordinal",),
        )
        self._ordinal.add_metric((str(shard.ordinal),), shard.ordinal)
        self._total = GaugeMetricFamily(
            "joulo_exporter_total_shards",
            "Number of shards that this exporter knows of; 1 if it serves all accounts.",
            value=shard.total,
        )

    def describe(self) -> Iterable[Metric]:
        """Return the families."""
        return self.collect()

    def collect(self) -> Iterable[Metric]:
        """Return the families with their values."""
        return (
            self._build,
            GaugeMetricFamily(
                "joulo_exporter_config_last_reload_successful",
                "Whether the last loading of the configuration succeeded.",
                value=float(self._reloads.successful),
            ),
            GaugeMetricFamily(
                "joulo_exporter_config_last_reload_success_timestamp_seconds",
                "When the configuration was loaded last without a fault, Unix time.",
                value=self._reloads.succeeded_at_seconds,
            ),
            self._ordinal,
            self._total,
        )


def process_registry(version: str, reloads: ConfigReloads, shard: Shard = ALONE) -> CollectorRegistry:
    """Return a registry of our own with the metrics of this process."""
    registry = CollectorRegistry(auto_describe=True)
    registry.register(ExporterCollector(version, reloads, shard))
    registry.register(ProcessMetrics())
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)
    return registry
