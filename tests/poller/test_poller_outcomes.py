"""Outcomes of refreshes: what Prometheus sees of each, and when the endpoint is asked again."""

from __future__ import annotations

import itertools

import pytest
from support.poller_rig import Rig

from joulo_exporter import errors
from joulo_exporter.errors import ApiConnectionError, ApiServerError, ApiTimeoutError

GOOD = b'{"chargers": [{"id": "c1", "slug": "oprit", "is_charging": false}]}'

# Response of /chargers -> code of joulo_api_requests_total, s until the next request; tests/api has the errors.
TABLE = {
    "a charger": (GOOD, "200", 60.0),
    "no chargers yet": (b"{}", "200", 60.0),
    "302": (errors.ApiStatusError("302", status=302), "302", 60.0),
    "401": (errors.ApiAuthenticationError("401", status=401), "401", 60.0),
    "403": (errors.ApiScopeError("403", status=403), "403", 60.0),
    "404": (errors.ApiNotFoundError("404", status=404), "404", 60.0),
    "429": (errors.ApiThrottledError("429", status=429), "429", 60.0),
    "429, long": (errors.ApiThrottledError("429", status=429, retry_after_s=500.0), "429", 500.0),
    "429, short": (errors.ApiThrottledError("429", status=429, retry_after_s=5.0), "429", 60.0),
    "429, year": (errors.ApiThrottledError("429", status=429, retry_after_s=999_999.0), "429", 86_400.0),
    "503, long": (ApiServerError("503", status=503, retry_after_s=120.0), "503", 120.0),
    "empty": (b"", "invalid", 60.0),
    "truncated": (GOOD[:40], "invalid", 60.0),
    "null": (b"null", "invalid", 60.0),
    "only bad ones": (b'{"chargers": [{}]}', "invalid", 60.0),
    "an error with 200": (b'{"error": "no"}', "invalid", 60.0),
    "timeout": (ApiTimeoutError("late"), "timeout", 60.0),
    "refused": (ApiConnectionError("no"), "connection", 60.0),
}


@pytest.mark.parametrize(("response", "code", "pause_s"), TABLE.values(), ids=TABLE)
async def test_every_response_ends_as_one_state_and_one_code(response, code, pause_s):
    async with Rig() as rig:
        rig.api.answers["chargers"] = response
        await rig.start()
        requests = {
            dict(labels)["code"]: value
            for (name, labels), value in rig.series().items()
            if name == "joulo_api_requests_total" and dict(labels)["endpoint"] == "chargers"
        }
        assert requests == {code: 1.0}
        assert rig.value("joulo_up", endpoint="chargers") == float(code == "200")
        assert rig.value("joulo_up", endpoint="sessions") == 1.0
        refreshed = rig.value("joulo_last_refresh_timestamp_seconds", endpoint="chargers") is not None
        assert refreshed == (code == "200")
        assert rig.value("joulo_api_request_duration_seconds_count", endpoint="chargers") == 1.0
        await rig.clock.advance(pause_s - 0.5)
        assert len(rig.api.moments("chargers")) == 1
        await rig.clock.advance(0.5)
        assert len(rig.api.moments("chargers")) == 2


@pytest.mark.parametrize("endpoint", ["chargers", "sessions", "energy"])
async def test_a_failing_endpoint_leaves_the_others_alone(endpoint):
    async with Rig() as rig:
        rig.api.answers[endpoint] = ApiServerError("502", status=502)
        await rig.start()
        ups = {name: rig.value("joulo_up", endpoint=name) for name in ("chargers", "sessions", "energy")}
        assert ups == {"chargers": 1.0, "sessions": 1.0, "energy": 1.0} | {endpoint: 0.0}


async def test_failures_back_off_exponentially_up_to_a_quarter_of_an_hour():
    async with Rig() as rig:
        rig.api.answers["chargers"] = ApiConnectionError("no connection")
        await rig.start()
        await rig.clock.advance(5000)
        moments = rig.api.moments("chargers")
        pauses = [later - earlier for earlier, later in itertools.pairwise(moments)]
        assert pauses == [60, 120, 240, 480, 900, 900, 900, 900]


async def test_success_ends_the_back_off():
    async with Rig() as rig:
        good = rig.api.answers["chargers"]
        rig.api.answers["chargers"] = ApiTimeoutError("late")
        await rig.start()
        await rig.clock.advance(60 + 120)
        rig.api.answers["chargers"] = good
        await rig.clock.advance(240 + 60)
        moments = rig.api.moments("chargers")
        assert moments[-1] - moments[-2] == 60
        assert rig.value("joulo_api_requests_total", endpoint="chargers", code="timeout") == 3
        assert rig.value("joulo_api_requests_total", endpoint="chargers", code="200") == 2


async def test_jitter_lengthens_and_never_shortens():
    async with Rig() as rig:
        rig.fraction = 0.999
        await rig.start()
        await rig.clock.advance(200)
        moments = rig.api.moments("chargers")
        assert moments[1] - moments[0] == pytest.approx(62.997)


async def test_retry_after_counts_from_the_answer_not_from_the_question():
    async with Rig() as rig:

        async def late():
            await rig.clock.sleep(8)
            return errors.ApiThrottledError("429", status=429, retry_after_s=100.0)

        rig.api.answers["chargers"] = lambda _: late()
        await rig.start()
        await rig.clock.advance(107.5)
        assert len(rig.api.moments("chargers")) == 1
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
        moments = rig.api.moments("chargers")
        assert all(later - earlier >= 60 for earlier, later in itertools.pairwise(moments))
        assert moments[0] == 1009.0  # the ledger is read, the labels too, and the request written down


async def test_one_endpoint_is_shown_while_another_keeps_us_waiting():
    async with Rig() as rig:

        async def hanging():
            await rig.clock.sleep(30)
            return ApiTimeoutError("late")

        rig.api.answers["sessions"] = lambda _: hanging()
        await rig.start()
        assert rig.value("joulo_charging", charger="oprit") == 0.0
        assert rig.value("joulo_up", endpoint="sessions") is None
        await rig.clock.advance(30)
        assert rig.value("joulo_up", endpoint="sessions") == 0.0


async def test_some_malformed_records_are_counted_and_the_others_served():
    async with Rig() as rig:
        good = rig.api.answers["chargers"]["chargers"]
        rig.api.answers["chargers"] = {"chargers": [{"id": 7}, *good, {"slug": "no id"}]}
        await rig.start()
        assert rig.value("joulo_up", endpoint="chargers") == 1.0
        assert rig.value("joulo_api_malformed_records_total", endpoint="chargers") == 2.0
        assert rig.value("joulo_charging", charger="oprit") == 0.0
