"""Exposition of snapshots by prometheus-client: the bytes that ours has to serve."""

from collections.abc import Mapping, Sequence
from unittest.mock import Mock

from prometheus_client import CollectorRegistry, Metric, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics

from joulo_exporter.exposition import Exposition
from joulo_exporter.metrics import FAMILIES, Family
from joulo_exporter.snapshot import Snapshot

EVERYTHING: frozenset[str] = frozenset()


def registry_of(*metrics: Metric) -> CollectorRegistry:
    """Return a registry of metrics that stand still."""
    registry, collector = CollectorRegistry(auto_describe=True), Mock(spec=["collect"])
    collector.collect.return_value = metrics
    registry.register(collector)
    return registry


def process(*, with_counter: bool = True) -> CollectorRegistry:
    """Return the registry of a process; the name of a counter is another one in OpenMetrics."""
    build = GaugeMetricFamily(
        "joulo_exporter_build_info", "Version of the exporter.", labels=("version", "python_version")
    )
    build.add_metric(("1.2.3", "3.11.4"), 1)
    start = GaugeMetricFamily("process_start_time_seconds", "Start of the process.", value=1_781_800_000.25)
    cpu = CounterMetricFamily("process_cpu_seconds_total", "CPU of the process.", value=12.5)
    return registry_of(build, start, *[cpu] * with_counter)


def exposition_of(snapshots: Mapping[str, Snapshot], **options) -> Exposition:
    """Return an exposition of these accounts and of the process."""
    exposition = Exposition(process(), **options)
    for account, snapshot in snapshots.items():
        exposition.publish(account, snapshot)
    return exposition


def rendered(exposition: Exposition, *, openmetrics=False, compressed=False, names=EVERYTHING) -> bytes:
    """Return the body of a scrape that nothing else comes between, with or without a running event loop."""
    scraping = exposition.scrape(openmetrics=openmetrics, compressed=compressed, names=names)
    try:
        while True:
            scraping.send(None)  # it waits for nothing but its turn
    except StopIteration as end:
        body = end.value
    received = b"".join(body.parts)
    assert len(received) == body.length
    return received


def generated(
    *snapshots: Snapshot,
    openmetrics: bool,
    names: frozenset[str] = EVERYTHING,
    families: Sequence[Family] = FAMILIES,
) -> bytes:
    """Return the exposition of a registry of the accounts, then of that of the process."""
    metrics = [family.collect(snapshots) for family in families]
    registries = (registry_of(*(metric for metric in metrics if metric.samples)), process())
    asked = [registry.restricted_registry(names) if names else registry for registry in registries]
    if not openmetrics:
        return b"".join(map(generate_latest, asked))
    return generate_openmetrics(asked[0]).removesuffix(b"# EOF\n") + generate_openmetrics(asked[1])
