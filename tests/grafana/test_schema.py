"""The dashboards fit the types that Grafana publishes for the oldest and the newest release that they are for."""

import functools
import json
import operator
import re
import subprocess
from pathlib import Path

import pytest
from support import grafana

pytestmark = pytest.mark.e2e

CHECK = Path(__file__).parent / "schema"
# The foundation SDK writes these fields of interval variables, with their defaults, into variables of every type.
# The published types lack what an annotation of Prometheus has (annotationQuery() in Grafana's datasource.ts).
HARMLESS = re.compile(
    r"\.templating\.list\[\d+\]\.auto(_min|_count)?: no such field$"
    r"|\.annotations\.list\[\d+\]\.(target\.)?"
    r"(expr|interval|step|titleFormat|textFormat|useValueForTime): no such field$"
)
FAULTS = (  # place of what is broken, what it becomes, and what must be said of it
    (("editabel",), 5, "editabel: no such field"),
    (("refresh",), 5, "refresh: 5 is no string"),
    (("panels", 1, "targets", 0, "expression"), 5, "expression: 5 is not of"),
    (("panels", 1, "options", "textMode"), 5, "textMode: 5 is no BigValueTextMode"),
    (("panels", 2, "fieldConfig", "overrides", 0, "properties", 0, "id"), "unidade", "unidade: no such field"),
)


@pytest.fixture(scope="module")
def said(tmp_path_factory):
    """Lines of the check about the dashboards and about broken copies."""
    if not (CHECK / "node_modules").exists():
        subprocess.run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=CHECK, check=True)
    folder = tmp_path_factory.mktemp("broken")
    for number, ((*keys, last), value, _) in enumerate(FAULTS):
        broken = grafana.load(grafana.ENGLISH[0])
        functools.reduce(operator.getitem, keys, broken)[last] = value
        (folder / f"broken-{number}.json").write_text(json.dumps(broken))
    command = ["node", "check.mjs", *grafana.FILES, *sorted(folder.iterdir())]
    checked = subprocess.run(command, cwd=CHECK, capture_output=True, text=True, check=False)
    assert checked.stderr == ""
    return [line for line in checked.stdout.splitlines() if not HARMLESS.search(line)]


@pytest.mark.parametrize("path", grafana.FILES, ids=lambda path: path.stem)
def test_it_fits_the_published_types(said, path):
    assert [line for line in said if re.match(rf"\S+ {re.escape(path.name)}[.#]", line)] == []


def test_a_fault_is_found_in_both_releases(said):
    for number, (*_, fault) in enumerate(FAULTS):
        found = [line for line in said if f" broken-{number}.json" in line]
        assert [line.split(".")[0] for line in found if fault in line] == ["12", "11"], found
        assert len(found) == 2, found
