"""The real process from start to end: what it loads and serves at once, kills, a full disk, a lost ledger."""

import contextlib
import os
import random
import re
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import pairwise

import pytest
from support.ledger_rig import written
from support.processes import (
    EXPORTER,
    INTERVAL_S,
    Counters,
    environment,
    exporter,
    files,
    free_port,
    get,
    running,
    scrape,
    wait_for,
)
from support.simulator import in_thread, recorded, scenario, simulator

from joulo_exporter.simulator import Household, Scenario, serve

pytestmark = pytest.mark.e2e

NOT_NEEDED = re.compile(
    r"joulo_exporter\.(?:simulator|reports|check|ledger\.reader|cli\.ledger_commands)\b|"
    r"prometheus_client\.openmetrics\.parser|prometheus_client\.parser|"
    r"slugify|text_unidecode|jinja2|markupsafe|yaml|bcrypt|xml\b|unittest|hypothesis|pytest"
)


def test_serving_loads_nothing_that_only_other_commands_need(tmp_path):
    port = free_port()
    written(tmp_path / "ledger", now_seconds=1.0)
    command = [sys.executable, "-X", "importtime", *EXPORTER[1:], f"--storage.path={tmp_path / 'ledger'}"]
    log = tmp_path / "log"
    address = f"--web.listen-address=127.0.0.1:{port}"
    with running([*command, address], log, environment("http://127.0.0.1:9")):
        first = wait_for("an answer", lambda: get(f"http://127.0.0.1:{port}/metrics"))
    # No request has been answered: the API's port is closed. What the ledger knows is there at once.
    assert b'joulo_api_requests_total{code="200",endpoint="chargers"} 1.0' in first
    loaded = [line.rpartition("|")[2].strip() for line in log.read_text().splitlines() if "import time:" in line]
    assert "joulo_exporter.service" in loaded
    assert [module for module in loaded if NOT_NEEDED.match(module)] == []


# Kills --------------------------------------------------------------------------------------------

KILLS = 50
ENOUGH_REQUESTS = 5
# Requests are timed as they arrive: a busy machine may deliver one late and the next one in time.
DELIVERY_S = 0.4


def total(seen):
    return round(sum(value for (name, _), value in seen.items() if name == "joulo_total_kwh"), 2)


def test_fifty_kills(tmp_path):
    numbers, port = random.Random(7), free_port()
    pace = {"session_s": (4, 6), "pause_s": (1, 2), "credits_delay_s": 1, "time_lapse": 40}
    household, counters = Household(Scenario(history_sessions=1500, **pace)), Counters(port)

    def charged():
        return round(sum(session["kwh"] for session in household.sessions_at(household.clock())), 2)

    def arrivals():
        paths = ("/chargers", "/energy")
        return [[request.at_seconds for request in requests if request.path == path] for path in paths]

    with in_thread(serve(household)) as api:
        requests = recorded(api)
        for kill in range(KILLS + 1):
            with exporter(tmp_path, api.url, port, is_ready=lambda: True) as process:
                expected = charged()
                for _ in range(numbers.randint(1, 4) if kill < KILLS else 300):
                    time.sleep(numbers.uniform(0.1, 0.6))
                    counters.look()
                    enough = min(map(len, arrivals())) > ENOUGH_REQUESTS
                    if kill == KILLS and enough and total(counters.seen) >= expected:
                        break
                process.kill()

    assert counters.fallen == []
    assert expected <= total(counters.seen) <= charged()
    for moments in arrivals():
        assert len(moments) > ENOUGH_REQUESTS
        assert min(later - earlier for earlier, later in pairwise(moments)) >= INTERVAL_S - DELIVERY_S
    assert "Traceback" not in (tmp_path / "exporter.log").read_text()


# No disk ------------------------------------------------------------------------------------------

PACE = scenario(session_s=2, pause_s=1)
CYCLE_S = 4
"""In this time a session ends."""

LOG_BYTES = 32 * 1024
"""Limit on a file on the full disk: enough for the log, and less than the ledger's journal has by then."""


