"""Random worlds around the real process, with an independent recount: ``make soak``, for ``SECONDS``.

Each world has its own chargers, history and lag of the API. In each the exporter is restarted, killed, put on a
full disk, or loses its ledger's files, at random moments, while it is scraped. Then time stands still in the
household, and the counters must be what is counted from its sessions; none may ever have fallen. A world that
fails is named by its number: ``FIRST=17`` begins with it.
"""

from __future__ import annotations

import asyncio
import os
import random
import resource
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import aiohttp
from support.processes import free_port
from support.restarts import Counters, started

from joulo_exporter.simulator import Cadence, Household, Scenario, serve

if TYPE_CHECKING:
    from joulo_exporter.models.session import Session

LOOKED_AFTER_S = 11.0
"""Within this time the exporter notices a missing file, or a disk that has space again."""
PATIENCE_S = 60.0
FULL_BYTES = 32 * 1024
"""Limit on a file: the log still fits."""


class LaggingHousehold(Household):
    """A household whose sessions the API lists late, by ``lag_s``; its time can stand still."""

    lag_s = 0.0
    stands_still_at: float | None = None

    def sessions_at(self, moment_seconds: float, *args, **kwargs) -> list[Session]:
        late = moment_seconds if self.stands_still_at else moment_seconds - self.lag_s
        return super().sessions_at(late, *args, **kwargs)

    def stand_still(self) -> None:
        moment = self.clock()
        self.stands_still_at = moment
        self.clock = lambda: moment

    def recount(self) -> dict[str, list[float]]:
        """Return the sums of each charger, in ascending order, since labels are the exporter's affair."""
        kwh, ended = Counter(), Counter()
        for session in self.sessions_at(self.clock()):
            kwh[session.charger_id] += session.kwh_hundredths or 0
            ended[session.charger_id] += session.ended_at_seconds is not None
        return {
            "joulo_total_kwh": sorted(value / 100 for value in kwh.values()),
            "joulo_sessions_total": sorted(map(float, ended.values())),
        }


class World:
    """One household, one ledger, and what happens to the exporter."""

    def __init__(self, number: int, folder: Path, counters: Counters, port: int) -> None:
        self.random = random.Random(number)
        self.folder = folder
        self.counters = counters
        self.port = port
        draw = self.random
        self.household = LaggingHousehold(
            Scenario(
                seed=number,
                chargers=draw.randint(1, 6),
                history_sessions=draw.choice((0, 1, 99, 100, 101, 700)),
                cadence=Cadence(
                    session_s=(draw.uniform(2, 5), 6), pause_s=(1, 3), credits_delay_s=1, sync_s=1, time_lapse=20
                ),
            )
        )
        self.household.lag_s = draw.choice((0.0, 2.0, 10.0))
        self.happened: Counter[str] = Counter()

    async def lived(self, api_url: str) -> dict[str, list[float]]:
        """Live, stand still, and return what the exporter counts in the end."""
        process = await started(self.folder, api_url, self.port)
        try:
            for _ in range(self.random.randint(2, 5)):
                await self._scraped_for(self.random.uniform(0.2, 4))
                trouble = self.random.choice(("kill", "restart", "full disk", "deleted"))
                self.happened[trouble] += 1
                process = await self._suffered(trouble, process, api_url)
            self.household.stand_still()
            expected, found = self.household.recount(), {}
            until = time.monotonic() + PATIENCE_S
            while found != expected and time.monotonic() < until:
                await asyncio.sleep(0.3)
                samples = await self.counters.look()
                found = {
                    wanted: sorted(value for (name, _), value in samples.items() if name == wanted and value)
                    for wanted in expected
                }
                expected = {name: [value for value in values if value] for name, values in expected.items()}
            return found
        finally:
            process.terminate()
            await process.wait()

    async def _scraped_for(self, duration_s: float) -> None:
        until = time.monotonic() + duration_s
        while time.monotonic() < until:
            await self.counters.look()
            await asyncio.sleep(0.1)

    async def _on_disk(self) -> None:
        while not any(
            value for (name, _), value in (await self.counters.look()).items() if name == "joulo_ledger_persistent"
        ):
            await self._scraped_for(0.1)

    async def _suffered(
        self, trouble: str, process: asyncio.subprocess.Process, api_url: str
    ) -> asyncio.subprocess.Process:
        if trouble == "deleted":
            for path in (self.folder / "ledger").glob("ledger.sqlite3*"):
                path.unlink(missing_ok=True)
            await self._scraped_for(2 * LOOKED_AFTER_S)
        elif trouble == "full disk":
            await self._on_disk()  # what starts on a full disk has its ledger in memory, and says so
            _, hard = resource.prlimit(process.pid, resource.RLIMIT_FSIZE)
            resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (FULL_BYTES, hard))
            await self._scraped_for(self.random.uniform(0.5, 4))
            if self.random.random() < 0.5:  # else a kill may come while the ledger is in memory
                resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (hard, hard))
                await self._scraped_for(LOOKED_AFTER_S)
        if trouble in ("kill", "restart") or resource.prlimit(process.pid, resource.RLIMIT_FSIZE)[0] == FULL_BYTES:
            process.terminate() if trouble == "restart" else process.kill()
            await process.wait()
            return await started(self.folder, api_url, self.port)
        return process


async def main() -> None:
    number, until = int(os.environ.get("FIRST", "1")), time.monotonic() + float(os.environ.get("SECONDS", "3600"))
    worlds, happened, scrapes = 0, Counter(), 0
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5)) as session:
        while time.monotonic() < until:
            with tempfile.TemporaryDirectory() as folder:
                port = free_port()
                counters = Counters(session, port)
                world = World(number, Path(folder), counters, port)
                async with serve(world.household) as api:
                    found = await world.lived(api.url)
                expected = world.household.recount()
                expected = {name: [value for value in values if value] for name, values in expected.items()}
                log = (Path(folder) / "log").read_text()
                if found != expected or counters.fallen or "Traceback" in log:
                    sys.exit(f"world {number}: counted {found}, not {expected}; fallen {counters.fallen}\n{log}")
            worlds, number, happened = worlds + 1, number + 1, happened + world.happened
            scrapes += counters.scrapes
            print(f"{worlds} worlds, {scrapes} scrapes, {dict(sorted(happened.items()))}", flush=True)


if __name__ == "__main__":
    asyncio.run(main())
