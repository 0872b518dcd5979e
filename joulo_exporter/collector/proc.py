"""Metrics of the process from ``/proc``: those of prometheus-client's ``ProcessCollector``, in half of its time.

A scrape of one charger spends more on them than on anything else. Names, help texts and values are the library's;
the fields of ``/proc/self/stat`` are those of proc(5).
"""

from __future__ import annotations

import contextlib
import os
import resource
from pathlib import Path
from typing import TYPE_CHECKING

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

if TYPE_CHECKING:
    from collections.abc import Iterable

    from prometheus_client.metrics_core import Metric

_USER, _SYSTEM, _STARTED, _VIRTUAL, _RESIDENT = 11, 12, 19, 20, 21
"""Positions behind the command's name, which may contain blanks."""


class ProcessMetrics(Collector):
    """CPU, memory, start and open files of this process; nothing where there is no ``/proc``.

    Args:
        proc: where the system tells of processes.
    """

    def __init__(self, proc: str = "/proc") -> None:
        self._stat, self._descriptors = f"{proc}/self/stat", f"{proc}/self/fd"
        self._ticks_per_s = os.sysconf("SC_CLK_TCK")
        self._page_bytes = resource.getpagesize()
        self._booted_at_seconds = _booted_at_seconds(proc)

    def collect(self) -> Iterable[Metric]:
        """Return the families with their values."""
        if self._booted_at_seconds is None:
            return
        with contextlib.suppress(OSError):
            yield from self._of_stat(_read(self._stat).rpartition(b")")[2].split())
        with contextlib.suppress(OSError):
            open_files = len(os.listdir(self._descriptors))  # noqa: PTH208 -- the names are only counted
            limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
            yield GaugeMetricFamily("process_open_fds", "Number of open file descriptors.", value=open_files)
            yield GaugeMetricFamily(
                "process_max_fds",
                "Maximum number of open file descriptors.",
                value=float("inf") if limit == resource.RLIM_INFINITY else limit,
            )

    def _of_stat(self, fields: list[bytes]) -> Iterable[Metric]:
        started_at_seconds = (self._booted_at_seconds or 0) + int(fields[_STARTED]) / self._ticks_per_s
        cpu_s = int(fields[_USER]) / self._ticks_per_s + int(fields[_SYSTEM]) / self._ticks_per_s
        resident_bytes = int(fields[_RESIDENT]) * self._page_bytes
        yield GaugeMetricFamily(
            "process_virtual_memory_bytes", "Virtual memory size in bytes.", value=int(fields[_VIRTUAL])
        )
        yield GaugeMetricFamily(
            "process_resident_memory_bytes", "Resident memory size in bytes.", value=resident_bytes
        )
        yield GaugeMetricFamily(
            "process_start_time_seconds",
            "Start time of the process since unix epoch in seconds.",
            value=started_at_seconds,
        )
        yield CounterMetricFamily(
            "process_cpu_seconds_total", "Total user and system CPU time spent in seconds.", value=cpu_s
        )


def _booted_at_seconds(proc: str) -> float | None:
    try:
        lines = Path(proc, "stat").read_bytes().splitlines()
    except OSError:
        return None
    return next((float(line.split()[1]) for line in lines if line.startswith(b"btime ")), None)


def _read(path: str) -> bytes:
    """Read a file that is shorter than a page, without what a file object costs."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.read(descriptor, 4096)
    finally:
        os.close(descriptor)
