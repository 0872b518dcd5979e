"""The time of this machine."""

from __future__ import annotations

import asyncio
import time


class SystemClock:
    """Wall clock, monotonic clock and sleep.

    Those who sleep wake at the ticks of the monotonic clock, so that whoever is due in the same one is served
    together: to wake up for each of them alone costs more than what they do then.
    """

    now = staticmethod(time.time)
    monotonic = staticmethod(time.monotonic)

    def __init__(self) -> None:
        self.tick_s = 0.0
        """Seconds from one tick to the next; 0 for a clock without."""

    async def sleep(self, duration_s: float) -> None:
        """Wait so many seconds, and then for the next tick: never less."""
        if duration_s > 0 and self.tick_s > 0:
            duration_s += -(self.monotonic() + duration_s) % self.tick_s
        await asyncio.sleep(duration_s)
