"""State of one endpoint: when it is due, its back-off, how its refreshes go, and their log."""

from __future__ import annotations

import logging
import re
from collections import Counter
from typing import TYPE_CHECKING, Literal

import msgspec

from joulo_exporter.errors import (
    ApiAuthenticationError,
    ApiNotFoundError,
    ApiScopeError,
    ApiTimeoutError,
    LedgerError,
)
from joulo_exporter.logs import FailureLog, event
from joulo_exporter.schedule import Pause, pause_after_failure, pause_after_success, remaining_s
from joulo_exporter.snapshot import Durations, EndpointHealth

if TYPE_CHECKING:
    from collections.abc import Mapping

    from joulo_exporter.errors import ApiError
    from joulo_exporter.ledger import ClockJump, EndpointRecord
    from joulo_exporter.logs import Notice
    from joulo_exporter.models.charger import Tags
    from joulo_exporter.models.wire import ApiResponse
    from joulo_exporter.poller.tasks import Task

_logger = logging.getLogger(__name__)

_REFUSAL = re.compile(r"\S+: 40[13], ")
"""Beginning of the error of a refused token, as the ledger keeps it; a gateway's web page has no comma there."""

_LATER_FIRST_REQUESTS_PER_S = 10
"""First requests to an endpoint that is asked seldom, all accounts together."""

_MOST_UNKNOWN = 64
_LONGEST_UNKNOWN = 64
"""Names of unknown fields are counted, and logged, up to these bounds: they come from the network."""


class PollSettings(msgspec.Struct, frozen=True):
    """The part of the configuration that a poller follows."""

    account: str | None
    """The ``account`` label."""
    intervals: Mapping[str, float]
    """Seconds between two requests, by endpoint."""
    stale_after_s: float
    page_interval_s: float
    resync_interval_s: float
    tags: Tags
    collectors: frozenset[str] = frozenset()
    """The optional endpoints of the account."""
    public: bool = False
    """Whether this is no account, but the public price feed, which belongs to the process."""
    first_delay_s: float = 0.0
    """Least time before the first request, so that many accounts do not begin at once."""
    later_delay_s: float = 0.0
    """The same for endpoints that are asked seldom, though never longer than their interval."""

    @property
    def log_fields(self) -> dict[str, object]:
        """Return the fields of each line of the log about the account."""
        return {} if self.account is None else {"account": self.account}


def spread_settings(settings: PollSettings, position: int, accounts: int) -> PollSettings:
    """Return an account's settings with delays of its own among the accounts that begin along with it.

    First requests to endpoints that are asked seldom go out at ten a second: all at once, as after a long stop,
    they would double the load of the first minute.
    """
    return msgspec.structs.replace(
        settings,
        first_delay_s=settings.intervals["chargers"] * position / accounts,
        later_delay_s=position / _LATER_FIRST_REQUESTS_PER_S,
    )


class Handover(msgspec.Struct, frozen=True):
    """State that a poller leaves to the one that takes over from it within the process, after a reload."""

    durations: Durations = Durations()
    pause: Pause | None = None
    """The last request, by the monotonic clock: the throttle outlasts a jump of the wall clock, and a ledger
    that could not be written."""
    succeeded_mono_s: float | None = None
    token_refused_at_seconds: float | None = None
    noted_since_seconds: float | None = None
    """Start of the process by the wall clock, as ``ClockJump`` has it."""
    unknown_fields: frozenset[str] = frozenset()


