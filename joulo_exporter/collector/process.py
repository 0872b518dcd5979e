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

if TYPE_CHECKING:
    from collections.abc import Iterable

    from prometheus_client.metrics_core import Metric


@dataclass(slots=True)
class ConfigReloads:
    """How the last loading of the configuration went."""

    successful: bool
    succeeded_at_seconds: float


class ExporterCollector(Collector):
    """The exporter's version, and the state of its configuration."""

    def __init__(self, version: str, reloads: ConfigReloads) -> None:
        self._version = version
        self._reloads = reloads

    def describe(self) -> Iterable[Metric]:
        """Return the families."""
        return self.collect()

    def collect(self) -> Iterable[Metric]:
        """Return the families with their values."""
        build = GaugeMetricFamily(
            "joulo_exporter_build_info",
            "Version of the exporter and of Python, always 1.",
            labels=("version", "python_version"),
        )
        build.add_metric((self._version, platform.python_version()), 1)
        return (
            build,
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
        )


def process_registry(version: str, reloads: ConfigReloads) -> CollectorRegistry:
    """Return a registry of our own with the metrics of this process."""
    registry = CollectorRegistry(auto_describe=True)
    registry.register(ExporterCollector(version, reloads))
    registry.register(ProcessMetrics())
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)
    return registry
