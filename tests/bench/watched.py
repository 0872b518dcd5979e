"""The exporter in a process of its own, with its CPU time, memory and the turns of its event loop measured."""

from __future__ import annotations

import asyncio
import contextlib
import cProfile
import json
import logging
import os
import sys
import time
from pathlib import Path

from joulo_exporter import logs
from joulo_exporter.cli.serving import serve  # noqa: F401 -- what the command loads is what is measured
from joulo_exporter.config import load_config
from joulo_exporter.exposition import Exposition
from joulo_exporter.service import Service, WebOptions

TICK_S = 0.005


def resident_mib() -> float:
    """Return the resident memory of this process."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


class Monitor:
    """Looks how long the loop is busy at a stretch.

    The wall clock counts what other processes take too; the loop's own CPU time does not, and what waits for
    another thread of this process is in neither.
    """

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Begin anew."""
        self.worst_wall_s = self.worst_cpu_s = 0.0

    async def run(self) -> None:
        """Look for ever; that itself takes a percent or two of a core."""
        while True:
            wall_s, cpu_s = time.perf_counter(), time.thread_time()
            await asyncio.sleep(TICK_S)
            self.worst_wall_s = max(self.worst_wall_s, time.perf_counter() - wall_s - TICK_S)
            self.worst_cpu_s = max(self.worst_cpu_s, time.thread_time() - cpu_s)


class Renderings:
    """Counts the CPU time that pictures take on their way into the exposition."""

    def __init__(self) -> None:
        self.cpu_s = 0.0
        publish = Exposition.publish

        def measured_publish(*arguments: object) -> None:
            began_s = time.thread_time()
            publish(*arguments)
            self.cpu_s += time.thread_time() - began_s

        Exposition.publish = measured_publish


async def measured(service: Service, phases: list[float]) -> None:
    """Run the service; print a line of figures after each phase. The loop is watched but in the last one."""
    monitor, renderings = Monitor(), Renderings()
    started = asyncio.Event()
    addresses: list[str] = []
    watching = asyncio.create_task(monitor.run())
    serving = asyncio.create_task(service.run(lambda bound: (addresses.extend(bound), started.set())))
    await started.wait()
    print(json.dumps({"address": addresses[0]}), flush=True)
    profile = cProfile.Profile() if "PROFILE" in os.environ else None
    for number, phase_s in enumerate(phases):
        monitor.reset()
        if number == len(phases) - 1:
            watching.cancel()
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
            "worst_wall_ms": monitor.worst_wall_s * 1000,
            "worst_cpu_ms": monitor.worst_cpu_s * 1000,
            "resident_mib": resident_mib(),
        }
        print(json.dumps(figures), flush=True)
    if profile:
        profile.disable()
        profile.dump_stats(os.environ["PROFILE"])
    for task in (watching, serving):
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


def main() -> None:
    """Run with a configuration file and the lengths of the phases in seconds."""
    file, *phases = sys.argv[1:]
    logs.configure("error", "logfmt", sys.stderr)
    logging.getLogger("asyncio").setLevel(logging.ERROR)
    options = WebOptions(("127.0.0.1:0",), "/metrics", lifecycle_enabled=False)
    service = Service(lambda: load_config(Path(file), {}), options)
    asyncio.run(measured(service, [float(phase) for phase in phases]))


if __name__ == "__main__":
    main()
