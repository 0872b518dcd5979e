"""A metric family: name, help, type, labels and mapping in one entry."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

from prometheus_client.metrics_core import Metric
from prometheus_client.utils import floatToGoString

from joulo_exporter.snapshot import DURATION_BOUNDS_S, Durations, Snapshot

Labels = tuple[str, ...]
Value = float | Durations
Item = TypeVar("Item")
Part = TypeVar("Part")

Samples = Iterable[tuple[Labels, Value]]
"""Pairs of label values, in the order of the family's labels, and a value."""

LIVE = "Cached: at most a refresh interval old while the API responds, absent once it is stale."
LEDGER = "From the ledger of all sessions; never falls, and stays while the API does not respond."
ENERGY = "Cached from /energy: at most its refresh interval old while the API responds, absent once it is stale."


@dataclass(frozen=True, slots=True)
class Family:
    """A metric family of an account, and how its samples follow from a snapshot."""

    name: str
    type: Literal["gauge", "counter", "histogram"]
    help: str
    labels: Labels
    samples: Callable[[Snapshot], Samples]
    """Returns the samples of a snapshot; a value that the API does not give is left out."""

    def empty(self) -> Metric:
        """Return the family without samples; the client library names a counter without ``_total``."""
        base = self.name.removesuffix("_total") if self.type == "counter" else self.name
        return Metric(base, self.help, self.type)

    def collect(self, snapshots: Iterable[Snapshot]) -> Metric:
        """Return the family with the samples of these accounts."""
        metric = self.empty()
        for snapshot in snapshots:
            account = {} if snapshot.account is None else {"account": snapshot.account}
            for values, value in self.samples(snapshot):
                labels = dict(zip(self.labels, values, strict=True)) | account
                for suffix, further, figure in series_of(value):
                    metric.add_sample(f"{self.name}{suffix}", labels | further, figure)
        return metric


def series_of(value: Value) -> Iterable[tuple[str, dict[str, str], float]]:
    """Yield (suffix of the name, further labels, value) of every series of a sample; a histogram has several."""
    if not isinstance(value, Durations):
        yield "", {}, value
        return
    for bound, count in zip(DURATION_BOUNDS_S, value.buckets, strict=True):
        yield "_bucket", {"le": number(bound)}, count
    yield "_count", {}, value.buckets[-1]
    yield "_sum", {}, value.sum_s


@dataclass(frozen=True, slots=True)
class Labelled(Generic[Item]):
    """Maker of the families that have one sample for each item of a kind, such as a charger."""

    labels: Labels
    items: Callable[[Snapshot], Iterable[tuple[Labels, Item]]]
    """Returns the items of a snapshot, each after the values of its labels."""

    def by(self, label: str, parts: Callable[[Item], Mapping[str, Part]]) -> "Labelled[Part]":
        """Return the maker of families that have one sample for each part of an item, by a further label."""
        items = self.items
        return Labelled(
            (*self.labels, label),
            lambda snapshot: [
                (labels + (key,), part)  # noqa: RUF005 -- faster than (*labels, key)
                for labels, item in items(snapshot)
                for key, part in parts(item).items()
            ],
        )

    def gauge(self, name: str, text: str, value: Callable[[Item], float | None]) -> Family:
        """Return a gauge; ``None`` gives no sample."""
        return Family(name, "gauge", text, self.labels, self._samples(value))

    def counter(self, name: str, text: str, value: Callable[[Item], float | None]) -> Family:
        """Return a counter; ``None`` gives no sample."""
        return Family(name, "counter", text, self.labels, self._samples(value))

    def info(self, name: str, text: str) -> Family:
        """Return a gauge that is always 1; its labels hold the information."""
        return self.gauge(name, text, lambda _: 1.0)

    def _samples(self, value: Callable[[Item], float | None]) -> Callable[[Snapshot], Samples]:
        items = self.items
        return lambda snapshot: [
            (labels, given) for labels, item in items(snapshot) if (given := value(item)) is not None
        ]


def unlabelled(record: Callable[[Snapshot], Item | None]) -> Labelled[Item]:
    """Return the maker of families that have one sample without labels, where a snapshot has the record."""
    return Labelled((), lambda snapshot: () if (found := record(snapshot)) is None else [((), found)])


def number(value: float) -> str:
    """Return a value as both exposition formats write it."""
    return str(floatToGoString(value))  # type: ignore[no-untyped-call]  # of the library


def of_hundredths(value: float | None) -> float | None:
    """Return integer hundredths as kWh or credits."""
    return None if value is None else value / 100
