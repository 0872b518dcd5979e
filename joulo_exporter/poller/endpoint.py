"""Endpoints of an account: how each is refreshed, when it is due, its back-off, its health, and its log.

Two requests are at least the interval apart. Jitter only lengthens the pause, a failure lengthens it further, and
``Retry-After`` is obeyed.
"""

import contextlib
import dataclasses
import logging
import math
import random
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import msgspec
from msgspec.structs import replace

from joulo_exporter.api.client import CHARGERS, ENERGY, OPTIONAL_ENDPOINTS, SESSIONS, Endpoint, JouloClient
from joulo_exporter.clock import SystemClock
from joulo_exporter.config.files import Secret
from joulo_exporter.config.schema import AccountConfig, ApiConfig, Config
from joulo_exporter.errors import ApiError, ApiRefusalError, LedgerError
from joulo_exporter.ledger.account import (
    PUBLIC_ACCOUNT,
    AccountLedger,
    ClockJump,
    EndpointRecord,
    Pause,
    Refreshes,
)
from joulo_exporter.ledger.database import Database
from joulo_exporter.ledger.history import PAGE_SIZE, Outcome, Walk, next_page
from joulo_exporter.logs import FailureLog, Level, event
from joulo_exporter.models.charger import parse_chargers
from joulo_exporter.models.wire import ApiResponse
from joulo_exporter.snapshot import EndpointHealth

_logger = logging.getLogger(__name__)

JITTER_SHARE = 0.05
"""Regular refreshes come up to this share of their interval late, so that many exporters spread out."""

FAILURE_JITTER_SHARE = 0.25
LONGEST_BACK_OFF_S = 900.0
"""Longest exponential back-off, unless the interval is longer, so that the end of an outage is soon noticed."""

LONGEST_RETRY_AFTER_S = 86_400.0
"""A ``Retry-After`` beyond a day is taken as a day: a slip of a gateway must not end the exporter's work."""

_REFUSED_RETRY_S = 86_400.0
"""Pause of an optional endpoint that the API does not have, or not for this token: only a person can mend that."""

_NEVER = Pause(-math.inf, 0.0)

_REFUSAL = re.compile(r"\S+: 40[13], ")
"""Start of the stored error of a refused token; the error of a gateway's web page has no comma there."""

_MOST_UNKNOWN = 64
"""Most names of unknown fields that are counted, and letters of one that are logged: they come from outside."""


class Plan(msgspec.Struct, frozen=True):
    """Everything that one account's poller depends on: a reload leaves a poller with an unchanged plan alone."""

    config: Config
    """Without its accounts, so that the plans of others do not change with one of them."""
    account: AccountConfig | None = None
    """``None`` for the public price feed, which belongs to the process."""
    token: Secret | None = None
    """The token in use; ``None`` for the public price feed."""

    @property
    def key(self) -> str:
        """Return the name under which the ledger has the account."""
        return PUBLIC_ACCOUNT if self.account is None else self.account.name or ""

    @property
    def label(self) -> str | None:
        """Return the ``account`` label, if the account has one."""
        return None if self.account is None else self.account.name

    @property
    def log_fields(self) -> dict[str, object]:
        """Return the fields of each line of the log about the account."""
        return {} if self.label is None else {"account": self.label}

    @property
    def api(self) -> ApiConfig:
        """Return access to the API, or to the server of the price feed."""
        api = self.config.api
        return api if self.account else replace(api, url=api.ere_price_url)

    def ledger(self, database: Database) -> AccountLedger:
        """Return the account's part of the ledger."""
        return AccountLedger(
            database,
            self.key,
            configured_labels=self.config.chargers,
            vehicles=self.config.tags.vehicles,
            max_power_kw=self.api.max_power_kw,
        )


