"""Clocks of this machine, sleep, and dates in its time zone."""

import asyncio
import math
import re
import time
from datetime import UTC, datetime, timedelta


class SystemClock:
    """Wall clock, monotonic clock and sleep.

    The monotonic clock counts the time for which the machine was suspended, where the system has such a clock:
    values that are too old after a suspension are not served. The event loop's own clock stands still meanwhile.

    Sleepers wake at ticks of the event loop's clock, so that all that are due in one tick wake together: waking up
    for each of them alone would cost more than their work.
    """

    tick_s = 0.0
    """Seconds from one tick to the next; 0 for a clock without ticks."""

    now = staticmethod(time.time)

    @staticmethod
    def monotonic() -> float:
        """Return seconds of a clock that never jumps, suspension included."""
        # macOS has no CLOCK_BOOTTIME; its CLOCK_MONOTONIC counts suspension, and time.monotonic() does not.
        return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))

    async def sleep(self, duration_s: float) -> None:
        """Wait for at least ``duration_s``, until the next tick."""
        if duration_s > 0 and self.tick_s > 0:
            now_s = asyncio.get_running_loop().time()
            duration_s = math.ceil((now_s + duration_s) / self.tick_s) * self.tick_s - now_s
        await asyncio.sleep(duration_s)


# Dates, in this machine's time zone ----------------------------------------------------------------


def local_time(unix_seconds: float) -> datetime:
    """Return a moment in this machine's time zone."""
    return datetime.fromtimestamp(unix_seconds, UTC).astimezone()


def local_month(unix_seconds: float) -> str:
    """Return the month of a moment, such as ``2026-06``."""
    return time.strftime("%Y-%m", time.localtime(unix_seconds))


_DATE = re.compile(r"\d{4}(-\d{2}(-\d{2})?)?", re.ASCII)
# A day in another spelling (20260617, 2026-W25) is refused: taken for its first moment, --to would omit the day.
_MOMENT = re.compile(r"\d{4}-\d{2}-\d{2}[T ].+", re.ASCII)

_EXAMPLES = "2026, 2026-06, 2026-06-17 or 2026-06-17T18:30 (an offset such as +02:00 can follow)"


def parse_span(text: str) -> tuple[float, float]:
    """Return the Unix seconds at which a year, month or day begins and ends; for a moment, both are the same.

    The text is a date or time in this machine's time zone, unless it names an offset.

    Raises:
        ValueError: the text is none of these.
    """
    try:
        if _MOMENT.fullmatch(text):
            moment = datetime.fromisoformat(text).timestamp()
            return moment, moment
        if _DATE.fullmatch(text):
            begin = datetime.fromisoformat(f"{text}-01-01"[:10])
            end = begin + timedelta(days=1)
            if len(text) == len("2026"):
                end = begin.replace(year=begin.year + 1)
            elif len(text) == len("2026-06"):
                end = (begin + timedelta(days=31)).replace(day=1)
            return begin.timestamp(), end.timestamp()
    except (ValueError, OverflowError):
        pass
    raise ValueError(f"{text!r} is not a date or time; write {_EXAMPLES}")
