"""CPU of a scrape, against a file that nginx serves and against prometheus-client's own server; by ``make bench``.

CPU is that of the serving process, for one request after the other on one connection. All servers run at once
and are asked alternately, so that a busy machine is one for all. Needs nginx with gzip_static (nginx-light).
"""

import contextlib
import http.client
import statistics
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Iterator
from pathlib import Path

from support.processes import cpu_s, free_port, get, memory_mib, running, wait_for

SIZES = ((1, 1), (10_000, 1), (1_000, 10))
ROUNDS = 5
SERVERS = Path(__file__).with_name("scrape_servers.py")
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
def serving(role: str, accounts: int, chargers: int) -> Iterator[Server]:
    """Run one of our own servers."""
    command = [sys.executable, str(SERVERS), role, str(accounts), str(chargers)]
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
        ours, stock = (stack.enter_context(serving(role, accounts, chargers)) for role in ("ours", "stock"))
        before_mib = memory_mib(ours.process.pid)
        ours.command("watch")
        began_s = time.perf_counter()
        packed = ours.get(GZIP)
        cold_s = time.perf_counter() - began_s
        iteration_ms, after_mib = ours.command("longest"), memory_mib(ours.process.pid)
        plain = ours.get({})
        if zlib.decompress(packed, zlib.MAX_WBITS | 16).count(b"\n") != plain.count(b"\n"):
            raise SystemExit("the two encodings are not the same lines")
        still = stack.enter_context(nginx(plain, packed))
        for name, headers in (("gzip", GZIP), ("plain", {})):
            asked = ((ours, requests), (still, requests), (stock, max(1, requests // (accounts * chargers))))
            rounds = [[server.cpu_ms(headers, count) for server, count in asked] for _ in range(ROUNDS)]
            own_ms, file_ms, library_ms = map(statistics.median, zip(*rounds, strict=True))
            yield (
                f"| {size} | {name} | {own_ms:.3g} | {file_ms:.3g} | {library_ms:.3g} "
                f"| {own_ms / file_ms:.2f} | {own_ms / library_ms:.5f} |"
            )
        changed = []
        for _ in range(5 * ROUNDS):
            ours.command("change")
            time.sleep(0.01)  # until the server waits for the next command, which is not part of the scrape
            changed.append(ours.cpu_ms(GZIP))
        changed_ms, all_ms = statistics.median(changed), ours.command("render")
        yield (
            f"* {size}: after one change {changed_ms:.3g} ms, {changed_ms / all_ms:.4f} of rendering everything;"
            f" first scrape {cold_s:.1f} s, longest event-loop iteration {iteration_ms:.0f} ms; resident"
            f" {before_mib:.0f} MiB with the snapshots, {after_mib:.0f} MiB after it; {len(plain):,} bytes,"
            f" gzipped {len(packed):,}"
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
    main()
