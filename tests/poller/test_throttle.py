"""How often the API is asked: pauses, and 5,000 accounts."""

import heapq
import math
import random
from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from support.fake_clock import START_S, FakeClock
from support.poller_rig import CONFIG, PLAN

from joulo_exporter.accounts import first_delays
from joulo_exporter.errors import ApiError, ApiTimeoutError
from joulo_exporter.ledger.account import EndpointRecord, Pause
from joulo_exporter.ledger.history import Outcome, Walk
from joulo_exporter.models.session import SessionPage
from joulo_exporter.models.wire import ApiResponse
from joulo_exporter.poller.endpoint import (
    FAILURE_JITTER_SHARE,
    JITTER_SHARE,
    LONGEST_BACK_OFF_S,
    LONGEST_RETRY_AFTER_S,
    account_endpoints,
)

intervals = st.floats(0.01, 1e6)
fractions = st.floats(0, 1, exclude_max=True)
moments = st.floats(-1e12, 1e12)
failures = st.integers(0, 10_000)


@given(interval_s=intervals, count=failures, fraction=fractions, asked=st.none() | st.floats(0, math.inf))
def test_a_failure_is_followed_by_the_interval_at_least_and_retry_after_is_obeyed(
    interval_s, count, fraction, asked
):
    config = replace(CONFIG, intervals=dict.fromkeys(CONFIG.intervals, interval_s))
    state = account_endpoints(replace(PLAN, config=config), FakeClock(), lambda: fraction)[0]
    state.restore(EndpointRecord(pause=Pause(START_S, 0.0, count)), Walk())
    state.requested()
    state.failed(ApiError("429", status=429, retry_after_s=asked))
    assert state.pause.failures == count + 1
    pause_s, asked_s = state.pause.length_s, min(asked or 0.0, LONGEST_RETRY_AFTER_S)
    assert pause_s >= max(interval_s, asked_s)
    assert pause_s <= max(max(interval_s, LONGEST_BACK_OFF_S) * (1 + FAILURE_JITTER_SHARE), asked_s)


@given(requested=moments, now=moments, length_s=st.floats(0, 1e6), count=failures, interval_s=intervals)
def test_the_rest_of_a_pause_whatever_the_clock_does(requested, now, length_s, count, interval_s):
    config, clock = replace(CONFIG, intervals=dict.fromkeys(CONFIG.intervals, interval_s)), FakeClock(now)
    state = account_endpoints(replace(PLAN, config=config), clock)[0]
    state.restore(EndpointRecord(pause=Pause(requested, length_s, count)), Walk())
    left_s = state.due_mono_s - clock.monotonic()
    whole_s = interval_s if count == 0 else max(length_s, interval_s)
    assert 0 <= left_s <= whole_s + 1e-3
    if now <= requested:
        assert left_s == pytest.approx(whole_s, abs=1e-3)
    elif left_s > 0:
        assert whole_s - left_s == pytest.approx(now - requested, abs=1e-3)


# Five thousand accounts in simulated time ------------------------------------------------------

ACCOUNTS = 5000
HOUR_S = 3600.0
DAY_BEFORE_S = START_S - 86_400.0
MEAN_PER_S = ACCOUNTS * (1 / 60 + 1 / 600 + 1 / 3600)
NOTHING = ApiResponse(SessionPage(()))


def asked_in_an_hour(record: EndpointRecord | None) -> dict[tuple[int, str], list[float]]:
    """Return when each endpoint of each account is asked, each with an API response at once."""
    numbers, clock, moments, due = random.Random(1), FakeClock(monotonic_s=0.0), {}, []
    for account in range(ACCOUNTS):
        delays = first_delays(CONFIG.intervals, account, ACCOUNTS)
        for state in account_endpoints(PLAN, clock, numbers.random):
            state.restore(record, Walk(), delays[state.name])
            moments[account, state.name] = []
            heapq.heappush(due, (state.due_mono_s, account, state.name, state))
    while due[0][0] < HOUR_S:
        now_s, account, name, state = heapq.heappop(due)
        moments[account, name].append(now_s)
        clock.move_to(now_s)
        state.requested()
        state.succeeded(NOTHING, Outcome())
        heapq.heappush(due, (state.due_mono_s, account, name, state))
    return moments


@pytest.mark.parametrize(
    "record",
    [
        None,
        EndpointRecord(pause=Pause(START_S - 86_400.0, 3600.0), up=True, succeeded_at_seconds=START_S - 86_400.0),
    ],
    ids=["never asked before", "all due at once after a long stop"],
)
def test_five_thousand_accounts_are_asked_evenly_and_in_time(record):
    moments = asked_in_an_hour(record)
    seconds = Counter(int(moment) for asked in moments.values() for moment in asked)
    assert max(seconds.values()) < 1.5 * MEAN_PER_S
    assert min(seconds[second] for second in range(int(HOUR_S) - 1)) > 0.3 * MEAN_PER_S
    for (_, endpoint), asked in moments.items():
        interval_s = CONFIG.intervals[endpoint]
        assert asked[0] < min(600.0, interval_s)
        assert all(
            interval_s <= later - earlier <= interval_s * (1 + JITTER_SHARE) + 1e-6
            for earlier, later in pairwise(asked)
        )


def test_accounts_that_hang_leave_request_slots_for_the_others():
    """One account in ten gets no response until the timeout; back-off alone keeps the 256 request slots free."""
    numbers, clock, holding, most, due = random.Random(1), FakeClock(monotonic_s=0.0), 0, 0, []
    for account in range(ACCOUNTS):
        delays = first_delays(CONFIG.intervals, account, ACCOUNTS)
        for state in account_endpoints(PLAN, clock, numbers.random):
            state.restore(None, Walk(), delays[state.name])
            heapq.heappush(due, (state.due_mono_s, account, state.name, state))
    asking = set()
    while due[0][0] < HOUR_S:
        now_s, account, name, state = heapq.heappop(due)
        clock.move_to(now_s)
        if account % 10:
            state.requested()
            state.succeeded(NOTHING, Outcome())
        elif state not in asking:
            asking.add(state)
            state.requested()
            holding += 1
            most = max(most, holding)
            heapq.heappush(due, (now_s + CONFIG.api.timeout_s, account, name, state))
            continue
        else:
            asking.remove(state)
            holding -= 1
            state.failed(ApiTimeoutError("no response"))
        heapq.heappush(due, (state.due_mono_s, account, name, state))
    assert 50 < most < 256
