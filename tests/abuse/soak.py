"""Random worlds around the real process, with an independent recount: ``make soak``, for ``SECONDS``.

Each world has its own chargers, history, lag and pace of the API. In each, at random moments while it is scraped,
the exporter is restarted or killed, put on a full disk, loses its ledger's files, its wall clock steps, or it gets
shorter pages. Then the clock is right again, time stands still in the household, and the counters must be what is
counted from its sessions; none may ever have fallen. A world that fails is named by its number, and ``FIRST=17``
begins with it.
"""

import asyncio
import contextlib
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from aiohttp import web
from support import stepped_clock
from support.processes import INTERVAL_S, Counters, exporter, free_port
from support.simulator import in_thread

from joulo_exporter.simulator import Household, Scenario, SimulatedApi, serve
from joulo_exporter.simulator.household import Json

LOOKED_AFTER_S = 11.0
"""Within this time the exporter notices a missing file, or a disk that has space again."""
PATIENCE_S = 180.0
TROUBLES = ("kill", "restart", "full disk", "deleted", "clock", "shorter pages")
CLOCK_OFFSETS_S = (-7200.0, -90.0, 0.0, 0.0, 90.0, 7200.0)
"""How wrong a wall clock is: by a minute and a half, or a hardware clock in local time; right again with 0."""
FULL_BYTES = 32 * 1024
"""Limit on a file: the log still fits."""


class LaggingHousehold(Household):
    """A household whose sessions and totals the API lists late, by ``lag_s``; its time can stand still."""

    lag_s = 0.0
    page_sessions = 100
    """Most sessions of a page, whatever limit is asked for and echoed."""
    stands_still_at: float | None = None

    def sessions_at(self, moment_seconds: float, page: slice = slice(None)) -> list[Json]:
        late = moment_seconds if self.stands_still_at else moment_seconds - self.lag_s
        return super().sessions_at(late, page)[: self.page_sessions if page.stop else None]

    def stand_still(self) -> None:
        moment = self.clock()
        self.stands_still_at = moment
        self.clock = lambda: moment

    def recount(self) -> dict[str, list[float]]:
        """Return the sums of each charger, in ascending order, since labels are the exporter's affair."""
        kwh, ended = Counter(), Counter()
        for session in self.sessions_at(self.clock()):
            kwh[session["charger_id"]] += round(session["kwh"] * 100)
            ended[session["charger_id"]] += session["ended_at"] is not None
        return {
            "joulo_total_kwh": sorted(value / 100 for value in kwh.values() if value),
            "joulo_sessions_total": sorted(float(value) for value in ended.values() if value),
        }


