"""Every query of every dashboard gives something in a real Prometheus, and it is what the exporter serves."""

import math
import time
from datetime import UTC, datetime

import pytest
from support import grafana
from support.grafana import Prometheus, Viewer
from support.known_history import HOME
from support.processes import DATABASES, backfill, exporter, free_port, query, scrape, wait_for
from support.simulator import scenario, simulator

pytestmark = pytest.mark.e2e

HOUSEHOLD = scenario(session_s=7200, pause_s=1, time_lapse=0.01, history_days=45)
COLLECTORS = ("--collector.ere-position", "--collector.ere-price")
BOARDS = pytest.mark.parametrize("path", grafana.ENGLISH, ids=lambda path: path.stem)
NEVER = {("Energy of each session", "A"), ("Session ended", "Anno")}
"""No session ends while the test runs, and ``joulo_last_session_*`` has no history."""
LATE = ("joulo_charger_power_watts", "joulo_ere_realized_price_euros")
"""Metrics that may come after a minute, and after the first sale."""


class House:
    """The simulated household: its exporter, and a Prometheus that scrapes it twice, under two names.

    Another Prometheus, ``new``, has no history: it does the same since its start.
    """

    def __init__(self, port, url, new):
        self.port, self.url = port, url
        self.prometheus, self.new = Prometheus(url), Prometheus(new)

    @property
    def viewer(self):
        return Viewer(HOME, datetime.now(UTC))

    def viewer_of(self, shown, target):
        """Somebody who looks now; at curves at the next point, for the last one may be before the first scrape."""
        step = grafana.seconds(target.get("interval") or shown.get("interval") or "1m")
        if not target.get("range") or step > 900:
            return self.viewer
        return Viewer(HOME, datetime.fromtimestamp((time.time() // step + 1) * step, UTC), "now-1h")

    def served(self, name):
        """Return the samples of a metric by their labels, straight from the exporter."""
        return {frozenset(labels): value for (found, labels), value in scrape(self.port).items() if found == name}


@pytest.fixture(scope="module", params=DATABASES)
def house(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("house")
    port = free_port()
    with simulator(HOUSEHOLD) as api_url, exporter(folder, api_url, port, *COLLECTORS):
        history = wait_for("the history", lambda: backfill(folder, api_url, port))
        addresses = [f"127.0.0.1:{port}", f"localhost:{port}"]
        with (
            request.param(tmp_path_factory.mktemp("new"), addresses) as new,
            request.param(folder, addresses, history) as url,
        ):
            for one in (new, url):
                wait_for("scrapes", lambda one=one: query(one, "count(count_over_time(joulo_up[1m]) > 1) >= 6"))
            yield House(port, url, new)


def test_after_two_scrapes_the_home_is_right(house):
    (home,) = (grafana.load(path) for path in grafana.ENGLISH if path.stem == "joulo-charging")
    empty = {
        (shown["title"], target["refId"])
        for shown, target in grafana.targets(home)
        if not house.new.answer(home, shown, target, house.viewer_of(shown, target))
    }
    late = {("Power", "A"), ("Session in progress", "power")}  # of readings a minute apart
    assert empty <= late | {("Vehicles", "sessions")}  # none has ended since
    grown = "sum(max by (charger) (joulo_total_kwh) - min by (charger) (min_over_time(joulo_total_kwh[5m])))"
    (expected,) = query(house.new.url, grown).values()
    for period in ("now/d", "now/w", "now/M", "now/y"):
        ((_, found),) = house.new.panel("joulo-charging", "Charged", house.viewer, "kwh", period)
        assert found == pytest.approx(expected, abs=0.1)


@BOARDS
def test_every_query_and_annotation_gives_something(house, path):
    dashboard = grafana.load(path)
    for shown, target in grafana.targets(dashboard):
        late = next((metric for metric in LATE if metric in target["expr"]), "joulo_up")
        expected = {bool(query(house.url, late))}
        answer = house.prometheus.answer(dashboard, shown, target, house.viewer_of(shown, target))
        values = [found.values() if isinstance(found, dict) else [found] for _, found in answer]
        something = any(not math.isnan(value) for each in values for value in each)
        expected.add(bool(query(house.url, late)))
        key = shown["title"], target["refId"]
        if key != ("Sessions", "vehicle"):  # there is something at the next full ten minutes
            assert something in ({False} if key in NEVER else expected), key
    for mark in grafana.annotations(dashboard):
        found = house.prometheus.marks(dashboard, mark, house.viewer_of({}, {"range": True}))
        assert bool(found) is ((mark["name"], mark["target"]["refId"]) not in NEVER), mark["name"]


@BOARDS
def test_variables_offer_what_there_is(house, path):
    dashboard = grafana.load(path)
    over, chosen = grafana.span(dashboard, {}, house.viewer), grafana.choices(dashboard, house.viewer)
    served = {"account": set()}  # the account has no name
    for name, metric in (("charger", "joulo_charging"), ("vehicle", "joulo_vehicle_kwh_total")):
        served[name] = {dict(labels)[name] for labels in house.served(metric)}
    for one in dashboard["templating"]["list"]:
        if one["type"] == "query":
            assert set(house.prometheus.options(one, over, chosen)) == served[one["name"]]


@BOARDS
def test_a_chosen_charger_is_the_only_one_and_the_exporters_second_name_shows_nowhere(house, path):
    """No panel tells instances apart, or has the same row twice, but those that are about the instances."""
    dashboard = grafana.load(path)
    one, *others = sorted(dict(labels)["charger"] for labels in house.served("joulo_charging"))
    assert others
    viewer = Viewer(HOME, house.viewer.now, chosen={"charger": one})
    for shown, target in grafana.targets(dashboard):
        answer = house.prometheus.answer(dashboard, shown, target, viewer)
        if "$charger" in target["expr"]:
            assert {labels.get("charger", one) for labels, _ in answer} <= {one}, shown["title"]
        if "{{instance}}" not in target.get("legendFormat", "") and "instance" not in target["expr"]:
            assert not [labels for labels, _ in answer if "instance" in labels], shown["title"]


# --- What is shown is what is served


def shown_as(house, uid, title, ref="A"):
    """Return the values of a panel by their labels; a month has its year."""
    shown = {}
    for labels, value in house.prometheus.panel(uid, title, house.viewer, ref):
        if "year" in labels:
            labels["month"] = f"{labels.pop('year')}-{labels['month']}"
        shown[frozenset(labels.items())] = value
    return shown


EVERY = ("scope", "all")


@pytest.mark.parametrize(
    ("uid", "title", "ref", "metric", "factor"),
    [
        ("joulo-charging", "Chargers", "A", "joulo_charging", 2),
        ("joulo-charging", "Session in progress", "start", "joulo_session_start_timestamp_seconds", 1000),
        ("joulo-charging", "Last session", "kwh", "joulo_last_session_kwh", 1),
        ("joulo-charging", "Last session", "credits", "joulo_last_session_ere_credits", 1),
        ("joulo-charging", "Last session", "end", "joulo_last_session_end_timestamp_seconds", 1000),
        ("joulo-charging", "Meters", "mid", "joulo_charger_mid_certified", 1),
        ("joulo-charging", "Months of this year and the last, in kWh", "kwh", "joulo_month_kwh", 1),
        ("joulo-sessions", "Months side by side", "kwh", "joulo_month_kwh", 1),
        ("joulo-sessions", "Months side by side", "credits", "joulo_month_ere_credits", 1),
        ("joulo-sessions", "Figures of the months", "kwh", "joulo_month_kwh", 1),
        ("joulo-sessions", "Figures of the months", "credits", "joulo_month_ere_credits", 1),
        ("joulo-sessions", "Figures of the months", "sessions", "joulo_month_sessions", 1),
        ("joulo-exporter", "Endpoints", "up", "joulo_up", 1),
        ("joulo-exporter", "Endpoints", "interval", "joulo_refresh_interval_seconds", 1),
    ],
)
def test_a_column_is_the_metric(house, uid, title, ref, metric, factor):
    served = house.served(metric)
    every = {labels: value for labels, value in served.items() if EVERY in labels} or served
    assert every
    assert shown_as(house, uid, title, ref) == {
        labels - {EVERY}: value * factor for labels, value in every.items()
    }


def test_the_next_refresh_is_an_interval_after_the_last(house):
    intervals = house.served("joulo_refresh_interval_seconds")
    waits = shown_as(house, "joulo-exporter", "Endpoints", "next")
    assert waits.keys() == intervals.keys()
    assert {labels for labels, wait in waits.items() if not -30 < wait <= intervals[labels]} == set()
