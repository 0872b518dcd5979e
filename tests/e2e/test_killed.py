"""The real process, killed again and again: nothing is lost, doubled, asked early, or taken back."""

import random
import time
from itertools import pairwise

import pytest
from support.processes import INTERVAL_S, Counters, exporter, free_port
from support.simulator import in_thread, recorded

from joulo_exporter.simulator import Cadence, Household, Scenario, serve

pytestmark = pytest.mark.e2e

KILLS = 50
ENOUGH_REQUESTS = 5
# Requests are timed as they arrive: a busy machine may deliver one late and the next one in time.
DELIVERY_S = 0.4


def total(seen):
    return round(sum(value for (name, _), value in seen.items() if name == "joulo_total_kwh"), 2)


def test_fifty_kills(tmp_path):
    numbers, port = random.Random(7), free_port()
    cadence = Cadence(session_s=(4, 6), pause_s=(1, 2), credits_delay_s=1, sync_s=1, time_lapse=40)
    household, counters = Household(Scenario(history_sessions=1500, cadence=cadence)), Counters(port)

    def charged():
        return sum(session.kwh_hundredths for session in household.sessions_at(household.clock())) / 100

    def arrivals():
        paths = ("/chargers", "/energy")
        return [[request.at_seconds for request in requests if request.path == path] for path in paths]

    with in_thread(serve(household)) as api:
        requests = recorded(api)
        for kill in range(KILLS + 1):
            with exporter(tmp_path, api.url, port, is_ready=lambda: True) as process:
                expected = charged()
                for _ in range(numbers.randint(1, 4) if kill < KILLS else 300):
                    time.sleep(numbers.uniform(0.1, 0.6))
                    counters.look()
                    enough = min(map(len, arrivals())) > ENOUGH_REQUESTS
                    if kill == KILLS and enough and total(counters.seen) >= expected:
                        break
                process.kill()

    assert counters.fallen == []
    assert expected <= total(counters.seen) <= charged()
    for moments in arrivals():
        assert len(moments) > ENOUGH_REQUESTS
        assert min(later - earlier for earlier, later in pairwise(moments)) >= INTERVAL_S - DELIVERY_S
    assert "Traceback" not in (tmp_path / "exporter.log").read_text()
