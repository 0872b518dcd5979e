"""An exporter with intervals of a second, started again and again on one ledger, and its counters."""

import asyncio
import contextlib
import re
from pathlib import Path

import aiohttp
from support.exposition import Samples, samples_of
from support.processes import EXPORTER, environment

INTERVAL_S = 1.0


async def started(
    folder: Path, api_url: str, port: int, program: tuple[str, ...] = EXPORTER
) -> asyncio.subprocess.Process:
    config = folder / "joulo.yml"
    config.write_text(
        f"intervals: {{chargers: {INTERVAL_S:.0f}s, sessions: {INTERVAL_S:.0f}s, energy: {INTERVAL_S:.0f}s}}\n"
        "history: {page_interval: 50ms}\n"
        "plausibility: {max_power: 5000kW}\n"  # time there is 200 times as fast
    )
    with (folder / "log").open("ab") as log:
        return await asyncio.create_subprocess_exec(
            *program,
            f"--config.file={config}", f"--storage.path={folder / 'ledger'}",
            f"--web.listen-address=127.0.0.1:{port}", "--log.level=warn",
            env=environment(api_url),
            stderr=log,
        )  # fmt: skip


class Counters:
    """The highest value of every counter of ours, and of ``joulo_total_kwh``, over all scrapes."""

    def __init__(self, session: aiohttp.ClientSession, port: int) -> None:
        self.seen: Samples = {}
        self.fallen: list[tuple[object, float, float]] = []
        """Series that fell, from what, to what."""
        self.scrapes = 0
        self._session = session
        self._url = f"http://127.0.0.1:{port}/metrics"

    async def look(self) -> Samples:
        """Scrape; return all samples, or nothing while the process does not respond yet."""
        with contextlib.suppress(aiohttp.ClientError, TimeoutError):
            async with self._session.get(self._url) as response:
                text = await response.text()
            names = {*re.findall(r"^# TYPE (joulo_\w+) counter$", text, re.MULTILINE), "joulo_total_kwh"}
            samples = samples_of(text)
            self.scrapes += 1
            for series, value in samples.items():
                if series[0] in names:
                    if value < self.seen.get(series, 0.0):
                        self.fallen.append((series, self.seen[series], value))
                    self.seen[series] = max(value, self.seen.get(series, 0.0))
            return samples
        return {}
