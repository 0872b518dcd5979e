"""Corrections: each changes what it says, and nothing when it is taken out again."""

import pytest

from joulo_exporter.simulator import Correction, Edits, NewMeter, PlannedSession


@pytest.fixture
def driveway(household):
    return household.charger_ids[0]


def found(household, session_id, moment):
    return next((s for s in household.sessions_at(moment) if s.id == session_id), None)


@pytest.fixture
def past(household, start):
    """A session that ended long ago and has credits."""
    return next(s for s in household.sessions_at(start) if s.credits_hundredths)


@pytest.fixture
def live(household, start):
    return household.chargers_at(start)[0].session


def test_corrected_energy_brings_its_credits(household, past, start):
    household.edits = Edits(corrected={past.id: Correction(kwh_hundredths=3000)})
    now = found(household, past.id, start)
    assert (now.kwh_hundredths, now.credits_hundredths) == (3000, 998)
    assert now.ended_at_seconds == past.ended_at_seconds


def test_corrected_energy_moves_the_totals(household, past, start):
    before = household.energy_at(start)
    household.edits = Edits(corrected={past.id: Correction(kwh_hundredths=past.kwh_hundredths - 100)})
    after = household.energy_at(start)
    assert after.kwh_hundredths == before.kwh_hundredths - 100
    assert after.kwh_all_hundredths == before.kwh_all_hundredths - 100
    assert after.sessions == before.sessions


@pytest.mark.parametrize("ere", [123, None])
def test_corrected_credits(household, past, start, ere):
    household.edits = Edits(corrected={past.id: Correction(credits_hundredths=ere)})
    now = found(household, past.id, start)
    assert (now.kwh_hundredths, now.credits_hundredths) == (past.kwh_hundredths, ere)


def test_a_corrected_end(household, past, start):
    household.edits = Edits(corrected={past.id: Correction(ended_at_seconds=past.ended_at_seconds + 60)})
    assert found(household, past.id, start).ended_at_seconds == past.ended_at_seconds + 60


def test_an_end_taken_back(household, past, start):
    household.edits = Edits(corrected={past.id: Correction(ended_at_seconds=None)})
    now = found(household, past.id, start)
    assert (now.ended_at_seconds, now.status, now.credits_hundredths) == (None, "charging", None)
    assert now.kwh_hundredths == past.kwh_hundredths


def test_an_end_of_the_session_in_progress_shows_on_the_charger(household, live, start):
    household.edits = Edits(corrected={live.id: Correction(ended_at_seconds=start - 1)})
    charger = household.chargers_at(start)[0]
    assert (charger.charging, charger.session) == (False, None)
    assert found(household, live.id, start).status == "completed"


def test_corrected_energy_of_the_session_in_progress_shows_on_the_charger(household, live, start):
    household.edits = Edits(corrected={live.id: Correction(kwh_hundredths=7)})
    assert household.chargers_at(start)[0].session.kwh_hundredths == 7
    assert found(household, live.id, start).kwh_hundredths == 7


def test_a_withdrawn_session(household, past, live, start):
    before = household.energy_at(start)
    household.edits = Edits(withdrawn={past.id, live.id})
    assert found(household, past.id, start) is None
    assert found(household, live.id, start) is None
    assert household.chargers_at(start)[0].session is None
    assert household.energy_at(start).sessions_all == before.sessions_all - 2


def test_a_session_that_arrives_late_lies_where_it_started(household, driveway, past, start):
    late = PlannedSession(
        id="late",
        charger_id=driveway,
        started_at_seconds=past.started_at_seconds - 10,
        ended_at_seconds=past.started_at_seconds - 5,
        kwh_hundredths=1,
        id_tag=None,
        counts_for_ere=True,
    )
    before = household.energy_at(start)
    household.edits = Edits(added=(late,))
    ids = [session.id for session in household.sessions_at(start)]
    assert ids.index("late") == ids.index(past.id) + 1
    assert found(household, "late", start).charger_nickname == "Oprit"
    after = household.energy_at(start)
    assert after.kwh_hundredths == before.kwh_hundredths + 1
    assert after.sessions == before.sessions + 1


def test_an_added_session_is_not_there_before_it_starts(household, driveway, start):
    added = PlannedSession(
        id="added",
        charger_id=driveway,
        started_at_seconds=int(start) + 10,
        ended_at_seconds=int(start) + 20,
        kwh_hundredths=100,
        id_tag="04A1B2C3D4E580",
        counts_for_ere=True,
    )
    household.edits = Edits(added=(added,))
    assert found(household, "added", start + 9) is None
    assert found(household, "added", start + 15).status == "charging"
    assert found(household, "added", start + 15).kwh_hundredths == 50
    assert found(household, "added", start + 20).kwh_hundredths == 100


@pytest.mark.parametrize("nickname", ["Voordeur", "", None])
def test_a_renamed_charger_has_its_new_name_everywhere(household, driveway, past, start, nickname):
    household.edits = Edits(nicknames={driveway: nickname})
    assert household.chargers_at(start)[0].nickname == nickname
    assert found(household, past.id, start).charger_nickname == nickname
    assert household.chargers_at(start)[1].nickname == "Garage achter"


def test_a_removed_charger_is_gone_and_its_past_stays(household, driveway, past, live, start):
    before = household.sessions_at(start + 10)
    household.edits = Edits(removed={driveway: start + 10})
    assert [c.id for c in household.chargers_at(start + 9)] == list(household.charger_ids)
    assert [c.id for c in household.chargers_at(start + 10)] == [household.charger_ids[1]]
    assert found(household, past.id, start + 10) == past
    ended = found(household, live.id, start + 3600)
    assert ended.ended_at_seconds == int(start + 10)
    assert ended.kwh_hundredths >= found(household, live.id, start + 9).kwh_hundredths
    known = {session.id for session in before}
    later = [s for s in household.sessions_at(start + 3600) if s.id not in known]
    assert later
    assert {s.charger_id for s in later} == {household.charger_ids[1]}


def test_a_new_meter_counts_on_from_its_own_reading(household, driveway, start):
    old_before, old_after = (household.chargers_at(start + s)[0].meter_wh for s in (20, 60))
    household.edits = Edits(meters={driveway: NewMeter(at_seconds=int(start) + 20, reading_wh=5)})
    readings = [household.chargers_at(start + second)[0].meter_wh for second in (19, 20, 60)]
    assert 1_000_000 < readings[0] <= old_before
    assert readings[1:] == [5, 5 + old_after - old_before]


def test_an_edit_taken_out_leaves_no_trace(household, driveway, past, live, start):
    def answers():
        moment = start + 100
        return household.chargers_at(moment), household.sessions_at(moment), household.energy_at(moment)

    before = answers()
    household.edits = Edits(
        corrected={past.id: Correction(kwh_hundredths=1)},
        withdrawn={live.id},
        nicknames={driveway: "X"},
        removed={household.charger_ids[1]: start + 5},
        meters={driveway: NewMeter(at_seconds=start)},
    )
    assert answers() != before
    household.edits = Edits()
    assert answers() == before
