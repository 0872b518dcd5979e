"""CPU of a scrape, against a file that nginx serves and against prometheus-client's own server.

    PYTHONPATH=tests python tests/bench/scrape.py [--quick]

CPU is that of the serving process, for one request after the other on one connection. All servers run at once
and are asked alternately, so that a busy machine is one for all. Needs nginx with gzip_static (nginx-light).
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

SIZES = ((1, 1), (100, 1), (1_000, 1), (10_000, 1), (1_000, 10))
QUICK_SIZES = ((1, 1), (100, 1))
SERVERS = Path(__file__).with_name("scrape_servers.py")
OPENMETRICS = {"Accept": "application/openmetrics-text; version=1.0.0"}
STOCK_ONCE_FROM = 1_000  # chargers: a scrape of so many takes the library seconds
GZIP = {"Accept-Encoding": "gzip"}
NGINX = """
daemon off; master_process off; pid {folder}/pid; error_log stderr; events {{}}
http {{
  access_log off; sendfile on; tcp_nopush on; gzip_static on; default_type text/plain; keepalive_requests 1000000;
  client_body_temp_path {folder}; proxy_temp_path {folder}; fastcgi_temp_path {folder};
  uwsgi_temp_path {folder}; scgi_temp_path {folder};
  server {{ listen 127.0.0.1:{port}; root {folder}/files; }}
}}
"""


class Server:
    """A process that serves, and a connection to it."""

    def __init__(self, process: subprocess.Popen, port: int) -> None:
        self.process = process
        self.resident_mib = 0.0
        self._connection = http.client.HTTPConnection("127.0.0.1", port)

    def get(self, headers: dict[str, str]) -> bytes:
        """Ask for the metrics; return the body."""
        self._connection.request("GET", "/metrics", headers=headers)
        with self._connection.getresponse() as response:
            assert response.status == 200, response.status
            return response.read()

    def cpu_s(self) -> float:
        """Return the CPU that the process has used; to the nanosecond, if no thread of it has ended."""
        folder = Path(f"/proc/{self.process.pid}")
        if self.process.args[-3] == "stock":
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
            return (int(fields[11]) + int(fields[12])) / 100
        return sum(int(task.read_text().split()[0]) for task in folder.glob("task/*/schedstat")) / 1e9

    def command(self, text: str) -> float:
        """Give our own server a command."""
        self.process.stdin.write(text + "\n")
        self.process.stdin.flush()
        return float(self.process.stdout.readline())

    def close(self) -> None:
        self._connection.close()


@contextlib.contextmanager
def serving(role: str, accounts: int, chargers: int) -> Iterator[Server]:
    """Run one of our own servers."""
    command = [sys.executable, str(SERVERS), role, str(accounts), str(chargers)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        port, resident = process.stdout.readline().split()
        server = Server(process, int(port))
        server.resident_mib = float(resident)
        yield server
        server.close()
        process.stdin.close()


@contextlib.contextmanager
def nginx(files: dict[str, bytes]) -> Iterator[Server]:
    """Run nginx with these files."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        folder.chmod(0o755)
        (folder / "files").mkdir()
        for name, content in files.items():
            (folder / "files" / name).write_bytes(content)
        (folder / "nginx.conf").write_text(NGINX.format(folder=folder, port=port))
        with subprocess.Popen(["nginx", "-p", temporary, "-c", str(folder / "nginx.conf")]) as process:
            server = Server(process, port)
            for _ in range(100):
                with contextlib.suppress(ConnectionRefusedError):
                    server.get({})
                    break
                server.close()  # with the request that it could not send
                time.sleep(0.05)
            yield server
            server.close()
            process.terminate()


class Cost(NamedTuple):
    """CPU of a request in ms, as several rounds show it."""

    median: float
    least: float
    most: float

    @classmethod
    def of(cls, seconds: list[float]) -> Cost:
        """Return the cost that these rounds show."""
        return cls(*(figure * 1000 for figure in (statistics.median(seconds), min(seconds), max(seconds))))

    def __str__(self) -> str:
        return f"{self.median:.3g} ({self.least:.3g} to {self.most:.3g})"


