"""The optional endpoints: the same throttle, persistence and staleness; refused, they are tried once a day."""

import logging

import pytest
from support.poller_rig import Rig

from joulo_exporter.errors import ApiNotFoundError, ApiScopeError, ApiServerError

POSITION = {"effective_fee_pct": 10, "paid": {"ere": 5, "net_eur": 1.5}}
INTERVALS = {"chargers": 60.0, "sessions": 600.0, "energy": 3600.0, "ere_position": 3600.0}
REFUSALS = [ApiScopeError("403, no", status=403), ApiNotFoundError("404, no", status=404)]


def rig_with(folder=None, **settings) -> Rig:
    rig = Rig(folder, intervals=INTERVALS, **({"collectors": frozenset({"ere_position"})} | settings))
    rig.api.answers |= {"ere_position": POSITION}
    return rig


async def test_the_position_is_asked_once_an_hour_outlives_the_process_and_goes_stale(tmp_path):
    async with rig_with(tmp_path) as rig:
        await rig.start()
        await rig.clock.advance(3600)
        assert rig.api.moments("ere_position") == [1000.0, 4600.0]
        assert rig.value("joulo_up", endpoint="ere_position") == 1
        assert rig.value("joulo_refresh_interval_seconds", endpoint="ere_position") == 3600
        rig.api.answers["ere_position"] = ApiServerError("500", status=500)
        await rig.restart(away_s=60)
        assert len(rig.api.moments("ere_position")) == 2
        await rig.clock.advance(3540 + 899)
        assert rig.value("joulo_ere_position_euros", bucket="paid") == 1.5
        await rig.clock.advance(2)
        assert rig.value("joulo_ere_position_euros", bucket="paid") is None
        assert rig.value("joulo_up", endpoint="ere_position") == 0


@pytest.mark.parametrize("refusal", REFUSALS, ids=["403", "404"])
async def test_refused_it_is_tried_once_a_day_also_after_a_restart_and_says_so_once(refusal, caplog):
    caplog.set_level(logging.INFO)
    async with rig_with() as rig:
        rig.api.answers["ere_position"] = refusal
        await rig.start()
        await rig.restart(away_s=7200)
        await rig.clock.advance(3 * 86_400 - 7200 + 10)
        assert rig.api.moments("ere_position") == [1000.0 + day * 86_400 for day in range(4)]
        assert caplog.text.count("the API refuses a collector") == 2  # once in each process
        assert "refresh failed" not in caplog.text
        assert rig.value("joulo_up", endpoint="ere_position") == 0
        assert rig.value("joulo_up", endpoint="chargers") == 1
        assert len(rig.api.moments("energy")) == 72
        rig.api.answers["ere_position"] = POSITION
        await rig.clock.advance(86_400)
        assert rig.value("joulo_ere_position_euros", bucket="paid") == 1.5
