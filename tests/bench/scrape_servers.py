"""Servers for the measurement of scrapes: the exporter's own, and prometheus-client's.

``scrape_servers.py ours|stock ACCOUNTS CHARGERS`` prints its port. Ours takes commands on standard input, and
writes a number for each.
"""

import asyncio
import dataclasses
import gc
import sys
import time
import zlib

from prometheus_client import start_http_server
from support.fleet import fleet_snapshot
from support.web import SERVICES

from joulo_exporter.exposition import Exposition
from joulo_exporter.exposition.lines import FamilyLines
from joulo_exporter.metrics import FAMILIES, ConfigReloads, JouloCollector, process_registry
from joulo_exporter.web.app import WebPaths, make_application
from joulo_exporter.web.auth import Gate, Protection
from joulo_exporter.web.server import listening

RELOADS = ConfigReloads(successful=True, succeeded_at_seconds=0)


class Fleet:
    """Accounts with so many chargers each; a single one has no name."""

    def __init__(self, accounts: int, chargers: int) -> None:
        self.accounts, self.chargers, self.changes = accounts, chargers, 0

    def snapshot(self, account: int, generation: int = 0):
        name = None if self.accounts == 1 else f"customer-{account:05}"
        return fleet_snapshot(name, self.chargers, generation=generation)

    def snapshots(self):
        return [self.snapshot(account) for account in range(self.accounts)]

    def changed(self):
        """Return the next account that is refreshed, and its snapshot."""
        self.changes += 1
        account = self.changes % self.accounts
        return account, self.snapshot(account, 1 + self.changes // self.accounts)


class Watch:
    """The longest iteration of the event loop, in CPU of its thread: what other processes take is not ours."""

    longest_s = 0.0

    async def run(self) -> None:
        while True:
            began_s = time.thread_time()
            await asyncio.sleep(0)
            self.longest_s = max(self.longest_s, time.thread_time() - began_s)
            await asyncio.sleep(0.001)


async def ours(fleet: Fleet) -> None:
    """Serve what the exporter serves, of snapshots that no poller has made, until standard input ends."""
    exposition, watch, watching = Exposition(process_registry("0", RELOADS)), Watch(), None
    for account, snapshot in enumerate(fleet.snapshots()):
        exposition.publish(str(account), snapshot)
    gc.collect()
    services = dataclasses.replace(SERVICES, exposition=lambda: exposition)
    application = make_application(services, Gate(Protection()), WebPaths())
    async with listening(application, ["127.0.0.1:0"]) as (address,):
        print(address.rpartition(":")[2], flush=True)
        while command := (await asyncio.to_thread(sys.stdin.readline)).strip():
            figure = 0.0
            if command == "change":
                account, snapshot = fleet.changed()
                exposition.publish(str(account), snapshot)
            elif command == "watch":  # it costs CPU, so not while that is measured
                watching = asyncio.create_task(watch.run())
            elif command == "longest":
                watching.cancel()
                figure = watch.longest_s * 1000
            elif command == "render":
                figure = rendered_ms(fleet)
            print(figure, flush=True)


def rendered_ms(fleet: Fleet) -> float:
    """Return the CPU of rendering and compressing everything: of a scrape, if nothing were kept."""
    snapshots, families = fleet.snapshots(), [FamilyLines(family) for family in FAMILIES]
    began_s = time.thread_time()
    pieces = [
        [family.render(list(family.samples(each)), each.account) for family in families] for each in snapshots
    ]
    zlib.compress(b"".join(b"".join(column) for column in zip(*pieces, strict=True)), 1)
    return (time.thread_time() - began_s) * 1000


def stock(fleet: Fleet) -> None:
    """Serve the same collector as the library's documentation shows it."""
    snapshots, registry = fleet.snapshots(), process_registry("0", RELOADS)
    registry.register(JouloCollector(lambda: snapshots))
    gc.collect()
    server, _ = start_http_server(0, addr="127.0.0.1", registry=registry)
    print(server.server_port, flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    role, size = sys.argv[1], Fleet(*map(int, sys.argv[2:]))
    if role == "ours":
        asyncio.run(ours(size))
    else:
        stock(size)
