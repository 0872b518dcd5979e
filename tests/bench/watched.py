"""The exporter in a process of its own, with its CPU time, memory and event-loop iterations measured."""

import asyncio
import contextlib
import json
import logging
import os
import selectors
import sys
import time
from pathlib import Path

from joulo_exporter import logs
from joulo_exporter.cli import commands  # noqa: F401 -- the measurement is of all that the command loads
from joulo_exporter.config.schema import load_config
from joulo_exporter.service import Service, WebOptions


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


async def measured(service: Service, iterations: Iterations, phases: list[float]) -> None:
    """Run the service; print a line of figures after each phase. The last one is for the CPU alone."""
    started = asyncio.Event()
    addresses: list[str] = []
    serving = asyncio.create_task(service.run(lambda bound: (addresses.extend(bound), started.set())))
    await started.wait()
    print(json.dumps({"address": addresses[0]}), flush=True)
    for number, phase_s in enumerate(phases):
        iterations.reset()
        iterations.measuring = number < len(phases) - 1
        cpu_s, wall_s = time.process_time(), time.perf_counter()
        await asyncio.sleep(phase_s)
        figures = {
            "cpu_s": time.process_time() - cpu_s,
            "wall_s": time.perf_counter() - wall_s,
            "longest_iteration_ms": iterations.longest_s * 1000,
            "longest_iteration_cpu_ms": iterations.longest_cpu_s * 1000,
            "resident_mib": resident_mib(),
        }
        print(json.dumps(figures), flush=True)
    serving.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await serving


def main() -> None:
    """Run with a configuration file and the lengths of the phases in seconds."""
    file, *phases = sys.argv[1:]
    logs.configure("error", "logfmt", sys.stderr)
    logging.getLogger("asyncio").setLevel(logging.ERROR)
    options = WebOptions(("127.0.0.1:0",), lifecycle_enabled=False)
    service = Service(lambda: load_config(Path(file), {}), options)
    iterations = Iterations()
    with asyncio.Runner(loop_factory=lambda: asyncio.SelectorEventLoop(iterations)) as runner:
        runner.run(measured(service, iterations, [float(phase) for phase in phases]))


if __name__ == "__main__":
    main()
