"""Measures the cost of refreshing many accounts, in CPU and memory; run by ``make bench``, prints a table.

The intervals are a share of the documented ones, so that a minute's work is done in seconds; what is reported is
the share of one core at the documented rate. The exporter and the API run in processes of their own.
"""

import json
import os
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from support.processes import EXPORTER, cpu_s, free_port, get, memory_mib, running, wait_for

API = Path(__file__).with_name("load_api.py")


@dataclass(frozen=True)
class Scene:
    """Accounts and the pace at which they are refreshed."""

    name: str
    accounts: int
    chargers: int
    haste: float
    """Factor by which it is faster than documented."""
    settling: float
    """Minutes' work until all accounts have begun."""
    minutes: float
    """Minutes' work that is measured after that."""
    sessions: int = 0
    scraped_s: float = 0.0
    """Seconds from one scrape to the next, at the documented rate; 0 for none."""


SCENES = (
    Scene("1 account, 1 charger", 1, 1, haste=60, settling=3, minutes=10),
    Scene("1,000 accounts, 10 chargers each", 1000, 10, haste=4, settling=8, minutes=10),
    Scene("the same, scraped every 15 s", 1000, 10, haste=4, settling=8, minutes=10, scraped_s=15),
    Scene("first import: 1,000 accounts, 1,000 sessions each", 1000, 1, haste=1, settling=3, minutes=1,
          sessions=1000, scraped_s=5),
)  # fmt: skip


def configuration(scene: Scene, folder: Path, api_url: str) -> str:
    """Return the exporter's configuration."""

    def hasty(seconds: float) -> str:
        return f"{1000 * seconds / scene.haste:.0f}ms"

    return json.dumps({
        "api": {"url": f"{api_url}/api"},
        "intervals": {"chargers": hasty(60), "sessions": hasty(600), "energy": hasty(3600)},
        "history": {"page_interval": hasty(10)},
        "storage": {"path": str(folder / "ledger")},
        "accounts": [{"name": f"a{n}", "token": f"joulo_a{n}"} for n in range(1, scene.accounts + 1)],
    })  # fmt: skip


def row(scene: Scene) -> str:
    """Return the row of one scene."""
    minute_s, url, over = 60.0 / scene.haste, f"http://127.0.0.1:{(port := free_port())}", threading.Event()

    def scrape() -> None:
        while not over.wait(scene.scraped_s / scene.haste):
            get(f"{url}/metrics", {"Accept-Encoding": "gzip"})

    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        api = [sys.executable, str(API), str(scene.chargers), str(scene.sessions)]
        with running(api, log := folder / "api.log"):
            api_url = wait_for("the API", lambda: log.read_text().strip())
            (folder / "joulo.yml").write_text(configuration(scene, folder, api_url))
            command = [*EXPORTER, f"--config.file={folder}/joulo.yml", f"--web.listen-address=127.0.0.1:{port}"]
            with running([*command, "--log.level=error"], folder / "log", dict(os.environ)) as exporter:
                wait_for("the exporter", lambda: get(f"{url}/-/healthy"))
                if scene.scraped_s:
                    threading.Thread(target=scrape).start()
                try:
                    time.sleep(scene.settling * minute_s)
                    get(f"{api_url}/stats")
                    before_s, began_s = cpu_s(exporter.pid), time.perf_counter()
                    time.sleep(scene.minutes * minute_s)
                    spent_s, took_s = cpu_s(exporter.pid) - before_s, time.perf_counter() - began_s
                    asked, resident_mib = int(get(f"{api_url}/stats")), memory_mib(exporter.pid)
                finally:
                    over.set()
    share, each_ms = spent_s / took_s / scene.haste, 1000 * spent_s / asked
    return f"| {scene.name} | {asked:,} | {each_ms:.2f} | {share:.2%} | {resident_mib:.1f} |"


def main() -> None:
    """Measure each scene."""
    print("| scene | requests | CPU of one, ms | of a core, at the documented rate | resident memory, MiB |")
    print("|---|--:|--:|--:|--:|")
    for scene in SCENES:
        print(row(scene), flush=True)


if __name__ == "__main__":
    main()
