"""Every metric of a session that has just ended, with its value."""

from support.snapshots import LIVE_SESSION, NOW, Household, fixture, series, series_of

ENDED_S = 1_781_809_500.0  # 2026-06-18T19:05:00Z
STARTED_S = 1_781_804_530.0  # 2026-06-18T17:42:10Z


def sessions(**changes) -> dict:
    answer = fixture("sessions")
    answer["sessions"][0] |= changes
    return answer


def household(**ending) -> Household:
    """Return a household whose session in progress has ended, as a second answer of ``/sessions`` says."""
    home = Household().chargers(fixture("chargers")).sessions(fixture("sessions"))
    home.now_seconds += 600
    end = {"ended_at": "2026-06-18T19:05:00Z", "kwh": 8.12, "ere_credits": None}
    return home.sessions(sessions(**(end | ending)))


def test_every_metric_of_a_session_that_ended():
    snapshot, session = household().snapshot(), f"charger='oprit',session_id='{LIVE_SESSION}'"
    assert {name: value for name, value in series(snapshot).items() if name.startswith("joulo_ended_session")} == {
        f"joulo_ended_session_reported_timestamp_seconds{{{session}}}": NOW + 600,
        f"joulo_ended_session_end_timestamp_seconds{{{session}}}": ENDED_S,
        f"joulo_ended_session_kwh{{{session}}}": 8.12,
        f"joulo_ended_session_duration_seconds{{{session}}}": ENDED_S - STARTED_S,
        f"joulo_ended_session_ere_credits{{{session}}}": 2.43,  # listed before
        f"joulo_ended_session_info{{{session},id_tag='04A1B2C3D4E580',vehicle='unknown'}}": 1,
    }


def test_credits_appear_when_they_are_calculated():
    home = household(ere_credits=None)
    later = home.sessions(sessions(ended_at="2026-06-18T19:05:00Z", kwh=8.12, ere_credits=2.7)).snapshot()
    assert list(series_of("joulo_ended_session_ere_credits", later).values()) == [2.7]


def test_credits_that_are_not_calculated_are_absent():
    home = Household().chargers(fixture("chargers")).sessions(sessions(ere_credits=None))
    home.now_seconds += 600
    ended = sessions(ended_at="2026-06-18T19:05:00Z", ere_credits=None)
    assert series_of("joulo_ended_session_ere_credits", home.sessions(ended).snapshot()) == {}


def test_an_end_is_news_for_an_hour_from_when_it_was_listed():
    home = household()
    home.now_seconds += 3599
    assert len(series_of("joulo_ended_session_kwh", home.snapshot())) == 1
    home.now_seconds += 1
    assert series_of("joulo_ended_session_kwh", home.snapshot()) == {}


def test_an_end_that_only_the_charger_shows_waits_for_its_final_figures():
    home = Household().chargers(fixture("chargers")).sessions(fixture("sessions"))
    idle = fixture("chargers")
    idle["chargers"][0] |= {"is_charging": False, "current_session": None}
    home.now_seconds += 60
    assert series_of("joulo_ended_session_kwh", home.chargers(idle).snapshot()) == {}


def test_a_session_that_goes_on_after_all_is_not_announced_again():
    home = household()
    reported_s = home.now_seconds
    home.now_seconds += 60
    home.chargers(fixture("chargers"))
    reported = "joulo_ended_session_reported_timestamp_seconds"
    assert list(series_of(reported, home.snapshot()).values()) == [reported_s]
    home.now_seconds += 600
    home.sessions(sessions(ended_at="2026-06-18T19:30:00Z", kwh=9.5))
    snapshot = home.snapshot()
    assert list(series_of(reported, snapshot).values()) == [reported_s]
    assert list(series_of("joulo_ended_session_kwh", snapshot).values()) == [9.5]
