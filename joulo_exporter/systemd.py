"""State of the exporter for systemd, in the protocol of sd_notify(3) and sd_watchdog_enabled(3).

Without systemd (no ``NOTIFY_SOCKET`` in the environment) nothing is sent.
"""

import asyncio
import contextlib
import os
import socket
import time
from collections.abc import Callable, Mapping

_TIMEOUT_S = 0.5
"""Seconds to wait for a manager whose queue is full: without READY=1 the start would fail."""


class Notifier:
    """Sends states to the service manager; it is no error when the manager does not listen.

    Args:
        environment: of this process: ``NOTIFY_SOCKET``, a path or ``@`` and an abstract name; ``WATCHDOG_USEC``
            and ``WATCHDOG_PID``, the watchdog's period and the process that it is for.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        address = environment.get("NOTIFY_SOCKET", "")
        self._address = "\0" + address[1:] if address.startswith("@") else address
        period = environment.get("WATCHDOG_USEC", "")
        ours = environment.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        self.watchdog_s = int(period) / 1e6 if period.isdecimal() and ours else 0.0
        """The watchdog's period: without a sign of life for so long, systemd restarts the exporter; 0 for none."""

    def ready(self, status: str) -> None:
        """Report that the start, or a reload, is complete."""
        self._send("READY=1", f"STATUS={' '.join(status.split())}")

    def reloading(self) -> None:
        """Report that a reload begins; ``Type=notify-reload`` needs the time too."""
        self._send("RELOADING=1", f"MONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}")

    def stopping(self) -> None:
        """Report that the exporter stops."""
        self._send("STOPPING=1", "STATUS=stopping")

    async def watch(self, healthy: Callable[[], bool]) -> None:
        """Report to the watchdog at half of its period for ever, as long as ``healthy`` returns true.

        The event loop itself sends the reports: when it is stuck, none is sent, and systemd restarts the exporter.
        """
        while self.watchdog_s:
            if healthy():
                self._send("WATCHDOG=1", timeout_s=0.0)  # the next one will do
            await asyncio.sleep(self.watchdog_s / 2)

    def _send(self, *assignments: str, timeout_s: float = _TIMEOUT_S) -> None:
        if self._address:
            with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
                sender.settimeout(timeout_s)
                sender.sendto("\n".join(assignments).encode(), self._address)
