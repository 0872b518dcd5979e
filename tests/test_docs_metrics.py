"""docs/metrics.md and the code say the same: every metric, its type and labels, and queries that can work."""

import re
from pathlib import Path

import pytest
import yaml
from support.served_metrics import RELOADS, SELECTOR, sample_labels, strangers

from joulo_exporter.metrics import FAMILIES, process_registry

DOCS = Path(__file__).parents[1] / "docs"
PAGE = (DOCS / "metrics.md").read_text(encoding="utf-8")
ROW = re.compile(r"^\| `(joulo_\w+)` \| (\w+) \|([^|]*) \| ([^|]+) \|$", re.MULTILINE)
PROMQL = re.compile(r"```promql\n(.*?)```", re.DOTALL)


def written() -> list[tuple[str, str, set[str]]]:
    """Return (name, type, labels) of every row, in the page's order."""
    return [(name, kind, set(re.findall(r"`(\w+)`", labels))) for name, kind, labels, _ in ROW.findall(PAGE)]


def served() -> list[tuple[str, str, set[str]]]:
    """Return (name, type, labels) of every metric of ours, in the order in which they are served."""
    own = [(family.name, family.type, set(family.labels)) for family in FAMILIES]
    process = [each for each in process_registry("1", RELOADS).collect() if each.name.startswith("joulo_")]
    return own + [(metric.name, metric.type, set(metric.samples[0].labels)) for metric in process]


def queries(page: str = PAGE) -> list[str]:
    blocks = "\n\n".join(PROMQL.findall(page))
    lines = "\n".join(line for line in blocks.splitlines() if not line.startswith("#"))
    return [query.strip() for query in re.split(r"\n\s*\n", lines) if query.strip()]


def test_every_metric_is_documented_once_with_type_and_labels_and_none_that_is_gone():
    assert written() == served()
    assert len(re.findall(r"^\| `", PAGE, re.MULTILINE)) == len(written())
    known = {name for name, *_ in served()} | sample_labels().keys()
    assert set(re.findall(r"\bjoulo_\w+", PAGE)) - known == set()
    assert {name.split("_")[0] for name in known} == {"joulo", "process", "python"}
    assert "`process_*`" in PAGE
    assert "`python_*`" in PAGE


def test_every_metric_has_a_query():
    asked = {found.removesuffix("_bucket") for query in queries() for found, _ in SELECTOR.findall(query)}
    assert {name for name, *_ in served()} - asked == set()


@pytest.mark.parametrize("query", queries())
def test_queries_ask_for_what_exists(query):
    assert SELECTOR.search(query)
    assert strangers(query) == set()


@pytest.mark.e2e
def test_promtool_understands_every_query(generation, tmp_path):
    rules = [{"record": f"example:{number}", "expr": query} for number, query in enumerate(queries())]
    path = tmp_path / "rules.yml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "examples", "rules": rules}]}), encoding="utf-8")
    assert f"{len(rules)} rules found" in generation.said("promtool", "check", "rules", path)


PAGES = (PAGE, (DOCS / "ere.md").read_text(encoding="utf-8"))
JOINS = [query for page in PAGES for query in queries(page) if "group_left" in query]


@pytest.mark.e2e
@pytest.mark.parametrize("query", JOINS)
def test_joins_work_with_two_instances(generation, query, tmp_path):
    """While one exporter takes over from another, both state the same things."""
    labels = {
        name: ", ".join(f'{label}="x"' for label in sorted(sample_labels()[name] - {"instance"}))
        for name, _ in SELECTOR.findall(query)
    }
    samples = [
        {"series": f'{name}{{{given}, instance="{instance}"}}', "values": "1x5000"}
        for name, given in labels.items()
        for instance in ("new", "old")
    ]
    expected = {"expr": f"count({query})", "eval_time": "31d", "exp_samples": [{"labels": "{}", "value": 1}]}
    test = {"interval": "10m", "input_series": samples, "promql_expr_test": [expected]}
    (tmp_path / "tests.yml").write_text(yaml.safe_dump({"tests": [test]}), encoding="utf-8")
    generation.said("promtool", "test", "rules", tmp_path / "tests.yml")
