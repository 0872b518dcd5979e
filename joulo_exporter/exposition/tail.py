"""The process's own metrics, rendered at each scrape: the bytes of prometheus-client in a fifth of its time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from prometheus_client.registry import Collector

from joulo_exporter.exposition.lines import sample_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from prometheus_client import CollectorRegistry
    from prometheus_client.samples import Sample

END_OF_OPENMETRICS = b"# EOF\n"
_TO_BE_ESCAPED = frozenset('\\\n"')


def tail(process: CollectorRegistry, *, openmetrics: bool, names: frozenset[str]) -> bytes:
    """Return the lines that end an answer.

    Args:
        process: the registry of the process.
        openmetrics: OpenMetrics 1.0 instead of the text format 0.0.4.
        names: only samples of these names; all if empty.
    """
    lines = []
    for metric in process.collect():
        samples = [sample for sample in metric.samples if sample.name in names] if names else metric.samples
        if samples or not names:
            lines.append(_metric(metric, samples, openmetrics=openmetrics))
    return b"".join(lines) + (END_OF_OPENMETRICS if openmetrics else b"")


def _metric(metric: Metric, samples: Sequence[Sample], *, openmetrics: bool) -> bytes:
    if not _is_plain(metric, samples):
        return _by_the_library(metric, samples, openmetrics=openmetrics)
    counter = metric.type == "counter" and not openmetrics
    name = f"{metric.name}_total" if counter else metric.name
    lines = [sample_line(sample.name, sample.labels, sample.value) for sample in samples]
    return f"# HELP {name} {metric.documentation}\n# TYPE {name} {metric.type}\n{''.join(lines)}".encode()


def _is_plain(metric: Metric, samples: Iterable[Sample]) -> bool:
    """Return whether this is a gauge or counter with nothing special about it."""
    return (
        metric.type in {"gauge", "counter"}
        and not metric.unit
        and _TO_BE_ESCAPED.isdisjoint(metric.documentation)
        and all(
            sample.timestamp is None and sample.exemplar is None and not sample.name.endswith("_created")
            for sample in samples
        )
    )


def _by_the_library(metric: Metric, samples: Sequence[Sample], *, openmetrics: bool) -> bytes:
    copy = Metric(metric.name, metric.documentation, metric.type, metric.unit)
    copy.samples = list(samples)
    generate = generate_openmetrics if openmetrics else generate_latest
    return generate(_OneMetric(copy)).removesuffix(END_OF_OPENMETRICS)


class _OneMetric(Collector):
    """What the library renders: anything that can be collected."""

    def __init__(self, metric: Metric) -> None:
        self._metric = metric

    def collect(self) -> Iterable[Metric]:
        return [self._metric]
