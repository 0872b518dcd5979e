"""Grafana's own rules for dashboards, with the exceptions that ours need and why."""

from __future__ import annotations

import functools
import json
import re

import pytest
from support import dashboard_rules, grafana
from support.dashboard_rules import RULES

ANY = "*"
EXCEPTIONS = {  # (rule, dashboard, panel): why
    ("template-datasource", "-nl", ""): "The label of the variable is Dutch: Databron.",
    ("target-rate-interval", "joulo-exporter", ANY): (
        "Requests are minutes to an hour apart: $__rate_interval, which follows the scrapes, often has none."
    ),
    ("target-histogram", "joulo-exporter", ANY): "A heat map shows the buckets themselves.",
}


@functools.cache
def found(rule):
    """Return (rule, dashboard, panel) of everything that a rule finds."""
    return [
        (rule, path.stem, panel)
        for path in grafana.FILES
        for panel in sorted(set(RULES[rule](grafana.load(path))))
    ]


def each(rules):
    """Return the rules as parameters; those about PromQL need promtool."""
    return [pytest.param(rule, marks=[pytest.mark.e2e] if rule.endswith("-promql") else []) for rule in rules]


def covers(exception, finding):
    (rule, board, panel), (one, stem, shown) = exception, finding
    of_board = board in {ANY, stem.removesuffix("-nl")} or (board == "-nl" and stem.endswith("-nl"))
    return rule == one and of_board and panel in {ANY, shown}


@pytest.mark.parametrize("rule", each(RULES))
@pytest.mark.parametrize("path", grafana.FILES, ids=lambda path: path.stem)
def test_a_rule_holds_but_for_its_exceptions(path, rule):
    here = [one for one in found(rule) if one[1] == path.stem]
    assert [one for one in here if not any(covers(exception, one) for exception in EXCEPTIONS)] == []


@pytest.mark.parametrize("exception", EXCEPTIONS, ids="-".join)
def test_an_exception_is_needed(exception):
    assert any(covers(exception, one) for one in found(exception[0]))


BREAK = {  # what is done to the text of a dashboard, and the rule that must find it
    "template-datasource": ('"name": "datasource"', '"name": "source"'),
    "template-label-promql": ("label_values(joulo_up, account)", "label_values(joulo_up[, account)"),
    "template-on-time-change-reload": ('"refresh": 2', '"refresh": 1'),
    "uneditable-dashboard": ('"editable": false', '"editable": true'),
    "panel-datasource": ('"uid": "${datasource}"', '"uid": "abc"'),
    "panel-units": ('"unit": "watt"', '"unit": "Watt"'),
    "target-promql": ("max by (account, charger) (", "max by (account, charger) (("),
}


@pytest.mark.parametrize("rule", each(BREAK))
def test_a_rule_finds_what_breaks_it(rule):
    (path,) = (one for one in grafana.ENGLISH if one.stem == "joulo-charging")
    before, after = BREAK[rule]
    text = json.dumps(grafana.load(path), ensure_ascii=False)
    assert before in text
    broken = json.loads(text.replace(before, after, 1))
    assert set(RULES[rule](broken)) - set(RULES[rule](json.loads(text))) != set()


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("up", [("up", "", "", [])]),
        ("max by (a_b, c_d) (ALERTS)", [("ALERTS", "", "", [""])]),
        (
            'sum by (le) (rate(a_bucket{x="rate(b_c)"}[5m]))',
            [("a_bucket", '{x="rate(b_c)"}', "[5m]", ["", "rate"])],
        ),
        (
            "a_total / on (x) group_left () (sum(b_total) > 0)",
            [("a_total", "", "", []), ("b_total", "", "", ["", "sum"])],
        ),
        ("last_over_time(a_total[1h] offset 5s)", [("a_total", "", "[1h]", ["last_over_time"])]),
    ],
)
def test_selectors_are_found(expression, expected):
    assert list(dashboard_rules.selectors(expression)) == expected


def test_every_metric_of_a_query_is_seen_as_a_selector():
    """The rules look at selectors by a pattern, not by a parser."""
    for path in grafana.ENGLISH:
        for _, expression in dashboard_rules.queries(grafana.load(path)):
            without_texts = re.sub(r'"[^"]*"', "", expression)
            named = set(re.findall(r"\b(?:joulo|process|python|scrape)_\w+", without_texts))
            assert named <= {name for name, *_ in dashboard_rules.selectors(expression)}
