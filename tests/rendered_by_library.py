"""What prometheus-client makes of pictures: the bytes that the exposition has to serve."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from prometheus_client.registry import Collector

from joulo_exporter.collector import JouloCollector

if TYPE_CHECKING:
    from joulo_exporter.snapshot import Snapshot

EVERYTHING: frozenset[str] = frozenset()


class OneProcess(Collector):
    """A process whose metrics stand still."""

    def collect(self):
        build = GaugeMetricFamily(
            "joulo_exporter_build_info", "Version of the exporter.", labels=("version", "python_version")
        )
        build.add_metric(("1.2.3", "3.11.4"), 1)
        yield build
        yield GaugeMetricFamily("process_start_time_seconds", "Start of the process.", value=1_781_800_000.25)


class Counting(OneProcess):
    """The same with a counter: its name is another one in OpenMetrics."""

    def collect(self):
        yield from super().collect()
        yield CounterMetricFamily("process_cpu_seconds_total", "CPU of the process.", value=12.5)


def process(collector: Collector | None = None) -> CollectorRegistry:
    """Return the registry of a process."""
    registry = CollectorRegistry(auto_describe=True)
    registry.register(collector or OneProcess())
    return registry


def generated(
    *snapshots: Snapshot,
    openmetrics: bool,
    names: frozenset[str] = EVERYTHING,
    collector: Collector | None = None,
) -> bytes:
    """Return what the client library makes of a registry of the accounts, then of that of the process."""
    joulo = CollectorRegistry()
    joulo.register(JouloCollector(lambda: snapshots))
    registries = (joulo, process(collector))
    asked = [registry.restricted_registry(names) if names else registry for registry in registries]
    if not openmetrics:
        return b"".join(map(generate_latest, asked))
    return generate_openmetrics(asked[0]).removesuffix(b"# EOF\n") + generate_openmetrics(asked[1])