def cpu_of(server: Server, headers: dict[str, str], requests: int, change: int = 0) -> float:
    """Return the CPU of one request, in seconds; before each of them so many accounts change."""
    spent_s, together = 0.0, 1 if change else requests
    for _ in range(0, requests, together):
        if change:
            server.command(f"change {change}")
            time.sleep(0.01)  # until the server waits for the next command, which is not part of the scrape
        before_s = server.cpu_s()
        for _ in range(together):
            server.get(headers)
        spent_s += server.cpu_s() - before_s
    return spent_s / requests


def rows(accounts: int, chargers: int, rounds: int) -> Iterator[str]:
    """Measure one size; yield lines of the tables."""
    requests = max(20, min(300, 20_000 // (accounts * chargers)))
    stock_requests = max(1, requests // (accounts * chargers))
    with contextlib.ExitStack() as stack:
        ours = stack.enter_context(serving("ours", accounts, chargers))
        ours.command("watch")
        began_s = time.perf_counter()
        packed = ours.get(GZIP)
        cold_s = time.perf_counter() - began_s
        cold_iteration_ms, memory_mib = ours.command("longest"), ours.command("memory")
        plain = ours.get({})
        if zlib.decompress(packed, zlib.MAX_WBITS | 16).count(b"\n") != plain.count(b"\n"):
            raise SystemExit("the two encodings are not the same lines")
        stock = stack.enter_context(serving("stock", accounts, chargers))
        still = stack.enter_context(nginx({"metrics": plain, "metrics.gz": packed}))
        size = f"{accounts:,} of {chargers}"
        for name, headers in (("gzip", GZIP), ("plain", {}), ("OpenMetrics, gzip", OPENMETRICS | GZIP)):
            costs: dict[Server, list[float]] = {ours: [], still: [], stock: []}
            for number in range(rounds):
                costs[ours].append(cpu_of(ours, headers, requests))
                costs[still].append(cpu_of(still, headers, requests))
                if number == 0 or accounts * chargers < STOCK_ONCE_FROM:
                    costs[stock].append(cpu_of(stock, headers, stock_requests))
            own, file, library = (Cost.of(costs[server]) for server in (ours, still, stock))
            yield (
                f"| {size} | {name} | {own} | {file} | {library} "
                f"| {own.median / file.median:.2f} | {own.median / library.median:.5f} |"
            )
        yield from _changes(size, ours, (accounts, chargers), rounds)
        yield (
            f"* {size}: first scrape {cold_s:.1f} s, longest event-loop iteration {cold_iteration_ms:.0f} ms;"
            f" resident {ours.resident_mib:.0f} MiB with the snapshots, {memory_mib:.0f} MiB after it;"
            f" {len(plain):,} bytes, gzipped {len(packed):,}"
        )


def _changes(size: str, ours: Server, fleet: tuple[int, int], rounds: int) -> Iterator[str]:
    """Yield the CPU of a scrape after changes."""
    command = [sys.executable, str(SERVERS), "naive", *map(str, fleet)]
    naive_s = float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    for change in sorted({1, max(1, fleet[0] // 4)}):
        cost = Cost.of([cpu_of(ours, GZIP, 5 if change == 1 else 1, change) for _ in range(rounds)])
        ours.command(f"change {change}")
        ours.command("watch")
        ours.get(GZIP)
        yield (
            f"* {size}: {change:,} changed, then a gzip scrape: {cost} ms of CPU;"
            f" rendering everything: {naive_s * 1000:,.0f} ms; ratio {cost.median / 1000 / naive_s:.4f};"
            f" longest event-loop iteration {ours.command('longest'):.0f} ms"
        )


def main() -> None:
    """Measure every size."""
    parser = argparse.ArgumentParser(description="what a scrape costs")
    parser.add_argument("--quick", action="store_true", help="small sizes only, fewer rounds")
    options = parser.parse_args()
    notes = []
    print("CPU of a scrape in ms, median (least to most); accounts of so many chargers each\n")
    print("| accounts | answer | exporter | nginx, a file | prometheus-client | to nginx | to prometheus-client |")
    print("|--:|---|--:|--:|--:|--:|--:|")
    for size in QUICK_SIZES if options.quick else SIZES:
        for line in rows(*size, rounds=3 if options.quick else 5 if size[0] >= STOCK_ONCE_FROM else 11):
            if line.startswith("|"):
                print(line, flush=True)
            else:
                notes.append(line)
    print("", *notes, sep="\n")


if __name__ == "__main__":
    main()
