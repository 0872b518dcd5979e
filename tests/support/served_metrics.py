"""Names and labels of everything that the exporter can serve, for tests of what mentions them."""

from __future__ import annotations

from joulo_exporter.metrics import FAMILIES, ConfigReloads, process_registry

RELOADS = ConfigReloads(successful=True, succeeded_at_seconds=0.0)
SUFFIXES = ("_bucket", "_count", "_sum")
ADDED = {"account", "instance", "job"}
"""Labels that the configuration and Prometheus add."""


def sample_labels() -> dict[str, set[str]]:
    """Return the labels of every sample, by its name."""
    labels = {}
    for family in FAMILIES:
        for suffix in SUFFIXES if family.type == "histogram" else ("",):
            bound = {"le"} if suffix == "_bucket" else set()
            labels[family.name + suffix] = {*family.labels, *bound, *ADDED}
    for metric in process_registry("1", RELOADS).collect():
        for sample in metric.samples:
            labels.setdefault(sample.name, {"instance", "job"}).update(sample.labels)
    return labels
