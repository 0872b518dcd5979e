"""CPU of a scrape, against a file that nginx serves and against prometheus-client's own server; by ``make bench``.

CPU is that of the serving process, for one request after the other on one connection. All servers run at once
and are asked alternately, so that a busy machine is one for all. Needs nginx with gzip_static (nginx-light).
The other two are this program itself, as ``scrape.py ours|stock ACCOUNTS CHARGERS``, which prints its port.
"""

import asyncio
import contextlib
import gc
import http.client
import itertools
import statistics
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Iterator
from pathlib import Path

from prometheus_client import start_http_server
from support.fleet import fleet_snapshot
from support.processes import cpu_s, free_port, get, running, wait_for
from support.web import serving

from joulo_exporter.exposition import Exposition
from joulo_exporter.exposition.lines import FamilyLines
from joulo_exporter.metrics import FAMILIES, ConfigReloads, JouloCollector, process_registry
from joulo_exporter.snapshot import Snapshot

SIZES = ((1, 1), (10_000, 1), (1_000, 10))
ROUNDS = 5
GZIP = {"Accept-Encoding": "gzip"}
RELOADS = ConfigReloads(successful=True, succeeded_at_seconds=0)
NGINX = """
daemon off; master_process off; pid {folder}/pid; error_log stderr; events {{}}
http {{
  access_log off; sendfile on; tcp_nopush on; gzip_static on; default_type text/plain; keepalive_requests 1000000;
  client_body_temp_path {folder}; proxy_temp_path {folder}; fastcgi_temp_path {folder};
  uwsgi_temp_path {folder}; scgi_temp_path {folder};
  server {{ listen 127.0.0.1:{port}; root {folder}/files; }}
}}
"""


# --- The servers


def snapshots(accounts: int, chargers: int, generation: int = 0) -> Iterator[Snapshot]:
    """Yield accounts with so many chargers, refreshed so often; a single one has no name."""
    for account in range(accounts):
        name = None if accounts == 1 else f"customer-{account:05}"
        yield fleet_snapshot(name, chargers, generation=generation)


def changes(accounts: int, chargers: int) -> Iterator[tuple[str, Snapshot]]:
    """Yield an account that is refreshed, and its snapshot, for ever."""
    for generation in itertools.count(1):
        for account, snapshot in enumerate(snapshots(accounts, chargers, generation)):
            yield str(account), snapshot


async def longest_iteration_ms(end: asyncio.Event) -> float:
    """Return the longest iteration of the event loop, in CPU of its thread, to leave other processes out."""
    longest_s = 0.0
    while not end.is_set():
        began_s = time.thread_time()
        await asyncio.sleep(0)
        longest_s = max(longest_s, time.thread_time() - began_s)
        await asyncio.sleep(0.001)
    return longest_s * 1000


async def ours(accounts: int, chargers: int) -> None:
    """Serve what the exporter serves, of snapshots that no poller has made, until standard input ends.

    Each line there is a command, to which a number is written.
    """
    exposition, changed = Exposition(process_registry("0", RELOADS)), changes(accounts, chargers)
    for account, snapshot in enumerate(snapshots(accounts, chargers)):
        exposition.publish(str(account), snapshot)
    gc.collect()
    async with serving(exposition=lambda: exposition) as address:
        print(address.rpartition(":")[2], flush=True)
        end = asyncio.Event()
        watch = asyncio.create_task(longest_iteration_ms(end))
        while command := (await asyncio.to_thread(sys.stdin.readline)).strip():
            figure = 0.0
            if command == "longest":  # and no more from now on: it costs CPU
                end.set()
                figure = await watch
            elif command == "change":
                exposition.publish(*next(changed))
            elif command == "render":
                figure = rendered_ms(accounts, chargers)
            print(figure, flush=True)


def rendered_ms(accounts: int, chargers: int) -> float:
    """Return the CPU of rendering and compressing everything: of a scrape, if nothing were kept."""
    every, families = list(snapshots(accounts, chargers)), [FamilyLines(family) for family in FAMILIES]
    began_s = time.thread_time()
    pieces = [[family.render(list(family.samples(each)), each.account) for family in families] for each in every]
    zlib.compress(b"".join(b"".join(column) for column in zip(*pieces, strict=True)), 1)
    return (time.thread_time() - began_s) * 1000


async def stock(accounts: int, chargers: int) -> None:
    """Serve the same collector as the library's documentation shows it."""
    every, registry = list(snapshots(accounts, chargers)), process_registry("0", RELOADS)
    registry.register(JouloCollector(lambda: every))
    gc.collect()
    server, _ = start_http_server(0, addr="127.0.0.1", registry=registry)
    print(server.server_port, flush=True)
    await asyncio.to_thread(sys.stdin.read)


