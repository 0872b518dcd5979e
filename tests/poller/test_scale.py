"""Five thousand accounts in simulated time: each within its interval, and never many at once."""

import heapq
import random
from collections import Counter
from itertools import pairwise

import pytest
from support.fake_clock import FakeClock
from support.poller_rig import SETTINGS

from joulo_exporter.accounts import spread_settings
from joulo_exporter.ledger import EndpointRecord, Pause, Walk
from joulo_exporter.models.wire import ApiResponse
from joulo_exporter.poller import EndpointState, account_tasks
from joulo_exporter.poller.endpoint import JITTER_SHARE

ACCOUNTS = 5000
HOUR_S = 3600.0
MEAN_PER_S = ACCOUNTS * (1 / 60 + 1 / 600 + 1 / 3600)
NOW_S = 1_781_810_000.0
NOTHING = ApiResponse(())


def asked_in_an_hour(record: EndpointRecord | None) -> dict[tuple[int, str], list[float]]:
    """Return when each endpoint of each account is asked, each with an API response at once."""
    numbers, clock, moments, due = random.Random(1), FakeClock(NOW_S, 0.0), {}, []
    for account in range(ACCOUNTS):
        settings = spread_settings(SETTINGS, account, ACCOUNTS)
        for task in account_tasks(settings):
            state = EndpointState(task, settings, clock, numbers.random)
            state.restore(record, Walk())
            moments[account, task.name] = []
            heapq.heappush(due, (state.due_mono_s, account, task.name, state))
    while due[0][0] < HOUR_S:
        now_s, account, name, state = heapq.heappop(due)
        moments[account, name].append(now_s)
        clock.move_to(now_s)
        state.requested()
        state.succeeded(NOTHING)
        heapq.heappush(due, (state.due_mono_s, account, name, state))
    return moments


@pytest.mark.parametrize(
    "record",
    [None, EndpointRecord(pause=Pause(NOW_S - 86_400.0, 3600.0), up=True, succeeded_at_seconds=NOW_S - 86_400.0)],
    ids=["never asked before", "all due at once after a long stop"],
)
def test_five_thousand_accounts_are_asked_evenly_and_in_time(record):
    moments = asked_in_an_hour(record)
    seconds = Counter(int(moment) for asked in moments.values() for moment in asked)
    assert max(seconds.values()) < 1.5 * MEAN_PER_S
    assert min(seconds[second] for second in range(int(HOUR_S) - 1)) > 0.3 * MEAN_PER_S
    for (_, endpoint), asked in moments.items():
        interval_s = SETTINGS.intervals[endpoint]
        assert asked[0] < min(600.0, interval_s)
        assert all(
            interval_s <= later - earlier <= interval_s * (1 + JITTER_SHARE) + 1e-6
            for earlier, later in pairwise(asked)
        )
