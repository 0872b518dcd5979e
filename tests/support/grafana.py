"""Queries of a dashboard as Grafana sends them to Prometheus, as far as our dashboards need it.

Sources: Grafana's ``pkg/promlib/models/query.go`` (macros, step, alignment), ``packages/grafana-prometheus``
(escaping of variables, offset of the viewer), ``packages/grafana-data`` (relative times, rounding of intervals).
Whatever is not understood here fails an assertion, so that no query passes a test by accident.
"""

import json
import operator
import re
import urllib.parse
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from support.processes import get

FOLDER = Path(__file__).parents[2] / "grafana"
FILES = sorted(FOLDER.rglob("joulo-*.json"), key=lambda path: (path.stem.endswith("-nl"), path.name))
"""Every dashboard, the English ones first."""
ENGLISH = [path for path in FILES if not path.stem.endswith("-nl")]

Json = Mapping[str, Any]
_UNITS_S = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800, "y": 31_536_000}
_SCRAPE_S = 15.0  # of a data source that does not say otherwise
_SAFE_POINTS = 11_000  # Prometheus refuses more
_VARIABLE = re.compile(r"\$(?:([a-z_]\w*)|\{(\w+)\})")


@dataclass(frozen=True)
class Viewer:
    """Somebody who looks at a dashboard: time zone, moment, range, chosen values and width."""

    zone: ZoneInfo
    now: datetime
    since: str = ""
    """The beginning of the range, relative or as ``2026-06-17 18:30:00``; empty: the dashboard's own."""
    until: str = "now"
    chosen: Mapping[str, str] = field(default_factory=dict)
    """A value, or the text in a box, by variable; the others stay at All, or at their text.

    Nothing special in a regular expression: Grafana would escape that.
    """
    points: int = 1000
    """The width of a panel in pixels, which is the most points of a curve."""


@dataclass(frozen=True)
class Span:
    """A range in Unix seconds."""

    begin: float
    end: float

    @property
    def length_ms(self) -> int:
        return round((self.end - self.begin) * 1000)

    @property
    def length_s(self) -> int:
        return int(self.length_ms / 1000 + 0.5)  # rounded half up, as in Go


def load(path: Path) -> dict[str, Any]:
    return dict(json.loads(path.read_text(encoding="utf-8")))


def panels(dashboard: Json) -> Iterator[dict[str, Any]]:
    """Yield the panels, also those in collapsed rows."""
    for panel in dashboard["panels"]:
        yield from [panel] if panel["type"] != "row" else panel["panels"]


def targets(dashboard: Json) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """Return (panel, target) of every query of a panel."""
    return [(panel, target) for panel in panels(dashboard) for target in panel["targets"]]


def annotations(dashboard: Json) -> list[dict[str, Any]]:
    return [found for found in dashboard["annotations"].get("list", ()) if not found.get("builtIn")]


# --- Times


def moment(text: str, now: datetime, zone: ZoneInfo, *, up: bool = False) -> float:
    """Return the Unix seconds of a time such as ``now-7d``, ``now/d`` or ``2026-06-17 18:30:00``.

    A week begins on Monday, as in Europe. ``up`` rounds to the end of the unit, as Grafana does at a range's end.
    """
    if not text.startswith("now"):
        return datetime.fromisoformat(text).replace(tzinfo=zone).timestamp()
    at, rest = now.astimezone(zone), text.removeprefix("now")
    while rest:
        match = re.match(r"([-+])(\d+)([smhdwMy])|/([hdwMy])", rest)
        assert match, f"time {text!r}"
        sign, count, unit, rounded = match.groups()
        at = _floor(at, rounded, up=up) if rounded else _moved(at, int(sign + count), unit)
        rest = rest[match.end() :]
    return at.timestamp()


