"""The vehicle of each last session in a backfill: found for every session, and never two at the same time."""

import itertools
import json
import re
import time
from datetime import UTC, datetime

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from support.command_line import printed
from support.grafana import Prometheus, Viewer
from support.ledger_rig import LedgerRig, finished, live
from support.processes import DATABASES, query

from joulo_exporter.models.session import Session

BEGIN = 1_780_272_000  # 2026-06-01, a full hour
ENDS_MIN = [60, 200, 220, 235, 245, 250, 400, 415, 430, 445, 600, 605, 607, 625, 900, 2000]
"""Ends of sessions at one charger, in minutes after the beginning."""
UNNAMED_MIN = {235, 245, 600, 605}
"""Less than a quarter of an hour before the next one's."""
NOW = BEGIN + 2100 * 60
VEHICLES = {"04A1": "tesla", "04B2": "zoe"}
TAGS = dict(zip(ENDS_MIN, itertools.cycle(["04A1", "04B2", None]), strict=False))


def history():
    """Return sessions that all begin after one another, newest first."""
    return [
        finished(f"s{end}", at_seconds=BEGIN + end * 60 - 90, ended_at_seconds=BEGIN + end * 60, id_tag=TAGS[end])
        for end in reversed(ENDS_MIN)
    ]


def vehicle(end):
    return VEHICLES.get(TAGS[end], "unknown")


@pytest.fixture
def backfilled(tmp_path, capsys, monkeypatch):
    """A function that returns what backfill prints of sessions, with a configuration."""

    def backfilled(sessions, config="", *flags, refreshes=2):
        rig = LedgerRig(tmp_path, name="", vehicles=VEHICLES)
        rig.now_seconds = NOW
        rig.chargers(live(None))
        for _ in range(refreshes):
            rig.whole_walk(sessions, size=100)
        rig.book()
        rig.close()
        path = tmp_path / "joulo.yml"
        path.write_text(f"vehicles: {json.dumps(VEHICLES)}\n{config}")
        monkeypatch.setattr(time, "time", lambda: NOW)
        return printed(capsys, "backfill", f"--config.file={path}", f"--storage.path={tmp_path}", *flags)

    return backfilled


def samples(text):
    """Return (labels, moment) of each sample."""
    (family,) = (one for one in text_string_to_metric_families(text) if one.name == "joulo_last_session_info")
    assert {sample.value for sample in family.samples} <= {1}
    return [(sample.labels, float(sample.timestamp)) for sample in family.samples]


@pytest.mark.parametrize("step", [60, 300])
def test_a_session_has_its_vehicle_for_an_hour_from_its_end_on(backfilled, step):
    moments = {}
    for labels, moment in samples(backfilled(history(), "", f"--step={step}s")):
        end = int(labels["session_id"].removeprefix("s"))
        assert labels == {
            "charger": "c1", "session_id": f"s{end}", "id_tag": TAGS[end] or "", "vehicle": vehicle(end),
        }  # fmt: skip
        moments.setdefault(end, []).append((moment - BEGIN) / 60)
    assert list(moments) == [end for end in ENDS_MIN if end not in UNNAMED_MIN]
    for end, found in moments.items():
        first = -(-end * 60 // step) * step / 60
        following = next((-(-later * 60 // step) * step / 60 for later in ENDS_MIN if later > end), 2100)
        last = min(first + 60, (following - 10) * 60 // step * step / 60)
        assert found == [first + n * step / 60 for n in range(len(found))]
        assert found[-1] == last


def test_a_session_that_ended_just_now_is_left_to_the_scrapes(backfilled):
    brief = finished("s", at_seconds=NOW - 5000, ended_at_seconds=NOW - 899, id_tag="04A1")
    assert samples(backfilled([brief])) == []


def test_before_to_there_is_a_gap_as_before_a_session(backfilled):
    found = samples(
        backfilled(history(), "", f"--to={datetime.fromtimestamp(BEGIN + 5400, UTC):%Y-%m-%dT%H:%M:%SZ}")
    )
    assert [(moment - BEGIN) / 60 for _, moment in found] == [60, 65, 70, 75, 80]


@pytest.mark.parametrize(("mode", "tag"), [("hide", ""), ("hash", "0e5f7a6a5c1ac4d1"), ("show", "04A1")])
def test_tags_are_shown_as_configured(backfilled, mode, tag):
    found = {labels["id_tag"] for labels, _ in samples(backfilled(history()[-1:], f"id_tags: {mode}\n"))}
    if mode == "hash":
        (shown,) = found
        assert re.fullmatch("[0-9a-f]{16}", shown)
    else:
        assert found == {tag}


def test_a_session_whose_tag_may_still_come_has_no_vehicle_yet(backfilled):
    untagged = [Session("s", "c1", NOW - 8000, None, NOW - 7000, 100)]
    assert samples(backfilled(untagged, refreshes=1)) == []
    assert {labels["vehicle"] for labels, _ in samples(backfilled(untagged))} == {"unknown"}


RECIPE = """max by (account, charger) (joulo_last_session_kwh)
  * on (account, charger) group_left (vehicle) max by (account, charger, vehicle) (joulo_last_session_info)"""


@pytest.mark.e2e
@pytest.mark.parametrize("database", DATABASES)
def test_a_charger_has_one_vehicle_at_a_time(database, backfilled, tmp_path):
    openmetrics = tmp_path / "history.om"
    openmetrics.write_text(backfilled(history()))
    with database(tmp_path, [], openmetrics) as url:
        for second in range(BEGIN + 3900, NOW, 300):
            for at in (second - 0.001, second, second + 0.001):
                last = max(end for end in ENDS_MIN if -(-end // 5) * 300 <= at - BEGIN)
                found = query(url, RECIPE, at)  # two vehicles at once would be an error
                assert {dict(labels)["vehicle"] for labels in found} <= {vehicle(last)}, at
        viewer = Viewer(UTC, datetime.fromtimestamp(NOW, UTC), "now-40h")
        rows = Prometheus(url).panel("joulo-sessions", "Sessions", viewer, "vehicle")
        found = [(round(float(labels["start"]) - BEGIN + 90) // 60, labels["vehicle"]) for labels, _ in rows]
        assert sorted(found) == [(end, vehicle(end)) for end in ENDS_MIN if end not in UNNAMED_MIN]
