"""Lines of an exposition: the samples of each metric family of an account, and those of the process.

Both formats write our samples alike; only the name of a counter in HELP and TYPE differs. So lines are
rendered once for both formats.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache
from operator import itemgetter

from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import Metric

from joulo_exporter.metrics import Family
from joulo_exporter.metrics.family import Labels, Value, number, series_of
from joulo_exporter.snapshot import Durations

_END_OF_OPENMETRICS = b"# EOF\n"
_SMALL = 1e6
"""Below it, Python spells a number as the formats do."""


class FamilyLines:
    """Renders one metric family; what does not depend on the account is made once."""

    def __init__(self, family: Family) -> None:
        self._family = family
        self.samples = family.samples
        self._series = tuple(series_of(Durations() if family.type == "histogram" else 0.0))
        self.sample_names = frozenset(f"{family.name}{suffix}" for suffix, *_ in self._series)
        self.headers = [header(family.empty(), openmetrics=openmetrics).encode() for openmetrics in (False, True)]
        self._templates = [self._template(family.labels), self._template((*family.labels, "account"))]

    def render(self, samples: Sequence[tuple[Labels, Value]], account: str | None) -> bytes:
        """Return the lines of an account's samples; an account without a name has no label for it."""
        template, in_order = self._templates[account is not None]
        named = () if account is None else (account,)
        texts: list[str] = []
        for given, value in samples:
            values = in_order(given + named)
            if isinstance(value, Durations):
                for figure in (*value.buckets, value.buckets[-1], value.sum_s):  # as ``series_of`` has them
                    texts += values
                    texts.append(_written(figure))
            else:
                texts += values
                texts.append(_written(value))
        together = "".join(texts)
        if "\\" in together or '"' in together or "\n" in together:
            texts = list(map(_escaped, texts))
        # All samples at once: one at a time would take three times as long.
        return (template * len(samples) % tuple(texts)).encode()

    def _template(self, labels: Labels) -> tuple[str, Callable[[Labels], Labels]]:
        """Return the template of one sample's lines, for ``%``, and a function that sorts values as it needs them.

        The labels are in the order of their names, and followed by the value.
        """
        order = [labels.index(label) for label in sorted(labels)]
        in_order = tuple if order == sorted(order) else itemgetter(*order)
        holes = dict.fromkeys(labels, "%s")
        series = [
            labelled(f"{self._family.name}{suffix}", tuple((holes | further).items()))
            for suffix, further, _ in self._series
        ]
        return "".join(f"{each} %s\n" for each in series), in_order


def process_lines(registry: CollectorRegistry, *, openmetrics: bool, names: frozenset[str]) -> bytes:
    """Return the process's gauges and counters, with which an exposition ends; faster than prometheus-client."""
    lines = []
    for metric in registry.collect():
        samples = [sample for sample in metric.samples if sample.name in names] if names else metric.samples
        if samples or not names:
            lines.append(header(metric, openmetrics=openmetrics))
            for name, labels, value, *_ in samples:
                lines.append(f"{labelled(name, tuple(labels.items()))} {_written(value)}\n")
    return "".join(lines).encode() + (_END_OF_OPENMETRICS if openmetrics else b"")


def header(metric: Metric, *, openmetrics: bool) -> str:
    """Return HELP and TYPE of a metric family of prometheus-client; its help text needs no escapes."""
    name = f"{metric.name}_total" if metric.type == "counter" and not openmetrics else metric.name
    return f"# HELP {name} {metric.documentation}\n# TYPE {name} {metric.type}\n"


@lru_cache(maxsize=1024)
def labelled(name: str, labels: tuple[tuple[str, str], ...]) -> str:
    """Return the name and labels of a series; cached, as those of the process are the same at each scrape."""
    if not labels:
        return name
    pairs = ",".join([f'{label}="{_escaped(text)}"' for label, text in sorted(labels)])
    return f"{name}{{{pairs}}}"


def _written(value: float) -> str:
    """Return a value as the formats write it, faster than the client library for everyday numbers."""
    return repr(float(value)) if -_SMALL < value < _SMALL else number(value)


def only(lines: bytes, names: frozenset[str]) -> bytes:
    """Return the lines of samples with these names."""
    prefixes = tuple(part for name in sorted(names) for part in (f"{name}{{".encode(), f"{name} ".encode()))
    return b"".join(line + b"\n" for line in lines.split(b"\n")[:-1] if line.startswith(prefixes))


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")
