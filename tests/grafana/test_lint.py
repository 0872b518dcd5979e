"""Grafana's own rules for dashboards, as in its dashboard-linter, but for every kind of panel.

Names and meanings are those of https://github.com/grafana/dashboard-linter (docs/index.md). Left out are
``template-job``, ``template-instance``, ``target-job`` and ``target-instance``, since a charger is the same
whichever job scrapes it, and an exporter that moves gets another instance: queries join these before they add.
That queries are valid, ``target-promql`` and ``template-label-promql``, is shown where a real Prometheus takes
them. In place of ``target-rate-interval`` and ``target-counter-agg``: energy and credits have no rates, which
would extrapolate.
"""

import json
import re

import pytest
from support import grafana
from support.grafana import panels

SOURCE = {"type": "prometheus", "uid": "${datasource}"}
UNITS = {  # those of Grafana's packages/grafana-data/src/valueFormats/categories.ts that ours are about
    "none", "string", "percentunit", "watt", "currencyEUR", "bytes", "s", "clockms", "dthms", "dateTimeAsLocal",
    "dateTimeFromNow",
    # Custom ones, as Grafana documents them: its own kwatth would write a year's energy in MWh, its h "hours", its
    # times with seconds, which a phone has no room for.
    "suffix:kWh", "suffix:h", "time:YYYY-MM-DD HH:mm",
}  # fmt: skip
RATE = re.compile(r"\b(rate|irate|increase|delta|idelta|deriv)\s*\(")


def targets(dashboard):
    return [target for panel in panels(dashboard) for target in panel.get("targets") or ()]


def choices(dashboard, kind="query"):
    return [one for one in grafana.variables(dashboard) if one["type"] == kind]


def data_sources(node):
    """Yield the data source of everything that has one."""
    for key, inner in node.items() if isinstance(node, dict) else enumerate(node):
        if key == "datasource":
            yield inner["uid"] if isinstance(inner, dict) else inner
        elif isinstance(inner, dict | list):
            yield from data_sources(inner)


def units(dashboard):
    for config in (panel["fieldConfig"] for panel in panels(dashboard)):
        yield config["defaults"].get("unit")
        changes = [change for override in config["overrides"] for change in override["properties"]]
        yield from (change["value"] for change in changes if change["id"] == "unit")


RULES = {  # what a dashboard must be, and what is done to the text of one that the rule must find
    "template-datasource": (
        lambda board: [one["label"] for one in choices(board, "datasource") if one["name"] == "datasource"]
        in (["Data source"], ["Databron"]),
        '"name": "datasource"', '"name": "source"',
    ),
    "template-on-time-change-reload": (
        lambda board: all(one["refresh"] == 2 for one in choices(board)),
        '"refresh": 2', '"refresh": 1',
    ),
    "template-unused": (
        lambda board: {one["name"] for one in choices(board)}
        <= {name for target in targets(board) for name in re.findall(r"\$(\w+)", target["expr"])},
        '"name": "charger"', '"name": "carport"',
    ),
    "uneditable-dashboard": (
        lambda board: board.get("editable") is False,
        '"editable": false', '"editable": true',
    ),
    "panel-datasource": (
        lambda board: all(one.get("datasource") == SOURCE for one in (*panels(board), *targets(board)))
        and set(data_sources(board)) == {SOURCE["uid"]},
        '"uid": "${datasource}"', '"uid": "abc"',
    ),
    "panel-title-description": (
        lambda board: all(one.get(key, "").strip() for one in panels(board) for key in ("title", "description")),
        '"title": "Power"', '"title": " "',
    ),
    "panel-units": (lambda board: set(units(board)) <= UNITS, '"unit": "watt"', '"unit": "Watt"'),
    "panel-no-targets": (
        lambda board: all(panel.get("targets") for panel in panels(board)),
        '"targets": [', '"aims": [',
    ),
    "no rate of energy": (
        lambda board: board["uid"].startswith("joulo-exporter")
        or not any(RATE.search(target["expr"]) for target in targets(board)),
        "max_over_time(", "increase(",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", RULES)
@pytest.mark.parametrize("path", grafana.FILES, ids=lambda path: path.stem)
def test_a_rule_holds(path, name):
    assert RULES[name][0](grafana.load(path))


@pytest.mark.parametrize("name", RULES)
def test_a_rule_finds_what_breaks_it(name):
    holds, before, after = RULES[name]
    (path,) = (one for one in grafana.ENGLISH if one.stem == "joulo-charging")
    text = json.dumps(grafana.load(path), ensure_ascii=False)
    assert before in text
    assert not holds(json.loads(text.replace(before, after, 1)))
