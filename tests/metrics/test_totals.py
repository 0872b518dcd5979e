"""Totals and sessions of the ledger, and totals of ``/energy``; the golden exposition has all the values."""

import pytest
from support.snapshots import (
    DRIVEWAY,
    LAST_SESSION,
    LIVE_SESSION,
    NOW,
    TAG,
    Household,
    fixture,
    recorded,
    recorded_snapshot,
    series,
    series_of,
)

OPRIT = "{charger='oprit'}"
ENDED_AT, ENDED_S = "2026-06-18T19:05:00Z", 1_781_809_500.0
STARTED_S = 1_781_804_530.0  # 2026-06-18T17:42:10Z


def energy(*without: str, month_without: str = "") -> dict:
    answer = {key: value for key, value in fixture("energy").items() if key not in without}
    for month in answer.get("months", ()):
        month.pop(month_without, None)
    return answer


def sessions(**changes) -> dict:
    """Return the recorded page with the session in progress changed."""
    page = fixture("sessions")
    page["sessions"][0] |= changes
    return page


def test_totals_follow_the_vehicles_of_the_configuration():
    snapshot = recorded_snapshot(vehicles={TAG: "kona", "DEADBEEF12345678": "tesla"})
    vehicles = {"{vehicle='kona'}": 48.39, "{vehicle='tesla'}": 0, "{vehicle='unknown'}": 18.4}
    assert series_of("joulo_vehicle_kwh_total", snapshot) == vehicles
    last = f"{{charger='oprit',session_id='{LAST_SESSION}',id_tag='{TAG}',vehicle='kona'}}"
    assert last in series_of("joulo_last_session_info", snapshot)


def test_totals_only_once_the_history_is_complete():
    page = fixture("sessions")  # and older sessions may follow, up to a hundred of them on the page
    page["sessions"] += [page["sessions"][-1] | {"id": f"older-{number}"} for number in range(96)]
    served = series(Household().chargers(fixture("chargers")).sessions(page).snapshot())
    assert served["joulo_history_complete"] == 0
    totals = ("joulo_total", "joulo_ere_credits", "joulo_sessions", "joulo_session_seconds", "joulo_vehicle")
    assert not [name for name in served if name.startswith(totals)]
    assert served[f"joulo_last_session_kwh{OPRIT}"] == 41.08


def test_a_charger_that_never_charged_has_zeros():
    served = series(Household().chargers(fixture("chargers")).sessions({"sessions": []}).snapshot())
    assert served["joulo_total_kwh{charger='garage-achter'}"] == 0
    assert not [name for name in served if name.startswith("joulo_last_session")]


def test_energy_counts_for_ere_as_the_api_says_and_is_absent_while_it_does_not():
    snapshot = recorded().snapshot()
    by_charger = {"{charger='oprit'}": 48.39, "{charger='garage-achter'}": 0}
    assert series_of("joulo_eligible_kwh_total", snapshot) == by_charger
    by_vehicle = {"{vehicle='tesla'}": 0, "{vehicle='unknown'}": 48.39}
    assert series_of("joulo_vehicle_eligible_kwh_total", snapshot) == by_vehicle
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


# /energy

_SCOPED = {"kwh": "kwh", "kwh_all": "kwh", "sessions": "sessions", "sessions_all": "sessions"}


@pytest.mark.parametrize("given_before", [False, True])
@pytest.mark.parametrize(
    ("field", "metric"),
    [
        *((f"total_{field}", f"joulo_account_{figure}_total") for field, figure in _SCOPED.items()),
        *((field, f"joulo_month_{figure}") for field, figure in _SCOPED.items()),
        ("total_ere_credits", "joulo_account_ere_credits_total"),
        ("ere_credits", "joulo_month_ere_credits"),
    ],
)
def test_what_energy_does_not_give_is_absent(field, metric, given_before):
    answer = energy(field) if field.startswith("total") else energy(month_without=field)
    former = Household().energy(energy())
    after = (former if given_before else Household()).energy(answer).snapshot()
    scope = "" if "credits" in field else "scope='all'" if field.endswith("all") else "scope='ere'"
    shown = series(Household().energy(energy()).snapshot())
    gone = {text for text in shown if text.split("{")[0] == metric and scope in text}
    assert len(gone) == (1 if field.startswith("total") else 2)
    assert shown.keys() - series(after).keys() == gone


def test_an_older_answer_of_energy_has_the_plain_scope_only():
    served = series(Household().energy(fixture("energy-older")).snapshot())
    account = ("joulo_account", "joulo_month")
    assert {name: value for name, value in served.items() if name.startswith(account)} == {
        "joulo_account_kwh_total{scope='ere'}": 512.3,
        "joulo_account_ere_credits_total": 76.85,
        "joulo_account_sessions_total{scope='ere'}": 31,
        "joulo_month_kwh{month='2026-02',scope='ere'}": 88.1,
        "joulo_month_sessions{month='2026-02',scope='ere'}": 6,
        "joulo_month_ere_credits{month='2026-02'}": 13.22,
    }


def test_counters_of_energy_never_fall_and_months_may():
    lower = energy() | {"total_kwh": 1, "total_ere_credits": 2, "total_sessions": 3}
    lower["months"][0]["kwh"] = 4
    served = series(Household().energy(energy()).energy(lower).snapshot())
    assert served["joulo_account_kwh_total{scope='ere'}"] == 1893.61
    assert served["joulo_account_ere_credits_total"] == 630.02
    assert served["joulo_account_sessions_total{scope='ere'}"] == 97
    assert served["joulo_month_kwh{month='2026-06',scope='ere'}"] == 4
