"""Attacks a running exporter in every way that we know, and prints what it cost: ``make abuse``."""

import contextlib
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from support.processes import EXPORTER, free_port, get, memory_mib, running, wait_for

SECONDS = 6.0
ROUNDS = {
    "quiet": 0,
    "silent": 2000,
    "slow_head": 2000,
    "slow_body": 1000,
    "slow_reader": 1000,
    "half_closed": 200,
    "pipeliner": 50,
    "huge_head": 50,
    "huge_url": 50,
    "shapes": 50,
    "flood": 20,
}


@dataclass
class Outcome:
    """Effects of an attack: ends of its connections, memory, and scrapes meanwhile."""

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
    address: str

    def attacked(self, name: str, clients: int, seconds: float) -> Outcome:
        """Scrape while an attack of ``attacks.py`` goes on; ``quiet`` is none."""
        if name == "quiet":
            return self.besieged("sleep", str(seconds))
        return self.besieged(sys.executable, "-m", "abuse.attacks", name, self.address, str(clients), str(seconds))

    def besieged(self, *command: str) -> Outcome:
        """Scrape while a program runs, which may print in JSON how its connections ended."""
        outcome = Outcome()
        Path(f"/proc/{self.pid}/clear_refs").write_text("5")  # forgets the peak of the memory
        with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=Path(__file__).parents[1]) as program:
            while program.poll() is None:
                time.sleep(0.05)
                began = time.monotonic()
                try:
                    if b"joulo_exporter_build_info" not in get(f"http://{self.address}/metrics"):
                        outcome.failed.append("incomplete")
                except OSError as error:
                    outcome.failed.append(repr(error))
                outcome.latencies_s.append(time.monotonic() - began)
            outcome.endings = json.loads(program.stdout.read() or "{}")
        assert program.returncode == 0
        outcome.peak_mib = memory_mib(self.pid, "VmHWM")
        return outcome


@contextlib.contextmanager
def victim(folder: Path) -> Iterator[Victim]:
    """Run the exporter on its own simulated household."""
    address = f"127.0.0.1:{free_port()}"
    flags = [f"--storage.path={folder}", "--web.enable-lifecycle", f"--web.listen-address={address}"]
    with running([*EXPORTER, "demo", *flags], folder / "log") as process:
        wait_for("the exporter", lambda: get(f"http://{address}/-/healthy"))
        yield Victim(process.pid, address)


def main() -> None:
    print("| attack | clients | connections, by how they ended | memory, peak | scrapes | failed | p50 | p99 |")
    print("|---|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder, victim(Path(folder)) as attacked:
        for name, clients in [*ROUNDS.items(), ("quiet", 0)]:
            outcome = attacked.attacked(name, clients, SECONDS)
            endings = ", ".join(f"{count} {end}" for end, count in sorted(outcome.endings.items())) or "—"
            print(
                f"| {name} | {clients} | {endings} | {outcome.peak_mib:.0f} MiB "
                f"| {len(outcome.latencies_s)} | {len(outcome.failed)} "
                f"| {outcome.latency_ms(0.5):.0f} ms | {outcome.latency_ms(0.99):.0f} ms |",
                flush=True,
            )
            if outcome.failed:
                print(outcome.failed[:3], file=sys.stderr)


if __name__ == "__main__":
    main()