# --- The measurement


class Server:
    """A process that serves, and a connection to it."""

    def __init__(self, process: subprocess.Popen, port: int) -> None:
        self.process = process
        self._connection = http.client.HTTPConnection("127.0.0.1", port)

    def get(self, headers: dict[str, str]) -> bytes:
        """Ask for the metrics; return the body."""
        self._connection.request("GET", "/metrics", headers=headers)
        with self._connection.getresponse() as response:
            assert response.status == 200, response.status
            return response.read()

    def cpu_ms(self, headers: dict[str, str], requests: int = 1) -> float:
        """Return the CPU of one request, of so many."""
        before_s = cpu_s(self.process.pid)
        for _ in range(requests):
            self.get(headers)
        return 1000 * (cpu_s(self.process.pid) - before_s) / requests

    def command(self, text: str) -> float:
        """Give our own server a command."""
        self.process.stdin.write(text + "\n")
        self.process.stdin.flush()
        return float(self.process.stdout.readline())


@contextlib.contextmanager
def program(role: str, accounts: int, chargers: int) -> Iterator[Server]:
    """Run one of our own servers."""
    command = [sys.executable, __file__, role, str(accounts), str(chargers)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield Server(process, int(process.stdout.readline()))
        process.stdin.close()


@contextlib.contextmanager
def nginx(plain: bytes, packed: bytes) -> Iterator[Server]:
    """Run nginx with these bytes as files."""
    with tempfile.TemporaryDirectory() as temporary:
        folder, port = Path(temporary), free_port()
        folder.chmod(0o755)
        (folder / "files").mkdir()
        (folder / "files/metrics").write_bytes(plain)
        (folder / "files/metrics.gz").write_bytes(packed)
        (folder / "nginx.conf").write_text(NGINX.format(folder=folder, port=port))
        with running(["nginx", "-p", temporary, "-c", str(folder / "nginx.conf")], folder / "log") as process:
            wait_for("nginx", lambda: get(f"http://127.0.0.1:{port}/metrics"))
            yield Server(process, port)


def measure(accounts: int, chargers: int) -> Iterator[str]:
    """Measure one size; yield rows of the table and, behind them, a note."""
    size, requests = f"{accounts:,} of {chargers}", max(20, min(300, 20_000 // (accounts * chargers)))
    with contextlib.ExitStack() as stack:
        own, library = (stack.enter_context(program(role, accounts, chargers)) for role in ("ours", "stock"))
        first_ms, packed = own.cpu_ms(GZIP), own.get(GZIP)
        iteration_ms, plain = own.command("longest"), own.get({})
        if zlib.decompress(packed, zlib.MAX_WBITS | 16).count(b"\n") != plain.count(b"\n"):
            raise SystemExit("the two encodings are not the same lines")
        file = stack.enter_context(nginx(plain, packed))
        for name, headers in (("gzip", GZIP), ("plain", {})):
            asked = ((own, requests), (file, requests), (library, max(1, requests // (accounts * chargers))))
            rounds = [[server.cpu_ms(headers, count) for server, count in asked] for _ in range(ROUNDS)]
            own_ms, file_ms, library_ms = map(statistics.median, zip(*rounds, strict=True))
            yield (
                f"| {size} | {name} | {own_ms:.3g} | {file_ms:.3g} | {library_ms:.3g} "
                f"| {own_ms / file_ms:.2f} | {own_ms / library_ms:.5f} |"
            )
        changed = []
        for _ in range(5 * ROUNDS):
            own.command("change")
            time.sleep(0.01)  # until the server waits for the next command, which is not part of the scrape
            changed.append(own.cpu_ms(GZIP))
        changed_ms, all_ms = statistics.median(changed), own.command("render")
        yield (
            f"* {size}: after one change {changed_ms:.3g} ms, {changed_ms / all_ms:.4f} of rendering everything;"
            f" first scrape {first_ms / 1000:.1f} s of CPU, longest event-loop iteration {iteration_ms:.1f} ms;"
            f" {len(plain):,} bytes, gzipped {len(packed):,}"
        )


def main() -> None:
    """Measure every size."""
    notes = []
    print("CPU of a scrape in ms, median; accounts of so many chargers each\n")
    print("| accounts | answer | exporter | nginx, a file | prometheus-client | to nginx | to prometheus-client |")
    print("|--:|---|--:|--:|--:|--:|--:|")
    for size in SIZES:
        *table, note = measure(*size)
        notes.append(note)
        print(*table, sep="\n", flush=True)
    print("", *notes, sep="\n")


if __name__ == "__main__":
    if len(sys.argv) == 1:
        main()
    else:
        serve = {"ours": ours, "stock": stock}[sys.argv[1]]
        asyncio.run(serve(*map(int, sys.argv[2:])))
