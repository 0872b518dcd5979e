"""Totals, sessions that have ended, and the value of credits; the golden exposition has all the values."""

import pytest
from support.parsing import MISSING, changed, leaves
from support.snapshots import (
    DRIVEWAY,
    FIXTURES,
    LIVE_SESSION,
    NOW,
    Household,
    fixture,
    market_snapshot,
    recorded_snapshot,
    series,
    series_of,
    with_position,
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


# The value of ERE credits -------------------------------------------------------------------------


INFO = "joulo_ere_forecast_info{confidence='medium',projected='true',compliance_year='2026'}"
GOLDEN = {INFO: 1.0} | {
    series.replace('account="home",', "").replace('{account="home"}', "").replace('"', "'"): float(value)
    for line in (FIXTURES.parent / "golden" / "metrics.txt").read_text("utf-8").splitlines()
    for series, _, value in [line.rpartition(" ")]
    if line.startswith(("joulo_ere_position", "joulo_ere_forecast", "joulo_ere_fee", "joulo_ere_realized",
                        "joulo_ere_indicative", "joulo_ere_quarter")) and "info" not in line
}  # fmt: skip
"""Every series of the recorded position as the golden exposition has it."""
POSITION = fixture("ere-position")
WRONG = "a value of a wrong type" * 50


LEAVES = leaves(POSITION)


def ere(*snapshots):
    return {
        text: value
        for text, value in series(*snapshots).items()
        if text.startswith("joulo_ere_") and not text.startswith(("joulo_ere_credits", "joulo_ere_estimate"))
    }


def test_a_forecast_is_described_in_the_words_of_the_api():
    answer = POSITION | {"forecast_confidence": "Very High", "forecast_is_projected": False}
    assert ere(with_position(recorded_snapshot(), answer)) == {
        text.replace("'medium',projected='true'", "'Very High',projected='false'"): value
        for text, value in GOLDEN.items()
    }


def lost_with(path, value):
    """Return the series that a fault costs; the others are as they were."""
    served = ere(with_position(recorded_snapshot(), changed(POSITION, path, value)))
    lost = GOLDEN.keys() - served.keys()
    new = served.keys() - GOLDEN.keys()
    assert len(new) == (lost == {INFO})  # with an empty label for what is not given
    assert served == {text: value for text, value in GOLDEN.items() if text not in lost} | dict.fromkeys(new, 1)
    return lost


FAULTS = pytest.mark.parametrize("fault", [MISSING, None, WRONG, -1e12, [[]]], ids=lambda value: str(value)[:12])


@FAULTS
@pytest.mark.parametrize("path", LEAVES, ids=lambda path: ".".join(map(str, path)))
def test_a_value_that_is_missing_null_or_wrong_costs_only_its_own_series(path, fault):
    lost, given = lost_with(path, fault), LEAVES[path]
    if path[-1] == "quarter":
        assert lost == {text for text in GOLDEN if given in text}
    elif path[-1] in ("compliance_year", "forecast_confidence", "forecast_is_projected"):
        assert lost == {INFO}
    elif path[-1] == "realized_net_eur":  # the sum of what is shown by status
        assert lost == set()
    else:
        assert [GOLDEN[text] for text in lost] == [given / 100 if path[-1] == "effective_fee_pct" else given]


@FAULTS
@pytest.mark.parametrize(
    "section",
    [("paid",), ("payable",), ("reserved",), ("unsold",), ("quarters",), ("quarters", 1, "net_eur_by_status")],
)
def test_a_section_that_is_missing_null_or_wrong_costs_what_is_in_it(section, fault):
    within = [path for path in LEAVES if path[: len(section)] == section]
    assert lost_with(section, fault) == set().union(*(lost_with(path, None) for path in within))


@pytest.mark.parametrize("value", [MISSING, None, {}, "yesterday" * 9])
@pytest.mark.parametrize(
    ("field", "left"),
    [
        ("mid_eur", {"joulo_ere_market_price_timestamp_seconds"}),
        ("updated_at", {"joulo_ere_market_price_euros"}),
        ("week_number", {"joulo_ere_market_price_timestamp_seconds", "joulo_ere_market_price_euros"}),
    ],
)
def test_a_market_without_one_figure_has_the_other(field, left, value):
    answer = changed(fixture("ere-price"), ("current", field), value)
    assert set(ere(market_snapshot(answer))) == left
