"""The process's own metrics, rendered at each scrape: the bytes of prometheus-client in two thirds of its time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from prometheus_client.registry import Collector

from joulo_exporter.exposition.lines import labelled, written

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from prometheus_client import CollectorRegistry
    from prometheus_client.samples import Sample

END_OF_OPENMETRICS = b"# EOF\n"
_KEPT = 1024


class Tail:
    """Renders the lines that end an answer; texts that do not change from scrape to scrape are made once.

    Args:
        process: the registry of the process.
    """

    def __init__(self, process: CollectorRegistry) -> None:
        self._process = process
        self._headers: dict[tuple[str, str, str, bool], str] = {}
        self._series: dict[tuple[str, tuple[tuple[str, str], ...]], str] = {}

    def render(self, *, openmetrics: bool, names: frozenset[str]) -> bytes:
        """Return the lines.

        Args:
            openmetrics: OpenMetrics 1.0 instead of the text format 0.0.4.
            names: only samples of these names; all if empty.
        """
        lines = []
        for metric in self._process.collect():
            samples = [sample for sample in metric.samples if sample.name in names] if names else metric.samples
            if samples or not names:
                lines.append(self._metric(metric, samples, openmetrics=openmetrics))
        return "".join(lines).encode() + (END_OF_OPENMETRICS if openmetrics else b"")

    def _metric(self, metric: Metric, samples: Sequence[Sample], *, openmetrics: bool) -> str:
        if metric.type not in {"gauge", "counter"} or metric.unit:
            return _by_the_library(metric, samples, openmetrics=openmetrics)
        lines = [self._header(metric, openmetrics=openmetrics)]
        for sample in samples:
            name = sample.name
            if sample.timestamp is not None or sample.exemplar is not None or name.endswith("_created"):
                return _by_the_library(metric, samples, openmetrics=openmetrics)
            key = (name, tuple(sample.labels.items()))
            series = self._series.get(key)
            if series is None:
                series = labelled(name, sample.labels)
                # Labels of a process do not change; should they, memory stays bounded.
                if len(self._series) < _KEPT:
                    self._series[key] = series
            lines.append(f"{series} {written(sample.value)}\n")
        return "".join(lines)

    def _header(self, metric: Metric, *, openmetrics: bool) -> str:
        key = (metric.name, metric.documentation, metric.type, openmetrics)
        if key not in self._headers:
            text = _by_the_library(metric, (), openmetrics=openmetrics)
            if len(self._headers) >= _KEPT:
                return text
            self._headers[key] = text
        return self._headers[key]


def _by_the_library(metric: Metric, samples: Sequence[Sample], *, openmetrics: bool) -> str:
    copy = Metric(metric.name, metric.documentation, metric.type, metric.unit)
    copy.samples = list(samples)
    generate = generate_openmetrics if openmetrics else generate_latest
    return generate(_OneMetric(copy)).removesuffix(END_OF_OPENMETRICS).decode()


class _OneMetric(Collector):
    """What the library renders: anything that can be collected."""

    def __init__(self, metric: Metric) -> None:
        self._metric = metric

    def collect(self) -> Iterable[Metric]:
        return [self._metric]
