"""The rules of Grafana's dashboard-linter, and what each finds in a dashboard.

Names and meanings are those of https://github.com/grafana/dashboard-linter (docs/index.md and lint/rule_*.go). A
rule here takes in every kind of panel, where the linter leaves some out.
"""

from __future__ import annotations

import re
import subprocess
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import yaml
from support import grafana

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Dashboard = dict[str, Any]
    Rule = Callable[[Dashboard], Iterator[str]]

SOURCE = "${datasource}"
SELECTOR = re.compile(r"\b([a-z]\w*_\w+|up|ALERTS)\b(?!\s*\(|_)(\{[^}]*\})?(\[[^\]]*\])?")
LABELS_OF = {"by", "without", "on", "ignoring", "group_left", "group_right"}
"""Keywords before a list of labels."""
UNITS = {  # those of Grafana's packages/grafana-data/src/valueFormats/categories.ts that ours can be about
    "none", "string", "short", "percent", "percentunit", "locale", "watt", "kwatt", "watth", "kwatth",
    "currencyEUR",
    "bytes", "decbytes", "dateTimeAsIso", "dateTimeAsLocal", "dateTimeAsLocalNoDateIfToday", "dateTimeFromNow",
    "dateTimeAsSystem", "ms", "s", "m", "h", "d", "clockms", "dtdurationms", "dtdurations", "dthms", "dtdhms",
    "reqps", "cps", "ops",
    "cpm", "opm", "rpm", "bool", "bool_yes_no", "bool_on_off",
}  # fmt: skip
OWN_UNITS = {"suffix:kWh", "suffix:h", "time:YYYY-MM-DD HH:mm"}
"""Custom units, as Grafana documents them: its own kwatth would write a year's energy in MWh, its h "hours", its
times with seconds, which a phone has no room for."""


def queries(dashboard: Dashboard) -> Iterator[tuple[str, str]]:
    """Yield (panel, PromQL)."""
    for panel in grafana.panels(dashboard):
        for target in panel.get("targets") or ():
            yield panel["title"], target["expr"]


def selectors(expression: str) -> Iterator[tuple[str, str, str, list[str]]]:
    """Yield (metric, matchers, range, names of the functions around it, the innermost last)."""
    blank = re.sub(r'"[^"]*"', lambda text: '"' + "_" * (len(text[0]) - 2) + '"', expression)
    for match in SELECTOR.finditer(blank):
        around = functions(blank[: match.start()])
        if match[1] not in LABELS_OF | {"count_values"} and not (around and around[-1] in LABELS_OF):
            braces = expression[match.start(2) : match.end(2)] if match[2] else ""
            yield match[1], braces, match[3] or "", around


def functions(before: str) -> list[str]:
    """Return what stands before each parenthesis that is still open."""
    still_open: list[str] = []
    for match in re.finditer(r"(\w*)\s*\(|\)", before):
        if match[0] == ")":
            still_open.pop()
        else:
            still_open.append(match[1])
    return still_open


# --- Of a dashboard


def template_datasource(dashboard: Dashboard) -> Iterator[str]:
    """There is a variable for the data source, with the usual name and label."""
    found = [(one["name"], one["label"]) for one in grafana.variables(dashboard) if one["type"] == "datasource"]
    if found != [("datasource", "Data source")]:
        yield ""


def template_label_promql(dashboard: Dashboard) -> Iterator[str]:
    """Variables ask with a function of the data source, in valid PromQL."""
    for one in grafana.variables(dashboard):
        if one["type"] == "query":
            match = re.fullmatch(r"(\w+)\((?:(.+),\s*\w+|.+)\)", one["query"])
            if (
                not match
                or match[1] not in {"label_names", "label_values", "metrics", "query_result"}
                or (match[2] and refused(dashboard, [match[2]]))
            ):
                yield one["name"]


def template_on_time_change_reload(dashboard: Dashboard) -> Iterator[str]:
    """Variables follow the range."""
    for one in grafana.variables(dashboard):
        if one["type"] == "query" and one["refresh"] != 2:
            yield one["name"]


def uneditable_dashboard(dashboard: Dashboard) -> Iterator[str]:
    """It changes in its source only."""
    if dashboard.get("editable", True):
        yield ""


