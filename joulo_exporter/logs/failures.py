"""When a failure that goes on is worth a line in the log."""

from __future__ import annotations

from typing import Literal

import msgspec

REPEAT_S = 3600.0
"""Seconds after which a failure that goes on is logged again."""


class Notice(msgspec.Struct, frozen=True):
    """What is to be logged now about a run of failures."""

    kind: Literal["began", "changed", "continues", "recovered"]
    reason: str
    """The reason of the latest failure."""
    failures: int
    """How many there were since the last success."""
    lasted_s: float
    """Seconds since the first of them."""


class FailureLog:
    """Decides which of many failures in a row are logged.

    A run of failures is logged when it begins, when a reason shows up that was not logged in the last
    ``repeat_s``, as often while it goes on, and when it ends. One object watches one thing, such as an
    endpoint of an account. Times are passed in, and only compared with each other.
    """

    def __init__(self, repeat_s: float = REPEAT_S) -> None:
        self._repeat_s = repeat_s
        self._failures = 0
        self._since_s = 0.0
        self._reason = ""
        self._logged_s: dict[str, float] = {}

    def failed(self, reason: str, now_s: float) -> Notice | None:
        """Count a failure; return what to log of it, if anything.

        Args:
            reason: a short word from a closed set, such as ``JouloExporterError.reason``.
            now_s: seconds of a clock that does not go back.
        """
        if not self._failures:
            self._since_s = now_s
        self._failures += 1
        self._reason = reason
        kind = self._kind(reason, now_s)
        if kind is None:
            return None
        self._logged_s[reason] = now_s
        return self._notice(kind, now_s)

    def succeeded(self, now_s: float) -> Notice | None:
        """End the run of failures; return what to log, ``None`` when there was no run."""
        notice = self._notice("recovered", now_s) if self._failures else None
        self._failures = 0
        self._logged_s.clear()
        return notice

    def _kind(self, reason: str, now_s: float) -> Literal["began", "changed", "continues"] | None:
        if not self._logged_s:
            return "began"
        if reason not in self._logged_s:
            return "changed"
        return "continues" if now_s - self._logged_s[reason] >= self._repeat_s else None

    def _notice(self, kind: Literal["began", "changed", "continues", "recovered"], now_s: float) -> Notice:
        return Notice(kind, self._reason, self._failures, now_s - self._since_s)