def samples(port: int) -> dict[str, float]:
    """Return the samples of a scrape of the charger and the endpoint that are looked at."""
    wanted = ({("charger", "oprit")}, {("endpoint", "chargers")}, set())
    return {name: value for (name, labels), value in scrape(port).items() if set(labels) in wanted}


def samples_where(port: int, *, persistent: bool):
    """Wait for samples with a complete history, and of a ledger that is on disk or is not."""

    def look():
        now = samples(port)
        return now if "joulo_total_kwh" in now and now["joulo_ledger_persistent"] == persistent else None

    return wait_for(f"totals of a ledger {'' if persistent else 'not '}on disk", look)


def energy_and_sessions(found: dict[str, float]) -> tuple[float, float]:
    return found["joulo_total_kwh"], found["joulo_sessions_total"]


@contextlib.contextmanager
def full_disk(process: subprocess.Popen | None = None) -> Iterator[None]:
    """Let the disk be full for a process, or for one that is started in the block."""
    pid = os.getpid() if process is None else process.pid
    limits = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (LOG_BYTES, limits[1]))
    try:
        yield
    finally:
        if process is None or process.poll() is None:
            resource.prlimit(pid, resource.RLIMIT_FSIZE, limits)


def test_a_full_disk_stops_no_request_and_no_counter_falls(tmp_path):
    """The ledger cannot grow: live metrics go on, counters wait, and what they show is never taken back."""
    port = free_port()
    with simulator(PACE) as api_url:
        with exporter(tmp_path, api_url, port) as process:
            samples_where(port, persistent=True)
            with full_disk(process):
                during = samples_where(port, persistent=False)
                refreshed = "joulo_last_refresh_timestamp_seconds"
                wait_for("requests", lambda: samples(port)[refreshed] > during[refreshed] + CYCLE_S)
                live = samples(port)
                assert {value for (name, _), value in scrape(port).items() if name == "joulo_up"} == {1.0}
                assert "joulo_charging" in live
                assert energy_and_sessions(live) == energy_and_sessions(during)
            back = samples_where(port, persistent=True)
            assert energy_and_sessions(back) > energy_and_sessions(during)
            with full_disk(process):
                during = samples_where(port, persistent=False)
                assert energy_and_sessions(during) >= energy_and_sessions(back)
                process.kill()
                process.wait()
        log = (tmp_path / "exporter.log").read_text()
        assert "Traceback" not in log
        assert log.count("level=ERROR") == 2
        with full_disk(), exporter(tmp_path, api_url, port):
            again = samples_where(port, persistent=False)
            assert energy_and_sessions(again) >= energy_and_sessions(during)
        with exporter(tmp_path, api_url, port):
            after = samples_where(port, persistent=True)
            assert energy_and_sessions(after) >= energy_and_sessions(during)


def test_a_deleted_ledger_is_written_anew(tmp_path):
    """It is noticed, and a restart does not fall back."""
    port = free_port()
    with simulator(PACE) as api_url:
        with exporter(tmp_path, api_url, port) as process:
            before = samples_where(port, persistent=True)
            for path in (tmp_path / "ledger").glob("ledger.sqlite3*"):
                path.unlink()
            samples_where(port, persistent=False)
            assert "level=ERROR" in (tmp_path / "exporter.log").read_text()
            second = subprocess.run(
                [*EXPORTER, *files(tmp_path), f"--web.listen-address=127.0.0.1:{free_port()}"],
                capture_output=True, check=False, env=environment(api_url), timeout=30,
            )  # fmt: skip
            assert second.returncode != 0
            assert f"is in use by process {process.pid}".encode() in second.stderr
            rewritten = samples_where(port, persistent=True)
            process.kill()
        assert energy_and_sessions(rewritten) >= energy_and_sessions(before)
        with exporter(tmp_path, api_url, port):
            assert energy_and_sessions(samples(port)) >= energy_and_sessions(rewritten)
