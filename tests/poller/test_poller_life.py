"""Staleness, restarts and reloads."""

import pytest
from support.poller_rig import CHARGER, STALE_AFTER_S, Rig, at_work, charger, chargers, listed, live, sessions
from support.snapshots import fixture

from joulo_exporter.errors import ApiError
from joulo_exporter.models.charger import Charger

OUTAGE = ApiError("502", status=502)
LIVE = {
    "chargers": ("joulo_charg", "joulo_session_kwh", "joulo_session_start", "joulo_session_info"),
    "energy": ("joulo_account", "joulo_month"),
    "sessions": ("joulo_ere_estimate",),
    "ere_position": (
        *("joulo_ere_position", "joulo_ere_forecast", "joulo_ere_fee", "joulo_ere_realized"),
        *("joulo_ere_indicative", "joulo_ere_quarter"),
    ),
}
ANSWERS = {endpoint: fixture(endpoint.replace("_", "-")) for endpoint in LIVE}
POSITION = frozenset({"ere_position"})


@pytest.mark.parametrize("endpoint", LIVE)
async def test_live_series_stay_for_a_while_go_without_a_request_and_come_back(endpoint):
    """Totals and the other endpoints' series stay."""
    intervals = dict.fromkeys(LIVE, 7200.0) | {endpoint: 60.0}
    async with at_work(stale_after_s=200.0, intervals=intervals, collectors=POSITION, **ANSWERS) as rig:
        await rig.clock.advance(30)  # the whole history has been read
        rig.api.answers[endpoint] = OUTAGE
        stale_at_mono_s = rig.api.moments(endpoint)[-1] + 60 + 200
        await rig.clock.advance(stale_at_mono_s - 1 - rig.clock.monotonic())
        fresh, asked = rig.series(), len(rig.api.requests)
        await rig.clock.advance(1)
        assert len(rig.api.requests) == asked
        left = {key: value for key, value in fresh.items() if not key[0].startswith(LIVE[endpoint])}
        assert rig.series() == left
        assert len(left) < len(fresh)
        assert rig.value("joulo_up", endpoint=endpoint) == 0.0
        rig.api.answers[endpoint] = ANSWERS[endpoint]
        await rig.clock.advance(900)
        assert rig.series().keys() >= fresh.keys()


async def test_jitter_does_not_make_good_values_flicker():
    async with Rig(stale_after_s=1.0) as rig:
        rig.fraction = 0.99
        await rig.start()
        seen = []
        rig.on_publish = lambda: seen.append(rig.snapshot.chargers is not None)
        await rig.clock.advance(600)
        assert len(seen) >= 9
        assert all(seen)


async def test_a_restart_or_reload_serves_at_once_what_was_known_and_asks_nothing_early(tmp_path):
    def served(rig):
        return {key: value for key, value in rig.series().items() if "duration" not in key[0]}

    async with at_work(tmp_path, collectors=POSITION, **ANSWERS | {"energy": OUTAGE}) as rig:
        await rig.clock.advance(30)  # the whole history has been read
        before, asked = served(rig), len(rig.api.requests)
        for again in (rig.reload(), rig.restart(away_s=20)):
            await again
            assert len(rig.api.requests) == asked
            assert served(rig) == before
        assert rig.snapshot.tried
        assert rig.value("joulo_up", endpoint="energy") == 0.0
        assert rig.value("joulo_ere_position_euros", bucket="paid") == ANSWERS["ere_position"]["paid"]["net_eur"]
        await rig.clock.advance(10)
        assert rig.api.moments("chargers") == [1000.0, 1060.0]


async def test_a_restart_serves_what_was_known_while_the_first_request_hangs(tmp_path):
    async with at_work(tmp_path) as rig:
        rig.api.answers["chargers"] = lambda _: rig.clock.sleep(1000)
        await rig.restart(away_s=100)
        assert len(rig.api.moments("chargers")) == 2
        assert rig.value("joulo_charging", charger="oprit") == 0.0


async def test_a_clock_that_goes_back_during_a_restart_keeps_no_old_value_alive(tmp_path):
    async with at_work(tmp_path) as rig:
        await rig.stop()
        rig.clock.step_wall(-86_400.0)
        rig.api.answers["chargers"] = OUTAGE
        await rig.restart()
        await rig.clock.advance(60 + STALE_AFTER_S - 1)
        assert rig.value("joulo_charging", charger="oprit") == 0.0
        await rig.clock.advance(1)
        assert rig.value("joulo_charging", charger="oprit") is None


async def test_a_crash_right_after_the_request_went_out_does_not_repeat_it(tmp_path):
    async with Rig(tmp_path) as rig:
        rig.api.answers["chargers"] = lambda _: rig.clock.sleep(1000)
        await rig.start()
        await rig.clock.advance(1)
        await rig.restart()
        assert not rig.snapshot.tried
        await rig.clock.advance(58)
        assert len(rig.api.moments("chargers")) == 1
        await rig.clock.advance(1)
        assert len(rig.api.moments("chargers")) == 2


