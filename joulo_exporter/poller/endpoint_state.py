"""What a poller remembers of one endpoint between two refreshes."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import msgspec

from joulo_exporter.errors import ApiAuthenticationError, ApiNotFoundError, ApiScopeError, ApiTimeoutError
from joulo_exporter.logs import FailureLog
from joulo_exporter.schedule import Pause, pause_after_failure, remaining_s
from joulo_exporter.snapshot import Durations, EndpointHealth

if TYPE_CHECKING:
    from joulo_exporter.errors import ApiError
    from joulo_exporter.ledger import EndpointRecord
    from joulo_exporter.poller.settings import PollSettings
    from joulo_exporter.poller.tasks import Task


class Handover(msgspec.Struct, frozen=True):
    """What a poller leaves to the one that takes over from it within the process, after a reload."""

    durations: Durations = Durations()
    pause: Pause | None = None
    """The last request, by the monotonic clock: the throttle outlasts a jump of the wall clock, and a ledger
    that could not be written."""
    succeeded_mono_s: float | None = None


class EndpointState:
    """One endpoint: when it is due, how it went, and for how long its answer is fresh.

    Moments on the monotonic clock end in ``_mono_s``: only they decide, so that a jump of the wall clock
    neither hastens a request nor keeps an old value alive.
    """

    def __init__(self, task: Task, former: Handover) -> None:
        self.task = task
        self.durations = former.durations
        self.due_mono_s = 0.0
        self.pause = former.pause
        """The last request; its moment is on the monotonic clock."""
        self.failures = 0
        self.up: bool | None = None
        self.error: str | None = None
        self.cause: ApiError | None = None
        """What the API said when the last refresh failed, if this process asked and the API said it."""
        self.succeeded_at_seconds: float | None = None
        self.succeeded_mono_s = former.succeeded_mono_s
        self._expected_mono_s = 0.0  # when the refresh after the last success should come
        self.requests: Counter[str] = Counter()
        self.malformed = 0
        self.failure_log = FailureLog()
        self.malformed_logged: set[str] = set()
        self._health: EndpointHealth | None = None

    @property
    def handover(self) -> Handover:
        """Return what the poller that takes over has to know."""
        return Handover(self.durations, self.pause, self.succeeded_mono_s)

    @property
    def handover_after_rotation(self) -> Handover:
        """Return the same for a new token: the back-off that the old one earned is over, the interval is not."""
        cause = self.cause
        if self.pause is None or cause is None or cause.retry_after_s is not None:
            return self.handover
        if not isinstance(cause, ApiAuthenticationError | ApiScopeError):
            return self.handover
        return msgspec.structs.replace(self.handover, pause=msgspec.structs.replace(self.pause, failures=0))

    def restore(
        self, record: EndpointRecord | None, settings: PollSettings, *, now_seconds: float, mono_s: float
    ) -> None:
        """Take up what the ledger kept; whatever is due at once waits for the first delay."""
        if record is not None:
            self._take_up(record, mono_s - now_seconds, mono_s)
        left_s = remaining_s(self.pause, self.task.interval_s(settings), mono_s)
        self.due_mono_s = mono_s + max(left_s, self._first_delay_s(settings))
        self.failures = self.pause.failures if self.pause else 0
        self._expected_mono_s = (self.succeeded_mono_s or 0.0) + settings.intervals[self.task.name]

    def _first_delay_s(self, settings: PollSettings) -> float:
        interval_s = settings.intervals[self.task.name]
        if interval_s <= min(settings.intervals.values()):
            return settings.first_delay_s
        return max(settings.first_delay_s, min(settings.later_delay_s, interval_s))

    def _take_up(self, record: EndpointRecord, offset_s: float, mono_s: float) -> None:
        self.up, self.error = record.up, record.error
        self.requests.update(dict(record.requests))
        self.malformed = record.malformed
        self.succeeded_at_seconds = record.succeeded_at_seconds
        if self.pause is None and record.pause is not None:
            requested_mono_s = min(record.pause.requested_at_seconds + offset_s, mono_s)
            self.pause = msgspec.structs.replace(record.pause, requested_at_seconds=requested_mono_s)
        if self.succeeded_mono_s is None and record.succeeded_at_seconds is not None:
            self.succeeded_mono_s = min(record.succeeded_at_seconds + offset_s, mono_s)

    @property
    def requested_mono_s(self) -> float:
        """Return when the last request went out."""
        return self.pause.requested_at_seconds if self.pause is not None else 0.0

    def requested(self, mono_s: float, length_s: float) -> None:
        """Note that a request goes out now, and the pause that holds if nothing comes of it."""
        self._rest(Pause(mono_s, length_s, self.failures))

    def succeeded(self, at_seconds: float, malformed: int, length_s: float) -> None:
        """Note a refresh that succeeded, with the number of records that could not be read.

        Args:
            at_seconds: when it was asked for, by the wall clock.
            malformed: records left out.
            length_s: seconds from that request to the next one.
        """
        self.failures, self.up, self.error, self.cause = 0, True, None, None
        self.requests["200"] += 1
        self.malformed += malformed
        if self.pause is not None:
            self.succeeded_at_seconds, self.succeeded_mono_s = at_seconds, self.pause.requested_at_seconds
            self._rest(Pause(self.pause.requested_at_seconds, length_s))
            self._expected_mono_s = self.due_mono_s

    def failed(self, error: str, cause: ApiError | None = None) -> None:
        """Note a refresh that failed; ``error`` is one line for a person, ``cause`` what the API said."""
        self.failures += 1
        self.up, self.error, self.cause = False, error, cause

    @property
    def hung(self) -> bool:
        """Return whether the last request got no answer in time."""
        return isinstance(self.cause, ApiTimeoutError)

    @property
    def token_refused(self) -> bool:
        """Return whether the last refresh failed because of the token."""
        return isinstance(self.cause, ApiAuthenticationError)

    @property
    def switched_off(self) -> bool:
        """Return whether the endpoint is an optional one that the API does not have, or not for this token."""
        return self.task.optional and isinstance(self.cause, ApiScopeError | ApiNotFoundError)

    def pause_after_failure_s(
        self, settings: PollSettings, fraction: float, retry_after_s: float | None, mono_s: float
    ) -> float:
        """Return the pause from the request on; what the API asks for counts from its answer, which came now."""
        interval_s = settings.intervals[self.task.name]
        if retry_after_s is not None and self.pause is not None:
            retry_after_s += mono_s - self.pause.requested_at_seconds
        return pause_after_failure(interval_s, self.failures, fraction, retry_after_s, permanent=self.switched_off)

    def rest_after_failure(self, length_s: float) -> None:
        """Be due so many seconds after the last request went out."""
        if self.pause is not None:
            self._rest(Pause(self.pause.requested_at_seconds, length_s, self.failures))

    def _rest(self, pause: Pause) -> None:
        self.pause = pause
        self.due_mono_s = pause.requested_at_seconds + pause.length_s

    @property
    def refused(self) -> bool:
        """Return whether the endpoint is refused to this token, so that waiting for an answer is in vain."""
        return self.failures > 0 and any(self.requests[code] for code in ("401", "403", "404"))

    def expires_mono_s(self, settings: PollSettings) -> float | None:
        """Return when the last answer becomes too old: ``stale_after`` past the refresh that should follow it."""
        return None if self.succeeded_mono_s is None else self._expected_mono_s + settings.stale_after_s

    def fresh(self, settings: PollSettings, mono_s: float) -> bool:
        """Return whether the last answer may still be served as live."""
        expires_mono_s = self.expires_mono_s(settings)
        return expires_mono_s is not None and mono_s < expires_mono_s

    def hasten(self, settings: PollSettings) -> None:
        """Ask as soon as the interval allows: without the jitter, but not in the middle of a back-off."""
        if self.failures == 0 and self.pause is not None:
            allowed_mono_s = self.pause.requested_at_seconds + self.task.interval_s(settings)
            self.due_mono_s = min(self.due_mono_s, allowed_mono_s)

    def health(self, settings: PollSettings, unknown_fields: int = 0) -> EndpointHealth:
        """Return the state as a snapshot shows it; while that is the same, the same object."""
        health = EndpointHealth(
            endpoint=self.task.name,
            interval_s=settings.intervals[self.task.name],
            up=self.up,
            error=self.error,
            succeeded_at_seconds=self.succeeded_at_seconds,
            requests=dict(sorted(self.requests.items())),
            malformed=self.malformed,
            durations=self.durations,
            unknown_fields=unknown_fields,
        )
        # What is the same object need not be compared, nor rendered, again.
        if self._health is None or self._health != health:
            self._health = health
        return self._health
