"""What a poller remembers of one endpoint between two refreshes."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from joulo_exporter.logs import FailureLog
from joulo_exporter.schedule import remaining_s
from joulo_exporter.snapshot import Durations, EndpointHealth

if TYPE_CHECKING:
    from joulo_exporter.ledger import EndpointRecord
    from joulo_exporter.poller.settings import PollSettings
    from joulo_exporter.poller.tasks import Task


class EndpointState:
    """One endpoint: when it is due, how it went, and for how long its answer is fresh.

    Moments on the monotonic clock end in ``_mono_s``: only they decide, so that a jump of the wall clock
    neither hastens a request nor keeps an old value alive.
    """

    def __init__(self, task: Task, durations: Durations) -> None:
        self.task = task
        self.durations = durations
        self.due_mono_s = 0.0
        self.requested_mono_s: float | None = None
        self.failures = 0
        self.up: bool | None = None
        self.error: str | None = None
        self.succeeded_at_seconds: float | None = None
        self.succeeded_mono_s: float | None = None
        self.requests: Counter[str] = Counter()
        self.malformed = 0
        self.failure_log = FailureLog()
        self.malformed_logged: frozenset[str] = frozenset()

    def restore(
        self, record: EndpointRecord | None, settings: PollSettings, *, now_seconds: float, mono_s: float
    ) -> None:
        """Take up what the ledger kept; an endpoint that was never asked is due after the first delay."""
        if record is None or record.pause is None:
            self.due_mono_s = mono_s + settings.first_delay_s
            return
        interval_s = self.task.interval_s(settings)
        self.due_mono_s = mono_s + remaining_s(record.pause, interval_s, now_seconds)
        since_s = min(max(now_seconds - record.pause.requested_at_seconds, 0.0), interval_s)
        self.requested_mono_s = mono_s - since_s
        self.failures = record.pause.failures
        self.up, self.error = record.up, record.error
        self.requests.update(dict(record.requests))
        self.malformed = record.malformed
        self.succeeded_at_seconds = record.succeeded_at_seconds
        if record.succeeded_at_seconds is not None:
            self.succeeded_mono_s = mono_s - max(0.0, now_seconds - record.succeeded_at_seconds)

    def succeeded(self, at_seconds: float, malformed: int) -> None:
        """Note a refresh that succeeded, with the number of records that could not be read."""
        self.failures, self.up, self.error = 0, True, None
        self.succeeded_at_seconds, self.succeeded_mono_s = at_seconds, self.requested_mono_s
        self.requests["200"] += 1
        self.malformed += malformed

    def failed(self, error: str) -> None:
        """Note a refresh that failed; ``error`` is one line for a person."""
        self.failures += 1
        self.up, self.error = False, error

    def due_after(self, length_s: float) -> None:
        """Be due so many seconds after the last request went out."""
        self.due_mono_s = (self.requested_mono_s or 0.0) + length_s

    @property
    def refused(self) -> bool:
        """Return whether the endpoint is refused to this token, so that waiting for an answer is in vain."""
        return self.failures > 0 and any(self.requests[code] for code in ("401", "403", "404"))

    def expires_mono_s(self, settings: PollSettings) -> float | None:
        """Return when the last answer becomes too old: ``stale_after`` past the refresh that should follow it."""
        if self.succeeded_mono_s is None:
            return None
        return self.succeeded_mono_s + settings.intervals[self.task.name] + settings.stale_after_s

    def fresh(self, settings: PollSettings, mono_s: float) -> bool:
        """Return whether the last answer may still be served as live."""
        expires_mono_s = self.expires_mono_s(settings)
        return expires_mono_s is not None and mono_s < expires_mono_s

    def hasten(self, settings: PollSettings) -> None:
        """Ask as soon as the interval allows: without the jitter, but not in the middle of a back-off."""
        if self.failures == 0 and self.requested_mono_s is not None:
            self.due_mono_s = min(self.due_mono_s, self.requested_mono_s + self.task.interval_s(settings))

    def health(self, settings: PollSettings) -> EndpointHealth:
        """Return the state as a snapshot shows it."""
        return EndpointHealth(
            endpoint=self.task.name,
            interval_s=settings.intervals[self.task.name],
            up=self.up,
            error=self.error,
            succeeded_at_seconds=self.succeeded_at_seconds,
            requests=dict(sorted(self.requests.items())),
            malformed=self.malformed,
            durations=self.durations,
        )
