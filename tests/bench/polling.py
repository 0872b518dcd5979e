"""Measures what refreshing many accounts costs, in CPU and memory; run by ``make bench``, prints a Markdown table.

The intervals are a share of the documented ones, so that a minute's work is done in seconds; what is reported is
the share of one core at the documented rate. The exporter and the API run in processes of their own.
"""

import contextlib
import json
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parent
MINUTE_S = 60.0


@dataclass(frozen=True)
class Scene:
    """Accounts and the pace at which they are refreshed."""

    name: str
    accounts: int
    chargers: int
    haste: float = 10.0
    """Factor by which it is faster than documented."""
    sessions: int = 0
    hanging: int = 0
    """Every so manieth account gets no answer."""
    timeout_s: float = 10.0
    settling: float = 2.0
    """Minutes' work until all accounts have begun."""
    minutes: float = 2.0
    """Minutes' work that is measured after that, and one more before it for what costs CPU to be watched."""
    scraped_s: float = 0.0
    """Seconds from one scrape to the next, at the documented rate; 0 for none."""


SCENES = (
    Scene("1 account, 1 charger", 1, 1, haste=60, minutes=10),
    Scene("1,000 accounts, 10 chargers each", 1000, 10, haste=4, settling=7, minutes=10),
    Scene("the same, scraped every 15 s", 1000, 10, haste=4, settling=7, minutes=10, scraped_s=15),
    Scene("the same, every tenth hangs", 1000, 10, haste=6, hanging=10, timeout_s=10 / 6),
    Scene("5,000 accounts, 2 chargers each", 5000, 2, haste=2, minutes=1),
    Scene("first import: 1,000 accounts, 1,000 sessions each", 1000, 1, 1, sessions=1000, minutes=1, scraped_s=5),
)

COLUMNS = (
    "scene",
    "requests",
    "CPU of one, ms",
    "of a core, at the documented rate",
    "longest event-loop iteration, ms (of CPU): start, then",
    "longest scrape, ms",
    "resident memory, MiB",
)


@contextlib.contextmanager
def load_api(scene: Scene) -> Iterator[int]:
    """Run the API; yield its port."""
    command = [sys.executable, str(FOLDER / "load_api.py"), f"--chargers={scene.chargers}",
               f"--sessions={scene.sessions}", f"--hanging={scene.hanging}"]  # fmt: skip
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        try:
            yield int(process.stdout.readline())
        finally:
            process.terminate()


def configuration(scene: Scene, folder: Path, port: int) -> Path:
    """Write the exporter's configuration; return its path."""
    accounts = "\n".join(f"  - {{name: a{n}, token: joulo_a{n}}}" for n in range(1, scene.accounts + 1))
    chargers_s, sessions_s, energy_s = (seconds / scene.haste for seconds in (60, 600, 3600))
    file = folder / "joulo.yml"
    file.write_text(
        f"api: {{url: 'http://127.0.0.1:{port}/api', timeout: {scene.timeout_s * 1000:.0f}ms}}\n"
        f"intervals: {{chargers: {chargers_s * 1000:.0f}ms, sessions: {sessions_s * 1000:.0f}ms, "
        f"energy: {energy_s * 1000:.0f}ms}}\n"
        f"history: {{page_interval: {10_000 / scene.haste:.0f}ms}}\n"
        f"storage: {{path: {folder / 'ledger'}}}\naccounts:\n{accounts}\n"
    )
    return file


def row(scene: Scene) -> tuple[str, ...]:
    """Return the cells of one scene."""
    minute_s = MINUTE_S / scene.haste
    with tempfile.TemporaryDirectory() as temporary, load_api(scene) as port:
        file = configuration(scene, Path(temporary), port)
        phases = (scene.settling * minute_s, minute_s, scene.minutes * minute_s)
        command = [sys.executable, str(FOLDER / "watched.py"), str(file), *map(str, phases)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            address = json.loads(process.stdout.readline())["address"]
            answers = scraping(address, process, scene.scraped_s / scene.haste) if scene.scraped_s else []
            start = json.loads(process.stdout.readline())
            watched = json.loads(process.stdout.readline())
            requests(port)
            last = json.loads(process.stdout.readline())
            asked = requests(port)
    iterations = (
        f"{each['longest_iteration_ms']:.0f} ({each['longest_iteration_cpu_ms']:.0f})" for each in (start, watched)
    )
    return (
        scene.name,
        f"{asked:,}",
        f"{1000 * last['cpu_s'] / max(1, asked):.2f}",
        f"{100 * last['cpu_s'] / last['wall_s'] / scene.haste:.2f} %",
        ", ".join(iterations),
        f"{1000 * max(answers, default=0.0):.0f}" if scene.scraped_s else "",
        f"{last['resident_mib']:.1f}",
    )


def scraping(address: str, process: subprocess.Popen[str], every_s: float) -> list[float]:
    """Scrape until the process ends; return a list that the seconds that each took go into."""
    answers: list[float] = []
    request = urllib.request.Request(f"http://{address}/metrics", headers={"Accept-Encoding": "gzip"})

    def scrape() -> None:
        while process.poll() is None:
            began = time.perf_counter()
            with contextlib.suppress(OSError), urllib.request.urlopen(request) as answer:
                answer.read()
                answers.append(time.perf_counter() - began)
            time.sleep(every_s)

    threading.Thread(target=scrape, daemon=True).start()
    return answers


def requests(port: int) -> int:
    """Return the number of requests since the last look."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/stats") as answer:
        return int(answer.read())


def main() -> None:
    """Measure each scene, or those whose names begin with an argument."""
    print(f"| {' | '.join(COLUMNS)} |\n|---|{'--:|' * (len(COLUMNS) - 1)}")
    for scene in SCENES:
        if len(sys.argv) == 1 or scene.name.startswith(sys.argv[1]):
            print(f"| {' | '.join(row(scene))} |", flush=True)


if __name__ == "__main__":
    main()
