"""The Compose demo has a history from the start: its own commands, without the containers around them."""

import json
import os
import stat
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml
from support.grafana import Prometheus, Viewer
from support.known_history import HOME
from support.processes import EXPORTER, free_port, get, prometheus, query, running, wait_for
from support.programs import GENERATIONS

pytestmark = pytest.mark.e2e

SERVICES = yaml.safe_load((Path(__file__).parents[2] / "deploy/compose.demo.yaml").read_text())["services"]
GENERATION = GENERATIONS[-1]


def ended(service, data, tsdb):
    """Run the command of a service that ends, in folders that stand for its volumes."""
    (script,) = SERVICES[service]["command"]
    script = script.replace("/data", str(data)).replace("/prometheus", str(tsdb))
    path = f"{Path(sys.executable).parent}:{Path(GENERATION.path('promtool')).parent}:{os.environ['PATH']}"
    command, environment = [*SERVICES[service]["entrypoint"], script], os.environ | {"PATH": path}
    subprocess.run(command, check=True, env=environment, umask=0o022, timeout=120)


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """Return (the volume of the exporter, that of Prometheus, the port of the exporter)."""
    folder = tmp_path_factory.mktemp("demo")
    data, tsdb, port = folder / "data", folder / "tsdb", free_port()
    data.mkdir(mode=0o700)  # as in the image
    command = [*EXPORTER, *(part.replace("/data", str(data)) for part in SERVICES["exporter"]["command"])]
    with running([*command, f"--web.listen-address=127.0.0.1:{port}"], folder / "demo.log"):
        wait_for("the exporter", lambda: get(f"http://127.0.0.1:{port}/-/healthy"))
        ended("history", data, tsdb)
        ended("import", data, tsdb)
        yield data, tsdb, port


def test_another_user_can_read_the_text_and_nothing_else_that_was_closed(demo):
    data, _, _ = demo
    assert stat.S_IMODE(data.stat().st_mode) == 0o755
    assert stat.S_IMODE((data / "joulo.om").stat().st_mode) & 0o444 == 0o444
    assert stat.S_IMODE((data / "ledger.sqlite3").stat().st_mode) == 0o600


def test_a_prometheus_that_has_just_started_has_the_sessions_of_the_ledger(demo):
    data, tsdb, port = demo
    now = datetime.now(UTC)
    first, last = now - timedelta(days=200), now - timedelta(hours=1)
    report = [*EXPORTER, "sessions", f"--config.file={data / 'demo.yml'}", "--format=json"]
    sessions = [
        (datetime.fromisoformat(one["started_at"]).timestamp(), datetime.fromisoformat(one["ended_at"]))
        for one in json.loads(subprocess.run(report, check=True, capture_output=True).stdout)
        if one["ended_at"]
    ]
    job = {"job_name": "joulo", "static_configs": [{"targets": [f"127.0.0.1:{port}"]}]}
    with prometheus(GENERATION, tsdb.parent, job) as url:
        counted = query(url, "sum(last_over_time(joulo_sessions_total[1h]))", first.timestamp())
        assert counted == {(): sum(end < first for _, end in sessions)} != {(): 0}
        table = Prometheus(url).panel("joulo-sessions", "Sessions", Viewer(HOME, now, "now-200d"), "start")
        rows = {round(value / 1000) for _, value in table}
        assert rows >= {round(start) for start, end in sessions if first < end < last}
        assert len(rows) > 50

        before = sorted(tsdb.glob("*/meta.json"))
        ended("import", data, tsdb)
        assert sorted(tsdb.glob("*/meta.json")) == before, "a second start imports nothing again"
