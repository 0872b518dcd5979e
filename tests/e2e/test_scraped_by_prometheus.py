"""The running exporter in a real Prometheus or VictoriaMetrics that got its ledger's history first: one graph."""

import json
import urllib.parse
from itertools import pairwise

import pytest
from support.processes import DATABASES, TOKEN, backfill, exporter, free_port, get, query, wait_for
from support.programs import GENERATIONS
from support.simulator import scenario, simulator

pytestmark = pytest.mark.e2e

HOUSEHOLD = scenario(session_s=8, pause_s=4, history_days=30)
COUNTERS = (
    "joulo_total_kwh",
    "joulo_ere_credits_total",
    "joulo_sessions_total",
    "joulo_session_seconds_total",
    "joulo_vehicle_kwh_total",
    "joulo_vehicle_ere_credits_total",
    "joulo_vehicle_sessions_total",
)
GAUGES = (
    "joulo_last_session_kwh",
    "joulo_last_session_start_timestamp_seconds",
    "joulo_last_session_end_timestamp_seconds",
    "joulo_charging",
    "joulo_session_kwh",
)
LAST_END = "joulo_last_session_end_timestamp_seconds"
CORRECTED_BY_S = 4
"""More than the final end of a session differs from the first one, less than two ends are apart."""


@pytest.fixture(scope="module", params=DATABASES)
def scraped(request, tmp_path_factory):
    """(URL of a Prometheus that scrapes the exporter and got its history first, port, folder)."""
    folder = tmp_path_factory.mktemp("scraped")
    port = free_port()
    with simulator(HOUSEHOLD) as api_url, exporter(folder, api_url, port):
        history = wait_for("the history", lambda: backfill(folder, api_url, port))
        with request.param(folder, [f"127.0.0.1:{port}"], history) as url:
            wait_for("a scrape", lambda: query(url, "up == 1"))
            ends = "delta(joulo_sessions_total[20s]) > 0"
            wait_for("a session that ends while it scrapes", lambda: query(url, ends))
            yield url, port, folder


@pytest.fixture
def prometheus_url(scraped):
    return scraped[0]


def steps(prometheus_url, name, span):
    """Return by how much each sample of a span differs from the one before it, by charger."""
    asked = urllib.parse.urlencode({"query": f"{name}[{span}]"})
    found = json.loads(get(f"{prometheus_url}/api/v1/query?{asked}"))["data"]["result"]
    values = {series["metric"]["charger"]: [float(value) for _, value in series["values"]] for series in found}
    assert len(values) == len(found)
    return {charger: [after - before for before, after in pairwise(each)] for charger, each in values.items()}


def test_prometheus_scrapes_without_a_fault_and_no_log_shows_the_token(scraped, prometheus_url):
    assert query(prometheus_url, "up") == {(): 1.0}
    endpoints = ("chargers", "sessions", "energy")
    assert query(prometheus_url, "joulo_up") == {(("endpoint", endpoint),): 1.0 for endpoint in endpoints}
    assert query(prometheus_url, "joulo_history_complete") == {(): 1.0}
    assert query(prometheus_url, "scrape_samples_scraped")[()] > 100
    targets = json.loads(get(f"{prometheus_url}/api/v1/targets"))["data"]["activeTargets"]
    assert [target["lastError"] for target in targets] == [""]
    log = (scraped[2] / "exporter.log").read_text()
    assert "msg=listening" in log
    assert TOKEN not in log


def test_promtool_finds_nothing_to_mend(scraped):
    _, port, _ = scraped
    text = get(f"http://127.0.0.1:{port}/metrics").decode()
    for generation in GENERATIONS:
        checked = generation.run("promtool", "check", "metrics", input=text)
        remarks = [line for line in checked.stderr.splitlines() if not line.startswith("joulo_total_kwh ")]
        assert (remarks, checked.stdout) == ([], ""), generation.name


def test_history_and_scrapes_are_the_same_series_and_no_counter_steps_back_at_the_seam(prometheus_url):
    for name in COUNTERS + GAUGES:
        ever = query(prometheus_url, f"count(count_over_time({name}[40d]))")[()]
        assert ever == query(prometheus_url, f"count({name})")[()] >= 2, name
    for name in COUNTERS:
        assert set(query(prometheus_url, f"resets({name}[40d])").values()) == {0.0}, name


def test_the_seam_adds_only_what_was_charged(prometheus_url):
    """From the first sample of history, 0 kWh, to the scrapes of now the increase is the total itself."""
    total = query(prometheus_url, "joulo_total_kwh")
    spread = query(prometheus_url, "max_over_time(joulo_total_kwh[40d]) - min_over_time(joulo_total_kwh[40d])")
    assert spread == {charger: pytest.approx(kwh, rel=0.05) for charger, kwh in total.items()}


def test_a_session_that_ends_is_counted_once(prometheus_url):
    """While it is scraped, a session of each charger takes 12 seconds."""
    counted = steps(prometheus_url, "joulo_sessions_total", "40s")
    assert {step for differences in counted.values() for step in differences} == {0.0, 1.0}
    assert query(prometheus_url, f"time() - {LAST_END} < 30")


def test_every_session_of_the_history_was_the_last_one_once(prometheus_url):
    """The moments of the ends rise from the history on into the scrapes, and none is twice there.

    ``changes()`` would count the seconds by which the final end of a session differs from the one that
    ``/chargers`` gave; in VictoriaMetrics it counts the first value too.
    """
    assert set(query(prometheus_url, f"resets({LAST_END}[40d])").values()) == {0.0}
    assert set(query(prometheus_url, f"{LAST_END} > bool time()").values()) == {0.0}

    def counted():
        """The count of a session comes a refresh after its end."""
        counts, ends = query(prometheus_url, "joulo_sessions_total"), steps(prometheus_url, LAST_END, "40d")
        sessions = {charger: value for ((_, charger),), value in counts.items()}
        assert ends.keys() == sessions.keys()
        later = {
            charger: sum(step > CORRECTED_BY_S for step in differences) for charger, differences in ends.items()
        }
        return all(2 < later[charger] < sessions[charger] for charger in later)

    wait_for("every end once", counted)
