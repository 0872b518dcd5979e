"""Measures the cost of refreshing many accounts, in CPU and memory; run by ``make bench``, prints a table.

The intervals are a share of the documented ones, so that a minute's work is done in seconds; what is reported is
the share of one core at the documented rate. The exporter runs in a process of its own, the API in this one.
"""

import json
import os
import tempfile
import threading
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import msgspec
from aiohttp import web
from aiohttp.test_utils import TestServer
from support.processes import EXPORTER, cpu_s, free_port, get, memory_mib, running, wait_for
from support.simulator import in_thread


@dataclass(frozen=True)
class Scene:
    """Accounts and the pace at which they are refreshed."""

    name: str
    accounts: int
    chargers: int
    haste: float
    """Factor by which it is faster than documented."""
    settling: float
    """Minutes' work until all accounts have begun."""
    minutes: float
    """Minutes' work that is measured after that."""
    sessions: int = 0
    scraped_s: float = 0.0
    """Seconds from one scrape to the next, at the documented rate; 0 for none."""


SCENES = (
    Scene("1 account, 1 charger", 1, 1, haste=60, settling=3, minutes=10),
    Scene("1,000 accounts, 10 chargers each", 1000, 10, haste=4, settling=8, minutes=10),
    Scene("the same, scraped every 15 s", 1000, 10, haste=4, settling=8, minutes=10, scraped_s=15),
    Scene("first import: 1,000 accounts, 1,000 sessions each", 1000, 1, haste=1, settling=3, minutes=1,
          sessions=1000, scraped_s=5),
)  # fmt: skip


# --- The API


NEWEST_S = 1_780_000_000
SESSION_EVERY_S = 7200
PAGE_SIZE = 100
TAG = "04A1B2C3D4E580"
CHARGING = 5
"""Every so manieth charger is charging: the power and energy of that one change with each answer."""
FIGURES = {"kwh": 143.25, "ere_credits": 47.66, "sessions": 7, "kwh_all": 161.65}
ENERGY = {
    "total_kwh": 1893.61, "total_ere_credits": 630.02, "total_sessions": 97, "total_kwh_all": 2210.9,
    "total_sessions_all": 118, "months": [FIGURES | {"month": "2026-06"}, FIGURES | {"month": "2026-05"}],
}  # fmt: skip


def moment(seconds: float) -> str:
    return datetime.fromtimestamp(int(seconds), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def charger_id(account: int, number: int) -> str:
    return f"{account:06x}{number:02x}-7b1e-4c55-9d0e-1a2b3c4d5e6f"


def charger(account: int, number: int) -> dict[str, object]:
    now, charging = time.time(), number % CHARGING == 0
    wh = int(now * 10) % 100_000 if charging else 0
    session = {
        "id": f"{account:06x}{number:02x}-1111-4a5b-8c6d-7e8f90a1b2c3", "started_at": "2026-06-18T17:42:10Z",
        "kwh_so_far": round(wh / 1000, 2), "id_tag": TAG,
    }  # fmt: skip
    return {
        "id": charger_id(account, number), "slug": f"laadpaal-{number}", "nickname": f"Laadpaal {number}",
        "connection_type": "easee", "status": "online", "mid_certified": True, "is_charging": charging,
        "current_session": session if charging else None, "latest_meter_wh": 8_123_450 + wh,
        "meter_updated_at": moment(now) if charging else "2026-06-18T18:45:00Z",
    }  # fmt: skip


def session(account: int, number: int, chargers: int) -> dict[str, object]:
    began = NEWEST_S + number * SESSION_EVERY_S
    return {
        "id": f"{account:06x}{number:06x}-4b6c-9d7e-8f90a1b2c3d4", "status": "completed", "id_tag": TAG,
        "charger_id": charger_id(account, number % chargers), "charger_nickname": "Laadpaal",
        "started_at": moment(began), "ended_at": moment(began + 3600), "kwh": number % 50 + 0.5,
        "counts_for_ere": True, "ere_credits": 13.67,
    }  # fmt: skip


class Api:
    """Accounts with many chargers each, whose tokens are ``joulo_a<number>``."""

    def __init__(self, chargers: int, sessions: int) -> None:
        self.chargers, self.sessions, self.requests = chargers, sessions, 0

    async def respond(self, request: web.Request) -> web.Response:
        self.requests += 1
        account = int(request.headers["Authorization"].rpartition("joulo_a")[2])
        content = ENERGY
        if request.path == "/chargers":
            content = {"chargers": [charger(account, number) for number in range(self.chargers)]}
        elif request.path == "/sessions":
            newest = self.sessions - int(request.query.get("offset", 0))
            page = range(newest, max(newest - PAGE_SIZE, 0), -1)
            content = {"sessions": [session(account, number, self.chargers) for number in page]}
        return web.Response(body=msgspec.json.encode(content), content_type="application/json")


# --- The measurement


def configuration(scene: Scene, folder: Path, api_url: str) -> str:
    """Return the exporter's configuration."""

    def hasty(seconds: float) -> str:
        return f"{1000 * seconds / scene.haste:.0f}ms"

    return json.dumps({
        "api": {"url": api_url},
        "intervals": {"chargers": hasty(60), "sessions": hasty(600), "energy": hasty(3600)},
        "history": {"page_interval": hasty(10)},
        "storage": {"path": str(folder / "ledger")},
        "accounts": [{"name": f"a{n}", "token": f"joulo_a{n}"} for n in range(1, scene.accounts + 1)],
    })  # fmt: skip


def row(scene: Scene) -> str:
    """Return the row of one scene."""
    minute_s, url, over = 60.0 / scene.haste, f"http://127.0.0.1:{(port := free_port())}", threading.Event()

    def scrape() -> None:
        while not over.wait(scene.scraped_s / scene.haste):
            get(f"{url}/metrics", {"Accept-Encoding": "gzip"})

    application, api = web.Application(), Api(scene.chargers, scene.sessions)
    application.router.add_get("/{endpoint}", api.respond)
    with tempfile.TemporaryDirectory() as temporary, in_thread(TestServer(application)) as server:
        folder = Path(temporary)
        file = folder / "joulo.yml"
        file.write_text(configuration(scene, folder, f"http://127.0.0.1:{server.port}"))
        command = [*EXPORTER, f"--config.file={file}", f"--web.listen-address=127.0.0.1:{port}"]
        with running([*command, "--log.level=error"], folder / "log", dict(os.environ)) as exporter:
            wait_for("the exporter", lambda: get(f"{url}/-/healthy"))
            if scene.scraped_s:
                threading.Thread(target=scrape).start()
            try:
                time.sleep(scene.settling * minute_s)
                before, before_s, began_s = api.requests, cpu_s(exporter.pid), time.perf_counter()
                time.sleep(scene.minutes * minute_s)
                spent_s, took_s = cpu_s(exporter.pid) - before_s, time.perf_counter() - began_s
                asked, resident_mib = api.requests - before, memory_mib(exporter.pid)
            finally:
                over.set()
    share, each_ms = spent_s / took_s / scene.haste, 1000 * spent_s / asked
    return f"| {scene.name} | {asked:,} | {each_ms:.2f} | {share:.2%} | {resident_mib:.1f} |"


def main() -> None:
    """Measure each scene."""
    print("| scene | requests | CPU of one, ms | of a core, at the documented rate | resident memory, MiB |")
    print("|---|--:|--:|--:|--:|")
    for scene in SCENES:
        print(row(scene), flush=True)


if __name__ == "__main__":
    main()
