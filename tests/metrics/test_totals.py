"""Totals and last sessions of the ledger, and totals of ``/energy``; the golden exposition has all the values."""

import pytest
from support.snapshots import (
    DRIVEWAY,
    LAST_SESSION,
    TAG,
    Household,
    fixture,
    recorded,
    recorded_snapshot,
    series,
    series_of,
)

from joulo_exporter.metrics.family import of_hundredths

OPRIT, GARAGE_LABEL = "{charger='oprit'}", "{charger='garage-achter'}"
TOTALS = (
    "joulo_total_kwh",
    "joulo_ere_credits_total",
    "joulo_sessions_total",
    "joulo_session_seconds_total",
    "joulo_vehicle_kwh_total",
    "joulo_vehicle_ere_credits_total",
    "joulo_vehicle_sessions_total",
)


def sessions(**changes) -> dict:
    """Return the recorded page with the driveway's last finished session changed."""
    page = fixture("sessions")
    page["sessions"][1] |= changes
    return page


def energy(*without: str, month_without: str = "") -> dict:
    answer = {key: value for key, value in fixture("energy").items() if key not in without}
    for month in answer.get("months", ()):
        month.pop(month_without, None)
    return answer


def test_totals_follow_the_vehicles_of_the_configuration():
    snapshot = recorded_snapshot(vehicles={TAG: "kona", "DEADBEEF12345678": "tesla"})
    assert series_of("joulo_vehicle_kwh_total", snapshot) == {
        "{vehicle='kona'}": 48.39,
        "{vehicle='tesla'}": 0,
        "{vehicle='unknown'}": 18.4,
    }
    last = f"{{charger='oprit',session_id='{LAST_SESSION}',id_tag='{TAG}',vehicle='kona'}}"
    assert last in series_of("joulo_last_session_info", snapshot)


def test_energy_of_a_session_without_a_tag_is_in_no_vehicle_until_sessions_has_listed_its_end_twice():
    answer = fixture("chargers")
    del answer["chargers"][0]["current_session"]["id_tag"]
    household = Household().sessions({"sessions": [], "limit": 100, "offset": 0}).chargers(answer)
    during = household.snapshot()
    assert series_of("joulo_total_kwh", during)[OPRIT] == 7.31
    assert series_of("joulo_vehicle_kwh_total", during)["{vehicle='unknown'}"] == 0
    del answer["chargers"][0]["current_session"]
    session = fixture("sessions")["sessions"][0] | {"ended_at": "2026-06-18T18:30:00Z", "id_tag": None}
    listed = {"sessions": [session], "limit": 100, "offset": 0}
    for refresh, response, unknown_kwh in (
        (household.chargers, answer, 0),
        (household.sessions, listed, 0),
        (household.sessions, listed, 7.31),
    ):
        after = refresh(response).snapshot()
        assert series_of("joulo_total_kwh", after)[OPRIT] == 7.31
        assert series_of("joulo_vehicle_kwh_total", after)["{vehicle='unknown'}"] == unknown_kwh


def test_totals_only_once_the_history_is_complete():
    page = fixture("sessions")  # and older sessions may follow, up to a hundred of them on the page
    page["sessions"] += [page["sessions"][-1] | {"id": f"older-{number}"} for number in range(96)]
    served = series(Household().chargers(fixture("chargers")).sessions(page).snapshot())
    assert served["joulo_history_complete"] == 0
    assert not [name for name in served if name.split("{")[0] in TOTALS]
    assert served[f"joulo_last_session_kwh{OPRIT}"] == 41.08


def test_a_charger_that_never_charged_has_zeros():
    served = series(Household().chargers(fixture("chargers")).sessions({"sessions": []}).snapshot())
    assert served[f"joulo_total_kwh{GARAGE_LABEL}"] == 0
    assert not [name for name in served if name.startswith("joulo_last_session")]


def test_a_charger_that_is_no_longer_linked_keeps_its_totals():
    served = series(Household().chargers({"chargers": []}).sessions(fixture("sessions")).snapshot())
    assert served[f"joulo_total_kwh{GARAGE_LABEL}"] == 18.4
    assert f"joulo_charging{GARAGE_LABEL}" not in served


@pytest.mark.parametrize(
    ("changes", "gone"),
    [
        ({"ere_credits": None}, {f"joulo_last_session_ere_credits{OPRIT}"}),
        ({"charger_nickname": None}, set()),
        ({"status": None}, set()),
        ({"counts_for_ere": None}, set()),
    ],
)
def test_what_sessions_does_not_give_is_absent(changes, gone):
    before = series(Household().sessions(sessions()).snapshot())
    after = series(Household().sessions(sessions(**changes)).snapshot())
    assert before.keys() - after.keys() == gone
    assert after.keys() <= before.keys()