@pytest.mark.parametrize("jump_s", [-86_400.0, 86_400.0])
async def test_a_reload_keeps_the_throttle_though_the_wall_clock_jumps(jump_s):
    async with at_work(chargers=ApiError("429", status=429, retry_after_s=500.0)) as rig:
        rig.clock.step_wall(jump_s)
        await rig.reload(stale_after_s=30.0)
        await rig.clock.advance(499)
        assert len(rig.api.moments("chargers")) == 1
        await rig.clock.advance(1)
        assert len(rig.api.moments("chargers")) == 2


async def test_a_reload_to_a_shorter_interval_counts_from_the_last_request():
    async with at_work() as rig:
        await rig.clock.advance(30)
        await rig.reload(intervals=rig.plan.config.intervals | {"energy": 700.0})
        assert rig.value("joulo_refresh_interval_seconds", endpoint="energy") == 700.0
        assert rig.value("joulo_api_request_duration_seconds_count", endpoint="energy") == 1.0
        await rig.clock.advance(669)
        assert len(rig.api.moments("energy")) == 1
        await rig.clock.advance(1)
        assert rig.api.moments("energy") == [1000.0, 1700.0]


async def test_what_an_older_version_kept_in_another_form_is_waited_for(tmp_path):
    async with at_work(tmp_path) as rig:
        with rig.database.transaction() as connection:
            connection.execute("UPDATE last_answers SET body = ?", (b'{"not": "ours"}',))
        await rig.restart(away_s=1)
        assert rig.value("joulo_charging", charger="oprit") is None
        await rig.clock.advance(59)
        assert rig.value("joulo_charging", charger="oprit") == 0.0
        [live_charger] = rig.snapshot.chargers
        assert live_charger.charger == Charger(id=CHARGER, slug="oprit", status="online", charging=False)


async def minutes_with_a_message(rig: Rig, minutes: int) -> str:
    """Return a letter for each minute: whether the end of a session is among the news."""
    seen = ""
    for _ in range(minutes):
        await rig.clock.advance(60)
        seen += "-" if rig.value("joulo_ended_session_kwh") is None else "N"
    return seen


@pytest.mark.parametrize(
    "wrong_s", [-8 * 3600.0, -1800.0, 7200.0, 0.0], ids=["8 h slow", "30 min slow", "2 h fast", "right"]
)
@pytest.mark.parametrize("after_min", [5, 25])
async def test_the_end_of_a_session_is_news_once_when_the_clock_is_set_right(wrong_s, after_min, tmp_path):
    async with Rig(tmp_path) as rig:
        rig.clock.step_wall(wrong_s)
        rig.api.answers["chargers"] = chargers(charger(live()))
        await rig.start()
        await rig.clock.advance(120)
        rig.api.answers |= {"chargers": chargers(charger()), "sessions": sessions(listed())}
        seen = await minutes_with_a_message(rig, after_min)
        rig.clock.step_wall(-wrong_s)
        seen += await minutes_with_a_message(rig, 300)
        assert seen.strip("-").strip("N") == "", seen
        assert 58 <= seen.count("N") <= 61
        assert rig.value("joulo_session_seconds_total", charger="oprit") == 3600
        await rig.restart()
        assert await minutes_with_a_message(rig, 10) == "-" * 10


@pytest.mark.parametrize("wrong_s", [3000.0, 7200.0])
async def test_the_end_of_a_session_is_news_once_when_the_clock_is_set_right_before_a_restart(wrong_s, tmp_path):
    async with Rig(tmp_path) as rig:
        rig.clock.step_wall(wrong_s)
        rig.api.answers["chargers"] = chargers(charger(live()))
        await rig.start()
        await rig.clock.advance(120)
        rig.api.answers |= {"chargers": chargers(charger()), "sessions": sessions(listed())}
        assert (await minutes_with_a_message(rig, 25)).endswith("N")
        await rig.stop()
        rig.clock.step_wall(-wrong_s)
        await rig.restart()
        assert await minutes_with_a_message(rig, 240) == "-" * 240


async def test_after_a_jump_of_the_clock_data_is_as_fresh_as_it_was_also_after_a_reload():
    async with Rig() as rig:
        rig.clock.step_wall(-8 * 3600.0)
        await rig.start()
        await rig.clock.advance(90)
        await rig.reload()
        rig.clock.step_wall(8 * 3600.0)
        await rig.clock.advance(60)
        now = rig.clock.now()
        for endpoint, most_s in (("chargers", 60), ("sessions", 160), ("energy", 160)):
            age_s = now - rig.value("joulo_last_refresh_timestamp_seconds", endpoint=endpoint)
            assert 0 <= age_s <= most_s, endpoint
        assert min(rig.api.pauses("chargers")) >= 60


async def test_a_jump_of_the_clock_moves_nothing_that_an_earlier_process_has_noted():
    async with at_work() as rig:
        noted_at = rig.value("joulo_last_refresh_timestamp_seconds", endpoint="energy")
        await rig.restart(away_s=100)
        rig.clock.step_wall(7200)
        await rig.clock.advance(60)
        assert rig.value("joulo_last_refresh_timestamp_seconds", endpoint="energy") == noted_at
