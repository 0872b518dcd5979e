"""Totals and sessions of the ledger, and totals of ``/energy``; the golden exposition has all the values."""

import pytest
from support.snapshots import (
    DRIVEWAY,
    LIVE_SESSION,
    NOW,
    Household,
    fixture,
    series,
    series_of,
)

OPRIT = "{charger='oprit'}"
ENDED_AT, ENDED_S = "2026-06-18T19:05:00Z", 1_781_809_500.0
STARTED_S = 1_781_804_530.0  # 2026-06-18T17:42:10Z


def sessions(**changes) -> dict:
    """Return the recorded page with the session in progress changed."""
    page = fixture("sessions")
    page["sessions"][0] |= changes
    return page


def test_a_charger_that_never_charged_has_zeros():
    served = series(Household().chargers(fixture("chargers")).sessions({"sessions": []}).snapshot())
    assert served["joulo_total_kwh{charger='garage-achter'}"] == 0
    assert not [name for name in served if name.startswith("joulo_last_session")]


def test_energy_that_counts_for_ere_is_absent_while_the_api_does_not_say_it():
    page = fixture("sessions")
    for session in page["sessions"]:
        del session["counts_for_ere"]
    served = series(Household().chargers(fixture("chargers")).sessions(page).snapshot())
    assert f"joulo_total_kwh{OPRIT}" in served
    assert not [text for text in served if "eligible" in text]


def test_a_session_that_ended_without_any_value():
    answer = {"chargers": [{"id": DRIVEWAY, "slug": "oprit", "current_session": {"id": "s"}}]}
    idle = {"chargers": [{"id": DRIVEWAY, "slug": "oprit"}]}
    served = series(Household().chargers(answer).chargers(idle).snapshot())
    assert [name for name in served if name.startswith("joulo_last_session")] == [
        f"joulo_last_session_end_timestamp_seconds{OPRIT}",
        "joulo_last_session_info{charger='oprit',session_id='s',id_tag='',vehicle='unknown'}",
    ]


# Sessions that have just ended


def household(**ending) -> Household:
    """Return a household whose session in progress has ended, as a second answer of ``/sessions`` says."""
    home = Household().chargers(fixture("chargers")).sessions(sessions(ere_credits=None))
    home.now_seconds += 600
    return home.sessions(sessions(**({"ended_at": ENDED_AT, "kwh": 8.12, "ere_credits": 2.43} | ending)))


def test_every_metric_of_a_session_that_ended():
    snapshot, session = household().snapshot(), f"charger='oprit',session_id='{LIVE_SESSION}'"
    assert {name: value for name, value in series(snapshot).items() if name.startswith("joulo_ended_session")} == {
        f"joulo_ended_session_reported_timestamp_seconds{{{session}}}": NOW + 600,
        f"joulo_ended_session_end_timestamp_seconds{{{session}}}": ENDED_S,
        f"joulo_ended_session_kwh{{{session}}}": 8.12,
        f"joulo_ended_session_duration_seconds{{{session}}}": ENDED_S - STARTED_S,
        f"joulo_ended_session_ere_credits{{{session}}}": 2.43,
        f"joulo_ended_session_info{{{session},id_tag='04A1B2C3D4E580',vehicle='unknown'}}": 1,
    }


@pytest.mark.parametrize(
    ("changes", "earned"),
    [
        ({"ere_credits": None}, []),
        ({"ere_credits": None, "counts_for_ere": None}, []),
        ({"ere_credits": None, "counts_for_ere": False}, [0]),
        ({"ere_credits": None, "kwh": 0}, [0]),
    ],
)
def test_credits_are_absent_until_they_are_calculated_and_0_of_what_gets_none(changes, earned):
    page = sessions(ere_credits=None)
    page["sessions"][0]["kwh"] = 0.0  # it can fall no more
    home = Household().sessions(page)
    home.now_seconds += 60
    home.sessions(sessions(**({"ended_at": ENDED_AT, "kwh": 8.12} | changes)))
    shown = series_of("joulo_ended_session_ere_credits", home.snapshot())
    assert list(shown.values()) == earned
    if not earned:
        later = home.sessions(sessions(ended_at=ENDED_AT, kwh=8.12, ere_credits=2.7)).snapshot()
        assert list(series_of("joulo_ended_session_ere_credits", later).values()) == [2.7]


def test_an_end_that_only_the_charger_shows_waits_for_its_final_figures():
    home = Household().chargers(fixture("chargers")).sessions(fixture("sessions"))
    idle = fixture("chargers")
    idle["chargers"][0] |= {"is_charging": False, "current_session": None}
    home.now_seconds += 60
    assert series_of("joulo_ended_session_kwh", home.chargers(idle).snapshot()) == {}


def test_a_session_that_goes_on_after_all_is_not_announced_again_and_is_news_for_an_hour():
    home = household()
    reported_s = home.now_seconds
    home.now_seconds += 60
    home.chargers(fixture("chargers"))
    reported = "joulo_ended_session_reported_timestamp_seconds"
    assert list(series_of(reported, home.snapshot()).values()) == [reported_s]
    home.now_seconds = reported_s + 3599
    home.sessions(sessions(ended_at="2026-06-18T19:30:00Z", kwh=9.5))
    snapshot = home.snapshot()
    assert list(series_of(reported, snapshot).values()) == [reported_s]
    assert list(series_of("joulo_ended_session_kwh", snapshot).values()) == [9.5]
    home.now_seconds += 1
    assert series_of(reported, home.snapshot()) == {}


def test_counters_of_energy_never_fall_and_months_may():
    lower = fixture("energy") | {"total_kwh": 1, "total_ere_credits": 2, "total_sessions": 3}
    lower["months"][0]["kwh"] = 4
    served = series(Household().energy(fixture("energy")).energy(lower).snapshot())
    assert served["joulo_account_kwh_total{scope='ere'}"] == 1893.61
    assert served["joulo_account_ere_credits_total"] == 630.02
    assert served["joulo_account_sessions_total{scope='ere'}"] == 97
    assert served["joulo_month_kwh{month='2026-06',scope='ere'}"] == 4
