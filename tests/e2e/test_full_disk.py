"""A disk that is full for a while, or a ledger that is taken away, and the real process on it."""

from __future__ import annotations

import contextlib
import resource
import subprocess
from typing import TYPE_CHECKING

import pytest
from support.processes import EXPORTER, environment, exporter, files, free_port, scrape, simulator, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.e2e

PACE = ("--session-seconds", "4", "--pause-seconds", "2", "--time-lapse", "40")

LOG_BYTES = 32 * 1024
"""Limit on a file on the full disk: enough for the log, and less than the ledger's journal has by then."""


def samples(port: int) -> dict[tuple[str, str], float]:
    """Return the samples of a scrape by name, and endpoint or charger."""
    found = [(name, dict(labels), value) for (name, labels), value in scrape(port).items()]
    return {(name, labels.get("endpoint") or labels.get("charger", "")): value for name, labels, value in found}


def restored(port: int) -> dict[tuple[str, str], float] | None:
    """Return the samples once the history is complete."""
    now = samples(port)
    return now if ("joulo_total_kwh", "oprit") in now else None


@contextlib.contextmanager
def full_disk() -> Iterator[None]:
    """Let a process that is started in the block inherit the full disk."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (LOG_BYTES, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def energy_and_sessions(found: dict[tuple[str, str], float]) -> tuple[float, float]:
    return found["joulo_total_kwh", "oprit"], found["joulo_sessions_total", "oprit"]


@pytest.mark.parametrize("ended_by", ["space", "kill"])
def test_a_full_disk_stops_no_request_and_no_counter_falls(tmp_path, ended_by):
    """The ledger cannot grow: live metrics go on, counters wait, and what they show is never taken back."""
    port = free_port()
    with simulator(tmp_path, *PACE) as api_url:
        with exporter(tmp_path, api_url, port) as process:
            wait_for("totals", lambda: restored(port))
            limits = resource.prlimit(process.pid, resource.RLIMIT_FSIZE)
            resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (LOG_BYTES, limits[1]))
            wait_for("the exporter to notice", lambda: samples(port)["joulo_ledger_persistent", ""] == 0)
            during = samples(port)
            later = during["joulo_last_refresh_timestamp_seconds", "chargers"] + 8

            def still_asking():
                return samples(port)["joulo_last_refresh_timestamp_seconds", "chargers"] > later

            wait_for("requests", still_asking)
            live = samples(port)
            assert live["joulo_up", "chargers"] == live["joulo_up", "sessions"] == 1
            assert ("joulo_charging", "oprit") in live
            assert energy_and_sessions(live) == energy_and_sessions(during)
            if ended_by == "kill":
                process.kill()
            else:
                resource.prlimit(process.pid, resource.RLIMIT_FSIZE, limits)
                back = wait_for(
                    "the disk", lambda: (now := samples(port))["joulo_ledger_persistent", ""] == 1 and now
                )
                assert energy_and_sessions(back) > energy_and_sessions(during)
        log = (tmp_path / "exporter.log").read_text()
        assert "Traceback" not in log
        assert log.count("level=ERROR") == 1
        with full_disk(), exporter(tmp_path, api_url, port):
            again = wait_for(
                "memory", lambda: (now := restored(port)) and now["joulo_ledger_persistent", ""] == 0 and now
            )
            assert energy_and_sessions(again) >= energy_and_sessions(during)
        with exporter(tmp_path, api_url, port):
            after = wait_for("totals", lambda: restored(port))
            assert energy_and_sessions(after) >= energy_and_sessions(during)
            assert after["joulo_ledger_persistent", ""] == 1


def test_a_deleted_ledger_is_written_anew(tmp_path):
    """It is noticed, and a restart does not fall back."""
    port = free_port()
    with simulator(tmp_path, *PACE) as api_url:
        with exporter(tmp_path, api_url, port) as process:
            before = wait_for("totals", lambda: restored(port))
            for path in (tmp_path / "ledger").glob("ledger.sqlite3*"):
                path.unlink()
            wait_for("the exporter to notice", lambda: samples(port)["joulo_ledger_persistent", ""] == 0)
            assert "level=ERROR" in (tmp_path / "exporter.log").read_text()
            second = subprocess.run(
                [*EXPORTER, *files(tmp_path), f"--web.listen-address=127.0.0.1:{free_port()}"],
                capture_output=True, check=False, env=environment(api_url), timeout=30,
            )  # fmt: skip
            assert second.returncode != 0
            assert f"is in use by process {process.pid}".encode() in second.stderr
            written = wait_for(
                "the file", lambda: (now := samples(port))["joulo_ledger_persistent", ""] == 1 and now
            )
            process.kill()
        assert energy_and_sessions(written) >= energy_and_sessions(before)
        with exporter(tmp_path, api_url, port):
            assert energy_and_sessions(samples(port)) >= energy_and_sessions(written)
