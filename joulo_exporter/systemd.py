"""State of the exporter for systemd, in the protocol of sd_notify(3) and sd_watchdog_enabled(3).

Without systemd (no ``NOTIFY_SOCKET`` in the environment) nothing is sent.
"""

import asyncio
import contextlib
import os
import socket
import time
from collections.abc import Callable

_TIMEOUT_S = 0.5
"""Seconds to wait for a manager whose queue is full: without READY=1 the start would fail."""


def notify(*assignments: str, timeout_s: float = _TIMEOUT_S) -> None:
    """Send a state, such as ``READY=1``, to the service manager; it is no error when it does not listen."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if address.startswith("@"):  # an abstract name
        address = "\0" + address[1:]
    if address:
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.settimeout(timeout_s)
            sender.sendto("\n".join(assignments).encode(), address)


def notify_reloading() -> None:
    """Report that a reload begins; ``Type=notify-reload`` needs the time too."""
    notify("RELOADING=1", f"MONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}")


async def watch(healthy: Callable[[], bool]) -> None:
    """Report to the watchdog, if this process has one, at half of its period as long as ``healthy`` returns true.

    The event loop itself sends the reports: when it is stuck, none is sent, and systemd restarts the exporter.
    """
    period, process = os.environ.get("WATCHDOG_USEC", ""), str(os.getpid())
    while period.isdecimal() and int(period) and os.environ.get("WATCHDOG_PID", process) == process:
        if healthy():
            notify("WATCHDOG=1", timeout_s=0.0)  # the next one will do
        await asyncio.sleep(int(period) / 2e6)
