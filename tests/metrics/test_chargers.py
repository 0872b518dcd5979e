"""Metrics from ``/chargers``: what the API does not give is absent; the golden exposition has all the values."""

import hashlib

import pytest
from support.snapshots import (
    DRIVEWAY,
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


@pytest.mark.parametrize(
    ("answer", "gone"),
    [
        (driveway(slug=None, is_charging=None), set()),
        (driveway(nickname=None, name="Oprit"), set()),
        (driveway(status=None), {"joulo_charger_status"}),
        (driveway(mid_certified=None), {"joulo_charger_mid_certified"}),
        (driveway(current_session=None), {START, "joulo_session_info"}),
        (driveway(latest_meter_wh=None), {f"{METER}_kwh_total", POWER}),
        (driveway(meter_updated_at=None), {f"{METER}_timestamp_seconds", POWER}),
        (with_session(started_at=None), {START}),
        (with_session(kwh_so_far=None), {"joulo_session_kwh"}),
        (with_session(id_tag=None), set()),  # it was shown before
    ],
)
def test_what_the_api_does_not_give_is_absent(answer, gone):
    def served(answer):
        texts = series(metered().chargers(answer).snapshot())
        return {text for text in texts if "'oprit'" in text and not text.startswith("joulo_last_session")}

    before = served(driveway())
    assert served(answer) == {text for text in before if text.split("{")[0] not in gone}
    assert gone <= {text.split("{")[0] for text in before}


@pytest.mark.parametrize(("field", "label"), [("nickname", "'Oprit'"), ("connection_type", "'easee'")])
def test_a_label_that_the_api_does_not_give_is_empty(field, label):
    snapshot = metered().chargers(driveway(**{field: None})).snapshot()
    assert series_of("joulo_charger_info", snapshot) == {INFO.replace(label, "''"): 1}


def test_nothing_but_an_id():
    served = series(Household().chargers({"chargers": [{"id": DRIVEWAY}]}).snapshot())
    assert {
        name: value for name, value in served.items() if name.startswith(("joulo_charg", "joulo_session_"))
    } == {
        "joulo_session_kwh{charger='6f1d2c0a'}": 0,
        f"joulo_charger_info{{charger='6f1d2c0a',charger_id='{DRIVEWAY}',nickname='',connection_type=''}}": 1,
    }


@pytest.mark.parametrize(
    ("endpoint", "live"),
    [
        ("chargers", ("joulo_charg", "joulo_session_kwh", "joulo_session_start", "joulo_session_info")),
        ("energy", ("joulo_account", "joulo_month")),
        ("sessions", ("joulo_ere_estimate",)),
    ],
)
def test_stale_live_series_vanish_and_totals_stay(endpoint, live):
    household = recorded()
    fresh, stale = series(household.snapshot()), series(household.snapshot(stale=[endpoint]))
    assert stale == {name: value for name, value in fresh.items() if not name.startswith(live)}
    assert len(stale) < len(fresh)
    assert stale["joulo_total_kwh{charger='oprit'}"] == 48.39


@pytest.mark.parametrize(
    ("mode", "tag"),
    [("show", TAG), ("hide", ""), ("hash", hashlib.sha256(TAG.encode()).hexdigest()[:16])],
)
def test_tags_are_shown_hashed_or_hidden(mode, tag):
    snapshot = recorded_snapshot(id_tags=mode, vehicles={TAG: "kona"})
    own = f"session_id='{LIVE_SESSION}',id_tag='{tag}',vehicle='kona'"
    assert series_of("joulo_session_info", snapshot) == {f"{{charger='oprit',{own}}}": 1}
    assert (TAG in str(series(snapshot))) is (mode == "show")


def test_a_tag_that_sessions_has_told_is_that_of_the_session():
    untold = Household().chargers(with_session(id_tag=None))
    told = Household().chargers(with_session(id_tag=None)).sessions(fixture("sessions"))
    for household, tag in ((untold, ""), (told, TAG)):
        info = f"{{charger='oprit',session_id='{LIVE_SESSION}',id_tag='{tag}',vehicle='unknown'}}"
        assert series_of("joulo_session_info", household.snapshot()) == {info: 1}


@pytest.mark.parametrize(
    ("now", "watts"),
    [
        ({}, 8000),
        ({"is_charging": False, "current_session": None}, 0),
        ({"latest_meter_wh": 8_119_450}, 0),
        ({"latest_meter_wh": 8_119_449}, None),
        ({"meter_updated_at": "2026-06-18T18:15:00Z"}, None),
        ({"is_charging": None, "status": None, "current_session": None}, None),
    ],
    ids=["charging", "not charging", "nothing drawn", "a falling meter", "one moment only", "charging unknown"],
)
def test_power(now, watts):
    snapshot = metered().chargers(driveway(**now)).snapshot()
    assert series(snapshot).get("joulo_charger_power_watts{charger='oprit'}") == watts


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
