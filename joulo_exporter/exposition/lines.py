"""The lines of one account: each family's samples as both exposition formats write them.

Both formats write our samples alike; only the names in HELP and TYPE of a counter differ. So lines are
rendered once for the two of them.
"""

from __future__ import annotations

from operator import itemgetter
from typing import TYPE_CHECKING

from joulo_exporter.collector.family import number
from joulo_exporter.exposition.patch import Patch
from joulo_exporter.snapshot import DURATION_BOUNDS_S, Durations

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from joulo_exporter.collector import Family
    from joulo_exporter.collector.family import Labels, Value
    from joulo_exporter.exposition.patch import Piece
    from joulo_exporter.snapshot import Snapshot

_ACCOUNT = "account"
_HOLE = "\0"
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
        self._lines_each = len(DURATION_BOUNDS_S) + 3 if family.type == "histogram" else 1
        self._own_template = _template(family, family.labels)
        self._template = _template(family, (*family.labels, _ACCOUNT))
        order = [family.labels.index(label) for label in sorted(family.labels)]
        self._sorted = None if order == sorted(order) else itemgetter(*order)

    def header(self, *, openmetrics: bool) -> bytes:
        """Return HELP and TYPE."""
        family = self.family
        name = family.empty().name if openmetrics else family.name
        return f"# HELP {name} {family.help}\n# TYPE {name} {family.type}\n".encode()

    def render(self, snapshot: Snapshot) -> bytes:
        """Return the account's lines; nothing for a family without samples."""
        return self._lines(self.family.samples(snapshot), snapshot.account)

    def change(self, snapshot: Snapshot, before: Snapshot, after: Snapshot) -> Piece | None:
        """Return what a new picture changes in the account's lines: a ``Patch``, or all of them, or nothing.

        Args:
            snapshot: what is to be shown.
            before: what is shown, without what both share.
            after: what is to be shown, without that.
        """
        former, latest = list(self.family.samples(before)), list(self.family.samples(after))
        if len(former) != len(latest):  # series that come or go
            return self.render(snapshot)
        changed = []
        for old, new in zip(former, latest, strict=True):
            if old != new:
                if old[0] != new[0]:
                    return self.render(snapshot)
                changed.append(new)
        return Patch(self._lines(changed, snapshot.account), self._lines_each) if changed else None

    def _lines(self, samples: Iterable[tuple[Labels, Value]], account: str | None) -> bytes:
        if self._sorted is not None:
            samples = [(self._sorted(values), value) for values, value in samples]
        texts: list[str] = []
        count = 0
        for values, value in samples:
            count += 1
            if isinstance(value, Durations):
                for figure in (*value.buckets, value.count, value.count, value.sum_s):
                    texts += values
                    texts.append(written(figure))
            else:
                texts += values
                texts.append(written(value))
        if not count:
            return b""
        if _needs_escapes("".join(texts)):
            texts = list(map(escaped, texts))
        template = self._own_template
        if account is not None:
            template = self._template.replace(_HOLE, escaped(account).replace("%", "%%"))
        # All at once: a sample at a time would take three times as long.
        return (template * count % tuple(texts)).encode()


def _template(family: Family, labels: Labels) -> str:
    """Return the lines of one sample, to be filled with ``%``: the labels in the order of their names, the value.

    A histogram has a line for each of its series. Only the account has a hole of another kind: it is filled first.
    """
    if family.type != "histogram":
        return _line(family.name, labels)
    bounds = [*map(str, DURATION_BOUNDS_S), "+Inf"]
    buckets = [_line(f"{family.name}_bucket", labels, le=bound) for bound in bounds]
    return "".join([*buckets, _line(f"{family.name}_count", labels), _line(f"{family.name}_sum", labels)])


def _line(name: str, labels: Labels, **known: str) -> str:
    values = {label: _HOLE if label == _ACCOUNT else "%s" for label in labels} | known
    return f"{labelled(name, values)} %s\n"


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
    if _needs_escapes(text):
        return text.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")
    return text


def _needs_escapes(text: str) -> bool:
    return "\\" in text or '"' in text or "\n" in text


def only(piece: bytes, names: frozenset[str]) -> bytes:
    """Return the lines of samples with these names."""
    prefixes = tuple(part for name in sorted(names) for part in (f"{name}{{".encode(), f"{name} ".encode()))
    return b"".join(line + b"\n" for line in piece.split(b"\n")[:-1] if line.startswith(prefixes))
