"""Names and labels of everything that the exporter can serve, for tests of what mentions them."""

import re
from functools import cache

from joulo_exporter.metrics import FAMILIES, ConfigReloads, process_registry

RELOADS = ConfigReloads(successful=True, succeeded_at_seconds=0.0)
ADDED = {"account", "instance", "job"}
"""Labels that the configuration and Prometheus add."""
OF_PROMETHEUS = {
    name: {"instance", "job"} for name in ("up", "scrape_duration_seconds", "scrape_samples_scraped")
} | {"ALERTS": {"alertname", "alertstate", "severity", "instance", "job"}}
SELECTOR = re.compile(r"\b((?:joulo|process|python|scrape)_\w+|up|ALERTS)\b(?:\{([^}]*)\})?")
"""The name of a metric in PromQL, and its matchers."""


@cache
def sample_labels() -> dict[str, set[str]]:
    """Return the labels of every sample, by its name."""
    labels = {}
    for family in FAMILIES:
        own = {*family.labels, *ADDED}
        if family.type == "histogram":
            name = family.name
            labels |= {f"{name}_bucket": {*own, "le"}, f"{name}_count": own, f"{name}_sum": own}
        else:
            labels[family.name] = own
    for metric in process_registry("1", RELOADS).collect():
        for sample in metric.samples:
            labels.setdefault(sample.name, {"instance", "job"}).update(sample.labels)
    return labels


def strangers(promql: str) -> set[str]:
    """Return each ``name`` of a metric and ``name{label}`` of a matcher in a query that nobody serves."""
    known = sample_labels() | OF_PROMETHEUS
    found = set()
    for name, matchers in SELECTOR.findall(promql):
        if name not in known:
            found.add(name)
            continue
        unknown = set(re.findall(r"(\w+)\s*[=!]", matchers)) - known[name]
        found |= {f"{name}{{{label}}}" for label in unknown}
    return found
