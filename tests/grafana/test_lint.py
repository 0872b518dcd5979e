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

SOURCE = {"type": "prometheus", "uid": "${datasource}"}
UNITS = {  # those of Grafana's packages/grafana-data/src/valueFormats/categories.ts that ours are about
    "none", "string", "percentunit", "watt", "currencyEUR", "bytes", "s", "clockms", "dthms", "dateTimeAsLocal",
    "dateTimeFromNow",
    # Custom ones, as Grafana documents them: its own kwatth would write a year's energy in MWh, its h "hours", its
    # times with seconds, which a phone has no room for.
    "suffix:kWh", "suffix:h", "time:YYYY-MM-DD HH:mm",
}  # fmt: skip
ABOUT_THE_PROCESS = "joulo-exporter"


def queries(dashboard):
    return [(panel, target) for panel in grafana.panels(dashboard) for target in panel.get("targets") or ()]


def template_datasource(dashboard):
    """There is a variable for the data source, with the usual name and label."""
    found = [(one["name"], one["label"]) for one in grafana.variables(dashboard) if one["type"] == "datasource"]
    return found not in ([("datasource", "Data source")], [("datasource", "Databron")])


def template_on_time_change_reload(dashboard):
    """Variables follow the range."""
    return [one for one in grafana.variables(dashboard) if one["type"] == "query" and one["refresh"] != 2]


def template_unused(dashboard):
    """Each variable is used in a query."""
    used = {name for _, target in queries(dashboard) for name in re.findall(r"\$(\w+)", target["expr"])}
    return {one["name"] for one in grafana.variables(dashboard) if one["type"] == "query"} - used


def uneditable_dashboard(dashboard):
    """It changes in its source only."""
    return dashboard.get("editable", True)


def panel_datasource(dashboard):
    """Each panel and each query uses the variable, and nothing else has a data source of its own."""
    asked = [*grafana.panels(dashboard), *(target for _, target in queries(dashboard))]
    return [one for one in asked if one.get("datasource") != SOURCE] or set(datasources(dashboard)) - {
        SOURCE["uid"]
    }


def datasources(node):
    """Yield the data source of everything that has one."""
    for key, inner in (
        node.items() if isinstance(node, dict) else enumerate(node if isinstance(node, list) else ())
    ):
        if key == "datasource":
            yield inner["uid"] if isinstance(inner, dict) else inner
        else:
            yield from datasources(inner)


def panel_title_description(dashboard):
    """Each panel says what it is."""
    texts = [panel.get(key, "") for panel in grafana.panels(dashboard) for key in ("title", "description")]
    return [text for text in texts if not text.strip()]


def panel_units(dashboard):
    """Each panel has a unit that Grafana knows, and so has each override."""
    config = [panel["fieldConfig"] for panel in grafana.panels(dashboard)]
    changes = [change for one in config for override in one["overrides"] for change in override["properties"]]
    units = [one["defaults"].get("unit") for one in config]
    return {*units, *(change["value"] for change in changes if change["id"] == "unit")} - UNITS


def panel_no_targets(dashboard):
    """Each panel asks something."""
    return [panel for panel in grafana.panels(dashboard) if not panel.get("targets")]


def target_without_rate(dashboard):
    """What is charged and earned is a difference of totals."""
    rate = re.compile(r"\b(rate|irate|increase|delta|idelta|deriv)\s*\(")
    found = [target for _, target in queries(dashboard) if rate.search(target["expr"])]
    return [] if dashboard["uid"].startswith(ABOUT_THE_PROCESS) else found


BREAK = {  # each rule, and what is done to the text of a dashboard that it must find
    template_datasource: ('"name": "datasource"', '"name": "source"'),
    template_on_time_change_reload: ('"refresh": 2', '"refresh": 1'),
    template_unused: ('"name": "charger"', '"name": "carport"'),
    uneditable_dashboard: ('"editable": false', '"editable": true'),
    panel_datasource: ('"uid": "${datasource}"', '"uid": "abc"'),
    panel_title_description: ('"title": "Power"', '"title": " "'),
    panel_units: ('"unit": "watt"', '"unit": "Watt"'),
    panel_no_targets: ('"targets": [', '"aims": ['),
    target_without_rate: ("max_over_time(", "increase("),
}


@pytest.mark.parametrize("rule", BREAK, ids=lambda rule: rule.__name__)
@pytest.mark.parametrize("path", grafana.FILES, ids=lambda path: path.stem)
def test_a_rule_holds(path, rule):
    assert not rule(grafana.load(path))


@pytest.mark.parametrize("rule", BREAK, ids=lambda rule: rule.__name__)
def test_a_rule_finds_what_breaks_it(rule):
    (path,) = (one for one in grafana.ENGLISH if one.stem == "joulo-charging")
    before, after = BREAK[rule]
    text = json.dumps(grafana.load(path), ensure_ascii=False)
    assert before in text
    assert rule(json.loads(text.replace(before, after, 1)))
