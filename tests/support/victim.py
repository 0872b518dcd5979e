"""The exporter under attack, watched from outside: scrapes meanwhile, and its memory."""

import contextlib
import json
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from support.processes import free_port, get, running, wait_for

HOST = "127.0.0.1"
TESTS = Path(__file__).parents[1]


@dataclass
class Outcome:
    """Effects of an attack: ends of its connections, memory, and scrapes meanwhile."""

    name: str
    clients: int
    endings: dict[str, int] = field(default_factory=dict)
    peak_mib: float = 0.0
    latencies_s: list[float] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)

    def latency_ms(self, share: float) -> float:
        ordered = sorted(self.latencies_s)
        return ordered[min(int(len(ordered) * share), len(ordered) - 1)] * 1000


@dataclass
class Victim:
    """A running exporter."""

    pid: int
    port: int

    def attacked(self, name: str, clients: int, seconds: float) -> Outcome:
        """Scrape while an attack of ``abuse/attacks.py`` goes on; ``quiet`` is none."""
        command = [sys.executable, "-m", "abuse.attacks", name, HOST, str(self.port), str(clients), str(seconds)]
        if name == "quiet":
            command = [sys.executable, "-c", f"import time; time.sleep({seconds}); print('{{}}')"]
        return self.besieged(name, clients, command)

    def besieged(self, name: str, clients: int, command: list[str]) -> Outcome:
        """Scrape while a program runs; what it prints last, if it is JSON, is how its connections ended."""
        outcome = Outcome(name, clients)
        over = threading.Event()
        scraper = threading.Thread(target=self._scrape, args=(outcome, over))
        self._forget_peak()
        scraper.start()
        try:
            done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=TESTS)
        finally:
            over.set()
            scraper.join()
        outcome.peak_mib = self._memory_mib("VmHWM")
        with contextlib.suppress(ValueError, IndexError):
            outcome.endings = json.loads(done.stdout.splitlines()[-1])
        return outcome

    def _scrape(self, outcome: Outcome, over: threading.Event) -> None:
        while not over.wait(0.05):
            began = time.monotonic()
            try:
                with urllib.request.urlopen(f"http://{HOST}:{self.port}/metrics", timeout=10) as response:
                    body = response.read()
                if b"joulo_exporter_build_info" not in body:
                    outcome.failed.append("incomplete")
            except OSError as error:
                outcome.failed.append(repr(error))
            outcome.latencies_s.append(time.monotonic() - began)

    def _forget_peak(self) -> None:
        Path(f"/proc/{self.pid}/clear_refs").write_text("5")

    def _memory_mib(self, key: str) -> float:
        lines = Path(f"/proc/{self.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(f"{key}:"))


@contextlib.contextmanager
def victim(folder: Path) -> Iterator[Victim]:
    """Run the exporter on its own simulated household."""
    port = free_port()
    command = [
        sys.executable, "-m", "joulo_exporter", "demo", f"--storage.path={folder}", "--web.enable-lifecycle",
        f"--web.listen-address={HOST}:{port}",
    ]  # fmt: skip
    with running(command, folder / "log") as process:
        wait_for("the exporter", lambda: get(f"http://{HOST}:{port}/-/healthy"))
        yield Victim(process.pid, port)
