"""State of one endpoint: when it is due, its back-off, how its refreshes go, and their log.

Between two requests lies at least the interval. Jitter only lengthens the pause, a failure lengthens it further,
and ``Retry-After`` is obeyed.
"""

import logging
import math
import re
from collections import Counter
from dataclasses import dataclass, field

import msgspec

from joulo_exporter.errors import (
    ApiAuthenticationError,
    ApiError,
    ApiNotFoundError,
    ApiScopeError,
    ApiTimeoutError,
    LedgerError,
)
from joulo_exporter.ledger import ClockJump, EndpointRecord, Pause
from joulo_exporter.logs import FailureLog, Level, Notice, event
from joulo_exporter.models.wire import ApiResponse
from joulo_exporter.poller.tasks import PollSettings, Task
from joulo_exporter.snapshot import Durations, EndpointHealth

_logger = logging.getLogger(__name__)

JITTER_SHARE = 0.05
"""Regular refreshes come up to this share of their interval late, so that many exporters spread out."""

FAILURE_JITTER_SHARE = 0.25
LONGEST_BACK_OFF_S = 900.0
"""Exponential back-off ends here, or at a longer interval: the end of an outage is soon seen."""

LONGEST_RETRY_AFTER_S = 86_400.0
"""A ``Retry-After`` beyond a day is taken as a day: a slip of a gateway must not end the exporter's work."""

_REFUSED_RETRY_S = 86_400.0
"""Pause of an optional endpoint that the API does not have, or not for this token: only a person can mend that."""

_NEVER = Pause(-math.inf, 0.0)

_REFUSAL = re.compile(r"\S+: 40[13], ")
"""Beginning of the error of a refused token, as the ledger keeps it; a gateway's web page has no comma there."""

_MOST_UNKNOWN = 64
_LONGEST_UNKNOWN = 64
"""Names of unknown fields are counted, and logged, up to these bounds: they come from the network."""


def pause_after_failure(
    interval_s: float, failures: int, fraction: float, retry_after_s: float | None = None
) -> float:
    """Return the seconds from a request that failed to the next one: exponential, bounded, with jitter.

    Args:
        interval_s: the endpoint's interval, which is the least.
        failures: failures in a row, at least 1; the first is followed by the interval.
        fraction: a random number in [0, 1) for the jitter.
        retry_after_s: the seconds of ``Retry-After``, if the API sent it.
    """
    doublings = min(max(failures, 1) - 1, 20)
    back_off = max(interval_s, min(interval_s * 2.0**doublings, LONGEST_BACK_OFF_S))
    obeyed_s = min(retry_after_s or 0.0, LONGEST_RETRY_AFTER_S)
    return max(back_off * (1 + FAILURE_JITTER_SHARE * fraction), obeyed_s)


def remaining_s(pause: Pause, interval_s: float, now_seconds: float) -> float:
    """Return the rest of the pause at a start or reload of the exporter, in seconds.

    The interval in force now may differ from the one of that request, and the wall clock may have jumped since.
    After a jump backwards the whole pause is waited for again, never longer; a jump forwards cannot be seen, and
    the pause counts as over.
    """
    length_s = interval_s if pause.failures == 0 else max(pause.length_s, interval_s)
    since_s = min(max(now_seconds - pause.requested_at_seconds, 0.0), length_s)
    return length_s - since_s


class LastingState(msgspec.Struct):
    """State of an endpoint that goes on when another poller takes over within the process, after a reload."""

    pause: Pause = _NEVER
    """The last request, by the monotonic clock: the throttle outlasts a jump of the wall clock, and a ledger
    that could not be written."""
    succeeded_mono_s: float = -math.inf
    token_refused_at_seconds: float | None = None
    durations: Durations = Durations()
    unknown_fields: set[str] = msgspec.field(default_factory=set)


