"""A disk that is full for a while, and the real process on it."""

from __future__ import annotations

import resource

import pytest
from support.processes import exporter, free_port, scrape, simulator, wait_for

pytestmark = pytest.mark.e2e


def samples(port: int) -> dict[tuple[str, str], float]:
    """Return the samples of a scrape by name, and endpoint or charger."""
    found = [(name, dict(labels), value) for (name, labels), value in scrape(port).items()]
    return {(name, labels.get("endpoint") or labels.get("charger", "")): value for name, labels, value in found}


def test_a_full_disk_stops_no_scrape_and_loses_nothing(tmp_path):
    """No file can grow: what is known stays, it says that it is not up to date, and later it catches up."""
    port = free_port()
    pace = ("--session-seconds", "4", "--pause-seconds", "2", "--time-lapse", "40")
    with simulator(tmp_path, *pace) as api_url, exporter(tmp_path, api_url, port) as process:
        before = wait_for("totals", lambda: (now := samples(port)).get(("joulo_total_kwh", "oprit")) and now)
        limits = resource.prlimit(process.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (0, limits[1]))
        wait_for("the exporter to notice", lambda: samples(port)["joulo_up", "chargers"] == 0)
        during = samples(port)
        assert during["joulo_total_kwh", "oprit"] >= before["joulo_total_kwh", "oprit"]
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, limits)
        wait_for("the exporter to recover", lambda: samples(port)["joulo_up", "chargers"] == 1)

        def caught_up():
            return samples(port)["joulo_sessions_total", "oprit"] > during["joulo_sessions_total", "oprit"]

        wait_for("a session that ended since", caught_up)
    log = (tmp_path / "exporter.log").read_text()
    assert "Traceback" not in log
    assert "reason=ledger" in log
