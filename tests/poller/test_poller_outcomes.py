"""Outcomes of refreshes: what Prometheus sees of each, and when the endpoint is asked again."""

import logging

import pytest
from support.poller_rig import CHARGER, Rig, at_work, listed, sessions

from joulo_exporter import errors
from joulo_exporter.api.failures import status_failure

HTML = b"<!DOCTYPE html><html><body>Just a moment...</body></html>"
GOOD = b'{"chargers": [{"id": "c1", "slug": "oprit", "is_charging": false}]}'

# Response of /chargers -> code of joulo_api_requests_total, s until the next request; tests/api has the errors.
TABLE = {
    "a charger": (GOOD, "200", 60.0),
    "401": (errors.ApiRefusalError("401", status=401), "401", 60.0),
    "403": (errors.ApiRefusalError("403", status=403), "403", 60.0),
    "429, long": (errors.ApiError("429", status=429, retry_after_s=500.0), "429", 500.0),
    "429, short": (errors.ApiError("429", status=429, retry_after_s=5.0), "429", 60.0),
    "429, year": (errors.ApiError("429", status=429, retry_after_s=999_999.0), "429", 86_400.0),
    "503, long": (errors.ApiError("503", status=503, retry_after_s=120.0), "503", 120.0),
    "no JSON": (b"", "invalid", 60.0),
    "timeout": (errors.ApiTimeoutError("late"), "timeout", 60.0),
    "refused": (errors.ApiConnectionError("no"), "connection", 60.0),
}


@pytest.mark.parametrize(("response", "code", "pause_s"), TABLE.values(), ids=TABLE)
async def test_every_response_ends_as_one_state_and_one_code(response, code, pause_s):
    async with at_work(chargers=response) as rig:
        assert rig.counts("joulo_api_requests_total", "code", endpoint="chargers") == {code: 1.0}
        assert rig.value("joulo_up", endpoint="chargers") == float(code == "200")
        assert rig.value("joulo_up", endpoint="sessions") == 1.0
        refreshed = rig.value("joulo_last_refresh_timestamp_seconds", endpoint="chargers") is not None
        assert refreshed == (code == "200")
        refused = rig.value("joulo_token_refused_timestamp_seconds", endpoint="chargers") is not None
        assert refused == (code in ("401", "403"))
        assert rig.value("joulo_api_request_duration_seconds_count", endpoint="chargers") == 1.0
        await rig.clock.advance(pause_s - 0.5)
        assert len(rig.api.moments("chargers")) == 1
        await rig.clock.advance(0.5)
        assert len(rig.api.moments("chargers")) == 2


async def test_failures_back_off_exponentially_up_to_a_quarter_of_an_hour_and_success_ends_it():
    async with Rig() as rig:
        good, rig.api.answers["chargers"] = rig.api.answers["chargers"], errors.ApiConnectionError("no connection")
        await rig.start()
        await rig.clock.advance(4500)
        rig.api.answers["chargers"] = good
        await rig.clock.advance(900 + 120)
        assert rig.api.pauses("chargers") == [60, 120, 240, 480, 900, 900, 900, 900, 900, 60, 60]
        assert rig.value("joulo_api_requests_total", endpoint="chargers", code="connection") == 9
        assert rig.value("joulo_api_requests_total", endpoint="chargers", code="200") == 3


async def late(rig: Rig, after_s: float, error: errors.ApiError) -> errors.ApiError:
    await rig.clock.sleep(after_s)
    return error


async def test_retry_after_counts_from_the_answer_not_from_the_question():
    async with Rig() as rig:
        refusal = errors.ApiError("429", status=429, retry_after_s=100.0)
        rig.api.answers["chargers"] = lambda _: late(rig, 8, refusal)
        await rig.start()
        await rig.clock.advance(107.5)
        assert len(rig.api.moments("chargers")) == 1
        assert rig.value("joulo_api_request_duration_seconds_sum", endpoint="chargers") == 8
        await rig.clock.advance(0.5)
        assert len(rig.api.moments("chargers")) == 2


