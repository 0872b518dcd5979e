"""Measures the start of the exporter; run by ``make bench``, prints Markdown tables.

A warm start is one with a ledger; the API does not answer meanwhile. The best of several runs counts: what else
runs on the machine only ever makes a start slower.
"""

import contextlib
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

from ledger import imported

from joulo_exporter.ledger import AccountLedger, Database

RUNS = 5
SIZES = ((1, 100), (1, 10_000), (1, 100_000), (1000, 100))


def filled(folder: Path, accounts: int, sessions: int) -> None:
    """Make a ledger with so many sessions an account."""
    database = Database(folder)
    for number in range(1, accounts + 1):
        name = "" if accounts == 1 else f"a{number}"
        imported(AccountLedger(database, name, configured_labels={}, vehicles={}), sessions)
    database.close()


def first_scrape_s(folder: Path, accounts: int) -> float:
    """Return the time from the start of the process to a scrape with what the ledger knows of every account."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    flags = [f"--storage.path={folder / 'ledger'}", f"--web.listen-address=127.0.0.1:{port}", "--log.level=error"]
    if accounts > 1:
        lines = "\n".join(f"  - {{name: a{n}, token: joulo_a{n}}}" for n in range(1, accounts + 1))
        (folder / "joulo.yml").write_text(f"accounts:\n{lines}\n")
        flags.append(f"--config.file={folder / 'joulo.yml'}")
    environment = {"JOULO_TOKEN": "joulo_t", "JOULO_API_URL": "http://127.0.0.1:9", "PATH": os.environ["PATH"]}
    began = time.perf_counter()
    with subprocess.Popen([sys.executable, "-m", "joulo_exporter", *flags], env=environment) as process:
        try:
            while time.perf_counter() - began < 60:
                with (
                    contextlib.suppress(OSError),
                    urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer,
                ):
                    if answer.read().count(b"\njoulo_history_complete") == accounts:
                        return time.perf_counter() - began
                time.sleep(0.005)
        finally:
            process.terminate()
    raise SystemExit("the exporter does not answer")


def seconds_of(*command: str) -> float:
    """Return how long a Python takes, at best."""
    best = float("inf")
    for _ in range(RUNS):
        began = time.perf_counter()
        subprocess.run([sys.executable, *command], check=True, capture_output=True)
        best = min(best, time.perf_counter() - began)
    return best


def main() -> None:
    """Measure imports, then warm starts."""
    print("| loaded | s |\n|---|--:|")
    for what, code in (
        ("Python alone", "pass"),
        ("aiohttp, prometheus_client", "import aiohttp.web, prometheus_client"),
        ("the exporter", "import joulo_exporter.cli.commands, joulo_exporter.service"),
    ):
        print(f"| {what} | {seconds_of('-c', code):.2f} |", flush=True)
    print("\n| accounts | sessions each | start to the first scrape with values, s |\n|--:|--:|--:|")
    for accounts, sessions in SIZES:
        with tempfile.TemporaryDirectory() as temporary:
            filled(Path(temporary) / "ledger", accounts, sessions)
            best = min(first_scrape_s(Path(temporary), accounts) for _ in range(RUNS))
        print(f"| {accounts:,} | {sessions:,} | {best:.2f} |", flush=True)


if __name__ == "__main__":
    main()
