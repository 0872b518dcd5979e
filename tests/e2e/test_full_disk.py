"""A disk that is full for a while, or a ledger that is taken away, and the real process on it."""

import contextlib
import os
import resource
import subprocess
from collections.abc import Iterator

import pytest
from support.processes import EXPORTER, environment, exporter, files, free_port, scrape, wait_for
from support.simulator import scenario, simulator

pytestmark = pytest.mark.e2e

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
            written = samples_where(port, persistent=True)
            process.kill()
        assert energy_and_sessions(written) >= energy_and_sessions(before)
        with exporter(tmp_path, api_url, port):
            assert energy_and_sessions(samples(port)) >= energy_and_sessions(written)