def template_unused(dashboard: Dashboard) -> Iterator[str]:
    """Each variable is used in a query."""
    used = " ".join(expression for _, expression in queries(dashboard))
    for one in grafana.variables(dashboard):
        if one["type"] == "query" and not re.search(rf"\$(\{{{one['name']}\b|{one['name']}\b)", used):
            yield one["name"]


# --- Of a panel


def panel_datasource(dashboard: Dashboard) -> Iterator[str]:
    """Each panel and each query uses the variable."""
    for panel in grafana.panels(dashboard):
        asked = [panel, *(panel.get("targets") or ())]
        if any(one.get("datasource", {}).get("uid") not in {SOURCE, "$datasource"} for one in asked):
            yield panel["title"]


def panel_title_description(dashboard: Dashboard) -> Iterator[str]:
    """Each panel says what it is."""
    for panel in grafana.panels(dashboard):
        if not panel.get("title", "").strip() or not panel.get("description", "").strip():
            yield panel.get("title", "")


def panel_units(dashboard: Dashboard) -> Iterator[str]:
    """Each panel has a unit that Grafana knows, and so has each override."""
    for panel in grafana.panels(dashboard):
        config = panel.get("fieldConfig") or {}
        units = [config.get("defaults", {}).get("unit", "")]
        for override in config.get("overrides") or ():
            units += [one["value"] for one in override["properties"] if one["id"] == "unit"]
        if set(units) - UNITS - OWN_UNITS:
            yield panel["title"]


def panel_no_targets(dashboard: Dashboard) -> Iterator[str]:
    """Each panel asks something."""
    for panel in grafana.panels(dashboard):
        if not panel.get("targets"):
            yield panel["title"]


# --- Of a query


def target_promql(dashboard: Dashboard) -> Iterator[str]:
    """Each query is valid PromQL."""
    for panel in grafana.panels(dashboard):
        if refused(dashboard, [target["expr"] for target in panel.get("targets") or ()]):
            yield panel["title"]


def refused(dashboard: Dashboard, expressions: list[str]) -> bool:
    """Return whether promtool refuses one of them."""
    viewer = grafana.Viewer(UTC, datetime(2026, 6, 17, tzinfo=UTC), "now-1h")  # type: ignore[arg-type]
    over, chosen = grafana.span(dashboard, {}, viewer), grafana.choices(dashboard, viewer)
    rules = [
        {"record": f"query:{number}", "expr": grafana.interpolated(expression, over, 60, chosen)}
        for number, expression in enumerate(expressions)
    ]
    if not rules:
        return False
    text = yaml.safe_dump({"groups": [{"name": "queries", "rules": rules}]})
    command = ["promtool", "check", "rules", "/dev/stdin"]
    return subprocess.run(command, input=text.encode(), capture_output=True, check=False).returncode != 0


def target_rate_interval(dashboard: Dashboard) -> Iterator[str]:
    """A rate is over $__rate_interval."""
    for panel, expression in queries(dashboard):
        for _, _, span, around in selectors(expression):
            rate = span and around and around[-1] in {"rate", "irate"}
            if rate and span not in {"[$__rate_interval]", "[${__rate_interval}]"}:
                yield panel


def target_histogram(dashboard: Dashboard) -> Iterator[str]:
    """Buckets are for quantiles."""
    for panel, expression in queries(dashboard):
        for name, _, _, around in selectors(expression):
            if name.endswith("_bucket") and "histogram_quantile" not in around:
                yield panel


RULES: dict[str, Rule] = {
    rule.__name__.replace("_", "-"): rule
    for rule in (
        template_datasource, template_label_promql, template_on_time_change_reload, template_unused,
        uneditable_dashboard, panel_datasource, panel_title_description, panel_units, panel_no_targets,
        target_promql, target_rate_interval, target_histogram,
    )
}  # fmt: skip
"""All but ``template-job``, ``template-instance``, ``target-job`` and ``target-instance``, since a charger is the
same whichever job scrapes it, and an exporter that moves gets another instance: queries join these before they
add; and ``target-counter-agg``, since rate and increase extrapolate, which makes kWh that nobody charged."""
