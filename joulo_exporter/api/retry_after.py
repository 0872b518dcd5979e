"""The header ``Retry-After`` of RFC 9110, section 10.2.3: seconds, or a date."""

from __future__ import annotations

import re
import sys
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

_SECONDS = re.compile(r"\d+(\.\d+)?", re.ASCII)


def retry_after_seconds(header: str | None, now_s: float) -> float | None:
    """Return for how many seconds to stay away; 0 for a date that has passed.

    Args:
        header: the value; ``None`` when there is none.
        now_s: wall time in Unix seconds.

    Returns:
        A finite number that is not negative, however large; ``None`` where the header says nothing usable.
    """
    text = (header or "").strip()
    if _SECONDS.fullmatch(text):
        return min(float(text), sys.float_info.max)
    moment = _http_date(text)
    return None if moment is None else max(0.0, moment.timestamp() - now_s)


def _http_date(text: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, TypeError, OverflowError):
        return None
    # The oldest of the three formats that RFC 9110 has us accept names no zone, and means UTC.
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
