"""Samples of an exposition, as prometheus-client's parser reads them, or with their timestamps."""

import re
from collections import defaultdict

from prometheus_client.parser import text_string_to_metric_families

Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def samples_of(text: str) -> Samples:
    """Return every sample of an exposition by (name, labels)."""
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def timed_samples_of(text: str) -> dict[str, list[tuple[dict[str, str], float, float]]]:
    """Return (labels, moment, value) of every sample of a backfill by its name."""
    found = defaultdict(list)
    for line in text.splitlines():
        if line[0] != "#":
            name, labels, value, moment = re.fullmatch(r"(\w+)\{(.*)\} (\S+) (\S+)", line).groups()
            found[name].append((dict(re.findall(r'(\w+)="([^"]*)"', labels)), float(moment), float(value)))
    return found
