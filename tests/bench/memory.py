"""Measures resident memory; run by ``make bench``, prints a Markdown table.

Each size runs in a process of its own, with every endpoint answered; beside it stands prometheus-client's own
server with a collector of one charger's metrics, in a process that has loaded the same modules.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import urllib.request
from pathlib import Path

from polling import Scene, arrivals, configuration, load_api

SCENES = (
    Scene("1", 1, 1, haste=30),
    Scene("100", 10, 10, haste=20),
    Scene("1,000", 100, 10, haste=10),
    Scene("10,000", 1000, 10, haste=5),
)
SCRAPES = 5
FOLDER = Path(__file__).parent

STOCK = """
import os, sys, time, urllib.request
import joulo_exporter.cli.commands, joulo_exporter.service
from prometheus_client import CollectorRegistry, start_http_server
from joulo_exporter.metrics import FAMILIES, ConfigReloads, process_registry

class Stock:
    def collect(self):
        for family in FAMILIES:
            metric = family.empty()
            metric.add_sample(family.name, {"charger": "oprit"}, 1.0)
            yield metric

registry = process_registry("0", ConfigReloads(True, 0.0))
registry.register(Stock())
server, _ = start_http_server(0, "127.0.0.1", registry)
for _ in range(20):
    urllib.request.urlopen(f"http://127.0.0.1:{server.server_port}/metrics").read()
pages = int(open("/proc/self/statm").read().split()[1])
print(pages * os.sysconf("SC_PAGE_SIZE") / 2**20)
os._exit(0)
"""


def resident_mib(pid: int) -> float:
    """Return the resident memory of a process."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS"))


def measured(scene: Scene) -> float:
    """Return the resident memory after every account was refreshed and some scrapes."""
    minute_s = 60 / scene.haste
    with tempfile.TemporaryDirectory() as temporary, load_api(scene) as port:
        file = configuration(scene, Path(temporary), port)
        with subprocess.Popen(
            [sys.executable, "-m", "joulo_exporter", f"--config.file={file}", "--web.listen-address=127.0.0.1:0"],
            stderr=subprocess.PIPE, text=True,
        ) as process:  # fmt: skip
            address = next(line for line in process.stderr if "listening" in line)
            url = f"http://{address.partition('address=')[2].split()[0]}/metrics"
            asked: set[tuple[int, str]] = set()
            while len(asked) < 3 * scene.accounts:
                subprocess.run(["sleep", str(minute_s / 4)], check=True)
                asked |= {(account, endpoint) for _, account, endpoint in arrivals(port)}
            for _ in range(SCRAPES):
                request = urllib.request.Request(url, headers={"Accept-Encoding": "gzip"})
                with urllib.request.urlopen(request, timeout=60) as answer:
                    answer.read()
            resident = resident_mib(process.pid)
            process.terminate()
    return resident


def main() -> None:
    """Measure each size."""
    stock = float(subprocess.run([sys.executable, "-c", STOCK], check=True, capture_output=True, text=True).stdout)
    print("| chargers | accounts | resident, MiB | above that of one | each charger, KiB |")
    print("|--:|--:|--:|--:|--:|")
    print(f"| stock server, 1 | | {stock:.1f} | | |")
    one = 0.0
    for scene in SCENES:
        resident = measured(scene)
        one = one or resident
        chargers = scene.accounts * scene.chargers
        each = 1024 * (resident - one) / (chargers - 1) if chargers > 1 else 0.0
        print(
            f"| {scene.name} | {scene.accounts:,} | {resident:.1f} | {resident - one:.1f} | {each:.1f} |",
            flush=True,
        )
    print(f"\nOne charger against the stock server: {one / stock:.2f}.")


if __name__ == "__main__":
    main()
