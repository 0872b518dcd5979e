"""Every query of the dashboards gives the same for a backfill as for a sample at every five minutes."""

import json
from datetime import UTC, datetime
from functools import partial

import pytest
from support import grafana, known_history
from support.grafana import Viewer
from support.known_history import HOME
from support.ledger_rig import written
from support.processes import filled_prometheus
from support.programs import GENERATIONS
from support.simulator import chargers_of, sessions_of

from joulo_exporter.cli import main
from joulo_exporter.simulator import Household, Scenario

pytestmark = pytest.mark.e2e

NOW = 1_781_810_000.0
"""Always the same: within minutes of a midnight at which a range begins, the two see different last sessions."""
DAYS = 70
STEP_S = 300
MOST_POINTS = 10_000  # Prometheus refuses more than 11,000; annotations are in steps of a minute
OF_NOW = "Last session"
"""The panel of the present does not look an hour back: the credits of another session could stand there."""
LONGEST_S = 3600  # between two samples of a series; more is a gap
RANGES = [  # beginning, end, width of a panel in pixels
    ("now-6h", "now", 1000), ("now-2d", "now", 1000), ("now-2d", "now", 100), ("now-6d/d", "now", 1000),
    ("now-30d", "now", 1000), ("now-30d", "now", 350), ("now-69d", "now", 1000), ("now-69d", "now", 60),
    ("now-80d", "now", 1000), ("now-9d", "now-8d", 1000), ("now-40d/d", "now-20d/d", 350),
]  # fmt: skip


@pytest.fixture(scope="module")
def history(tmp_path_factory):
    """(what backfill prints, its last moment)."""
    folder = tmp_path_factory.mktemp("ledger")
    household = Household(Scenario(history_days=DAYS), clock=lambda: NOW)
    written(folder, *sessions_of(household, NOW), chargers=chargers_of(household, NOW), now_seconds=NOW)
    with pytest.MonkeyPatch.context() as patch, (folder / "history.om").open("w+") as output:
        patch.setattr("time.time", lambda: NOW)
        patch.setenv("JOULO_TOKEN", "joulo_of_a_test")
        patch.setattr("sys.stdout", output)
        assert main(["backfill", f"--storage.path={folder}"]) == 0
        output.seek(0)
        lines = output.read().splitlines(keepends=True)
    return lines, max(float(line.split()[-1]) for line in lines if line[0] != "#")


def at_every_step(lines):
    """Yield the same text with each sample repeated at every step until the next one."""
    before = ("", "", 0.0)
    for line in lines:
        series, value, moment = line.rsplit(maxsplit=2) if line[0] != "#" else ("", "", 0)
        at = float(moment)
        if series and series == before[0] and at - before[2] <= LONGEST_S:
            filled = (before[2] // STEP_S + 1) * STEP_S
            while filled < at:
                yield f"{series} {before[1]} {filled:.0f}\n"
                filled += STEP_S
        yield line
        before = (series, value, at)


@pytest.fixture(scope="module")
def pair(history, tmp_path_factory):
    """Two servers: one of the backfill, one with a sample at every step."""
    lines, _ = history
    database = partial(filled_prometheus, GENERATIONS[-1])
    folders = [tmp_path_factory.mktemp(name) for name in ("backfilled", "filled")]
    with (
        known_history.prometheus_with(database, lines, folders[0]) as backfilled,
        known_history.prometheus_with(database, at_every_step(lines), folders[1]) as filled,
    ):
        yield backfilled, filled


def answers(server, viewer):
    """Yield ((title, reference), what a query of the dashboards gives), as text: NaN is not equal to itself."""
    for dashboard in map(grafana.load, grafana.ENGLISH):
        for shown, target in grafana.targets(dashboard):
            if shown["title"] != OF_NOW:
                found = server.answer(dashboard, shown, target, viewer)
                yield (shown["title"], target["refId"]), sorted(json.dumps(one, sort_keys=True) for one in found)
        if grafana.span(dashboard, {}, viewer).length_s <= MOST_POINTS * 60:
            for mark in grafana.annotations(dashboard):
                # It stands at its value, once for each.
                marks = server.marks(dashboard, mark, viewer)
                yield (
                    mark["name"],
                    sorted((sorted(labels.items()), sorted(set(at.values()))) for labels, at in marks),
                )


@pytest.mark.parametrize(("since", "until", "points"), RANGES)
def test_every_query_gives_the_same(history, pair, since, until, points):
    viewer = Viewer(HOME, datetime.fromtimestamp(history[1], UTC), since, until, points=points)
    backfilled, filled = (list(answers(one, viewer)) for one in pair)
    assert backfilled == filled
    with_data = {query for query, answer in filled if answer}
    assert {("When each charger charged", "A"), ("Hours of the day", "A")} <= with_data
