"""The lines of one account: each family's samples as both exposition formats write them.

Both formats write our samples alike; only the names in HELP and TYPE of a counter differ. So lines are
rendered once for the two of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from joulo_exporter.collector.family import number
from joulo_exporter.snapshot import DURATION_BOUNDS_S, Durations

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from joulo_exporter.collector import Family
    from joulo_exporter.collector.family import Labels
    from joulo_exporter.snapshot import Snapshot

_ACCOUNT = "account"
_SMALL = 1e6
"""Below it Python's own spelling of a number is that of the formats."""


class FamilyLines:
    """Renders one family; what does not depend on the account is made once.

    Args:
        family: the metric.
    """

    def __init__(self, family: Family) -> None:
        self.family = family
        self.sample_names = frozenset(
            f"{family.name}{suffix}"
            for suffix in (("_bucket", "_count", "_sum") if family.type == "histogram" else ("",))
        )
        self._order = _order((*family.labels, _ACCOUNT))
        self._own_order = _order(family.labels)

    def header(self, *, openmetrics: bool) -> bytes:
        """Return HELP and TYPE."""
        family = self.family
        name = family.empty().name if openmetrics else family.name
        return f"# HELP {name} {family.help}\n# TYPE {name} {family.type}\n".encode()

    def render(self, snapshot: Snapshot) -> bytes:
        """Return the account's lines; nothing for a family without samples."""
        return "".join(self._lines(snapshot)).encode()

    def _lines(self, snapshot: Snapshot) -> Iterator[str]:
        name, account = self.family.name, snapshot.account
        for values, value in self.family.samples(snapshot):
            if account is None:
                pairs = [(label, values[position]) for label, position in self._own_order]
            else:
                full = (*values, account)
                pairs = [(label, full[position]) for label, position in self._order]
            labels = ",".join([f'{label}="{escaped(text)}"' for label, text in pairs])
            if isinstance(value, Durations):
                yield from _histogram(name, labels, pairs, value)
            elif labels:
                yield f"{name}{{{labels}}} {written(value)}\n"
            else:
                yield f"{name} {written(value)}\n"


def _order(labels: Labels) -> list[tuple[str, int]]:
    """Return the labels sorted, each with its position."""
    return sorted((label, position) for position, label in enumerate(labels))


def _histogram(name: str, labels: str, pairs: Sequence[tuple[str, str]], value: Durations) -> Iterator[str]:
    before = "".join(f'{label}="{escaped(text)}",' for label, text in pairs if label < "le")
    after = "".join(f',{label}="{escaped(text)}"' for label, text in pairs if label > "le")
    for bound, count in zip(DURATION_BOUNDS_S, value.buckets, strict=True):
        yield f'{name}_bucket{{{before}le="{bound}"{after}}} {written(count)}\n'
    yield f'{name}_bucket{{{before}le="+Inf"{after}}} {written(value.count)}\n'
    braced = f"{{{labels}}}" if labels else ""
    yield f"{name}_count{braced} {written(value.count)}\n"
    yield f"{name}_sum{braced} {written(value.sum_s)}\n"


def labelled(name: str, labels: Mapping[str, str]) -> str:
    """Return a series as it stands before its value."""
    if not labels:
        return name
    pairs = ",".join([f'{label}="{escaped(text)}"' for label, text in sorted(labels.items())])
    return f"{name}{{{pairs}}}"


def written(value: float) -> str:
    """Return a value as the formats write it, faster than the client library for everyday numbers."""
    return repr(float(value)) if -_SMALL < value < _SMALL else number(value)


def escaped(text: str) -> str:
    """Return a label's value as it stands between quotation marks."""
    if "\\" in text or '"' in text or "\n" in text:
        return text.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")
    return text


def only(piece: bytes, names: frozenset[str]) -> bytes:
    """Return the lines of samples with these names."""
    prefixes = tuple(part for name in sorted(names) for part in (f"{name}{{".encode(), f"{name} ".encode()))
    return b"".join(line + b"\n" for line in piece.split(b"\n")[:-1] if line.startswith(prefixes))
