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
SESSION_INFO = (
    f"joulo_session_info{{charger='oprit',session_id='{LIVE_SESSION}',id_tag='{TAG}',vehicle='unknown'}}"
)


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


METER, POWER = "joulo_charger_meter", "joulo_charger_power_watts"
START = "joulo_session_start_timestamp_seconds"


@pytest.mark.parametrize(
    ("answer", "gone"),
    [
        (driveway(slug=None), set()),
        (driveway(nickname=None, name="Oprit"), set()),
        (driveway(is_charging=None), set()),
        (driveway(status=None), {"joulo_charger_status"}),
        (driveway(mid_certified=None), {"joulo_charger_mid_certified"}),
        (driveway(current_session=None), {START, "joulo_session_info"}),
        (driveway(latest_meter_wh=None), {f"{METER}_kwh_total", POWER}),
        (driveway(meter_updated_at=None), {f"{METER}_timestamp_seconds", POWER}),
        (with_session(started_at=None), {START}),
        (with_session(kwh_so_far=None), {"joulo_session_kwh"}),
        (with_session(id_tag=None), set()),
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
    live = [name for name in served if name.startswith(("joulo_charg", "joulo_session_"))]
    assert live == [
        "joulo_session_kwh{charger='6f1d2c0a'}",
        f"joulo_charger_info{{charger='6f1d2c0a',charger_id='{DRIVEWAY}',nickname='',connection_type=''}}",
    ]
    assert served[live[0]] == 0


@pytest.mark.parametrize("answer", [{"chargers": []}, {}])
def test_no_charger_yet(answer):
    served = series(Household().chargers(answer).snapshot())
    assert not [name for name in served if "charger=" in name]


def test_stale_live_series_vanish_and_totals_stay():
    household = recorded()
    fresh, stale = series(household.snapshot()), series(household.snapshot(stale=["chargers"]))
    live = ("joulo_charg", "joulo_session_kwh", "joulo_session_start", "joulo_session_info")
    assert stale == {name: value for name, value in fresh.items() if not name.startswith(live)}
    assert stale["joulo_total_kwh{charger='oprit'}"] == 48.39


def test_an_unknown_status_comes_on_top_of_the_known_ones():
    served = series_of("joulo_charger_status", Household().chargers(driveway(status="laadt zo")).snapshot())
    assert len(served) == 7
    assert [text for text, value in served.items() if value] == ["{charger='oprit',status='laadt zo'}"]


@pytest.mark.parametrize(
    ("mode", "tag"),
    [("show", TAG), ("hide", ""), ("hash", hashlib.sha256(TAG.encode()).hexdigest()[:16])],
)
def test_tags_are_shown_hashed_or_hidden(mode, tag):
    snapshot = recorded_snapshot(id_tags=mode, vehicles={TAG: "kona"})
    own = f"session_id='{LIVE_SESSION}',id_tag='{tag}',vehicle='kona'"
    assert series_of("joulo_session_info", snapshot) == {f"{{charger='oprit',{own}}}": 1}
    if mode != "show":
        assert TAG not in str(series(snapshot))


def test_a_tag_shown_before_or_by_sessions_is_kept_for_the_session():
    shown_before = Household().chargers(driveway()).chargers(with_session(id_tag=""))
    told_by_sessions = Household().chargers(with_session(id_tag=None)).sessions(fixture("sessions"))
    assert SESSION_INFO in series(shown_before.snapshot())
    assert SESSION_INFO in series(told_by_sessions.snapshot())


def test_a_session_without_a_tag():
    snapshot = Household().chargers(with_session(id_tag=None)).snapshot()
    assert series_of("joulo_session_info", snapshot) == {
        f"{{charger='oprit',session_id='{LIVE_SESSION}',id_tag='',vehicle='unknown'}}": 1
    }


@pytest.mark.parametrize("nickname", ['a "quoted" one', "two\nlines", "back\\slash", "⚡ oprit 🚗", "é" * 300])
def test_any_nickname_is_served_as_it_is(nickname):
    snapshot = Household().chargers(driveway(nickname=nickname)).snapshot()
    (metric,) = series_of("joulo_charger_info", snapshot)
    assert metric == INFO.replace("'Oprit'", repr(nickname))


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


def test_one_reading_gives_no_power_but_zero_when_not_charging():
    charging = Household().chargers(driveway()).snapshot()
    idle = Household().chargers(driveway(is_charging=False, current_session=None)).snapshot()
    assert series_of("joulo_charger_power_watts", charging) == {}
    assert series_of("joulo_charger_power_watts", idle) == {"{charger='oprit'}": 0}


def test_without_a_meter_the_power_is_the_growth_of_the_session():
    household, shown = Household(), []
    minutes_and_kwh = (
        (0, 5.0),
        (0.5, 5.1),
        (1, 5.2),
        (2, 5.2),
        (4, 5.8),
        (5, 5.7),
        (6, 5.8),
        (30, 5.8),
        (60, 5.8),
    )
    for minutes, kwh in minutes_and_kwh:
        household.now_seconds = 1_781_810_000.0 + 60 * minutes
        metered_session = with_session(kwh_so_far=kwh)
        del metered_session["chargers"][0]["latest_meter_wh"], metered_session["chargers"][0]["meter_updated_at"]
        shown.append(series(household.chargers(metered_session).snapshot()).get(
            "joulo_charger_power_watts{charger='oprit'}"))  # fmt: skip
    # 0.2 kWh in a minute, 0.6 in three; a correction begins anew; the car has stopped to draw
    assert [watts and round(watts) for watts in shown] == [None, None, 12000, 12000, 12000, None, 6000, 0, 0]


def test_every_series_has_the_account_if_it_has_a_name():
    named, unnamed = recorded_snapshot(account="home"), recorded_snapshot()
    assert all("account='home'" in name for name in series(named))
    assert not any("account=" in name for name in series(unnamed))
    assert len(series(named)) == len(series(unnamed))
    assert series(named).get("joulo_total_kwh{charger='oprit',account='home'}") == 48.39
    assert series(named).get("joulo_history_complete{account='home'}") == 1


def test_the_configured_label_comes_first():
    served = series(recorded_snapshot(labels={DRIVEWAY: "voordeur"}))
    assert served["joulo_charging{charger='voordeur'}"] == 1
    assert not any("charger='oprit'" in name for name in served)
