"""The history that ``backfill`` prints: values at any moment, few samples, an end where the exporter goes on.

The real promtool, Prometheus and VictoriaMetrics take it, and count as the ledger does.
"""

import itertools
import json
import re
import time
from datetime import UTC, datetime

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from support.command_line import printed
from support.exposition import timed_samples_of
from support.grafana import Prometheus, Viewer
from support.ledger_rig import finished, history_of, live, written
from support.processes import DATABASES, query
from support.simulator import chargers_of, sessions_of

from joulo_exporter.ledger.reader import RecordedSession
from joulo_exporter.metrics import FAMILIES
from joulo_exporter.models.charger import Charger, Tags, normal_tag
from joulo_exporter.models.session import Session
from joulo_exporter.reports.backfill import HISTORY, TimedSession, Timeline, samples_of
from joulo_exporter.simulator import Household, Scenario
from joulo_exporter.snapshot import Snapshot, ended_sessions, live_chargers

INFO, POWER = "joulo_last_session_info", "joulo_charger_power_watts"
HOUR_S = 3600
BEGIN = 1_780_272_000  # 2026-06-01, a full hour
TAGGED = {"04A1": "tesla", "04B2": "zoe"}


@pytest.fixture
def backfilled(tmp_path, capsys, monkeypatch):
    """A function that writes sessions into the ledger at a present, and returns what backfill prints of it."""

    def backfilled(sessions, *flags, now, charger=live(None), refreshes=1, config=""):  # noqa: B008 -- frozen
        for _ in range(refreshes):
            written(tmp_path, *sessions, chargers=[charger], now_seconds=now, vehicles=TAGGED)
        path = tmp_path / "joulo.yml"
        path.write_text(f"vehicles: {json.dumps(TAGGED)}\n{config}")
        monkeypatch.setattr(time, "time", lambda: now)
        return printed(capsys, "backfill", f"--config.file={path}", f"--storage.path={tmp_path}", *flags)

    return backfilled


# Values at any moment -------------------------------------------------------------------------------


def timed(start_ms, length_ms, kwh=0, **known):
    """Return a finished session; its known start and end are others if they are given."""
    moments = {"started_at_seconds": start_ms / 1000, "ended_at_seconds": (start_ms + length_ms) / 1000}
    session = RecordedSession("s", "c1", kwh_hundredths=kwh, end_is_final=True, **(moments | known))
    return TimedSession(session, start_ms, start_ms + length_ms)


def values(sessions, metric, ticks):
    """Return the value at each tick; ``None`` where there is none."""
    family = next(family for family in FAMILIES if family.name == metric)
    past = Timeline("c1", "c1", sessions).snapshots(ticks)
    return [next((value for _, value in samples_of(family, snapshot)), None) for _, snapshot in past]


SOME = st.lists(st.builds(timed, st.integers(0, 1000), st.integers(0, 500), st.integers(0, 9000))).map(
    lambda sessions: sorted(sessions, key=lambda each: each.start_ms)
)


@given(SOME, st.integers(1, 100))
def test_totals_never_fall_and_the_last_session_is_never_a_later_one(sessions, step):
    ticks = [*range(0, 1600, step), 1600]
    for metric, expected in (
        ("joulo_total_kwh", sum(each.session.kwh_hundredths for each in sessions) / 100),
        ("joulo_session_seconds_total", sum(each.end_ms - each.start_ms for each in sessions) / 1000),
    ):
        rising = values(sessions, metric, ticks)
        assert rising == sorted(rising)
        assert rising[-1] == expected
    for tick, end in zip(ticks, values(sessions, "joulo_last_session_end_timestamp_seconds", ticks), strict=True):
        assert end == max((each.end_ms / 1000 for each in sessions if each.end_ms <= tick), default=None)


def test_energy_is_spread_over_the_session_and_one_in_progress_is_neither_counted_nor_the_last():
    sessions = [timed(100, 100, 50), timed(300, 50, 40, ended_at_seconds=None)]
    ticks = [0, 100, 150, 199, 200, 325, 350]
    for metric, expected in (
        ("joulo_total_kwh", [0, 0, 0.25, 0.49, 0.5, 0.7, 0.9]),
        ("joulo_session_kwh", [0, 0, 0.25, 0.49, 0, 0.2, 0]),
        ("joulo_charging", [0, 1, 1, 1, 0, 1, 0]),
        (POWER, [0, *[18_000_000] * 3, 0, 28_800_000, 0]),
        ("joulo_sessions_total", [0, 0, 0, 0, 1, 1, 1]),
        ("joulo_session_seconds_total", [0, 0, 0, 0, 0.1, 0.1, 0.1]),
        ("joulo_last_session_kwh", [None] * 4 + [0.5, 0.5, 0.5]),
    ):
        assert values(sessions, metric, ticks) == expected, metric


