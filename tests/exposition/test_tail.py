"""The metrics of the process, in the bytes of the client library, whatever somebody registers."""

import math

import pytest
from prometheus_client import CollectorRegistry, Counter, Histogram, Info, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from prometheus_client.registry import Collector
from rendered_by_library import EVERYTHING

from joulo_exporter.collector.process import ConfigReloads, process_registry
from joulo_exporter.exposition.tail import Tail

FORMATS = pytest.mark.parametrize(
    ("openmetrics", "generate"),
    [(False, generate_latest), (True, generate_openmetrics)],
    ids=["text", "openmetrics"],
)


class Strange(Collector):
    def __init__(self):
        self.values = [0.0, -0.0, 1.5, -1e9, 1e6, 999_999.5, 1.7e9, 1e300, math.inf, -math.inf, math.nan, 3, True]

    def collect(self):
        gauge = GaugeMetricFamily("strange", 'Of "all"\nsorts \\ of.', labels=["what", "also"])
        for number, value in enumerate(self.values):
            gauge.add_metric([f'"{number}"\n\\', "é"], value)
        yield gauge
        yield GaugeMetricFamily("empty", "Without samples.", labels=["a"])
        dated = GaugeMetricFamily("dated", "With a time.", labels=["a"])
        dated.add_metric(["x"], 1, timestamp=1_700_000_000.5)
        yield dated
        yield GaugeMetricFamily("length_metres", "With a unit.", value=2, unit="metres")
        created = CounterMetricFamily("made", "With a time of creation.", labels=["a"])
        created.add_metric(["x"], 5, created=1_700_000_000.25)
        yield created


def registry():
    registry = CollectorRegistry(auto_describe=True)
    registry.register(Strange())
    Histogram("duration_seconds", "Durations.", registry=registry).observe(0.3)
    Counter("things", "Things.", ["kind"], registry=registry).labels("b").inc(2)
    Info("build", "Build.", registry=registry).info({"version": "1"})
    return registry


@FORMATS
def test_bytes_are_those_of_the_library(openmetrics, generate):
    strange = registry()
    tail = Tail(strange)
    for _ in range(2):  # the second time from what is kept
        assert tail.render(openmetrics=openmetrics, names=EVERYTHING) == generate(strange)


@FORMATS
@pytest.mark.parametrize(
    "name", ["strange", "made_total", "duration_seconds_bucket", "things_total", "empty", "none"]
)
def test_filters_are_those_of_the_library(openmetrics, generate, name):
    strange = registry()
    names = frozenset({name})
    wanted = generate(strange.restricted_registry(names))
    assert Tail(strange).render(openmetrics=openmetrics, names=names) == wanted


@FORMATS
def test_values_are_of_the_moment_and_so_are_new_series(openmetrics, generate):
    strange = Strange()
    moving = CollectorRegistry()
    moving.register(strange)
    tail = Tail(moving)
    tail.render(openmetrics=openmetrics, names=EVERYTHING)
    strange.values = [7.5, *strange.values, 8.5]
    assert tail.render(openmetrics=openmetrics, names=EVERYTHING) == generate(moving)


@FORMATS
def test_the_process_itself(openmetrics, generate):
    process = process_registry("1", ConfigReloads(successful=True, succeeded_at_seconds=1.5e9))
    rendered = Tail(process).render(openmetrics=openmetrics, names=EVERYTHING).decode().splitlines()
    wanted = generate(process).decode().splitlines()
    assert [line.rsplit(" ", 1)[0] for line in rendered] == [line.rsplit(" ", 1)[0] for line in wanted]
