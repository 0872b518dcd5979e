"""Fields and records that the API does not give, or not in a form that can be used: each costs only itself."""

import asyncio
import logging

import pytest
from msgspec.structs import replace
from support.exposition import Samples
from support.parsing import MISSING, changed
from support.poller_rig import CHARGER, Rig
from support.snapshots import fixture

MALFORMED = "joulo_api_malformed_fields_total"

NOTHING = (MISSING, None)
NO_TEXT = (5, 1.5, True, [], {}, "x" * 1025)
NO_NUMBER = ("many", "1_000", "", -0.01, 1e300, True, [], {})
NO_BOOLEAN = (2, -1, 0.5, "perhaps", "", [], {})
NO_MOMENT = (5, True, {}, "yesterday", "2026-06-18", "1781804530", "0001-01-01T00:00:00Z", "2014-12-31T23:59:59Z")

# Endpoint, where a record stands in its response, and how the names of its fields begin in metrics.
PLACES = {
    "charger": ("chargers", ("chargers", 0), ""),
    "session": ("sessions", ("sessions", 1), ""),
    "estimate": ("sessions", ("estimate_basis",), "estimate_basis."),
    "energy": ("energy", (), ""),
    "month": ("energy", ("months", 0), "months."),
}
# An optional field; values that say nothing; those that cannot be used; the metrics that show it.
FIELDS = [
    ("charger slug", (*NOTHING, ""), NO_TEXT, ""),  # the nickname gives the same label
    ("charger nickname", (*NOTHING, ""), NO_TEXT, "charger_info"),
    ("charger connection_type", (*NOTHING, ""), NO_TEXT, "charger_info"),
    ("charger status", (*NOTHING, " "), NO_TEXT, "charger_status"),
    ("charger mid_certified", NOTHING, NO_BOOLEAN, "charger_mid_certified"),
    ("charger is_charging", NOTHING, NO_BOOLEAN, ""),  # the session in progress says it too
    ("charger latest_meter_wh", NOTHING, (*NO_NUMBER, 1.1e12), "charger_meter_kwh_total"),
    ("charger meter_updated_at", (*NOTHING, ""), NO_MOMENT, "charger_meter_timestamp_seconds"),
    ("charger current_session.started_at", (*NOTHING, ""), (*NO_MOMENT, "2036-01-01T00:00:00Z"),
     "session_start_timestamp_seconds"),
    ("charger current_session.kwh_so_far", NOTHING, (*NO_NUMBER, 9334.8), "session_kwh"),
    ("charger current_session.id_tag", (*NOTHING, ""), (12345, *NO_TEXT), ""),  # /sessions has it
    ("session charger_nickname", (*NOTHING, ""), NO_TEXT, ""),
    ("session id_tag", (*NOTHING, ""), (12345, *NO_TEXT), "last_session_info"),
    ("session status", (*NOTHING, ""), NO_TEXT, ""),
    ("session counts_for_ere", NOTHING, NO_BOOLEAN, "eligible_kwh_total vehicle_eligible_kwh_total"),
    ("session ere_credits", NOTHING, (*NO_NUMBER, 124.0),
     "last_session_ere_credits ere_credits_total vehicle_ere_credits_total"),
    ("estimate price_per_ere", NOTHING, NO_NUMBER, "ere_estimate_price_euros"),
    ("estimate effective_fee_pct", NOTHING, (*NO_NUMBER, 101), "ere_estimate_fee_ratio"),
    ("energy total_kwh", NOTHING, NO_NUMBER, "account_kwh_total{scope=ere}"),
    ("energy total_kwh_all", NOTHING, NO_NUMBER, "account_kwh_total{scope=all}"),
    ("energy total_ere_credits", NOTHING, NO_NUMBER, "account_ere_credits_total"),
    ("energy total_sessions", NOTHING, (*NO_NUMBER, 1.5), "account_sessions_total{scope=ere}"),
    ("energy total_sessions_all", NOTHING, (*NO_NUMBER, 1.5), "account_sessions_total{scope=all}"),
    ("month kwh", NOTHING, NO_NUMBER, "month_kwh{month=2026-06,scope=ere}"),
    ("month kwh_all", NOTHING, NO_NUMBER, "month_kwh{month=2026-06,scope=all}"),
    ("month ere_credits", NOTHING, NO_NUMBER, "month_ere_credits{month=2026-06}"),
    ("month sessions", NOTHING, (*NO_NUMBER, 1.5), "month_sessions{month=2026-06,scope=ere}"),
    ("month sessions_all", NOTHING, (*NO_NUMBER, 1.5), "month_sessions{month=2026-06,scope=all}"),
]  # fmt: skip


def recorded() -> dict:
    """Return the recorded API responses of an account with one charger, which charges."""
    chargers, sessions = fixture("chargers"), fixture("sessions")
    del chargers["chargers"][1:]
    sessions["sessions"] = [session for session in sessions["sessions"] if session["charger_id"] == CHARGER]
    return {"chargers": chargers, "sessions": sessions, "energy": fixture("energy")}