def test_the_last_session_is_the_one_that_ended_last_then_began_last_then_the_first():
    def last(*sessions, ticks=(100,)):
        return values(sessions, "joulo_last_session_kwh", ticks)

    assert last(timed(0, 500, 900), timed(100, 50, 30), ticks=[150, 499, 500]) == [0.3, 0.3, 9]
    ended = {"ended_at_seconds": 0.1}
    late, early = timed(50, 50, 30, **ended), timed(0, 100, 20, **ended)
    unknown = timed(60, 40, 40, started_at_seconds=None, **ended)
    assert last(early, late, unknown) == [0.3]
    assert last(early, unknown) == [0.2]
    assert last(late, timed(50, 50, 31, **ended)) == [0.3]
    assert last(timed(0, 50, 1, ended_at_seconds=0.2), early, ticks=[50, 100]) == [0.01, 0.01]


# Few samples ----------------------------------------------------------------------------------------

SESSIONS = [  # (start and end in seconds after the beginning, kWh and credits in hundredths)
    (1000, 15_400, 1440, 500), (100_000, 107_200, 720, None), (200_030, 200_090, 30, 10),
    (500_000, 586_400, 8640, 0),
]  # fmt: skip


def of_last(at, value):
    return next((value(*session) for session in reversed(SESSIONS) if at >= session[1]), None)


EXPECTED = {
    "joulo_total_kwh": lambda at: sum(
        kwh * min(end - start, max(0, at - start)) // (end - start) for start, end, kwh, _ in SESSIONS
    ) / 100,
    "joulo_sessions_total": lambda at: sum(at >= end for _, end, _, _ in SESSIONS),
    "joulo_ere_credits_total": lambda at: sum(earned or 0 for _, end, _, earned in SESSIONS if at >= end) / 100,
    "joulo_last_session_kwh": lambda at: of_last(at, lambda _, __, kwh, ___: kwh / 100),
    "joulo_last_session_ere_credits": lambda at: of_last(at, lambda *last: last[3] and last[3] / 100),
    "joulo_last_session_start_timestamp_seconds": lambda at: of_last(at, lambda start, *_: BEGIN + start),
    "joulo_last_session_end_timestamp_seconds": lambda at: of_last(at, lambda _, end, *__: BEGIN + end),
}  # fmt: skip


@pytest.fixture
def printed_at(backfilled):
    """Return the (moment, value) of each metric that backfill prints of the sessions above, for a step."""
    sessions = [
        Session(f"s{start}", "c1", BEGIN + start, None, BEGIN + end, kwh, credits_hundredths=earned)
        for start, end, kwh, earned in reversed(SESSIONS)
    ]

    def printed_at(step):
        flags = [f"--step={step}s", "--from=2026-06-01", "--to=2026-06-11T10:00:00Z"]
        found = timed_samples_of(backfilled(sessions, *flags, now=BEGIN + 900_000))
        return {name: [sample[1:] for sample in of_name] for name, of_name in found.items()}

    return printed_at


@pytest.mark.parametrize("step", [300, 420, 2400, 7200])
def test_the_last_sample_of_an_hour_has_the_value_of_the_moment(printed_at, step):
    found = printed_at(step)
    moments = [moment for moment, _ in found["joulo_charging"]]
    assert {after - before for before, after in itertools.pairwise(moments)} == {step}
    for name, expected in EXPECTED.items():
        samples = dict(found[name])
        assert len(samples) == len(found[name]), name
        values = {moment: expected(moment - BEGIN) for moment in moments}
        changes = {now for before, now in itertools.pairwise(moments) if values[before] != values[now]}
        known = {moment for moment in moments if values[moment] is not None}
        assert {moment - ahead for moment in changes for ahead in (0, step)} & known <= samples.keys() <= known, (
            name
        )
        last = changed = 0
        for moment in sorted(known):
            last = moment if moment in samples else last
            changed = moment if moment in changes else changed
            assert samples[last] == values[moment], (name, moment)
            # Left out only while nothing has changed for an hour.
            assert moment == last or moment - last < HOUR_S < moment - changed, (name, moment)


