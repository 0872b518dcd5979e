"""Real processes for end-to-end tests: started on free ports, waited for, stopped."""

import contextlib
import http.client
import json
import re
import shlex
import socket
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TypeVar

import pytest
from support.exposition import Samples, samples_of
from support.programs import CURRENT, GENERATIONS, Generation

Found = TypeVar("Found")

TOKEN = "joulo_demo"
EXPORTER = (sys.executable, "-m", "joulo_exporter")
PATIENCE_S = 30.0
INTERVAL_S = 1.0
"""From one request of ``/chargers`` to the next one; twice and three times as long for the other endpoints."""
PAGE = Path(__file__).parents[2] / "docs/ledger.md"


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def get(url: str, headers: dict[str, str] | None = None, trusting: ssl.SSLContext | None = None) -> bytes:
    request = urllib.request.Request(url, headers=headers or {})
    try:
        with urllib.request.urlopen(request, timeout=10, context=trusting) as response:
            return bytes(response.read())
    except urllib.error.HTTPError as error:
        error.close()  # Python 3.14 warns of one that is left open, in whatever test runs then
        raise


def scrape(port: int) -> Samples:
    return samples_of(get(f"http://127.0.0.1:{port}/metrics").decode())


class Counters:
    """The highest value of every counter of ours, and of ``joulo_total_kwh``, over all scrapes of an exporter."""

    def __init__(self, port: int) -> None:
        self.seen: Samples = {}
        self.fallen: list[tuple[object, float, float]] = []
        """Series that fell, from what, to what."""
        self.scrapes = 0
        self._url = f"http://127.0.0.1:{port}/metrics"

    def look(self) -> Samples:
        """Scrape; return all samples, or nothing while the process does not respond."""
        try:
            text = get(self._url).decode()
        except (OSError, http.client.HTTPException):
            return {}
        self.scrapes += 1
        names = {*re.findall(r"^# TYPE (joulo_\w+) counter$", text, re.MULTILINE), "joulo_total_kwh"}
        samples = samples_of(text)
        for series, value in samples.items():
            if series[0] in names:
                if value < self.seen.get(series, 0.0):
                    self.fallen.append((series, self.seen[series], value))
                self.seen[series] = max(value, self.seen.get(series, 0.0))
        return samples


def cpu_s(pid: int) -> float:
    """Return the CPU time that a process has used, that of its ended threads too, to the nanosecond."""
    return time.clock_gettime((~pid << 3) | 2)  # as clock_getcpuclockid(3) makes the number of a process's clock


def memory_mib(pid: int, key: str = "VmRSS") -> float:
    """Return the resident memory of a process; ``VmHWM`` is its peak."""
    (kib,) = re.findall(rf"^{key}:\s+(\d+)", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    return int(kib) / 1024


def wait_for(what: str, look: Callable[[], Found | None]) -> Found:
    """Return what ``look`` finds; it may fail to connect in the meantime."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        with contextlib.suppress(urllib.error.URLError, ConnectionError, TimeoutError):
            found = look()
            if found:
                return found
        time.sleep(0.1)
    raise AssertionError(f"{what}: not within {PATIENCE_S:.0f} s")


@contextlib.contextmanager
def running(
    command: list[str], log: Path, environment: dict[str, str] | None = None
) -> Iterator[subprocess.Popen]:
    """Run a program while the block lasts; its output goes to ``log``."""
    with (
        log.open("ab") as output,
        subprocess.Popen(command, stdout=output, stderr=output, env=environment) as process,
    ):
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                process.kill()


def environment(api_url: str) -> dict[str, str]:
    # On a disk that is full for the process alone, Python would leave truncated bytecode for all others.
    python = {"PATH": "/usr/bin:/bin", "PYTHONDONTWRITEBYTECODE": "1"}
    return {"JOULO_TOKEN": TOKEN, "JOULO_API_URL": api_url, **python}


def files(folder: Path) -> list[str]:
    """Return the flags for the configuration and the ledger in a folder."""
    return [f"--config.file={folder / 'joulo.yml'}", f"--storage.path={folder / 'ledger'}"]


def backfill(folder: Path, api_url: str, port: int) -> Path | None:
    """Return a file of the ledger's history; nothing while that is not complete, since the command refuses it."""
    labels = ["--label=job=joulo", f"--label=instance=127.0.0.1:{port}"]
    history, command = folder / "history.om", [*EXPORTER, "backfill", *files(folder), *labels]
    with history.open("wb") as output:
        done = subprocess.run(
            command, stdout=output, stderr=subprocess.PIPE, check=False, env=environment(api_url)
        )
    assert done.returncode == 0 or b"not complete" in done.stderr, done.stderr
    return history if done.returncode == 0 else None


@contextlib.contextmanager
def exporter(
    folder: Path,
    api_url: str,
    port: int,
    *options: str,
    is_ready: Callable[[], object] | None = None,
    program: tuple[str, ...] = EXPORTER,
) -> Iterator[subprocess.Popen]:
    """Run the exporter against an API on this machine, with intervals of ``INTERVAL_S`` and more.

    ``is_ready`` is for an exporter that a plain request does not reach, or that need not be ready.
    """
    config = folder / "joulo.yml"
    config.write_text(
        "intervals: {chargers: 1s, sessions: 2s, energy: 3s}\n"
        "plausibility: {max_power: 10000kW}\n"  # time can be 400 times as fast in a simulator
        "history: {page_interval: 100ms}\n"
        "vehicles: {04A1B2C3D4E580: tesla}\n"
    )
    command = [*program, *files(folder), f"--web.listen-address=127.0.0.1:{port}", *options]
    with running(command, folder / "exporter.log", environment(api_url)) as process:
        wait_for("the exporter to be ready", is_ready or (lambda: get(f"http://127.0.0.1:{port}/-/ready")))
        yield process


EACH_SECOND = {"scrape_interval": "1s", "scrape_timeout": "1s"}


def _job(targets: list[str]) -> dict[str, object]:
    return {"job_name": "joulo", "static_configs": [{"targets": targets}]}


@contextlib.contextmanager
def configured_prometheus(
    generation: Generation, folder: Path, port: int, config: dict[str, object], *flags: str
) -> Iterator[subprocess.Popen]:
    """Run Prometheus with a configuration."""
    (folder / "prometheus.yml").write_text(json.dumps(config))
    command = [
        generation.path("prometheus"), f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'tsdb'}",
        "--storage.tsdb.retention.time=100y",  # the default, 15 days, would delete what a test backfills
        f"--web.listen-address=127.0.0.1:{port}", *flags,
    ]  # fmt: skip
    with running(command, folder / "prometheus.log") as process:
        wait_for("Prometheus to be ready", lambda: get(f"http://127.0.0.1:{port}/-/ready"))
        yield process