class World:
    """One household, one ledger, and what happens to the exporter."""

    def __init__(self, number: int, folder: Path) -> None:
        self.random = draw = random.Random(number)
        self.folder = folder
        self.port = free_port()
        self.counters = Counters(self.port)
        scenario = Scenario(
            seed=number, session_s=(draw.uniform(2, 5), 6), pause_s=(1, 3), credits_delay_s=1,
            time_lapse=20, chargers=draw.randint(1, 6), history_sessions=draw.choice((0, 1, 99, 100, 101, 700)),
        )  # fmt: skip
        self.household = LaggingHousehold(scenario)
        self.household.lag_s = draw.choice((0.0, 2.0, 10.0))
        self.slow_s = draw.choice((0.0, 0.0, 0.3, 3.0 * INTERVAL_S))
        """How long a page of sessions takes; it can be longer than the interval."""
        self.clock_offset = folder / "clock_offset"
        self.happened: Counter[str] = Counter()
        self.running = contextlib.ExitStack()

    def lived(self) -> dict[str, list[float]]:
        """Live, stand still, and return what the exporter counts in the end."""
        with in_thread(serve(self.household)) as api, self.running:
            slow_down(api, self.slow_s)
            self._start(api.url)
            for _ in range(self.random.randint(2, 5)):
                self._scraped_for(self.random.uniform(0.2, 4))
                trouble = self.random.choice(TROUBLES)
                self.happened[trouble] += 1
                self._suffer(trouble, api.url)
            self._set_clock(0.0)  # what a slow clock takes for the future is not counted
            self.household.stand_still()
            expected, found = self.household.recount(), {}
            until = time.monotonic() + PATIENCE_S
            while found != expected and time.monotonic() < until:
                time.sleep(0.3)
                samples = self.counters.look()
                found = {
                    wanted: sorted(value for (name, _), value in samples.items() if name == wanted and value)
                    for wanted in expected
                }
            return found

    def _start(self, api_url: str) -> None:
        program = (sys.executable, stepped_clock.__file__, str(self.clock_offset))
        options = {"is_ready": lambda: True, "program": program}
        started = exporter(self.folder, api_url, self.port, "--log.level=warn", **options)
        self.process: subprocess.Popen = self.running.enter_context(started)

    def _scraped_for(self, duration_s: float) -> None:
        until = time.monotonic() + duration_s
        while time.monotonic() < until:
            self.counters.look()
            time.sleep(0.1)

    def _on_disk(self) -> None:
        """Wait for the ledger to be on disk: what starts without one has it in memory until it is restarted."""
        until = time.monotonic() + PATIENCE_S
        while not self.counters.look().get(("joulo_ledger_persistent", ())):
            if time.monotonic() > until:
                raise TimeoutError("the ledger is not on disk")
            time.sleep(0.1)

    def _suffer(self, trouble: str, api_url: str) -> None:
        ends = {"kill": self.process.kill, "restart": self.process.terminate}.get(trouble)
        if trouble in ("deleted", "full disk"):
            self._on_disk()
        if trouble == "deleted":
            for path in (self.folder / "ledger").glob("ledger.sqlite3*"):
                path.unlink(missing_ok=True)
            self._scraped_for(2 * LOOKED_AFTER_S)
        elif trouble == "full disk":
            _, hard = resource.prlimit(self.process.pid, resource.RLIMIT_FSIZE)
            resource.prlimit(self.process.pid, resource.RLIMIT_FSIZE, (FULL_BYTES, hard))
            self._scraped_for(self.random.uniform(0.5, 4))
            if self.random.random() < 0.5:
                resource.prlimit(self.process.pid, resource.RLIMIT_FSIZE, (hard, hard))
                self._scraped_for(LOOKED_AFTER_S)
            else:  # while the ledger is in memory
                ends = self.process.kill
        elif trouble == "clock":
            self._set_clock(self.random.choice(CLOCK_OFFSETS_S))
        elif trouble == "shorter pages":
            self.household.page_sessions = max(20, self.household.page_sessions // 2)
        if ends:
            ends()
            self.running.close()
            self._start(api_url)

    def _set_clock(self, fast_s: float) -> None:
        written = self.clock_offset.with_suffix(".new")
        written.write_text(str(fast_s))
        written.replace(self.clock_offset)


def slow_down(api: SimulatedApi, slow_s: float) -> None:
    """Let each page of sessions take so long."""
    handle = api.handle

    async def handle_slowly(request: web.Request) -> web.StreamResponse:
        if request.path.endswith("/sessions"):
            await asyncio.sleep(slow_s)
        return await handle(request)

    api.handle = handle_slowly


def main() -> None:
    number, until = int(os.environ.get("FIRST", "1")), time.monotonic() + float(os.environ.get("SECONDS", "3600"))
    worlds, happened, scrapes = 0, Counter(), 0
    while time.monotonic() < until:
        with tempfile.TemporaryDirectory() as folder:
            world = World(number, Path(folder))
            found, expected, fallen = world.lived(), world.household.recount(), world.counters.fallen
            log = (Path(folder) / "exporter.log").read_text()
            if found != expected or fallen or "Traceback" in log:
                sys.exit(f"world {number}: counted {found}, not {expected}; fallen {fallen}\n{log}")
        worlds, number, happened = worlds + 1, number + 1, happened + world.happened
        scrapes += world.counters.scrapes
        print(f"{worlds} worlds, {scrapes} scrapes, {dict(sorted(happened.items()))}", flush=True)


if __name__ == "__main__":
    main()