@dataclass(eq=False)
class EndpointState:
    """One endpoint: when it is due, how it went, and for how long its API response is fresh.

    Moments on the monotonic clock end in ``_mono_s``: only they decide, so that a jump of the wall clock
    neither brings a request forward nor keeps an old value alive.
    """

    task: Task
    settings: PollSettings
    lasting: LastingState = field(default_factory=LastingState)
    """As the poller before this one has left it."""

    def __post_init__(self) -> None:
        self.due_mono_s = 0.0
        self.requested_at_seconds = 0.0
        """The last request of this process, by the wall clock."""
        self.succeeded_at_seconds: float | None = None
        self.requests: Counter[str] = Counter()
        self._interval_s = self.settings.intervals[self.task.name]
        self._expected_mono_s = -math.inf  # when the refresh after the last success should come
        self._up: bool | None = None
        self._error: str | None = None
        self._api_error: ApiError | None = None  # of the last refresh, if this process asked and the API failed
        self._malformed = 0
        self._malformed_fields: Counter[str] = Counter()
        self._log_fields = self.settings.log_fields | {"endpoint": self.task.name}
        self._failure_log = FailureLog()
        self._faults_logged: set[str] = set()

    def restore(self, record: EndpointRecord | None, *, now_seconds: float, mono_s: float) -> None:
        """Take up the ledger's record; an endpoint that is due at once waits for the first delay."""
        lasting, settings = self.lasting, self.settings
        if record is not None:
            self._up, self._error, self._malformed = record.up, record.error, record.malformed
            self._malformed_fields = Counter(dict(record.malformed_fields))
            self.requests = Counter(dict(record.requests))
            self.succeeded_at_seconds = record.succeeded_at_seconds
            offset_s = mono_s - now_seconds
            if record.pause is not None and _REFUSAL.match(record.error or ""):
                lasting.token_refused_at_seconds = record.pause.requested_at_seconds
            if lasting.pause is _NEVER and record.pause is not None:
                requested_mono_s = min(record.pause.requested_at_seconds + offset_s, mono_s)
                lasting.pause = msgspec.structs.replace(record.pause, requested_at_seconds=requested_mono_s)
            if lasting.succeeded_mono_s == -math.inf and record.succeeded_at_seconds is not None:
                lasting.succeeded_mono_s = min(record.succeeded_at_seconds + offset_s, mono_s)
        delay_s = settings.first_delay_s
        if self._interval_s > min(settings.intervals.values()):
            delay_s = max(delay_s, min(settings.later_delay_s, self._interval_s))
        left_s = remaining_s(lasting.pause, self.task.interval_s(settings), mono_s)
        self.due_mono_s = mono_s + max(left_s, delay_s)
        self._expected_mono_s = lasting.succeeded_mono_s + self._interval_s

    def follow(self, jump: ClockJump) -> None:
        """Move the moments that were noted by the wall clock."""
        self.requested_at_seconds = jump.moved(self.requested_at_seconds)
        if self.succeeded_at_seconds is not None:
            self.succeeded_at_seconds = jump.moved(self.succeeded_at_seconds)
        if self.lasting.token_refused_at_seconds is not None:
            self.lasting.token_refused_at_seconds = jump.moved(self.lasting.token_refused_at_seconds)

    # The course of a refresh ----------------------------------------------------------------------

    def provisional_pause(self, now_seconds: float) -> Pause:
        """Return the pause of a request that goes out now, which holds if its outcome is never noted."""
        return Pause(now_seconds, self.task.interval_s(self.settings), self.lasting.pause.failures)

    def requested(self, *, now_seconds: float, mono_s: float) -> None:
        """Note that a request goes out now."""
        self.requested_at_seconds = now_seconds
        self._wait_for(self.provisional_pause(mono_s))

    def recorded_pause(self, *, failures: int) -> Pause:
        """Return the pause since the last request as the ledger keeps it, by the wall clock."""
        return Pause(self.requested_at_seconds, self.lasting.pause.length_s, failures)

    def observe_duration(self, mono_s: float) -> None:
        """Note that the request which went out last is over."""
        self.lasting.durations = self.lasting.durations.observed(mono_s - self.lasting.pause.requested_at_seconds)

    def succeeded(self, response: ApiResponse[object], fraction: float, mono_s: float) -> None:
        """Note a refresh that succeeded.

        Args:
            response: of the API; what of it could not be used is counted.
            fraction: a random number in [0, 1) for the jitter.
            mono_s: the time.
        """
        requested_mono_s = self.lasting.pause.requested_at_seconds
        self._up, self._error, self._api_error = True, None, None
        self.requests["200"] += 1
        self._malformed += len(response.malformed)
        self._malformed_fields.update(fault.field for fault in response.malformed_fields)
        self.succeeded_at_seconds, self.lasting.succeeded_mono_s = self.requested_at_seconds, requested_mono_s
        # A page may have begun or ended a walk through the history, which changes the interval.
        length_s = self.task.interval_s(self.settings) * (1 + JITTER_SHARE * fraction)
        self._wait_for(Pause(requested_mono_s, length_s))
        self._expected_mono_s = self.due_mono_s
        if self._failure_log.failures:
            self._log("info", "refresh works again", self._failure_log.succeeded(mono_s))
        self._log_faults(response)

    def failed(self, error: ApiError, fraction: float, mono_s: float) -> None:
        """Note a request that failed; the pause that ``Retry-After`` asks for counts from now."""
        self._up, self._error, self._api_error = False, str(error), error
        former = self.lasting.pause
        failures, retry_after_s, interval_s = former.failures + 1, error.retry_after_s, self._interval_s
        if isinstance(error, ApiAuthenticationError | ApiScopeError):
            self.lasting.token_refused_at_seconds = self.requested_at_seconds
        if retry_after_s is not None:
            retry_after_s += mono_s - former.requested_at_seconds
        # An optional endpoint that the API does not have, or not for this token.
        unavailable = self.task.optional and isinstance(error, ApiScopeError | ApiNotFoundError)
        if unavailable:
            interval_s = max(interval_s, _REFUSED_RETRY_S)
        length_s = pause_after_failure(interval_s, failures, fraction, retry_after_s)
        self._wait_for(Pause(former.requested_at_seconds, length_s, failures))
        notice = self._failure_log.failed(error.reason, mono_s)
        if not unavailable:
            self._log("warn", "refresh failed", notice, err=self._error)
        elif notice is not None and not notice.repeated:
            refusal = "the API refuses a collector; it is tried once a day from now on"
            self._log("warn", refusal, notice, err=self._error)

    def failed_internally(self, error: Exception, fraction: float, mono_s: float) -> None:
        """Note a failure on our side of the wire; the next try follows as after one of the API."""
        failures = self.lasting.pause.failures + 1
        # Whether a request went out or not, the pause counts from now.
        self._wait_for(Pause(mono_s, pause_after_failure(self._interval_s, failures, fraction), failures))
        self._up, self._error, self._api_error = False, "internal error; see the log", None
        if isinstance(error, LedgerError):
            self._error = str(error)
            self._log("warn", "refresh failed", self._failure_log.failed(error.reason, mono_s), err=self._error)
        elif isinstance(error, MemoryError):
            self._error = "too little memory for the refresh; raise the limit of the process or the container"
            self._log("error", "refresh failed", self._failure_log.failed("memory", mono_s), err=self._error)
        else:
            self._log("error", "internal error", self._failure_log.failed("internal", mono_s), err=error)

    def _wait_for(self, pause: Pause) -> None:
        self.lasting.pause = pause
        self.due_mono_s = pause.requested_at_seconds + pause.length_s

    def bring_forward(self) -> None:
        """Ask as soon as the interval allows: without the jitter, but not in the middle of a back-off."""
        pause = self.lasting.pause
        if pause.failures == 0 and pause is not _NEVER:
            allowed_mono_s = pause.requested_at_seconds + self.task.interval_s(self.settings)
            self.due_mono_s = min(self.due_mono_s, allowed_mono_s)

    def forgive_refusal(self) -> None:
        """End the back-off that another token has earned, but not the pause that the API has asked for."""
        error = self._api_error
        if isinstance(error, ApiAuthenticationError | ApiScopeError) and error.retry_after_s is None:
            self.lasting.pause = msgspec.structs.replace(self.lasting.pause, failures=0)
            self.bring_forward()

    # How it went ----------------------------------------------------------------------------------

    @property
    def timed_out(self) -> bool:
        """Return whether the last request got no API response in time."""
        return isinstance(self._api_error, ApiTimeoutError)

    @property
    def refused(self) -> bool:
        """Return whether the last API response refuses the endpoint to this token: waiting for one is in vain."""
        return isinstance(self._api_error, ApiAuthenticationError | ApiScopeError | ApiNotFoundError)

    @property
    def expires_mono_s(self) -> float:
        """Return when the last response is too old: ``stale_after`` past the refresh that should follow it."""
        return self._expected_mono_s + self.settings.stale_after_s

    def health(self) -> EndpointHealth:
        """Return the state as a snapshot shows it."""
        return EndpointHealth(
            endpoint=self.task.name,
            interval_s=self._interval_s,
            up=self._up,
            error=self._error,
            succeeded_at_seconds=self.succeeded_at_seconds,
            token_refused_at_seconds=self.lasting.token_refused_at_seconds,
            requests=dict(sorted(self.requests.items())),
            malformed=self._malformed,
            malformed_fields=dict(sorted(self._malformed_fields.items())),
            durations=self.lasting.durations,
            unknown_fields=len(self.lasting.unknown_fields),
        )

    # The log --------------------------------------------------------------------------------------

    def _log(self, level: Level, message: str, notice: Notice | None, **fields: object) -> None:
        """Log a line about refreshes that fail, or have failed, if it is time for one."""
        if notice is not None:
            event(_logger, level, message, **self._log_fields, reason=notice.reason, failures=notice.failures,
                  lasted_s=round(notice.lasted_s), **fields)  # fmt: skip

    def _log_faults(self, response: ApiResponse[object]) -> None:
        """Log each kind of fault once: not at every refresh, nor at every place; no value is in a kind."""
        for line in response.malformed:
            self._log_once(line.partition(": ")[2], "records left out that cannot be read",
                           records=len(response.malformed), err=line)  # fmt: skip
        for fault in response.malformed_fields:
            self._log_once(str(fault), "a field cannot be used, and is treated as not given", err=str(fault))
        known = self.lasting.unknown_fields
        for path in response.unknown_fields - known:
            if len(known) < _MOST_UNKNOWN:
                known.add(path)
                event(_logger, "debug", "a field that this version does not know", **self._log_fields,
                      field=path[:_LONGEST_UNKNOWN])  # fmt: skip

    def _log_once(self, kind: str, message: str, **fields: object) -> None:
        if kind not in self._faults_logged:
            self._faults_logged.add(kind)
            event(_logger, "warn", message, **self._log_fields, **fields)
