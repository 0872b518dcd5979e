"""Outcomes of refreshes: what Prometheus sees of each, and when the endpoint is asked again."""

import itertools
import json
import logging
from pathlib import Path

import pytest
from support.poller_rig import CHARGER, PAGE_S, Rig, at_work, charger, listed

from joulo_exporter import errors
from joulo_exporter.api.failures import status_failure
from joulo_exporter.errors import ApiConnectionError, ApiError, ApiServerError, ApiTimeoutError

HTML = b"<!DOCTYPE html><html><body>Just a moment...</body></html>"
GOOD = b'{"chargers": [{"id": "c1", "slug": "oprit", "is_charging": false}]}'

# Response of /chargers -> code of joulo_api_requests_total, s until the next request; tests/api has the errors.
TABLE = {
    "a charger": (GOOD, "200", 60.0),
    "no chargers yet": (b"{}", "200", 60.0),
    "401": (errors.ApiAuthenticationError("401", status=401), "401", 60.0),
    "403": (errors.ApiScopeError("403", status=403), "403", 60.0),
    "429, long": (errors.ApiThrottledError("429", status=429, retry_after_s=500.0), "429", 500.0),
    "429, short": (errors.ApiThrottledError("429", status=429, retry_after_s=5.0), "429", 60.0),
    "429, year": (errors.ApiThrottledError("429", status=429, retry_after_s=999_999.0), "429", 86_400.0),
    "503, long": (ApiServerError("503", status=503, retry_after_s=120.0), "503", 120.0),
    "empty": (b"", "invalid", 60.0),
    "only bad ones": (b'{"chargers": [{}]}', "invalid", 60.0),
    "an error with 200": (b'{"error": "no"}', "invalid", 60.0),
    "a code and a message with 200": (b'{"code": 546, "message": "out of memory"}', "invalid", 60.0),
    "timeout": (ApiTimeoutError("late"), "timeout", 60.0),
    "refused": (ApiConnectionError("no"), "connection", 60.0),
}


@pytest.mark.parametrize(("response", "code", "pause_s"), TABLE.values(), ids=TABLE)
async def test_every_response_ends_as_one_state_and_one_code(response, code, pause_s):
    async with at_work(chargers=response) as rig:
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
        refused = rig.value("joulo_token_refused_timestamp_seconds", endpoint="chargers") is not None
        assert refused == isinstance(response, errors.ApiAuthenticationError | errors.ApiScopeError)
        assert rig.value("joulo_api_request_duration_seconds_count", endpoint="chargers") == 1.0
        await rig.clock.advance(pause_s - 0.5)
        assert len(rig.api.moments("chargers")) == 1
        await rig.clock.advance(0.5)
        assert len(rig.api.moments("chargers")) == 2


async def test_failures_back_off_exponentially_up_to_a_quarter_of_an_hour_and_success_ends_it():
    async with Rig() as rig:
        good, rig.api.answers["chargers"] = rig.api.answers["chargers"], ApiConnectionError("no connection")
        await rig.start()
        await rig.clock.advance(4500)
        rig.api.answers["chargers"] = good
        await rig.clock.advance(900 + 120)
        moments = rig.api.moments("chargers")
        pauses = [later - earlier for earlier, later in itertools.pairwise(moments)]
        assert pauses == [60, 120, 240, 480, 900, 900, 900, 900, 900, 60, 60]
        assert rig.value("joulo_api_requests_total", endpoint="chargers", code="connection") == 9
        assert rig.value("joulo_api_requests_total", endpoint="chargers", code="200") == 3


async def late(rig: Rig, after_s: float, error: ApiError) -> ApiError:
    await rig.clock.sleep(after_s)
    return error


async def test_retry_after_counts_from_the_answer_not_from_the_question():
    async with Rig() as rig:
        refusal = errors.ApiThrottledError("429", status=429, retry_after_s=100.0)
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
        moments = rig.api.moments("chargers")
        assert all(later - earlier >= 60 for earlier, later in itertools.pairwise(moments))
        assert moments[0] == 1009.0  # the ledger is read, the labels too, and the request written down


