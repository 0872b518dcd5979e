"""Processes for the measurement of scrapes: the exporter's web server, prometheus-client's, and a full rendering.

python scrape_servers.py ours ACCOUNTS CHARGERS    takes commands on standard input, writes results to its output
python scrape_servers.py stock ACCOUNTS CHARGERS
python scrape_servers.py naive ACCOUNTS CHARGERS   prints the CPU of rendering everything, in seconds
"""

import asyncio
import dataclasses
import gc
import sys
import time
import zlib
from pathlib import Path

from prometheus_client import start_http_server
from support.fleet import fleet_snapshot
from support.web import SERVICES

from joulo_exporter.exposition import Exposition
from joulo_exporter.exposition.lines import FamilyLines
from joulo_exporter.metrics import FAMILIES, ConfigReloads, JouloCollector, process_registry
from joulo_exporter.web.app import WebPaths, make_application
from joulo_exporter.web.auth import Gate, Protection
from joulo_exporter.web.server import listening


def name_of(account: int, accounts: int) -> str | None:
    """Return the name of an account; a single one has none."""
    return None if accounts == 1 else f"customer-{account:05}"


def resident_mib() -> float:
    """Return the resident memory of this process."""
    fields = Path("/proc/self/status").read_text().split("VmRSS:")[1].split()
    return int(fields[0]) / 1024


class Ours:
    """The exporter's web server and exposition, with snapshots from the fleet instead of pollers."""

    def __init__(self, accounts: int, chargers: int) -> None:
        self._accounts, self._chargers = accounts, chargers
        self._exposition = Exposition(
            process_registry("0", ConfigReloads(successful=True, succeeded_at_seconds=0))
        )
        self._generation = self._changed = 0
        self._longest_iteration_s = 0.0
        self._watch: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Serve until standard input ends."""
        for account in range(self._accounts):
            self._publish(account)
        gc.collect()
        services = dataclasses.replace(SERVICES, exposition=lambda: self._exposition)
        async with listening(make_application(services, Gate(Protection()), WebPaths()), ["127.0.0.1:0"]) as (
            address,
        ):
            print(address.rpartition(":")[2], resident_mib(), flush=True)
            while command := await asyncio.to_thread(sys.stdin.readline):
                print(self._obey(*command.split()), flush=True)

    def _obey(self, command: str, argument: str = "0") -> float:
        if command == "change":  # so many accounts, the next ones each time
            for _ in range(int(argument)):
                self._changed += 1
                self._generation = 1 + self._changed // self._accounts
                self._publish(self._changed % self._accounts)
            return 0
        if command == "memory":
            return resident_mib()
        if command == "watch":  # it costs CPU, so not while that is measured
            self._longest_iteration_s = 0.0
            self._watch = asyncio.create_task(self._watch_iterations())
        elif self._watch is not None:
            self._watch.cancel()
        return self._longest_iteration_s * 1000

    def _publish(self, account: int) -> None:
        name = name_of(account, self._accounts)
        self._exposition.publish(str(account), fleet_snapshot(name, self._chargers, generation=self._generation))

    async def _watch_iterations(self) -> None:
        while True:
            began_s = time.thread_time()  # of this thread: what other processes take is not ours
            await asyncio.sleep(0)
            self._longest_iteration_s = max(self._longest_iteration_s, time.thread_time() - began_s)
            await asyncio.sleep(0.001)


def stock(accounts: int, chargers: int) -> None:
    """Serve the same collector as the library's documentation shows it."""
    snapshots = [fleet_snapshot(name_of(account, accounts), chargers) for account in range(accounts)]
    registry = process_registry("0", ConfigReloads(successful=True, succeeded_at_seconds=0))
    registry.register(JouloCollector(lambda: snapshots))
    gc.collect()
    server, _ = start_http_server(0, addr="127.0.0.1", registry=registry)
    print(server.server_port, resident_mib(), flush=True)
    sys.stdin.read()


def naive(accounts: int, chargers: int) -> None:
    """Print the CPU of rendering and compressing everything: of a scrape, if nothing were kept."""
    snapshots = [fleet_snapshot(name_of(account, accounts), chargers) for account in range(accounts)]
    families = [FamilyLines(family) for family in FAMILIES]
    began_s = time.process_time()
    pieces = [[family.render(each) for family in families] for each in snapshots]
    zlib.compress(b"".join(b"".join(column) for column in zip(*pieces, strict=True)), 1)
    print(time.process_time() - began_s)


if __name__ == "__main__":
    role, size = sys.argv[1], (int(sys.argv[2]), int(sys.argv[3]))
    if role == "ours":
        asyncio.run(Ours(*size).run())
    else:
        {"stock": stock, "naive": naive}[role](*size)