@dataclass(eq=False)
class EndpointState:
    """One endpoint of an account: how it is refreshed, when it is due, how it went, and what it serves.

    It outlasts a reload. Names of moments on the monotonic clock end in ``_mono_s``, except in ``pause``: only
    these moments decide, so that a jump of the wall clock neither brings a request forward nor keeps an old value
    alive.
    """

    endpoint: Endpoint
    record: Callable[..., Outcome]
    """Writes an API response down; takes the ledger, the response, and the pause since its request."""
    plan: Plan
    clock: SystemClock
    fraction: Callable[[], float] = random.random
    """Gives random numbers in [0, 1) for jitter."""

    def __post_init__(self) -> None:
        self.name = self.endpoint.name
        self.content: Any = None
        """Content of the last API response; ``None`` before the first one."""
        self.walk = Walk()
        """Progress of reading the history; only the state of ``/sessions`` uses it."""
        self.health = EndpointHealth(self.name, self._regular_interval_s)
        """The state as snapshots show it."""
        self.pause = _NEVER
        """The last request, by the monotonic clock: the throttle outlasts a jump of the wall clock, and a ledger
        that could not be written."""
        self.due_mono_s = 0.0
        self.requested_at_seconds = 0.0
        """The last request of this process, by the wall clock."""
        self._succeeded_mono_s = -math.inf
        self._expected_mono_s = -math.inf  # when the refresh after the last success should come
        self.api_error: ApiError | None = None
        """Error of the last refresh, if this process asked and the API failed."""
        self._failure_log = FailureLog()
        self._faults_logged: set[str] = set()
        self._unknown_fields: set[str] = set()

    @property
    def _regular_interval_s(self) -> float:
        return self.plan.config.intervals[self.name]

    def configure(self, endpoint: Endpoint, plan: Plan) -> None:
        """Take up another plan; a new token does not wait out the back-off of the former one.

        A pause that the API has asked for still holds.
        """
        self.endpoint, self.plan, error = endpoint, plan, self.api_error
        if error is not None and _refuses_token(error) and error.retry_after_s is None:
            self.pause = replace(self.pause, failures=0)

    def restore(self, record: EndpointRecord | None, walk: Walk, first_delay_s: float = 0.0) -> None:
        """Take up the ledger's record, unless this process has asked before, and the rest of the pause.

        The interval now in force may differ from that at the request, and the wall clock may have jumped since.
        After a jump backwards, the whole pause is waited for again, but never longer; a jump forwards cannot be
        detected, and shortens the pause.

        An API response that an earlier version kept in another form is waited for.
        """
        self.walk, self.content, mono_s = walk, None, self.clock.monotonic()
        if record is not None and record.body is not None:
            with contextlib.suppress(msgspec.MsgspecError):
                self.content = msgspec.json.decode(record.body, type=self.endpoint.kept)
        if record is not None and record.pause is not None and self.pause is _NEVER:
            ahead_s, asked_at_seconds = self.clock.now() - mono_s, record.pause.requested_at_seconds
            self.pause = replace(record.pause, requested_at_seconds=min(asked_at_seconds - ahead_s, mono_s))
            if record.succeeded_at_seconds is not None:
                self._succeeded_mono_s = min(record.succeeded_at_seconds - ahead_s, mono_s)
            self._note(
                token_refused_at_seconds=asked_at_seconds if _REFUSAL.match(record.error or "") else None,
                **{name: getattr(record, name) for name in Refreshes.__struct_fields__},
            )
        self._note(interval_s=self._regular_interval_s)
        length_s = self.interval_s if self.pause.failures == 0 else max(self.pause.length_s, self.interval_s)
        self.due_mono_s = max(self.pause.requested_at_seconds + length_s, mono_s + first_delay_s)
        self._expected_mono_s = self._succeeded_mono_s + self._regular_interval_s

    def follow(self, jump: ClockJump, walk: Walk) -> None:
        """Move the moments that were noted by the wall clock, as those of the walk have been."""
        self.walk = walk
        for name in ("succeeded_at_seconds", "token_refused_at_seconds"):
            moment_seconds = getattr(self.health, name)
            if moment_seconds is not None:
                self._note(**{name: jump.moved(moment_seconds)})

    def _note(self, **changes: object) -> None:
        self.health = replace(self.health, **changes)

    @property
    def interval_s(self) -> float:
        """Return the least time from one request to the next: while there are pages to read, that between two."""
        is_walking = self.endpoint is SESSIONS and self.walk.offset is not None
        return self.plan.config.history.page_interval_s if is_walking else self._regular_interval_s

    # The course of a refresh ----------------------------------------------------------------------

    def page(self) -> Walk | None:
        """Choose the page to ask for now; ``None`` for an endpoint without pages, as all are but ``/sessions``."""
        if self.endpoint is not SESSIONS:
            return None
        interval_s, resync_s = self._regular_interval_s, self.plan.config.history.resync_interval_s
        return next_page(self.walk, self.requested_at_seconds, interval_s=interval_s, resync_interval_s=resync_s)

    def requested(self) -> None:
        """Note that a request goes out now; should its outcome never be noted, the pause is the interval."""
        self.requested_at_seconds = self.clock.now()
        self._wait_for(Pause(self.clock.monotonic(), self.interval_s, self.pause.failures))

    def recorded_pause(self, failures: int) -> Pause:
        """Return the pause since the last request as the ledger keeps it, by the wall clock."""
        return Pause(self.requested_at_seconds, self.pause.length_s, failures)

    async def fetch(self, client: JouloClient, page: Walk | None) -> ApiResponse[Any]:
        """Ask the endpoint, for a page that the ledger has noted, and observe how long it takes."""
        query = None
        if page is not None:
            self.walk, self.record = page, partial(AccountLedger.record_page, asked=page)
            query = {"limit": str(PAGE_SIZE), "offset": str(page.asked_offset)}
        try:
            return await client.fetch(self.endpoint, query)
        finally:
            duration_s = self.clock.monotonic() - self.pause.requested_at_seconds
            self._note(durations=self.health.durations.observed(duration_s))

    def count_request(self, code: str) -> None:
        """Count a request by its outcome, once that is written down: a counter must not fall with a restart."""
        self._note(requests=_counted(self.health.requests, [code]))

    def succeeded(self, response: ApiResponse[Any], outcome: Outcome) -> None:
        """Serve an API response that the ledger has, and note the parts of it that could not be used."""
        self.walk = outcome.walk or self.walk
        self.content = response.content.estimate if self.endpoint is SESSIONS else response.content
        if self._failure_log.failures:
            fields = self._log_fields | self._failure_log.succeeded(self.clock.monotonic())
            event(_logger, "info", "refresh works again", **fields)
        self._log_faults(response)
        self.count_request("200")
        self._note(
            up=True,
            error=None,
            succeeded_at_seconds=self.requested_at_seconds,
            malformed=self.health.malformed + len(response.malformed),
            malformed_fields=_counted(
                self.health.malformed_fields, (fault.field for fault in response.malformed_fields)
            ),
            unknown_fields=len(self._unknown_fields),
        )
        self.api_error, self._succeeded_mono_s = None, self.pause.requested_at_seconds
        # A page may have begun or ended a walk through the history, which changes the interval.
        length_s = self.interval_s * (1 + JITTER_SHARE * self.fraction())
        self._wait_for(Pause(self.pause.requested_at_seconds, length_s))
        self._expected_mono_s = self.due_mono_s

    def failed(self, error: ApiError) -> None:
        """Note a request that failed; the pause that ``Retry-After`` asks for counts from now."""
        self.api_error, asked_mono_s, interval_s = error, self.pause.requested_at_seconds, self._regular_interval_s
        if _refuses_token(error):
            self._note(token_refused_at_seconds=self.requested_at_seconds)
        is_refused = isinstance(error, ApiRefusalError) and error.code != "401"
        unavailable = is_refused and self.endpoint in OPTIONAL_ENDPOINTS
        if unavailable:
            interval_s = max(interval_s, _REFUSED_RETRY_S)
        since_request_s = self.clock.monotonic() - asked_mono_s
        retry_after_s = 0.0 if error.retry_after_s is None else error.retry_after_s + since_request_s
        self._back_off(asked_mono_s, interval_s, retry_after_s)
        if unavailable:
            self._note(up=False, error=str(error))
            message = "the API refuses a collector; it is tried once a day from now on"
            self._log_once(error.code, message, err=str(error))
        else:
            self._fail("warn", "refresh failed", error.code, str(error))

    def failed_internally(self, error: Exception) -> None:
        """Note a failure of the exporter itself; the back-off is the same as after a failure of the API."""
        self.api_error = None
        # Whether a request went out or not, the pause counts from now.
        self._back_off(self.clock.monotonic(), self._regular_interval_s)
        if isinstance(error, LedgerError):
            self._fail("warn", "refresh failed", "ledger", str(error))
        elif isinstance(error, MemoryError):
            remedy = "raise the limit of the process or the container"
            self._fail("error", "refresh failed", "memory", f"too little memory for the refresh; {remedy}")
        else:
            self._fail("error", "internal error", "internal", "internal error; see the log", err=error)

    def _back_off(self, since_mono_s: float, interval_s: float, retry_after_s: float = 0.0) -> None:
        """Wait for the interval, doubled with each further failure in a row, and as long as the API asks for."""
        failures = self.pause.failures + 1
        doubled_s = interval_s * 2.0 ** min(failures - 1, 20)
        back_off_s = max(interval_s, min(doubled_s, LONGEST_BACK_OFF_S))
        jittered_s = back_off_s * (1 + FAILURE_JITTER_SHARE * self.fraction())
        length_s = max(jittered_s, min(retry_after_s, LONGEST_RETRY_AFTER_S))
        self._wait_for(Pause(since_mono_s, length_s, failures))

    def _fail(self, level: Level, message: str, reason: str, shown: str, err: object = None) -> None:
        self._note(up=False, error=shown)
        fields = self._failure_log.failed(reason, self.clock.monotonic())
        if fields is not None:
            event(_logger, level, message, **self._log_fields, **fields, err=err or shown)

    def _wait_for(self, pause: Pause) -> None:
        self.pause = pause
        self.due_mono_s = pause.requested_at_seconds + pause.length_s

    def bring_forward(self) -> None:
        """Ask as soon as the interval allows: without the jitter, but not in the middle of a back-off."""
        pause = self.pause
        if pause.failures == 0 and pause is not _NEVER:
            allowed_mono_s = pause.requested_at_seconds + self.interval_s
            self.due_mono_s = min(self.due_mono_s, allowed_mono_s)

    # How it went ----------------------------------------------------------------------------------

    @property
    def expires_mono_s(self) -> float:
        """Return when the last response is too old: ``stale_after`` past the refresh that should follow it."""
        return self._expected_mono_s + self.plan.config.stale_after_s

    # The log --------------------------------------------------------------------------------------

    def _log_faults(self, response: ApiResponse[object]) -> None:
        """Log each kind of fault once, not at every refresh or for every record; a kind contains no value."""
        for line in response.malformed:
            self._log_once(line.partition(": ")[2], "records left out that cannot be read",
                           records=len(response.malformed), err=line)  # fmt: skip
        for fault in response.malformed_fields:
            self._log_once(str(fault), "a field cannot be used, and is treated as not given", err=str(fault))
        for path in response.unknown_fields - self._unknown_fields:
            if len(self._unknown_fields) < _MOST_UNKNOWN:
                self._unknown_fields.add(path)
                event(_logger, "debug", "a field that this version does not know", **self._log_fields,
                      field=path[:_MOST_UNKNOWN])  # fmt: skip

    @property
    def _log_fields(self) -> dict[str, object]:
        return self.plan.log_fields | {"endpoint": self.name}

    def _log_once(self, kind: str, message: str, **fields: object) -> None:
        if kind not in self._faults_logged:
            self._faults_logged.add(kind)
            event(_logger, "warn", message, **self._log_fields, **fields)


