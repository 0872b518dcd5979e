"""The real promtool and the real Prometheus take the backfill, and count as the ledger does."""

import json
import shutil
import socket
import subprocess
import time
import urllib.parse
import urllib.request
from datetime import UTC, datetime

import pytest
from support.ledger_rig import LedgerRig, history_of, live

from joulo_exporter.cli import main
from joulo_exporter.models import Session

MONTH_START = datetime(2026, 5, 1, tzinfo=UTC).timestamp()
MONTH_END = datetime(2026, 6, 1, tzinfo=UTC).timestamp()


def sessions():
    """Return sessions of April, May and June 2026, newest first, none of which runs over a border."""
    return [
        Session(
            f"s{n}",
            "c1",
            started_at_seconds=MONTH_START - 10 * 86_400 + n * 43_200 + 3600,
            ended_at_seconds=MONTH_START - 10 * 86_400 + n * 43_200 + 12_345,
            kwh_hundredths=1001 + n,
            credits_hundredths=333 + n,
        )
        for n in reversed(range(100))
    ]


class Prometheus:
    def __init__(self, folder):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.address = f"127.0.0.1:{probe.getsockname()[1]}"
        config = folder / "prometheus.yml"
        config.write_text("scrape_configs: []\n")
        self.process = subprocess.Popen(
            ["prometheus", f"--config.file={config}", f"--storage.tsdb.path={folder / 'tsdb'}",
             "--storage.tsdb.retention.time=100y", f"--web.listen-address={self.address}"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip

    def query(self, expression, at_seconds):
        query = urllib.parse.urlencode({"query": expression, "time": f"{at_seconds:.3f}"})
        with urllib.request.urlopen(f"http://{self.address}/api/v1/query?{query}", timeout=10) as answer:
            return {
                tuple(sorted(item["metric"].items())): float(item["value"][1])
                for item in json.load(answer)["data"]["result"]
            }

    def wait(self):
        deadline = time.monotonic() + 60
        while True:
            try:
                urllib.request.urlopen(f"http://{self.address}/-/ready", timeout=2).close()
            except OSError:
                assert time.monotonic() < deadline, "Prometheus does not start"
                assert self.process.poll() is None, "Prometheus has ended"
                time.sleep(0.1)  # another process's start gives no other signal
            else:
                return

    def close(self):
        self.process.terminate()
        self.process.wait(30)


@pytest.mark.e2e
def test_import_counts_as_the_ledger_does(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("JOULO_TOKEN", "joulo_of_a_test")
    history = sessions()
    rig = LedgerRig(tmp_path, name="")
    rig.chargers(live(None))
    rig.whole_walk(history, size=100)
    served = rig.book().chargers["c1"]
    rig.close()
    flags = ["--label=job=joulo", "--label=instance=localhost:9973"]
    assert main(["backfill", f"--storage.path={tmp_path}", *flags]) == 0
    now = time.time()
    (tmp_path / "history.om").write_text(capsys.readouterr().out)
    subprocess.run(
        [shutil.which("promtool"), "tsdb", "create-blocks-from", "--max-block-duration=720h", "openmetrics",
         tmp_path / "history.om", tmp_path / "tsdb"],
        check=True, capture_output=True, timeout=120,
    )  # fmt: skip
    prometheus = Prometheus(tmp_path)
    try:
        prometheus.wait()
        labels = (("charger", "c1"), ("instance", "localhost:9973"), ("job", "joulo"))
        in_may = [s for s in history if MONTH_START <= s.started_at_seconds < MONTH_END]
        for name, expected, served_now in (
            ("joulo_total_kwh", sum(s.kwh_hundredths for s in in_may) / 100, served.kwh_hundredths / 100),
            ("joulo_ere_credits_total", sum(s.credits_hundredths for s in in_may) / 100,
             served.credits_hundredths / 100),
            ("joulo_sessions_total", len(in_may), served.sessions),
        ):  # fmt: skip
            # increase() extrapolates to the borders of its range: exact are only the values at the borders.
            at_borders = f"last_over_time({name}[1h]) - last_over_time({name}[1h] offset 31d)"
            assert prometheus.query(at_borders, MONTH_END)[labels] == pytest.approx(expected, abs=1e-6)
            increase = prometheus.query(f"increase({name}[31d])", MONTH_END)[labels]
            assert increase == pytest.approx(expected, rel=0.005)
            last = prometheus.query(name, now)
            assert last == {(("__name__", name), *labels): pytest.approx(served_now)}
            assert prometheus.query(f"resets({name}[365d])", now)[labels] == 0
    finally:
        prometheus.close()


def test_the_last_values_are_what_is_served_even_when_held(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("JOULO_TOKEN", "joulo_of_a_test")
    history = history_of(5)
    rig = LedgerRig(tmp_path, name="")
    rig.chargers(live(None))
    rig.whole_walk(history, size=100)
    rig.book()
    corrected = [Session(s.id, "c1", s.started_at_seconds, None, s.ended_at_seconds, 60) for s in history]
    rig.now_seconds += 3600
    rig.whole_walk(corrected, size=100)
    assert rig.book().chargers["c1"].kwh_hundredths == 500
    rig.close()
    assert main(["backfill", f"--storage.path={tmp_path}", "--step=1d"]) == 0
    lines = capsys.readouterr().out.splitlines()
    totals = [line.split()[1] for line in lines if line.startswith("joulo_total_kwh{")]
    assert totals[0] == "0.00"
    assert totals[-2:] == ["3.00", "5.00"]
    assert lines[-1] == "# EOF"
    assert "# TYPE joulo_ere_credits counter" in lines