@contextlib.contextmanager
def prometheus(generation: Generation, folder: Path, *jobs: dict[str, object]) -> Iterator[str]:
    """Run Prometheus, which scrapes the jobs each second; yield its URL."""
    port, config = free_port(), {"global": EACH_SECOND, "scrape_configs": jobs}
    with configured_prometheus(generation, folder, port, config):
        yield f"http://127.0.0.1:{port}"


@contextlib.contextmanager
def filled_prometheus(
    generation: Generation, folder: Path, targets: list[str], history: Path | None = None, *, block: str = "720h"
) -> Iterator[str]:
    """Run Prometheus with what a backfill wrote, imported as documented; yield its URL.

    promtool reads the history once for each ``block`` of it; a test of queries takes longer ones.
    """
    if history:
        build = ("tsdb", "create-blocks-from", f"--max-block-duration={block}", "openmetrics")
        generation.said("promtool", *build, history, folder / "tsdb")
    with prometheus(generation, folder, _job(targets)) as url:
        yield url


@contextlib.contextmanager
def filled_victoria_metrics(
    generation: Generation, folder: Path, targets: list[str], history: Path | None = None, **_of_prometheus: str
) -> Iterator[str]:
    """Run VictoriaMetrics with what a backfill wrote, imported as documented; yield its URL."""
    config, port = folder / "scrapes.yml", free_port()
    config.write_text(json.dumps({"global": EACH_SECOND, "scrape_configs": [_job(targets)]}))
    url = f"http://127.0.0.1:{port}"
    command = [
        generation.path("victoria-metrics"), f"-promscrape.config={config}",
        f"-storageDataPath={folder / 'victoria-metrics'}", f"-httpListenAddr=127.0.0.1:{port}",
        "-retentionPeriod=100y",
        "-search.latencyOffset=0s",  # the default hides the last 30 s, and the tests would wait for them
    ]  # fmt: skip
    with running(command, folder / "victoria-metrics.log"):
        wait_for("VictoriaMetrics to be ready", lambda: get(f"{url}/-/ready"))
        if history:
            (documented,) = re.findall(r"^ *(curl .*/api/v1/import/prometheus)$", PAGE.read_text(), re.MULTILINE)
            curl = documented.replace("http://localhost:8428", url).replace("joulo.om", str(history))
            subprocess.run(shlex.split(curl), check=True)
            get(f"{url}/internal/force_flush")  # else it shows within a second
        yield url


DATABASES = [pytest.param(partial(filled_prometheus, each), id=f"prometheus-{each.name}") for each in GENERATIONS]
if CURRENT in GENERATIONS:  # few machines have packages of it
    DATABASES.append(pytest.param(partial(filled_victoria_metrics, CURRENT), id="victoria-metrics"))
"""Functions that run a database that scrapes, with a history: ``run(folder, targets, history)`` yields its URL."""


def query(url: str, expression: str, at_seconds: float | None = None) -> dict[tuple[tuple[str, str], ...], float]:
    """Return the vector of a moment or of now, by its labels without name, ``instance`` and ``job``."""
    asked = {"query": expression} | ({} if at_seconds is None else {"time": f"{at_seconds:.3f}"})
    answer = json.loads(get(f"{url}/api/v1/query?" + urllib.parse.urlencode(asked)))
    assert answer["status"] == "success", answer
    found = [(series["metric"], float(series["value"][1])) for series in answer["data"]["result"]]
    left = {"__name__", "instance", "job"}
    return {
        tuple(sorted(pair for pair in labels.items() if pair[0] not in left)): value for labels, value in found
    }
