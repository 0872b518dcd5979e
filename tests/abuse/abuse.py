"""Attacks a running exporter in every way that we know, and prints what it cost: ``make abuse``."""

import sys
import tempfile
from pathlib import Path

from support.victim import Outcome, victim

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


def main() -> None:
    print("| attack | clients | connections, by how they ended | memory, peak | scrapes | failed | p50 | p99 |")
    print("|---|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder, victim(Path(folder)) as attacked:
        for name, clients in ROUNDS.items():
            row(attacked.attacked(name, clients, SECONDS))
        row(attacked.attacked("quiet", 0, SECONDS))


def row(outcome: Outcome) -> None:
    endings = ", ".join(f"{count} {end}" for end, count in sorted(outcome.endings.items())) or "—"
    print(
        f"| {outcome.name} | {outcome.clients} | {endings} | {outcome.peak_mib:.0f} MiB "
        f"| {len(outcome.latencies_s)} | {len(outcome.failed)} "
        f"| {outcome.latency_ms(0.5):.0f} ms | {outcome.latency_ms(0.99):.0f} ms |"
    )
    if outcome.failed:
        print(outcome.failed[:3], file=sys.stderr)
    sys.stdout.flush()


if __name__ == "__main__":
    main()
