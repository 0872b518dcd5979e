"""The history from the ledger and the scrapes of the running exporter make one graph in a real Prometheus."""

from __future__ import annotations

import json
import urllib.parse
from itertools import pairwise

import pytest
from support.processes import DATABASES, backfill, exporter, free_port, get, query, simulator, wait_for

pytestmark = pytest.mark.e2e

SERIES = (
    "joulo_total_kwh",
    "joulo_ere_credits_total",
    "joulo_sessions_total",
    "joulo_session_seconds_total",
    "joulo_last_session_kwh",
    "joulo_last_session_start_timestamp_seconds",
    "joulo_last_session_end_timestamp_seconds",
    "joulo_vehicle_kwh_total",
    "joulo_vehicle_ere_credits_total",
    "joulo_vehicle_sessions_total",
    "joulo_charging",
    "joulo_session_kwh",
)
CORRECTED_BY_S = 4
"""More than the final end of a session differs from the first one, less than two ends are apart."""


@pytest.fixture(scope="module", params=DATABASES)
def prometheus_url(request, tmp_path_factory):
    """A Prometheus that got a month of history first, and scrapes the same exporter since."""
    folder = tmp_path_factory.mktemp("seam")
    port = free_port()
    household = ("--history-days", "30", "--session-seconds", "8", "--pause-seconds", "4", "--time-lapse", "40")
    with simulator(folder, *household) as api_url, exporter(folder, api_url, port):
        history = wait_for("the history", lambda: backfill(folder, api_url, port))
        with request.param(folder, [f"127.0.0.1:{port}"], history) as url:
            wait_for("a scrape", lambda: query(url, "up == 1"))
            ends = "delta(joulo_sessions_total[20s]) > 0"
            wait_for("a session that ends while it scrapes", lambda: query(url, ends))
            yield url


@pytest.mark.parametrize("name", SERIES)
def test_history_and_scrapes_are_the_same_series(prometheus_url, name):
    ever = query(prometheus_url, f"count(count_over_time({name}[40d]))")[()]
    now = query(prometheus_url, f"count({name})")[()]
    assert ever == now >= 2


@pytest.mark.parametrize("name", [name for name in SERIES if name.endswith("_total") or name == "joulo_total_kwh"])
def test_no_counter_steps_back_at_the_seam(prometheus_url, name):
    assert set(query(prometheus_url, f"resets({name}[40d])").values()) == {0.0}


def test_the_seam_adds_only_what_was_charged(prometheus_url):
    """From the first sample of history, 0 kWh, to the scrapes of now the increase is the total itself."""
    total = query(prometheus_url, "joulo_total_kwh")
    spread = "max_over_time(joulo_total_kwh[40d]) - min_over_time(joulo_total_kwh[40d])"
    since_the_beginning = query(prometheus_url, spread)
    assert since_the_beginning.keys() == total.keys()
    for charger, kwh in since_the_beginning.items():
        assert kwh == pytest.approx(total[charger], rel=0.05)


def test_every_session_of_the_history_was_the_last_one_once(prometheus_url):
    """The moments of the ends rise from the history on into the scrapes, and none is twice there."""
    end = "joulo_last_session_end_timestamp_seconds"
    assert set(query(prometheus_url, f"resets({end}[40d])").values()) == {0.0}
    assert set(query(prometheus_url, f"{end} > bool time()").values()) == {0.0}

    def counted():
        """The count of a session comes a refresh after its end."""
        sessions = query(prometheus_url, "joulo_sessions_total")
        later = ends_after_the_first(prometheus_url, end)
        assert later.keys() == sessions.keys()
        return all(2 < later[charger] < sessions[charger] for charger in later)

    wait_for("every end once", counted)


def ends_after_the_first(prometheus_url, name):
    """Return how many ends of sessions follow another one, by charger.

    ``changes()`` would count the seconds by which the final end of a session differs from the one that
    ``/chargers`` gave; in VictoriaMetrics it counts the first value too.
    """
    asked = urllib.parse.urlencode({"query": f"{name}[40d]"})
    found = json.loads(get(f"{prometheus_url}/api/v1/query?{asked}"))["data"]["result"]
    ends = {
        (("charger", series["metric"]["charger"]),): sum(
            float(after) - float(before) > CORRECTED_BY_S for (_, before), (_, after) in pairwise(series["values"])
        )
        for series in found
    }
    assert len(ends) == len(found)
    return ends
