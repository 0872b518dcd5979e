"""The vehicle of each last session in a backfill: found for every session, and never two at the same time."""

import itertools
from datetime import UTC, datetime

import pytest
from support.exposition import timed_samples_of
from support.grafana import Prometheus, Viewer
from support.ledger_rig import finished
from support.processes import DATABASES, query

BEGIN = 1_780_272_000  # 2026-06-01, a full hour
ENDS_MIN = [60, 200, 220, 235, 245, 250, 400, 415, 430, 445, 600, 605, 607, 625, 900, 2000]
"""Ends of sessions at one charger, in minutes after the beginning."""
NAMED_MIN = [end for end in ENDS_MIN if end not in {235, 245, 600, 605}]
"""At least a quarter of an hour before the next one's."""
NOW = BEGIN + 2100 * 60
TAGS = dict(zip(ENDS_MIN, itertools.cycle(["04A1", "04B2", None]), strict=False))
VEHICLES = {"04A1": "tesla", "04B2": "zoe", None: "unknown"}
RECIPE = """max by (account, charger) (joulo_last_session_kwh)
  * on (account, charger) group_left (vehicle) max by (account, charger, vehicle) (joulo_last_session_info)"""


@pytest.fixture
def history(backfilled):
    """A function that returns what backfill prints, with some flags, of sessions that begin after one another."""
    sessions = [
        finished(f"s{end}", at_seconds=BEGIN + end * 60 - 90, ended_at_seconds=BEGIN + end * 60, id_tag=TAGS[end])
        for end in reversed(ENDS_MIN)
    ]
    return lambda *flags: backfilled(sessions, *flags, now=NOW, refreshes=2)


@pytest.mark.parametrize("step", [60, 300])
def test_a_session_has_its_vehicle_for_an_hour_from_its_end_on(history, step):
    moments = {}
    for labels, moment, value in timed_samples_of(history(f"--step={step}s"))["joulo_last_session_info"]:
        end = int(labels["session_id"].removeprefix("s"))
        named = {"session_id": f"s{end}", "id_tag": TAGS[end] or "", "vehicle": VEHICLES[TAGS[end]]}
        assert (labels, value) == ({"charger": "c1", **named}, 1)
        moments.setdefault(end, []).append((moment - BEGIN) / 60)
    assert list(moments) == NAMED_MIN
    for end, found in moments.items():
        first = -(-end * 60 // step) * step / 60
        following = next((-(-later * 60 // step) * step / 60 for later in ENDS_MIN if later > end), 2100)
        last = min(first + 60, (following - 10) * 60 // step * step / 60)
        assert found == [first + n * step / 60 for n in range(len(found))]
        assert found[-1] == last


@pytest.mark.e2e
@pytest.mark.parametrize("database", DATABASES)
def test_a_charger_has_one_vehicle_at_a_time(database, history, tmp_path):
    openmetrics = tmp_path / "history.om"
    openmetrics.write_text(history())
    with database(tmp_path, [], openmetrics) as url:
        for second in range(BEGIN + 3900, NOW, 300):
            for at in (second - 0.001, second, second + 0.001):
                last = max(end for end in ENDS_MIN if -(-end // 5) * 300 <= at - BEGIN)
                found = query(url, RECIPE, at)  # two vehicles at once would be an error
                assert {dict(labels)["vehicle"] for labels in found} <= {VEHICLES[TAGS[last]]}, at
        viewer = Viewer(UTC, datetime.fromtimestamp(NOW, UTC), "now-40h")
        rows = Prometheus(url).panel("joulo-sessions", "Sessions", viewer, "vehicle")
        found = [(round(float(labels["start"]) - BEGIN + 90) // 60, labels["vehicle"]) for labels, _ in rows]
        assert sorted(found) == [(end, VEHICLES[TAGS[end]]) for end in NAMED_MIN]