async def test_one_endpoint_is_shown_while_another_keeps_us_waiting():
    async with Rig() as rig:
        rig.api.answers["sessions"] = lambda _: late(rig, 30, ApiTimeoutError("late"))
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
        rig.api.answers["chargers"] = ApiServerError("/chargers: 503, out of order", status=503)
        await rig.restart(away_s=3600)
        assert rig.value("joulo_up", endpoint="chargers") == 0
        assert rig.value(REFUSED, endpoint="chargers") is None


@pytest.mark.parametrize("status", [401, 403, 404])
async def test_chargers_of_sessions_are_named_once_chargers_is_refused_and_not_by_a_web_page(status):
    async with Rig() as rig:

        def answer(body):
            return status_failure(status, path="/chargers", body=body, headers={}, now_s=0.0, token=None)

        rig.api.answers |= {"chargers": answer(HTML), "sessions": {"sessions": [listed()]}}
        await rig.start()
        await rig.clock.advance(59)
        assert rig.value("joulo_total_kwh") is None
        rig.api.answers["chargers"] = answer(b'{"error": "no"}')
        await rig.clock.advance(61)
        assert rig.value("joulo_total_kwh", charger=CHARGER[:8]) == 5.0


async def test_a_field_that_cannot_be_used_costs_only_itself_and_is_counted_at_each_refresh():
    async with Rig() as rig:
        odd = {"nickname": "x" * 1100, "mid_certified": "perhaps", "latest_meter_wh": -1, "is_charging": None}
        chargers = [charger(**odd | {"status": "Charging"}), charger(id="c2", **odd)]
        rig.api.answers["chargers"] = {"chargers": chargers}
        await rig.start()
        await rig.clock.advance(60)
        assert rig.value("joulo_up", endpoint="chargers") == 1
        assert rig.value("joulo_charging", charger="oprit") == 1
        assert rig.value("joulo_charger_status", charger="oprit", status="charging") == 1
        assert {
            dict(labels)["field"]: value
            for (name, labels), value in rig.series().items()
            if name == "joulo_api_malformed_fields_total"
        } == {"nickname": 4, "mid_certified": 4, "latest_meter_wh": 4}
        await rig.reload()
        assert rig.value("joulo_api_malformed_fields_total", field="nickname") == 4
        assert rig.value("joulo_api_malformed_records_total", endpoint="chargers") == 0


async def test_unknown_fields_are_counted_and_logged_once_by_name_also_after_a_reload(caplog):
    caplog.set_level(logging.DEBUG)
    async with Rig(account="home") as rig:
        rig.api.answers["chargers"] = {"chargers": [charger(colour=1, **{"x" * 99: 2})]}
        rig.api.answers["energy"] = {"total_kwh": 1} | {f"new{number}": 0 for number in range(1000)}
        await rig.start()
        await rig.clock.advance(60)
        await rig.reload()
        await rig.clock.advance(60)
        assert rig.value("joulo_api_unknown_fields", endpoint="chargers") == 2
        assert rig.value("joulo_api_unknown_fields", endpoint="energy") == 64
    logged = [record.fields for record in caplog.records if "does not know" in record.getMessage()]
    assert len(logged) == 66
    assert {"account": "home", "endpoint": "chargers", "field": "x" * 64} in logged


FIXTURES = Path(__file__).parents[1] / "fixtures"
# values that say nothing, and values that cannot be used
TEXT = ((None, ""), (12345, True, {}, "x" * 1100))
BOOLEAN = ((None,), ("perhaps", -1, 2, "", {}))
NUMBER = ((None,), ("many", -0.01, 1e300, "", [], True))
MOMENT = ((None, ""), ("0001-01-01T00:00:00Z", "1970-01-01T00:00:00Z", "yesterday", 5))
SECTION = ((None, {}), ([], "x", 7))