def test_samples_are_few_and_at_full_hours_while_nothing_changes(printed_at):
    found = printed_at(300)
    quiet = (BEGIN + 215_000, BEGIN + 499_000)  # between two sessions
    hours = [hour * HOUR_S for hour in range(-(-quiet[0] // HOUR_S), quiet[1] // HOUR_S + 1)]
    for name in EXPECTED:
        assert [moment for moment, _ in found[name] if quiet[0] <= moment <= quiet[1]] == hours, name
    assert len(found["joulo_total_kwh"]) < len(found["joulo_charging"]) / 3


# The end, where the exporter goes on ----------------------------------------------------------------


@pytest.mark.parametrize("account", [None, "home"])
def test_the_last_samples_are_what_the_exporter_serves(tmp_path, capsys, account):
    vehicles = {normal_tag("04A1B2C3D4E580"): "tesla"}
    household, now = Household(Scenario(history_days=60)), time.time()
    chargers, sessions = chargers_of(household, now), sessions_of(household, now)
    known = {"now_seconds": now, "name": account or "", "vehicles": vehicles}
    book = written(tmp_path, *sessions, chargers=chargers, **known)
    accounts = f"accounts: [{{name: {account}, token_env: JOULO_TOKEN}}]\n" if account else ""
    (tmp_path / "exporter.yml").write_text(f"{accounts}vehicles: {{04A1B2C3D4E580: tesla}}\n")
    flags = [f"--config.file={tmp_path / 'exporter.yml'}", f"--storage.path={tmp_path}", "--step=6h"]
    last = {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(printed(capsys, "backfill", *flags))
        for sample in family.samples
        if sample.name != INFO
    }
    tags = Tags(vehicles, "show")
    snapshot = Snapshot(
        account=account, endpoints=(), book=book,
        chargers=live_chargers(chargers, book, tags),
        last_sessions=ended_sessions(book.last_sessions.values(), book, tags),
    )  # fmt: skip
    served = {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in FAMILIES
        if family.name in HISTORY and family.name not in {INFO, POWER}  # there are other tests of both
        for sample in family.collect([snapshot]).samples
    }
    assert last == served
    # The API may not have calculated the credits of a last session yet.
    with_credits = sum(last.session.credits_hundredths is not None for last in snapshot.last_sessions)
    assert len(served) == 2 * 9 + with_credits + 2 * 3


def test_a_total_that_is_held_above_the_truth_ends_at_its_height(backfilled):
    for kwh_hundredths in (100, 60):
        history = [msgspec.structs.replace(session, kwh_hundredths=kwh_hundredths) for session in history_of(5)]
        lines = backfilled(history, "--step=1d", now=BEGIN).splitlines()
    totals = [line.split()[1] for line in lines if line.startswith("joulo_total_kwh{")]
    assert (totals[0], totals[-2:], lines[-1]) == ("0.0", ["3.0", "5.0"], "# EOF")
    assert "# TYPE joulo_ere_credits counter" in lines


def test_a_session_that_cannot_be_read_is_no_zero_at_the_end(backfilled):
    charger = Charger("c1", slug="c1", charging=True, session_unreadable=True)
    now = BEGIN + 86_400
    found = timed_samples_of(backfilled([finished("a", at_seconds=BEGIN)], "--step=1h", now=now, charger=charger))
    ends = {name: of_name[-1][1] for name, of_name in found.items()}
    assert ends["joulo_session_kwh"] < ends["joulo_charging"] == ends["joulo_total_kwh"] == now


def test_a_charger_that_is_not_linked_any_more_ends_a_step_after_its_last_session(backfilled):
    session = finished(
        "a", charger_id="c2", charger_nickname="shed", at_seconds=BEGIN - 300, ended_at_seconds=BEGIN
    )
    found = timed_samples_of(backfilled([session], "--step=5m", now=BEGIN + 86_400))
    assert [moment - BEGIN for _, moment, _ in found["joulo_charging"]] == [-600, -300, 0, 300]
    assert found["joulo_total_kwh"][-1] == ({"charger": "shed"}, BEGIN + 86_400, 1.0)


# The vehicle of each last session -------------------------------------------------------------------


@pytest.mark.parametrize(("refreshes", "kwh", "vehicles"), [(1, 0.0, []), (2, 1.0, ["unknown"])])
def test_a_session_whose_tag_may_still_come_has_no_vehicle_yet(backfilled, refreshes, kwh, vehicles):
    session = finished("a", at_seconds=BEGIN - 7200)
    found = timed_samples_of(backfilled([session], now=BEGIN, refreshes=refreshes))
    assert max(value for _, _, value in found["joulo_vehicle_kwh_total"]) == kwh
    assert sorted({labels["vehicle"] for labels, _, _ in found[INFO]}) == vehicles


def test_a_session_that_ended_just_now_is_left_to_the_scrapes(backfilled):
    brief = finished("s", at_seconds=BEGIN - 5000, ended_at_seconds=BEGIN - 899, id_tag="04A1")
    assert timed_samples_of(backfilled([brief], now=BEGIN))[INFO] == []


def test_before_to_there_is_a_gap_as_before_a_session(backfilled):
    session = finished("s", at_seconds=BEGIN - 90, ended_at_seconds=BEGIN, id_tag="04A1")
    end = f"{datetime.fromtimestamp(BEGIN + 1800, UTC):%Y-%m-%dT%H:%M:%SZ}"
    found = timed_samples_of(backfilled([session], f"--to={end}", now=BEGIN + 86_400))
    assert [moment - BEGIN for _, moment, _ in found[INFO]] == [0, 300, 600, 900, 1200]


@pytest.mark.parametrize(("mode", "tag"), [("hide", ""), ("hash", "[0-9a-f]{16}"), ("show", "04A1")])
def test_tags_are_shown_as_configured(backfilled, mode, tag):
    session = finished("s", at_seconds=BEGIN - 5000, id_tag="04A1")
    ((labels, _, _), *_) = timed_samples_of(backfilled([session], now=BEGIN, config=f"id_tags: {mode}\n"))[INFO]
    assert re.fullmatch(tag, labels["id_tag"])


ENDS_MIN = [60, 200, 220, 235, 245, 250, 400, 415, 430, 445, 600, 605, 607, 625, 900, 2000]
"""Ends of sessions at one charger, in minutes after the beginning."""
NAMED_MIN = [end for end in ENDS_MIN if end not in {235, 245, 600, 605}]
"""At least a quarter of an hour before the next one's."""
NOW = BEGIN + 2100 * 60
TAGS = dict(zip(ENDS_MIN, itertools.cycle(["04A1", "04B2", None]), strict=False))
VEHICLES = TAGGED | {None: "unknown"}
RECIPE = """max by (account, charger) (joulo_last_session_kwh)
  * on (account, charger) group_left (vehicle) max by (account, charger, vehicle) (joulo_last_session_info)"""


@pytest.fixture
def history(backfilled):
    """A function that returns what backfill prints, with some flags, of sessions that begin after one another."""
    sessions = [
        finished(
            f"s{end}",
            at_seconds=BEGIN + end * 60 - 90,
            ended_at_seconds=BEGIN + end * 60,
            id_tag=TAGS[end],
            kwh_hundredths=123,
            credits_hundredths=41,
        )
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
def test_a_database_counts_as_the_ledger_does_and_a_charger_has_one_vehicle_at_a_time(database, history, tmp_path):
    openmetrics = tmp_path / "history.om"
    openmetrics.write_text(history("--label=job=joulo", "--label=instance=localhost:9973"))
    with database(tmp_path, [], openmetrics) as url:
        day, of_charger = BEGIN + 26 * HOUR_S, (("charger", "c1"),)
        ended = sum(2 * 60 < end <= 26 * 60 for end in ENDS_MIN)
        for name, each in (("total_kwh", 1.23), ("ere_credits_total", 0.41), ("sessions_total", 1)):
            metric = f"joulo_{name}"
            # increase() extrapolates to the borders of its range: exact are only the values at the borders.
            at_borders = f"last_over_time({metric}[1h]) - last_over_time({metric}[1h] offset 1d)"
            assert query(url, at_borders, day)[of_charger] == pytest.approx(each * ended, abs=1e-6)
            increase = query(url, f"increase({metric}[1d])", day)[of_charger]
            assert increase == pytest.approx(each * ended, rel=0.01)  # of a day, by samples 5 minutes apart
            labelled = f'{metric}{{instance="localhost:9973", job="joulo"}}'
            assert query(url, labelled, NOW) == {of_charger: pytest.approx(each * len(ENDS_MIN))}
            assert query(url, f"resets({metric}[2d])", NOW)[of_charger] == 0
        for second in range(BEGIN + 3900, NOW, 300):
            for at in (second - 0.001, second, second + 0.001):
                last = max(end for end in ENDS_MIN if -(-end // 5) * 300 <= at - BEGIN)
                found = query(url, RECIPE, at)  # two vehicles at once would be an error
                assert {dict(labels)["vehicle"] for labels in found} <= {VEHICLES[TAGS[last]]}, at
        viewer = Viewer(UTC, datetime.fromtimestamp(NOW, UTC), "now-40h")
        rows = Prometheus(url).panel("joulo-sessions", "Sessions", viewer, "vehicle")
        found = [(round(float(labels["start"]) - BEGIN + 90) // 60, labels["vehicle"]) for labels, _ in rows]
        assert sorted(found) == [(end, VEHICLES[TAGS[end]]) for end in NAMED_MIN]