def test_energy_counts_for_ere_as_the_api_says_and_never_falls():
    page, idle = fixture("sessions"), {"sessions": []}
    household = recorded()
    eligible = {"{charger='oprit'}": 48.39, "{charger='garage-achter'}": 0}
    assert series_of("joulo_eligible_kwh_total", household.snapshot()) == eligible
    vehicles = {"{vehicle='tesla'}": 0, "{vehicle='unknown'}": 48.39}
    assert series_of("joulo_vehicle_eligible_kwh_total", household.snapshot()) == vehicles
    page["sessions"][1]["counts_for_ere"] = False  # 41.08 kWh count no longer
    assert series_of("joulo_eligible_kwh_total", household.sessions(page).snapshot()) == eligible
    assert (
        series_of("joulo_eligible_kwh_total", Household().sessions(page).snapshot())["{charger='oprit'}"] == 7.31
    )
    assert series_of("joulo_eligible_kwh_total", Household().sessions(idle).snapshot()) == {}


def test_energy_that_counts_for_ere_is_absent_while_the_api_does_not_say_it():
    page = fixture("sessions")
    for session in page["sessions"]:
        del session["counts_for_ere"]
    served = series(Household().chargers(fixture("chargers")).sessions(page).snapshot())
    assert f"joulo_total_kwh{OPRIT}" in served
    assert not [text for text in served if "eligible" in text]


@pytest.mark.parametrize(
    ("changes", "earned"),
    [
        ({"ere_credits": 13.5}, 13.5),
        ({"ere_credits": None}, None),
        ({"ere_credits": None, "counts_for_ere": None}, None),
        ({"ere_credits": None, "counts_for_ere": False}, 0),
        ({"ere_credits": None, "kwh": 0}, 0),
    ],
)
def test_a_session_that_has_just_ended_has_no_credits_or_none_yet(changes, earned):
    household = Household().sessions(sessions(ended_at=None, ere_credits=None))
    household.now_seconds += 60
    snapshot = household.sessions(sessions(ended_at="2026-06-18T19:10:00Z", **changes)).snapshot()
    (ended,) = snapshot.ended_sessions
    assert of_hundredths(ended.session.final_credits_hundredths) == earned


def test_a_last_session_without_a_tag():
    served = series_of("joulo_last_session_info", Household().sessions(sessions(id_tag=None)).snapshot())
    assert f"{{charger='oprit',session_id='{LAST_SESSION}',id_tag='',vehicle='unknown'}}" in served


def test_a_session_that_ended_is_the_last_one_with_the_values_last_seen():
    household = Household(vehicles={TAG: "kona"}).chargers(fixture("chargers"))
    idle = fixture("chargers")
    del idle["chargers"][0]["current_session"]
    household.now_seconds += 60
    served = series(household.chargers(idle).snapshot())
    assert served[f"joulo_last_session_kwh{OPRIT}"] == 7.31
    assert served[f"joulo_last_session_end_timestamp_seconds{OPRIT}"] == household.now_seconds - 60
    assert served[f"joulo_session_kwh{OPRIT}"] == 0
    assert f"joulo_last_session_ere_credits{OPRIT}" not in served


def test_a_session_that_ended_without_any_value():
    answer = {"chargers": [{"id": DRIVEWAY, "slug": "oprit", "current_session": {"id": "s"}}]}
    idle = {"chargers": [{"id": DRIVEWAY, "slug": "oprit"}]}
    served = series(Household().chargers(answer).chargers(idle).snapshot())
    assert [name for name in served if name.startswith("joulo_last")] == [
        f"joulo_last_session_end_timestamp_seconds{OPRIT}",
        "joulo_last_session_info{charger='oprit',session_id='s',id_tag='',vehicle='unknown'}",
        "joulo_last_refresh_timestamp_seconds{endpoint='chargers'}",
    ]


MONTHS = ("2026-06", "2026-05")


@pytest.mark.parametrize(
    ("answer", "gone"),
    [
        (energy("total_kwh"), {"joulo_account_kwh_total{scope='ere'}"}),
        (energy("total_kwh_all"), {"joulo_account_kwh_total{scope='all'}"}),
        (energy("total_ere_credits"), {"joulo_account_ere_credits_total"}),
        (energy("total_sessions"), {"joulo_account_sessions_total{scope='ere'}"}),
        (energy("total_sessions_all"), {"joulo_account_sessions_total{scope='all'}"}),
        (energy(month_without="kwh"), {f"joulo_month_kwh{{month='{m}',scope='ere'}}" for m in MONTHS}),
        (energy(month_without="kwh_all"), {f"joulo_month_kwh{{month='{m}',scope='all'}}" for m in MONTHS}),
        (energy(month_without="sessions"), {f"joulo_month_sessions{{month='{m}',scope='ere'}}" for m in MONTHS}),
        (
            energy(month_without="sessions_all"),
            {f"joulo_month_sessions{{month='{m}',scope='all'}}" for m in MONTHS},
        ),
        (energy(month_without="ere_credits"), {f"joulo_month_ere_credits{{month='{m}'}}" for m in MONTHS}),
    ],
)
@pytest.mark.parametrize("given_before", [False, True])
def test_what_energy_does_not_give_is_absent(answer, gone, given_before):
    former = Household().energy(energy())
    after = (former if given_before else Household()).energy(answer).snapshot()
    assert series(Household().energy(energy()).snapshot()).keys() - series(after).keys() == gone


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


def test_a_stale_answer_of_energy_vanishes():
    household = recorded()
    fresh, stale = series(household.snapshot()), series(household.snapshot(stale=["energy"]))
    account = ("joulo_account", "joulo_month")
    assert stale == {name: value for name, value in fresh.items() if not name.startswith(account)}