async def test_the_pause_counts_from_the_request_even_where_the_ledger_was_slow():
    async with Rig() as rig:

        async def slow(work, *args, **kwargs):
            await rig.clock.sleep(3 if rig.clock.monotonic() < 1008 else 0)
            return work(*args, **kwargs)

        rig.offload = slow
        await rig.start()
        await rig.clock.advance(300)
        assert min(rig.api.pauses("chargers")) >= 60
        # The ledger is read, the labels too, and the request written down.
        assert rig.api.moments("chargers")[0] == 1009.0


async def test_one_endpoint_is_shown_while_another_keeps_us_waiting():
    async with Rig() as rig:
        rig.api.answers["sessions"] = lambda _: late(rig, 30, errors.ApiTimeoutError("late"))
        await rig.start()
        assert rig.value("joulo_charging", charger="oprit") == 0.0
        assert rig.value("joulo_up", endpoint="sessions") is None
        await rig.clock.advance(30)
        assert rig.value("joulo_up", endpoint="sessions") == 0.0


REFUSED = "joulo_token_refused_timestamp_seconds"


@pytest.mark.parametrize("status", [401, 403])
async def test_the_last_refusal_of_the_token_is_told_from_failures_since_across_restart_and_reload(
    tmp_path, status
):
    async with Rig(tmp_path) as rig:
        refusal = status_failure(status, path="/chargers", body=b"{}", headers={}, now_s=0.0, token=None)
        good, rig.api.answers["chargers"] = rig.api.answers["chargers"], refusal
        await rig.start()
        refused_at = rig.api.requests[0].wall_s
        assert rig.value(REFUSED, endpoint="chargers") == refused_at
        await rig.restart(away_s=10)
        assert rig.value(REFUSED, endpoint="chargers") == refused_at
        await rig.reload()
        assert rig.value(REFUSED, endpoint="chargers") == refused_at
        rig.api.answers["chargers"] = good
        await rig.clock.advance(120)
        assert rig.value(REFUSED, endpoint="chargers") == refused_at
        assert rig.value("joulo_last_refresh_timestamp_seconds", endpoint="chargers") > refused_at
        assert rig.value(REFUSED, endpoint="sessions") is None
        rig.api.answers["chargers"] = errors.ApiError("/chargers: 503, out of order", status=503)
        await rig.restart(away_s=3600)
        assert rig.value("joulo_up", endpoint="chargers") == 0
        assert rig.value(REFUSED, endpoint="chargers") is None


@pytest.mark.parametrize("status", [401, 403, 404])
async def test_chargers_of_sessions_are_named_once_chargers_is_refused_and_not_by_a_web_page(status):
    async with Rig() as rig:

        def answer(body):
            return status_failure(status, path="/chargers", body=body, headers={}, now_s=0.0, token=None)

        rig.api.answers |= {"chargers": answer(HTML), "sessions": sessions(listed())}
        await rig.start()
        await rig.clock.advance(59)
        assert rig.value("joulo_total_kwh") is None
        rig.api.answers["chargers"] = answer(b'{"error": "no"}')
        await rig.clock.advance(61)
        assert rig.value("joulo_total_kwh", charger=CHARGER[:8]) == 5.0


@pytest.mark.parametrize(
    "refusal", [errors.ApiRefusalError("403", status=403), errors.ApiRefusalError("404", status=404)], ids=str
)
async def test_an_optional_endpoint_that_is_refused_is_tried_once_a_day_also_after_a_restart_and_says_so_once(
    refusal, caplog
):
    caplog.set_level(logging.INFO)
    async with at_work(ere_position=refusal, collectors=frozenset({"ere_position"})) as rig:
        await rig.restart(away_s=7200)
        await rig.clock.advance(3 * 86_400 - 7200 + 10)
        assert rig.api.moments("ere_position") == [1000.0 + day * 86_400 for day in range(4)]
        assert caplog.text.count("the API refuses a collector") == 2  # once in each process
        assert "refresh failed" not in caplog.text
        assert rig.value("joulo_up", endpoint="ere_position") == 0
        assert rig.value("joulo_up", endpoint="chargers") == 1
        assert len(rig.api.moments("energy")) == 72
        rig.api.answers["ere_position"] = {"effective_fee_pct": 10}
        await rig.clock.advance(86_400)
        assert rig.value("joulo_ere_fee_ratio") == 0.1
