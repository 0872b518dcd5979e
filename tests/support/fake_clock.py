"""Time that a test moves by hand: wall clock, monotonic clock and sleep together, and nobody truly sleeps."""

import asyncio
import heapq
import itertools

START_S = 1_781_810_000.0  # 2026-06-18T19:13:20Z, shortly after the payloads in tests/fixtures
_TURNS = 50  # of the event loop: enough for a chain of that many awaits to come to rest


class FakeClock:
    """A wall clock and a monotonic clock that move together, and only when a test says so."""

    def __init__(self, now_s: float = START_S, monotonic_s: float = 1000.0) -> None:
        self._now_s = now_s
        self._monotonic_s = monotonic_s
        self._order = itertools.count()
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []

    def now(self) -> float:
        """Return wall time in Unix seconds."""
        return self._now_s

    def monotonic(self) -> float:
        """Return monotonic time in seconds; its zero means nothing."""
        return self._monotonic_s

    def suspend(self, seconds: float) -> None:
        """Suspend the machine: both clocks go on, and nobody wakes sooner."""
        self._monotonic_s += seconds
        self._now_s += seconds
        self._sleepers = [(due_s + seconds, order, wakeup) for due_s, order, wakeup in self._sleepers]

    async def sleep(self, duration_s: float) -> None:
        """Wait until a test has advanced the clock by as much; at once, after a turn of the loop, for 0."""
        if duration_s <= 0:
            await asyncio.sleep(0)
            return
        wakeup = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._monotonic_s + duration_s, next(self._order), wakeup))
        await wakeup

    async def advance(self, duration_s: float) -> None:
        """Move time on, waking sleepers in order of due time, each at its own moment.

        Sleepers that fall asleep again within the span wake again within it. Before, between and after,
        everything that is ready to run runs.
        """
        await self.settle()
        end_s = self._monotonic_s + duration_s
        while self._sleepers and self._sleepers[0][0] <= end_s:
            due_s, _, wakeup = heapq.heappop(self._sleepers)
            if wakeup.done():  # its sleeper was cancelled
                continue
            self.move_to(due_s)
            wakeup.set_result(None)
            await self.settle()
        self.move_to(end_s)
        await self.settle()

    def step_wall(self, seconds: float) -> None:
        """Set the wall clock forward or back, as a time server does; monotonic time does not notice."""
        self._now_s += seconds

    @staticmethod
    async def settle() -> None:
        """Let everything that is ready run; what waits for a socket or a thread may need longer."""
        for _ in range(_TURNS):
            await asyncio.sleep(0)

    def move_to(self, monotonic_s: float) -> None:
        """Move time on without waking a sleeper."""
        step_s = max(0.0, monotonic_s - self._monotonic_s)
        self._monotonic_s += step_s
        self._now_s += step_s
