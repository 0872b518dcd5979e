"""The exporter in a process of its own, with its CPU time, memory and event-loop iterations measured."""

from __future__ import annotations

import asyncio
import contextlib
import cProfile
import json
import logging
import os
import selectors
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from joulo_exporter import logs
from joulo_exporter.cli import commands  # noqa: F401 -- the measurement is of all that the command loads
from joulo_exporter.config import load_config
from joulo_exporter.exposition import Exposition
from joulo_exporter.service import Service, WebOptions

if TYPE_CHECKING:
    from collections.abc import Generator

    from joulo_exporter.exposition import Body


def resident_mib() -> float:
    """Return the resident memory of this process."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


class Iterations(selectors.DefaultSelector):
    """Measures the iterations of an event loop: from a look at its sockets and timers to the next one.

    By the clock, which counts what other processes take meanwhile too, and in CPU time of the loop's thread.
    """

    def __init__(self) -> None:
        super().__init__()
        self.measuring = True
        """Whether this is worth the CPU that it takes."""
        self.reset()

    def reset(self) -> None:
        """Begin anew."""
        self.longest_s = self.longest_cpu_s = 0.0
        self._begin()

    def _begin(self) -> None:
        self._began_at_s, self._cpu_s = time.perf_counter(), time.thread_time()

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Look, and wait."""
        if not self.measuring:
            return super().select(timeout)
        self.longest_s = max(self.longest_s, time.perf_counter() - self._began_at_s)
        self.longest_cpu_s = max(self.longest_cpu_s, time.thread_time() - self._cpu_s)
        try:
            return super().select(timeout)
        finally:
            self._begin()


class Renderings:
    """Counts the CPU time of rendering, compressing and joining for scrapes."""

    def __init__(self) -> None:
        self.measuring = True
        """Whether this is worth the CPU that it takes."""
        self.cpu_s = 0.0
        self._steps = Exposition._steps
        Exposition._steps = lambda *arguments, **options: self._measured(self._steps(*arguments, **options))

    def _measured(self, steps: Generator[None, None, Body]) -> Generator[None, None, Body]:
        if not self.measuring:
            return (yield from steps)
        while True:
            began_s = time.thread_time()
            try:
                next(steps)
            except StopIteration as end:
                return end.value
            finally:
                self.cpu_s += time.thread_time() - began_s
            yield


async def measured(service: Service, iterations: Iterations, phases: list[float]) -> None:
    """Run the service; print a line of figures after each phase. The last one is for the CPU alone."""
    renderings = Renderings()
    started = asyncio.Event()
    addresses: list[str] = []
    serving = asyncio.create_task(service.run(lambda bound: (addresses.extend(bound), started.set())))
    await started.wait()
    print(json.dumps({"address": addresses[0]}), flush=True)
    profile = cProfile.Profile() if "PROFILE" in os.environ else None
    for number, phase_s in enumerate(phases):
        iterations.reset()
        iterations.measuring = renderings.measuring = number < len(phases) - 1
        renderings.cpu_s = 0.0
        cpu_s, wall_s, main_s = time.process_time(), time.perf_counter(), time.thread_time()
        if profile and number == len(phases) - 1:
            profile.enable()
        await asyncio.sleep(phase_s)
        figures = {
            "cpu_s": time.process_time() - cpu_s,
            "loop_cpu_s": time.thread_time() - main_s,
            "render_cpu_s": renderings.cpu_s,
            "wall_s": time.perf_counter() - wall_s,
            "longest_iteration_ms": iterations.longest_s * 1000,
            "longest_iteration_cpu_ms": iterations.longest_cpu_s * 1000,
            "resident_mib": resident_mib(),
        }
        print(json.dumps(figures), flush=True)
    if profile:
        profile.disable()
        profile.dump_stats(os.environ["PROFILE"])
    serving.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await serving


def main() -> None:
    """Run with a configuration file and the lengths of the phases in seconds."""
    file, *phases = sys.argv[1:]
    logs.configure("error", "logfmt", sys.stderr)
    logging.getLogger("asyncio").setLevel(logging.ERROR)
    options = WebOptions(("127.0.0.1:0",), "/metrics", lifecycle_enabled=False)
    service = Service(lambda: load_config(Path(file), {}), options)
    iterations = Iterations()
    with asyncio.Runner(loop_factory=lambda: asyncio.SelectorEventLoop(iterations)) as runner:
        runner.run(measured(service, iterations, [float(phase) for phase in phases]))


if __name__ == "__main__":
    main()