# endpoint and path of an optional field, values, metrics that show it; all others stay as they are
FIELDS = [
    ("chargers slug", TEXT, ""),  # the nickname gives the same label
    ("chargers nickname", TEXT, "charger_info"),
    ("chargers connection_type", TEXT, "charger_info"),
    ("chargers status", TEXT, "charger_status"),
    ("chargers mid_certified", BOOLEAN, "charger_mid_certified"),
    ("chargers is_charging", BOOLEAN, ""),  # the session in progress says it too
    ("chargers latest_meter_wh", NUMBER, "charger_meter_kwh_total"),
    ("chargers meter_updated_at", MOMENT, "charger_meter_timestamp_seconds"),
    ("chargers current_session", SECTION, "session_kwh session_info session_start_timestamp_seconds"),
    ("chargers current_session.started_at", MOMENT, "session_start_timestamp_seconds"),
    ("chargers current_session.kwh_so_far", NUMBER, "session_kwh"),
    ("chargers current_session.id_tag", TEXT, ""),  # /sessions has it
    ("sessions charger_nickname", TEXT, ""),
    ("sessions id_tag", TEXT, "last_session_info"),
    ("sessions status", TEXT, ""),
    ("sessions counts_for_ere", BOOLEAN, "eligible_kwh_total vehicle_eligible_kwh_total"),
    ("sessions ere_credits", NUMBER, "last_session_ere_credits ere_credits_total vehicle_ere_credits_total"),
    ("energy total_kwh", NUMBER, "account_kwh_total"),
    ("energy total_kwh_all", NUMBER, "account_kwh_total"),
    ("energy total_ere_credits", NUMBER, "account_ere_credits_total"),
    ("energy total_sessions", NUMBER, "account_sessions_total"),
    ("energy total_sessions_all", NUMBER, "account_sessions_total"),
    ("energy months.kwh", NUMBER, "month_kwh"),
    ("energy months.kwh_all", NUMBER, "month_kwh"),
    ("energy months.ere_credits", NUMBER, "month_ere_credits"),
    ("energy months.sessions", NUMBER, "month_sessions"),
    ("energy months.sessions_all", NUMBER, "month_sessions"),
]


def one_charger():
    """Return the recorded API responses of an account with one charger, which charges."""
    names = ("chargers", "sessions", "energy")
    recorded = {name: json.loads((FIXTURES / f"{name}.json").read_bytes()) for name in names}
    del recorded["chargers"]["chargers"][1:]
    sessions = recorded["sessions"]["sessions"]
    recorded["sessions"]["sessions"] = [session for session in sessions if session["charger_id"] == CHARGER]
    return recorded


async def series_of(answers):
    async with Rig() as rig:
        rig.api.answers |= answers
        await rig.start()
        await rig.clock.advance(2 * PAGE_S)
        return rig.series()


@pytest.mark.parametrize(
    ("where", "value", "malformed", "shown_in"),
    [
        (where, value, malformed, shown_in)
        for where, values, shown_in in FIELDS
        for malformed in (False, True)
        for value in values[malformed]
    ],
)
async def test_a_field_costs_only_itself_on_a_fresh_ledger(where, value, malformed, shown_in):
    usual, odd = one_charger(), one_charger()
    endpoint, field = where.split()
    record = {
        "chargers": odd["chargers"]["chargers"][0],
        "sessions": next(session for session in odd["sessions"]["sessions"] if session["ended_at"]),
        "energy": odd["energy"],
    }[endpoint]
    *sections, name = field.split(".")
    for section in sections:
        record = record[section][0] if section == "months" else record[section]
    record[name] = value
    expected, served = await series_of(usual), await series_of(odd)
    count = "joulo_api_malformed_fields_total"
    shown = {f"joulo_{metric}" for metric in shown_in.split()} | {count}

    def others(series):
        return {key: figure for key, figure in series.items() if key[0] not in shown}

    assert others(served) == others(expected)
    for up in ("joulo_up", "joulo_history_complete"):
        assert {figure for (found, _), figure in served.items() if found == up} == {1}
    counted = {dict(labels)["field"]: figure for (found, labels), figure in served.items() if found == count}
    assert counted == ({field: 1} if malformed else {})
