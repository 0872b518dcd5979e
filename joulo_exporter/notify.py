"""Tells systemd how the exporter is, in the protocol of sd_notify(3) and sd_watchdog_enabled(3).

Without systemd (no ``NOTIFY_SOCKET`` in the environment) nothing is sent.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping


_PATIENCE_S = 0.5
"""How long a state waits for a manager whose queue is full: a lost READY=1 would fail the start."""


class Notifier:
    """Sends states to the service manager; one that does not listen is no fault of ours.

    Args:
        environment: of this process: ``NOTIFY_SOCKET``, a path or ``@`` and an abstract name; ``WATCHDOG_USEC``
            and ``WATCHDOG_PID``, how often the manager wants to hear from us, and whether it means this process.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        address = environment.get("NOTIFY_SOCKET", "")
        self._address = "\0" + address[1:] if address.startswith("@") else address
        period = environment.get("WATCHDOG_USEC", "")
        ours = environment.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        self.watchdog_s = int(period) / 1e6 if period.isdecimal() and ours else 0.0
        """Within which time the manager wants to hear from us; 0 if never."""

    def ready(self, status: str) -> None:
        """Say that the start, or a reload, is over."""
        self._send("READY=1", f"STATUS={' '.join(status.split())}")

    def reloading(self) -> None:
        """Say that a reload has begun; the time is what ``Type=notify-reload`` wants."""
        self._send("RELOADING=1", f"MONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}")

    def stopping(self) -> None:
        """Say that the end has begun."""
        self._send("STOPPING=1", "STATUS=stopping")

    def alive(self) -> None:
        """Say that all is well."""
        self._send("WATCHDOG=1", wait_s=0.0)  # the next one will do

    def _send(self, *assignments: str, wait_s: float = _PATIENCE_S) -> None:
        if self._address:
            with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
                sender.settimeout(wait_s)
                sender.sendto("\n".join(assignments).encode(), self._address)


@contextlib.asynccontextmanager
async def watchdog(notifier: Notifier, healthy: Callable[[], bool]) -> AsyncIterator[None]:
    """While the block lasts, say at half of the watchdog's period that all is well, as long as it is.

    It is the event loop that says so: when that is stuck, nothing is said, and systemd restarts the exporter.
    """
    task = asyncio.create_task(_say_so(notifier, healthy), name="watchdog") if notifier.watchdog_s else None
    try:
        yield
    finally:
        if task is not None:
            task.cancel()
            await asyncio.wait([task])


async def _say_so(notifier: Notifier, healthy: Callable[[], bool]) -> None:
    while True:
        if healthy():
            notifier.alive()
        await asyncio.sleep(notifier.watchdog_s / 2)
