import msgspec
import pytest

from joulo_exporter.ledger.sessions import (
    UNDECIDED,
    UNTAGGED,
    Contribution,
    StoredSession,
    contribution,
    listed,
    seen_live,
    vanished,
)
from joulo_exporter.models import LiveSession, Session
from joulo_exporter.models.tag import normal_tag

OPEN = StoredSession("s", "c", started_at_seconds=100.0, kwh_hundredths=731, id_tag="04:a1", live_at_seconds=500.0)
ENDED = msgspec.structs.replace(OPEN, ended_at_seconds=460.5, end_is_final=True, credits_hundredths=243)


@pytest.mark.parametrize(
    ("session", "expected"),
    [
        (OPEN, Contribution("c", "04A1", 731, 0, 0, 0)),
        (ENDED, Contribution("c", "04A1", 731, 243, 1, 360_500)),
        (msgspec.structs.replace(OPEN, id_tag=None), Contribution("c", UNDECIDED, 731, 0, 0, 0)),
        (msgspec.structs.replace(ENDED, id_tag=None), Contribution("c", UNTAGGED, 731, 243, 1, 360_500)),
        (msgspec.structs.replace(ENDED, id_tag=" - "), Contribution("c", UNTAGGED, 731, 243, 1, 360_500)),
        (msgspec.structs.replace(ENDED, id_tag="?"), Contribution("c", "?", 731, 243, 1, 360_500)),
        (msgspec.structs.replace(ENDED, started_at_seconds=None), Contribution("c", "04A1", 731, 243, 1, 0)),
        (msgspec.structs.replace(ENDED, ended_at_seconds=40.0), Contribution("c", "04A1", 731, 243, 1, 0)),
        (msgspec.structs.replace(ENDED, kwh_hundredths=None), Contribution("c", "04A1", 0, 243, 1, 360_500)),
        (msgspec.structs.replace(ENDED, withdrawn=True), None),
    ],
)
def test_contribution(session, expected):
    assert contribution(session) == expected


def test_no_tag_is_taken_for_an_undecided_one():
    assert normal_tag(UNDECIDED) == ""


@pytest.mark.parametrize(
    ("old", "says", "expected"),
    [
        pytest.param(
            None,
            {"ended_at_seconds": 460.0, "kwh_hundredths": 800},
            {"ended_at_seconds": 460.0, "end_is_final": True, "end_seen_at_seconds": 900.0},
            id="first seen when it was over",
        ),
        pytest.param(
            ENDED,
            {"ended_at_seconds": 470.0, "kwh_hundredths": 700},
            {"ended_at_seconds": 470.0, "kwh_hundredths": 700, "credits_hundredths": 243, "id_tag": "04:a1"},
            id="corrected, nulls wipe nothing out",
        ),
        pytest.param(
            msgspec.structs.replace(ENDED, end_is_final=False, end_seen_at_seconds=600.0),
            {"ended_at_seconds": 480.0},
            {"ended_at_seconds": 480.0, "end_is_final": True, "end_seen_at_seconds": 600.0},
            id="a final end is not news again",
        ),
        pytest.param(
            msgspec.structs.replace(ENDED, end_is_final=False),
            {"ended_at_seconds": None, "kwh_hundredths": 740},
            {"ended_at_seconds": 460.5, "end_is_final": False, "kwh_hundredths": 740},
            id="still listed as active after the charger has let it go",
        ),
        pytest.param(
            OPEN,
            {"ended_at_seconds": None, "credits_hundredths": 1},
            {"ended_at_seconds": None, "credits_hundredths": 1, "end_seen_at_seconds": None},
            id="in progress",
        ),
        pytest.param(
            msgspec.structs.replace(ENDED, withdrawn=True),
            {"ended_at_seconds": 460.5},
            {"withdrawn": False},
            id="back after it was withdrawn",
        ),
        pytest.param(OPEN, {"charger_id": "other"}, {"charger_id": "other"}, id="moved to another charger"),
    ],
)
def test_listed(old, says, expected):
    session = Session(**({"id": "s", "charger_id": "c", "started_at_seconds": 100.0} | says))
    new = listed(old, session, generation=7, learned_at_seconds=900.0)
    assert {name: getattr(new, name) for name in expected} == expected
    assert new.generation == 7


def test_an_end_that_the_first_import_brings_is_no_news():
    session = Session("s", "c", 100.0, ended_at_seconds=460.0, kwh_hundredths=1)
    assert listed(None, session, generation=1, learned_at_seconds=None).end_seen_at_seconds is None


def test_seen_live_keeps_what_it_does_not_say():
    new = seen_live(OPEN, "c", LiveSession("s"), 560.0)
    assert new == msgspec.structs.replace(OPEN, live_at_seconds=560.0)


def test_seen_live_reopens_a_session_that_goes_on_under_its_id():
    gone = vanished(OPEN)
    again = seen_live(gone, "c", LiveSession("s", kwh_hundredths=900), 700.0)
    assert (again.ended_at_seconds, again.end_seen_at_seconds, again.kwh_hundredths) == (None, None, 900)


def test_vanished_ends_when_it_was_last_seen_and_is_no_news_until_it_is_listed():
    gone = vanished(OPEN)
    assert (gone.ended_at_seconds, gone.end_seen_at_seconds, gone.end_is_final) == (500.0, None, False)
    assert contribution(gone) == Contribution("c", "04A1", 731, 0, 1, 400_000)
