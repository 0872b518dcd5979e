"""The real exporter, scraped by a real Prometheus or VictoriaMetrics, against the simulated household."""

from __future__ import annotations

import json

import pytest
from support.processes import DATABASES, exporter, free_port, get, query, scrape, simulator, wait_for
from support.programs import GENERATIONS

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module", params=DATABASES)
def scraped(request, tmp_path_factory):
    """A household, an exporter and a Prometheus that has its totals."""
    folder = tmp_path_factory.mktemp("e2e")
    port = free_port()
    with (
        simulator(folder, "--session-seconds", "6", "--pause-seconds", "3", "--time-lapse", "40") as api_url,
        exporter(folder, api_url, port),
        request.param(folder, [f"127.0.0.1:{port}"]) as prometheus_url,
    ):
        wait_for("totals in Prometheus", lambda: query(prometheus_url, "joulo_total_kwh"))
        yield prometheus_url, port, api_url, folder


def test_prometheus_scrapes_without_a_fault(scraped):
    prometheus_url, _, _, _ = scraped
    assert query(prometheus_url, "up") == {(): 1.0}
    assert query(prometheus_url, "joulo_up") == {
        (("endpoint", "chargers"),): 1.0,
        (("endpoint", "energy"),): 1.0,
        (("endpoint", "sessions"),): 1.0,
    }
    assert query(prometheus_url, "joulo_history_complete") == {(): 1.0}
    assert query(prometheus_url, "scrape_samples_scraped")[()] > 100
    targets = json.loads(get(f"{prometheus_url}/api/v1/targets"))["data"]["activeTargets"]
    assert [target["lastError"] for target in targets] == [""]


def test_the_totals_are_those_of_the_api(scraped):
    _, port, api_url, _ = scraped
    energy = json.loads(get(f"{api_url}/energy", {"Authorization": "Bearer joulo_demo"}))

    def caught_up():
        total = sum(value for (name, _), value in scrape(port).items() if name == "joulo_total_kwh")
        return total if total >= energy["total_kwh_all"] else None

    total = wait_for("the exporter to know what the API knew", caught_up)
    later = json.loads(get(f"{api_url}/energy", {"Authorization": "Bearer joulo_demo"}))
    assert energy["total_kwh_all"] <= round(total, 2) <= later["total_kwh_all"]


def test_a_session_that_ends_is_counted_once(scraped):
    prometheus_url, _, _, _ = scraped
    before = query(prometheus_url, "joulo_sessions_total")[("charger", "oprit"),]

    def ended():
        now = query(prometheus_url, "joulo_sessions_total")[("charger", "oprit"),]
        return now if now > before else None

    assert wait_for("a session to end", ended) == before + 1
    assert wait_for(
        "its end", lambda: query(prometheus_url, "time() - joulo_last_session_end_timestamp_seconds < 30")
    )


def test_promtool_finds_nothing_to_mend(scraped):
    _, port, _, _ = scraped
    text = get(f"http://127.0.0.1:{port}/metrics").decode()
    for generation in GENERATIONS:
        checked = generation.run("promtool", "check", "metrics", input=text)
        remarks = [line for line in checked.stderr.splitlines() if not line.startswith("joulo_total_kwh ")]
        assert (remarks, checked.stdout) == ([], ""), generation.name


def test_no_log_shows_the_token(scraped):
    _, _, _, folder = scraped
    log = (folder / "exporter.log").read_text()
    assert "msg=listening" in log
    assert "joulo_demo" not in log