def _moved(at: datetime, count: int, unit: str) -> datetime:
    if unit in "smh":
        return (at.astimezone(UTC) + timedelta(seconds=count * _UNITS_S[unit])).astimezone(at.tzinfo)
    if unit in "dw":  # of the calendar: the hour stays
        return at + timedelta(days=count * (7 if unit == "w" else 1))
    months = at.year * 12 + at.month - 1 + count * (12 if unit == "y" else 1)
    return at.replace(year=months // 12, month=months % 12 + 1, day=min(at.day, 28))


def _floor(at: datetime, unit: str, *, up: bool) -> datetime:
    at = at.replace(minute=0, second=0, microsecond=0, fold=0)
    if unit != "h":
        at = at.replace(hour=0)
    if unit == "w":
        at -= timedelta(days=at.weekday())
    if unit in "My":
        at = at.replace(day=1, month=1 if unit == "y" else at.month)
    return _moved(at, 1, unit) - timedelta(milliseconds=1) if up else at


def span(dashboard: Json, panel: Json, viewer: Viewer) -> Span:
    """Return the range of a panel: its own (``timeFrom``) or, where the viewer chose an absolute one, that."""
    since, until = viewer.since or dashboard["time"]["from"], viewer.until
    own = panel.get("timeFrom")
    if own and (since.startswith("now") or until.startswith("now")):
        # Grafana knows "now/d to now" and the like by name, and spans such as 6h; anything else is invalid.
        assert re.fullmatch(r"now/[dwMy]|(now-)?\d+[smhdwMy]", own), f"timeFrom {own!r}"
        since, until = own if own.startswith("now") else f"now-{own}", "now"
    assert not panel.get("timeShift"), "timeShift"
    return Span(moment(since, viewer.now, viewer.zone), moment(until, viewer.now, viewer.zone, up=True))


# --- Steps


_LADDER_MS = (  # (below this, this)
    (10, 1), (15, 10), (35, 20), (75, 50), (150, 100), (350, 200), (750, 500), (1500, 1000), (3500, 2000),
    (7500, 5000), (12_500, 10_000), (17_500, 15_000), (25_000, 20_000), (45_000, 30_000), (90_000, 60_000),
    (210_000, 120_000), (450_000, 300_000), (750_000, 600_000), (1_050_000, 900_000), (1_500_000, 1_200_000),
    (2_700_000, 1_800_000), (5_400_000, 3_600_000), (9_000_000, 7_200_000), (16_200_000, 10_800_000),
    (32_400_000, 21_600_000), (86_400_000, 43_200_000), (604_800_000, 86_400_000),
    (1_814_400_000, 604_800_000), (3_628_800_000, 2_592_000_000),
)  # fmt: skip


def step_s(panel: Json, target: Json, over: Span, viewer: Viewer) -> float:
    """Return the step of a panel's curve: as fine as its width allows, no finer than its minimum."""
    points = panel.get("maxDataPoints") or viewer.points
    least_s = seconds(target.get("interval") or panel.get("interval") or f"{_SCRAPE_S:.0f}s")
    return max(_rounded_s(over.length_ms / points), least_s, _rounded_s(over.length_ms / _SAFE_POINTS))


def seconds(text: str) -> float:
    """Return the seconds of an interval such as ``1m`` or ``>5m``."""
    match = re.fullmatch(r">?\s*(\d+)(ms|[smhdwy])", text)
    assert match, f"interval {text!r}"
    return int(match[1]) * _UNITS_S[match[2]]


def _rounded_s(interval_ms: float) -> float:
    return next((nice for below, nice in _LADDER_MS if interval_ms < below), 31_536_000_000) / 1000


def aligned(over: Span, step: float, viewer: Viewer) -> Span:
    """Return the range that is asked for: both ends rounded down to steps of the viewer's clock.

    Grafana takes the viewer's offset from UTC at the end of the range for both.
    """
    offset_s = datetime.fromtimestamp(over.end, viewer.zone).utcoffset().total_seconds()

    def down(at: float) -> float:
        return (at + offset_s) // step * step - offset_s

    return Span(down(over.begin), down(over.end))


# --- Queries


def interpolated(expression: str, over: Span, step: float, chosen: Mapping[str, str]) -> str:
    """Return a query without macros and variables; ``chosen`` is what stands for each variable."""
    macros = {"interval": f"{step * 1000:.0f}ms", "range_ms": f"{over.length_ms}", "range": f"{over.length_s}s"}
    known = chosen | {f"__{name}": text for name, text in macros.items()}

    def value(match: re.Match[str]) -> str:
        name = match[1] or match[2]
        assert name in known, f"{match[0]} in {expression}"
        return known[name]

    done = _VARIABLE.sub(value, expression)
    assert not re.search(r"\$(?!\d)|\[\[", done), f"a rest of a variable in {done}"  # $1 is of label_replace
    return done


def choices(dashboard: Json, viewer: Viewer) -> dict[str, str]:
    """Return what stands in a query for each variable."""
    usual = {"query": "allValue", "textbox": "query"}
    found = (one for one in dashboard["templating"]["list"] if one["type"] != "datasource")
    return {one["name"]: viewer.chosen.get(one["name"], one[usual[one["type"]]]) for one in found}


@dataclass(frozen=True)
class Prometheus:
    """A Prometheus as Grafana's data source asks it."""

    url: str

    def curves(self, expression: str, over: Span, step: float) -> list[tuple[dict[str, str], dict[float, float]]]:
        """Return (labels, values by their time) over a range that is aligned already."""
        ends = {"start": f"{over.begin:.3f}", "end": f"{over.end:.3f}", "step": f"{step:g}"}
        found = self._data("query_range", query=expression, **ends)["result"]
        return [(one["metric"], {float(at): float(value) for at, value in one["values"]}) for one in found]

    def options(self, variable: Json, over: Span, chosen: Mapping[str, str]) -> list[str]:
        """Return what a variable offers."""
        selector, label = re.fullmatch(r"label_values\((.+), (\w+)\)", variable["query"]).groups()
        asked = {"start": f"{over.begin:.3f}", "end": f"{over.end:.3f}"}
        asked["match[]"] = interpolated(selector, over, _SCRAPE_S, chosen)
        return list(self._data(f"label/{label}/values", **asked))

    def answer(self, dashboard: Json, panel: Json, target: Json, viewer: Viewer):
        """Return what a query of a panel gives: a vector of an instant one, curves of the other."""
        over = span(dashboard, panel, viewer)
        step = step_s(panel, target, over, viewer)
        expression = interpolated(target["expr"], over, step, choices(dashboard, viewer))
        assert target.get("instant", False) != target.get("range", False), "a query that is both or neither"
        if target.get("range"):
            return self.curves(expression, aligned(over, step, viewer), step)
        data = self._data("query", query=expression, time=f"{over.end:.3f}")
        assert data["resultType"] == "vector", expression
        return [(series["metric"], float(series["value"][1])) for series in data["result"]]

    def panel(self, uid: str, title: str, viewer: Viewer, ref: str = "A", own: str | None = None):
        """Return what a query of a panel gives, or a column that is calculated from queries.

        ``ref`` is the query or the column, ``own`` the panel's own time, where several have the title.
        """
        (dashboard,) = (load(path) for path in ENGLISH if path.stem == uid)
        found = (one for one in panels(dashboard) if one["title"] == title)
        (shown,) = (one for one in found if own is None or one.get("timeFrom") == own)
        for target in shown["targets"]:
            if target["refId"] == ref:
                return self.answer(dashboard, shown, target, viewer)
        (terms,) = (
            one["options"]["binary"]
            for one in shown["transformations"]
            if one["id"] == "calculateField" and one["options"]["alias"] == f"Value #{ref}"
        )
        left, right = (
            {frozenset(labels.items()): value for labels, value in self.panel(uid, title, viewer, name, own)}
            for name in (terms[side].removeprefix("Value #") for side in ("left", "right"))
        )
        calculate = {"*": operator.mul, "/": operator.truediv, "-": operator.sub}[terms["operator"]]
        return [(dict(row), calculate(left[row], right[row])) for row in left.keys() & right.keys()]

    def marks(self, dashboard: Json, annotation: Json, viewer: Viewer):
        """Return the curves of an annotation."""
        over = span(dashboard, {}, viewer)
        assert annotation["target"]["expr"] == annotation["expr"], "Grafana 11 and 12 disagree on which they take"
        step = seconds(annotation["step"])
        expression = interpolated(annotation["expr"], over, step, choices(dashboard, viewer))
        return self.curves(expression, aligned(over, step, viewer), step)

    def _data(self, what: str, **asked: str) -> Any:
        asked["nocache"] = "1"  # as docs/grafana.md says for VictoriaMetrics; Prometheus does not know it
        return json.loads(get(f"{self.url}/api/v1/{what}?{urllib.parse.urlencode(asked)}"))["data"]