class EndpointState:
    """One endpoint: when it is due, how it went, and for how long its API response is fresh.

    Moments on the monotonic clock end in ``_mono_s``: only they decide, so that a jump of the wall clock
    neither brings a request forward nor keeps an old value alive.

    Args:
        task: the refresh of the endpoint.
        settings: of the account.
        former: state of the poller before this one.
    """

    def __init__(self, task: Task, settings: PollSettings, former: Handover) -> None:
        self.task = task
        self.due_mono_s = 0.0
        self.pause = former.pause
        """The last request; its moment is on the monotonic clock."""
        self.requested_at_seconds = 0.0
        """The last request of this process, by the wall clock."""
        self._requested_mono_s = 0.0
        self.failures = 0
        self._error: str | None = None
        self.succeeded_at_seconds: float | None = None
        self.requests: Counter[str] = Counter()
        self._log_fields = settings.log_fields | {"endpoint": task.name}
        self._failure_log = FailureLog()
        self._malformed_logged: set[str] = set()
        self._settings = settings
        self._interval_s = settings.intervals[task.name]
        self._durations = former.durations
        self._succeeded_mono_s = former.succeeded_mono_s
        self._expected_mono_s = 0.0  # when the refresh after the last success should come
        self._up: bool | None = None
        self._api_error: ApiError | None = None  # of the last refresh, if this process asked and the API failed
        self._malformed = 0
        self._malformed_fields: Counter[str] = Counter()
        self._token_refused_at_seconds = former.token_refused_at_seconds
        self._unknown_fields = set(former.unknown_fields)

    def handover(self, *, new_token: bool, noted_since_seconds: float | None) -> Handover:
        """Return the state for the poller that takes over.

        Args:
            noted_since_seconds: start of the process by the wall clock.
            new_token: that one has another token: the back-off that this one earned is over, the interval is not.
        """
        pause, error = self.pause, self._api_error
        refused = isinstance(error, ApiAuthenticationError | ApiScopeError) and error.retry_after_s is None
        if new_token and refused and pause is not None:
            pause = msgspec.structs.replace(pause, failures=0)
        return Handover(
            durations=self._durations,
            pause=pause,
            succeeded_mono_s=self._succeeded_mono_s,
            token_refused_at_seconds=self._token_refused_at_seconds,
            noted_since_seconds=noted_since_seconds,
            unknown_fields=frozenset(self._unknown_fields),
        )

    def follow(self, jump: ClockJump) -> None:
        """Move the moments that were noted by the wall clock."""
        self.requested_at_seconds = jump.moved(self.requested_at_seconds)
        if self.succeeded_at_seconds is not None:
            self.succeeded_at_seconds = jump.moved(self.succeeded_at_seconds)
        if self._token_refused_at_seconds is not None:
            self._token_refused_at_seconds = jump.moved(self._token_refused_at_seconds)

    def restore(self, record: EndpointRecord | None, *, now_seconds: float, mono_s: float) -> None:
        """Take up the ledger's record; an endpoint that is due at once waits for the first delay."""
        if record is not None:
            offset_s = mono_s - now_seconds
            self._up, self._error, self._malformed = record.up, record.error, record.malformed
            self._malformed_fields.update(dict(record.malformed_fields))
            self.requests.update(dict(record.requests))
            self.succeeded_at_seconds = record.succeeded_at_seconds
            if record.pause is not None and _REFUSAL.match(record.error or ""):
                self._token_refused_at_seconds = record.pause.requested_at_seconds
            if self.pause is None and record.pause is not None:
                requested_mono_s = min(record.pause.requested_at_seconds + offset_s, mono_s)
                self.pause = msgspec.structs.replace(record.pause, requested_at_seconds=requested_mono_s)
            if self._succeeded_mono_s is None and record.succeeded_at_seconds is not None:
                self._succeeded_mono_s = min(record.succeeded_at_seconds + offset_s, mono_s)
        left_s = remaining_s(self.pause, self.task.interval_s(self._settings), mono_s)
        settings, delay_s = self._settings, self._settings.first_delay_s
        if self._interval_s > min(settings.intervals.values()):
            delay_s = max(delay_s, min(settings.later_delay_s, self._interval_s))
        self.due_mono_s = mono_s + max(left_s, delay_s)
        self.failures = self.pause.failures if self.pause else 0
        self._expected_mono_s = (self._succeeded_mono_s or 0.0) + self._interval_s

    # The course of a refresh ----------------------------------------------------------------------

    def provisional_pause(self, now_seconds: float) -> Pause:
        """Return the pause of a request that goes out now, which holds if its outcome is never noted."""
        return Pause(now_seconds, self.task.interval_s(self._settings), self.failures)

    def requested(self, *, now_seconds: float, mono_s: float) -> None:
        """Note that a request goes out now."""
        self.requested_at_seconds, self._requested_mono_s = now_seconds, mono_s
        self._wait_for(self.provisional_pause(mono_s))

    def recorded_pause(self, *, failures: int) -> Pause:
        """Return the pause since the last request as the ledger keeps it, by the wall clock."""
        length_s = self.pause.length_s if self.pause is not None else 0.0
        return Pause(self.requested_at_seconds, length_s, failures)

    def observe_duration(self, mono_s: float) -> None:
        """Note that the request which went out last is over."""
        self._durations = self._durations.observed(mono_s - self._requested_mono_s)

    def succeeded(self, response: ApiResponse[object], fraction: float, mono_s: float) -> None:
        """Note a refresh that succeeded.

        Args:
            response: of the API; what of it could not be used is counted.
            fraction: a random number in [0, 1) for the jitter.
            mono_s: the time.
        """
        self.failures, self._up, self._error, self._api_error = 0, True, None, None
        self.requests["200"] += 1
        self._malformed += len(response.malformed)
        self._malformed_fields.update(fault.field for fault in response.malformed_fields)
        self.succeeded_at_seconds, self._succeeded_mono_s = self.requested_at_seconds, self._requested_mono_s
        # A page may have begun or ended a walk through the history, which changes the interval.
        length_s = pause_after_success(self.task.interval_s(self._settings), fraction)
        self._wait_for(Pause(self._requested_mono_s, length_s))
        self._expected_mono_s = self.due_mono_s
        self._log("info", "refresh works again", self._failure_log.succeeded(mono_s))
        self._log_malformed(response)
        for path in response.unknown_fields - self._unknown_fields:
            if len(self._unknown_fields) < _MOST_UNKNOWN:
                self._unknown_fields.add(path)
                event(_logger, "debug", "a field that this version does not know", **self._log_fields,
                      field=path[:_LONGEST_UNKNOWN])  # fmt: skip

    def failed(self, error: ApiError, fraction: float, mono_s: float) -> None:
        """Note a request that failed; the pause that ``Retry-After`` asks for counts from now."""
        self._failed(str(error), error)
        if isinstance(error, ApiAuthenticationError | ApiScopeError):
            self._token_refused_at_seconds = self.requested_at_seconds
        retry_after_s = error.retry_after_s
        if retry_after_s is not None:
            retry_after_s += mono_s - self._requested_mono_s
        length_s = pause_after_failure(
            self._interval_s, self.failures, fraction, retry_after_s, permanent=self._unavailable
        )
        self._wait_for(Pause(self._requested_mono_s, length_s, self.failures))
        notice = self._failure_log.failed(error.reason, mono_s)
        if not self._unavailable:
            self._log("warn", "refresh failed", notice, err=self._error)
        elif notice is not None and not notice.repeated:
            refusal = "the API refuses a collector; it is tried once a day from now on"
            self._log("warn", refusal, notice, err=self._error)

    def failed_internally(self, error: Exception, fraction: float, mono_s: float) -> None:
        """Note a failure on our side of the wire; the next try follows as after one of the API."""
        self._failed(str(error) if isinstance(error, LedgerError) else "internal error; see the log", None)
        # Whether a request went out or not, the pause counts from now.
        self.due_mono_s = mono_s + pause_after_failure(self._interval_s, self.failures, fraction)
        if isinstance(error, LedgerError):
            self._log("warn", "refresh failed", self._failure_log.failed(error.reason, mono_s), err=self._error)
        else:
            self._log("error", "internal error", self._failure_log.failed("internal", mono_s), err=error)

    def _failed(self, error: str, api_error: ApiError | None) -> None:
        self.failures += 1
        self._up, self._error, self._api_error = False, error, api_error

    def _wait_for(self, pause: Pause) -> None:
        self.pause = pause
        self.due_mono_s = pause.requested_at_seconds + pause.length_s

    def bring_forward(self) -> None:
        """Ask as soon as the interval allows: without the jitter, but not in the middle of a back-off."""
        if self.failures == 0 and self.pause is not None:
            allowed_mono_s = self.pause.requested_at_seconds + self.task.interval_s(self._settings)
            self.due_mono_s = min(self.due_mono_s, allowed_mono_s)

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
    def _unavailable(self) -> bool:
        """Return whether the endpoint is an optional one that the API does not have, or not for this token."""
        return self.task.optional and isinstance(self._api_error, ApiScopeError | ApiNotFoundError)

    @property
    def expires_mono_s(self) -> float:
        """Return when the last response is too old: ``stale_after`` past the refresh that should follow it."""
        return self._expected_mono_s + self._settings.stale_after_s

    def fresh(self, mono_s: float) -> bool:
        """Return whether the last API response, if there is one, may still be served as live."""
        return self._succeeded_mono_s is not None and mono_s < self.expires_mono_s

    def health(self) -> EndpointHealth:
        """Return the state as a snapshot shows it."""
        return EndpointHealth(
            endpoint=self.task.name,
            interval_s=self._interval_s,
            up=self._up,
            error=self._error,
            succeeded_at_seconds=self.succeeded_at_seconds,
            token_refused_at_seconds=self._token_refused_at_seconds,
            requests=dict(sorted(self.requests.items())),
            malformed=self._malformed,
            malformed_fields=dict(sorted(self._malformed_fields.items())),
            durations=self._durations,
            unknown_fields=len(self._unknown_fields),
        )

    # The log --------------------------------------------------------------------------------------

    def _log(
        self, level: Literal["info", "warn", "error"], message: str, notice: Notice | None, **fields: object
    ) -> None:
        """Log a line about refreshes that fail, or have failed, if it is time for one."""
        if notice is not None:
            event(_logger, level, message, **self._log_fields, reason=notice.reason, failures=notice.failures,
                  lasted_s=round(notice.lasted_s), **fields)  # fmt: skip

    def _log_malformed(self, response: ApiResponse[object]) -> None:
        """Log each kind of malformed record or field once: not at every refresh, nor at every place."""
        records = {line.partition(": ")[2]: line for line in response.malformed}
        if news := self._not_logged(records):
            event(_logger, "warn", "records left out that cannot be read", **self._log_fields,
                  records=len(response.malformed), err=news[0])  # fmt: skip
        unusable = "a field cannot be used, and is treated as not given"
        for text in self._not_logged({str(fault): str(fault) for fault in response.malformed_fields}):
            event(_logger, "warn", unusable, **self._log_fields, err=text)

    def _not_logged(self, kinds: Mapping[str, str]) -> list[str]:
        """Return the texts of kinds that were not logged yet; kinds are few: no value of a response is in them."""
        news = [text for kind, text in kinds.items() if kind not in self._malformed_logged]
        self._malformed_logged |= kinds.keys()
        return news