STILL_SHOWN = {
    *("joulo_charger_info", "joulo_last_session_info"),  # with an empty label
    *("joulo_eligible_kwh_total", "joulo_vehicle_eligible_kwh_total"),  # of the other sessions
    *("joulo_ere_credits_total", "joulo_vehicle_ere_credits_total"),
}


async def served(odd: dict) -> tuple[list[Samples], dict[str, float]]:
    """Return the series of odd API responses, of the usual ones then, of the odd again; and how many faults."""
    shown = []
    async with Rig(intervals=dict.fromkeys(odd, 600.0)) as rig:
        rig.api.max_power_kw = 50.0
        for answers in (odd, recorded(), odd):
            rig.api.answers = answers
            await (rig.clock.advance(600) if rig.task else rig.start())
            if not shown:
                await rig.clock.advance(60)  # for the rest of the history
            shown.append({key: value for key, value in rig.series().items() if key[0] != MALFORMED})
        return shown, rig.counts(MALFORMED, "field")


@pytest.fixture(scope="module")
def usual() -> list[Samples]:
    return asyncio.run(served(recorded()))[0]


def differing(shown: Samples, expected: Samples) -> set[str]:
    """Return the series that are not the same in both, without the prefix of their names."""
    new = {name for (name, _), _ in shown.items() - expected.items()}
    assert new <= STILL_SHOWN
    return {
        name.removeprefix("joulo_") + "{" + ",".join(f"{label}={text}" for label, text in labels) + "}"
        for (name, labels), _ in shown.items() ^ expected.items()
    }


@pytest.mark.parametrize(
    ("where", "value", "malformed", "metrics"),
    [
        (where, value, value in unusable, metrics.split())
        for where, saying_nothing, unusable, metrics in FIELDS
        for value in (*saying_nothing, *unusable)
    ],
)
async def test_a_field_costs_only_what_shows_it(usual, where, value, malformed, metrics):
    record, _, field = where.partition(" ")
    endpoint, place, prefix = PLACES[record]
    odd = recorded()
    odd[endpoint] = changed(odd[endpoint], (*place, *field.split(".")), value)
    (first, between, again), faults = await served(odd)
    lost = differing(first, usual[0])
    assert {metric for metric in metrics if any(series.startswith(metric) for series in lost)} == set(metrics)
    assert all(series.startswith(tuple(metrics)) for series in lost)
    assert differing(between, usual[1]) == set()
    # The ledger knows of a session what it was once given.
    assert differing(again, usual[2]) == (set() if record == "session" else lost)
    refreshes = 4 if record == "estimate" else 2  # it stands on each page of the first walk
    assert faults == ({f"{prefix}{field}": refreshes} if malformed else {})


async def test_a_malformed_record_or_field_is_counted_and_logged_once_wherever_it_stands(caplog):
    async with Rig() as rig:
        good = rig.api.answers["chargers"]["chargers"]
        rig.api.answers["chargers"] = {"chargers": [{"id": 7}, *good]}
        await rig.start()
        rig.api.answers["chargers"] = {"chargers": [*good, {"id": 7}]}
        await rig.clock.advance(120)
        rig.api.answers["chargers"] = {"chargers": [*good, {"id": "x", "slug": 7}]}
        await rig.clock.advance(120)
        lines = [record.fields["err"] for record in caplog.records]
        assert lines == [
            "record 0: it has no usable id",
            "id is no text of 1 to 128 characters",
            "slug is no text of at most 1024 characters",
        ]
        assert rig.value("joulo_api_malformed_records_total", endpoint="chargers") == 3
        assert rig.value("joulo_charging", charger="oprit") == 0


async def test_unknown_fields_are_counted_and_logged_once_by_name_also_after_a_reload(caplog):
    caplog.set_level(logging.DEBUG)
    async with Rig() as rig:
        rig.plan = replace(rig.plan, account=replace(rig.plan.account, name="home"))
        known = {"id": CHARGER, "mid_eligible": True}
        unknown = {"colour": 1, "x" * 99: 2, "current_session": {"id": "s", "x": [{}]}}
        rig.api.answers["chargers"] = {"chargers": [known | unknown], "page": {"next": 1}}
        rig.api.answers["energy"] = {"total_kwh": 1} | {f"new{number}": 0 for number in range(1000)}
        await rig.start()
        await rig.clock.advance(60)
        await rig.reload()
        await rig.clock.advance(60)
        assert rig.value("joulo_api_unknown_fields", endpoint="chargers") == 4
        assert rig.value("joulo_api_unknown_fields", endpoint="energy") == 64
    logged = [record.fields for record in caplog.records if "does not know" in record.getMessage()]
    assert len(logged) == 68
    assert {
        fields["field"] for fields in logged if fields == fields | {"account": "home", "endpoint": "chargers"}
    } == {*("colour", "x" * 64, "current_session.x", "page")}
