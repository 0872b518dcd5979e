"""The exporter under attack, watched from outside: scrapes meanwhile, and its memory."""

import contextlib
import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from support.processes import EXPORTER, free_port, get, memory_mib, running, wait_for

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
            command = ["sleep", str(seconds)]
        return self.besieged(name, clients, command)

    def besieged(self, name: str, clients: int, command: list[str]) -> Outcome:
        """Scrape while a program runs; what it prints last, if it is JSON, is how its connections ended."""
        outcome = Outcome(name, clients)
        over = threading.Event()
        scraper = threading.Thread(target=self._scrape, args=(outcome, over))
        Path(f"/proc/{self.pid}/clear_refs").write_text("5")  # forgets the peak of the memory
        scraper.start()
        try:
            done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=TESTS)
        finally:
            over.set()
            scraper.join()
        outcome.peak_mib = memory_mib(self.pid, "VmHWM")
        with contextlib.suppress(ValueError, IndexError):
            outcome.endings = json.loads(done.stdout.splitlines()[-1])
        return outcome

    def _scrape(self, outcome: Outcome, over: threading.Event) -> None:
        while not over.wait(0.05):
            began = time.monotonic()
            try:
                if b"joulo_exporter_build_info" not in get(f"http://{HOST}:{self.port}/metrics"):
                    outcome.failed.append("incomplete")
            except OSError as error:
                outcome.failed.append(repr(error))
            outcome.latencies_s.append(time.monotonic() - began)


@contextlib.contextmanager
def victim(folder: Path) -> Iterator[Victim]:
    """Run the exporter on its own simulated household."""
    port = free_port()
    flags = [f"--storage.path={folder}", "--web.enable-lifecycle", f"--web.listen-address={HOST}:{port}"]
    with running([*EXPORTER, "demo", *flags], folder / "log") as process:
        wait_for("the exporter", lambda: get(f"http://{HOST}:{port}/-/healthy"))
        yield Victim(process.pid, port)