def account_endpoints(
    plan: Plan, clock: SystemClock, fraction: Callable[[], float] = random.random
) -> list[EndpointState]:
    """Return the endpoints of an account, or of the public price feed.

    Those that are due together are asked in this order: slugs of ``/chargers`` take precedence over nicknames.
    """
    optional = [
        EndpointState(each, partial(AccountLedger.record_response, endpoint=each.name), plan, clock, fraction)
        for each in OPTIONAL_ENDPOINTS
        if each.name in plan.config.collectors and each.public == (plan.account is None)
    ]
    if plan.account is None:
        return optional
    # With a memory of its own, so that an unchanged charger is not read again.
    chargers = dataclasses.replace(CHARGERS, parse=partial(parse_chargers, memory={}))
    return [
        EndpointState(chargers, AccountLedger.record_chargers, plan, clock, fraction),
        EndpointState(SESSIONS, AccountLedger.record_page, plan, clock, fraction),
        EndpointState(ENERGY, AccountLedger.record_energy, plan, clock, fraction),
        *optional,
    ]


def _refuses_token(error: ApiError) -> bool:
    return isinstance(error, ApiRefusalError) and error.code != "404"


def _counted(counts: Mapping[str, int], more: Iterable[str]) -> Mapping[str, int]:
    """Return the counts with one more for each of these names, in order of the names."""
    return dict(sorted((Counter(counts) + Counter(more)).items()))
