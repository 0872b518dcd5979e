"""Metrics from ``/chargers``: what the API does not give is absent; the golden exposition has all the values."""

import hashlib

import msgspec
import pytest
from support.snapshots import (
    DRIVEWAY,
    LAST_SESSION,
    LIVE_SESSION,
    TAG,
    Household,
    fixture,
    recorded,
    recorded_snapshot,
    series,
    series_of,
)

INFO = f"{{charger='oprit',charger_id='{DRIVEWAY}',nickname='Oprit',connection_type='easee'}}"
METER, POWER = "joulo_charger_meter", "joulo_charger_power_watts"
START = "joulo_session_start_timestamp_seconds"


def driveway(**changes) -> dict:
    """Return an answer with the charging one alone; ``None`` takes a field out."""
    charger = fixture("chargers")["chargers"][0] | changes
    return {"chargers": [{key: value for key, value in charger.items() if value is not None}]}


def with_session(**changes) -> dict:
    session = fixture("chargers")["chargers"][0]["current_session"] | changes
    return driveway(current_session={key: value for key, value in session.items() if value is not None})


def metered() -> Household:
    """Return a household that has seen the driveway's meter 4 kWh lower, half an hour before."""
    return Household().chargers(driveway(latest_meter_wh=8_119_450, meter_updated_at="2026-06-18T18:15:00Z"))


def test_nothing_but_an_id():
    served = series(Household().chargers({"chargers": [{"id": DRIVEWAY}]}).snapshot())
    assert {
        name: value for name, value in served.items() if name.startswith(("joulo_charg", "joulo_session_"))
    } == {
        "joulo_session_kwh{charger='6f1d2c0a'}": 0,
        f"joulo_charger_info{{charger='6f1d2c0a',charger_id='{DRIVEWAY}',nickname='',connection_type=''}}": 1,
    }


@pytest.mark.parametrize(
    ("mode", "tag"),
    [("show", TAG), ("hide", ""), ("hash", hashlib.sha256(TAG.encode()).hexdigest()[:16])],
)
def test_tags_are_shown_hashed_or_hidden(mode, tag):
    snapshot = recorded_snapshot(id_tags=mode, vehicles={TAG: "kona"})
    for metric, session in (("joulo_session_info", LIVE_SESSION), ("joulo_last_session_info", LAST_SESSION)):
        info = f"{{charger='oprit',session_id='{session}',id_tag='{tag}',vehicle='kona'}}"
        assert series_of(metric, snapshot)[info] == 1
    assert (TAG in str(series(snapshot))) is (mode == "show")


@pytest.mark.parametrize(
    ("shown", "told", "tag", "vehicle"),
    [
        ("dead-beef 12:345678", None, "dead-beef 12:345678", "tesla"),
        (None, "DEADBEEF12345678", "DEADBEEF12345678", "tesla"),
        (TAG, "DEADBEEF12345678", TAG, "unknown"),
        (None, None, "", "unknown"),
    ],
)
def test_tag_and_vehicle_of_a_session_are_as_its_charger_shows_else_as_sessions_has_told(
    shown, told, tag, vehicle
):
    page = fixture("sessions")
    page["sessions"][0]["id_tag"] = told
    snapshot = Household().sessions(page).chargers(with_session(id_tag=shown)).snapshot()
    info = f"{{charger='oprit',session_id='{LIVE_SESSION}',id_tag='{tag}',vehicle='{vehicle}'}}"
    assert series_of("joulo_session_info", snapshot) == {info: 1}


def test_a_charger_without_a_label_waits_for_the_ledger():
    household = recorded()
    book = msgspec.structs.replace(household.snapshot().book, labels={}, chargers={})
    assert not [text for text in series(household.snapshot(book=book)) if "charger='" in text]


@pytest.mark.parametrize(
    ("now", "watts", "kwh"),
    [
        ({}, 8000, 8123.45),
        ({"is_charging": False, "current_session": None}, 0, 8123.45),
        ({"latest_meter_wh": 8_119_450}, 0, 8119.45),
        ({"latest_meter_wh": 8_119_449}, None, 8119.45),
        ({"latest_meter_wh": None}, None, None),
        ({"meter_updated_at": "2026-06-18T18:15:00Z"}, None, 8119.45),
        ({"meter_updated_at": None}, None, 8123.45),
        ({"is_charging": None, "status": None, "current_session": None}, None, 8123.45),
    ],
    ids=[
        *("charging", "not charging", "nothing drawn", "a falling meter", "no meter", "one moment only"),
        *("no moment", "charging unknown"),
    ],
)
def test_power_and_meter(now, watts, kwh):
    served = series(metered().chargers(driveway(**now)).snapshot())
    assert served.get("joulo_charger_power_watts{charger='oprit'}") == watts
    assert served.get("joulo_charger_meter_kwh_total{charger='oprit'}") == kwh


@pytest.mark.parametrize("missing", ["latest_meter_wh", "meter_updated_at"])
def test_the_power_goes_with_the_reading(missing):
    household = metered().chargers(driveway())
    assert series_of("joulo_charger_power_watts", household.snapshot()) == {"{charger='oprit'}": 8000}
    assert series_of("joulo_charger_power_watts", household.chargers(driveway(**{missing: None})).snapshot()) == {}


def test_without_a_meter_the_power_is_the_growth_of_the_session():
    household, shown = Household(), []
    kwh_at_minute = {0: 5.0, 0.5: 5.1, 1: 5.2, 2: 5.2, 4: 5.8, 5: 5.7, 6: 5.8, 30: 5.8, 60: 5.8}
    for minutes, kwh in kwh_at_minute.items():
        household.now_seconds = 1_781_810_000.0 + 60 * minutes
        metered_session = with_session(kwh_so_far=kwh)
        del metered_session["chargers"][0]["latest_meter_wh"], metered_session["chargers"][0]["meter_updated_at"]
        served = series(household.chargers(metered_session).snapshot())
        shown.append(served.get("joulo_charger_power_watts{charger='oprit'}"))
    # 0.2 kWh in a minute, 0.6 in three; a correction begins anew; the car has stopped to draw
    assert [watts and round(watts) for watts in shown] == [None, None, 12000, 12000, 12000, None, 6000, 0, 0]
    without_session = driveway(current_session=None, latest_meter_wh=None, meter_updated_at=None)
    assert series_of("joulo_charger_power_watts", household.chargers(without_session).snapshot()) == {}
