"""A metric family: name, help, type, labels and mapping in one entry."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Generic, Literal, TypeVar

from prometheus_client.metrics_core import Metric
from prometheus_client.utils import floatToGoString

from joulo_exporter.snapshot import DURATION_BOUNDS_S, Durations, Snapshot

Labels = tuple[str, ...]
Value = float | Durations
Item_co = TypeVar("Item_co", covariant=True)
Part = TypeVar("Part")

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
    samples: Callable[[Snapshot], Iterable[tuple[Labels, Value]]]
    """Returns label values, in the order of the labels, and value of each sample of a snapshot.

    A value that the API does not give is left out.
    """

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
class Labelled(Generic[Item_co]):
    """Maker of the families that have one sample for each item of a kind, such as a charger."""

    labels: Labels
    items: Callable[[Snapshot], Iterable[tuple[Labels, Item_co]]]
    """Returns the items of a snapshot, each after the values of its labels."""
    source: str = ""
    """Sentence on the origin of the values, with which every HELP text ends."""

    def of(self, value: Callable[[Item_co], Part | None]) -> "Labelled[Part]":
        """Return the maker of families that have this value of each item; ``None`` is left out."""
        items = self.items
        return Labelled(
            self.labels,
            lambda snapshot: [
                (labels, given) for labels, item in items(snapshot) if (given := value(item)) is not None
            ],
            self.source,
        )

    def by(self, label: str, parts: Callable[[Item_co], Mapping[str, Part | None]]) -> "Labelled[Part]":
        """Return the maker of families that have one sample for each part of an item, by a further label."""
        items = self.items
        return Labelled(
            (*self.labels, label),
            lambda snapshot: [
                (labels + (key,), part)  # noqa: RUF005 -- faster than (*labels, key)
                for labels, item in items(snapshot)
                for key, part in parts(item).items()
                if part is not None
            ],
            self.source,
        )

    def gauge(self: "Labelled[Value]", name: str, text: str) -> Family:
        """Return a gauge of the items, which are numbers."""
        return Family(name, "gauge", f"{text} {self.source}".rstrip(), self.labels, self.items)

    def counter(self: "Labelled[Value]", name: str, text: str) -> Family:
        """Return a counter of the items, which are numbers."""
        return replace(self.gauge(name, text), type="counter")


def unlabelled(record: Callable[[Snapshot], Part | None], source: str = "") -> Labelled[Part]:
    """Return the maker of families that have one sample without labels, where a snapshot has the record."""
    return Labelled((), lambda snapshot: () if (found := record(snapshot)) is None else [((), found)], source)


def number(value: float) -> str:
    """Return a value as both exposition formats write it."""
    return str(floatToGoString(value))  # type: ignore[no-untyped-call]  # of the library


def of_hundredths(value: float | None) -> float | None:
    """Return integer hundredths as kWh or credits."""
    return None if value is None else value / 100
