"""One session as the two endpoints show it, one sighting after the other."""

import pytest
from support.ledger_rig import NOW, finished, held, history_of, live

from joulo_exporter.ledger.reader import read_ledger
from joulo_exporter.ledger.sessions import UNDECIDED, StoredTotals, Totals
from joulo_exporter.models.charger import normal_tag

START = NOW - 1000


def see(rig, *sightings: tuple[str, dict]) -> list[float]:
    """Show the session ``s`` of charger ``c1``, or another one, a minute apart; return when."""
    if rig.walk.generation == 0:
        rig.whole_walk([])
    moments = []
    for kind, fields in sightings:
        rig.now_seconds += 60
        moments.append(rig.now_seconds)
        session = {"session_id": "s"} | fields
        if kind == "listed":
            rig.whole_walk([finished(**({"at_seconds": START} | session))])
        else:
            rig.chargers(live(**session) if kind == "live" else live(None))
    return moments


LIVE = ("live", {"started_at_seconds": START, "kwh_hundredths": 731, "id_tag": "04:a1"})
AGAIN = ("live", {"kwh_hundredths": 732})
GONE = ("gone", {})
LISTED = ("listed", {"kwh_hundredths": 731, "credits_hundredths": 243, "id_tag": "04:a1"})


@pytest.mark.parametrize(
    ("sightings", "expected"),
    [
        pytest.param([LISTED, ("listed", {"ended_at_seconds": START + 70, "kwh_hundredths": 700})],
                     {"ended_at_seconds": START + 70, "kwh_hundredths": 700, "credits_hundredths": 243,
                      "id_tag": "04:a1"}, id="corrected, nulls wipe nothing out"),
        pytest.param([LISTED, ("listed", {"kwh_hundredths": 0})],
                     {"kwh_hundredths": 0, "credits_hundredths": None}, id="corrected to 0 kWh"),
        pytest.param([LISTED, ("listed", {"kwh_hundredths": 731, "counts_for_ere": False})],
                     {"credits_hundredths": None, "final_credits_hundredths": 0}, id="found not to count for ERE"),
        pytest.param([LIVE, GONE, LISTED], {"ended_at_seconds": START + 60}, id="its end is made final"),
        pytest.param([LIVE, LISTED, ("live", {"kwh_hundredths": 732}), GONE], {"started_at_seconds": START,
                      "kwh_hundredths": 732, "id_tag": "04:a1"}, id="seen live it keeps what that does not say"),
        pytest.param([LISTED, ("listed", {"charger_id": "c2"})], {"charger_id": "c2"}, id="moved to a charger"),
        pytest.param([LIVE, GONE, ("listed", {"ended_at_seconds": None, "kwh_hundredths": 740})],
                     {"ended_at_seconds": NOW + 60, "kwh_hundredths": 740, "end_seen_at_seconds": None},
                     id="listed as active after its charger has let it go: when it was last seen"),
        pytest.param([LIVE, GONE, LISTED, AGAIN, GONE, ("listed", {"ended_at_seconds": START + 90})],
                     {"ended_at_seconds": START + 90, "end_seen_at_seconds": NOW + 180}, id="news once"),
        pytest.param([("listed", {"ended_at_seconds": START - 60})], {"totals": StoredTotals(100, 0, 1, 0, 0, 1)},
                     id="its end before its start: no duration"),
    ],
)  # fmt: skip
def test_a_session_that_has_ended(rig, sightings, expected):
    see(rig, *sightings)
    [last] = rig.book().last_sessions.values()
    assert {name: getattr(last, name) for name in expected} == expected


RESUMED = ("listed", {"ended_at_seconds": None, "kwh_hundredths": 731, "status": "charging"})


@pytest.mark.parametrize(
    "sightings", [[LIVE], [LIVE, GONE, LIVE], [LISTED, AGAIN], [LIVE, GONE, LISTED, RESUMED, LIVE]]
)
def test_a_session_that_is_seen_live_is_in_progress_even_if_it_had_ended(rig, sightings):
    see(rig, *sightings)
    assert rig.book().last_sessions == {}


@pytest.mark.parametrize(
    "lagging",
    [
        ("live", {"kwh_hundredths": 700, "started_at_seconds": START - 5}),
        ("live", {"kwh_hundredths": 840}),
        ("live", {}),
        GONE,
        ("listed", {"ended_at_seconds": None, "kwh_hundredths": 840}),  # its end could not be used
    ],
)
@pytest.mark.parametrize("known", [True, False])
def test_the_end_that_sessions_lists_is_final(rig, lagging, known):
    end = ("listed", {"ended_at_seconds": START + 4000, "kwh_hundredths": 840, "id_tag": "04:a1"})
    before = [("live", {"kwh_hundredths": 700, "started_at_seconds": START})] if known else []
    see(rig, *before, end, end)
    book = rig.book()
    for _ in range(10):
        see(rig, lagging, end, lagging)
        again = rig.book()
        assert (held(again.chargers), again.vehicles, again.last_sessions) == (
            {"c1": Totals(840, 0, 1, 4_000_000)},
            book.vehicles,
            book.last_sessions,
        )
        assert again.ended == book.ended


def test_a_session_that_was_withdrawn_and_comes_back_counts_again_and_counters_hold(rig):
    history = history_of(3)
    for listed in (history, history[:-1], history):
        rig.whole_walk(listed)
        book = rig.book()
        assert (book.history.sessions, book.history.back_to_seconds) == (
            len(listed),
            listed[-1].started_at_seconds,
        )
        assert book.chargers["c1"].held == Totals(300, 0, 3, 180_000)
        rig.now_seconds += 8 * 86_400


OTHER = ("listed", {"session_id": "other", "kwh_hundredths": 731})
OTHER_ACTIVE = ("listed", OTHER[1] | {"ended_at_seconds": None, "status": "charging"})
OTHER_LIVE = ("live", {"session_id": "other", "started_at_seconds": START, "kwh_hundredths": 731})
ACTIVE = ("listed", {"ended_at_seconds": None, "status": "charging", "kwh_hundredths": 700})


@pytest.mark.parametrize(
    "sightings",
    [
        pytest.param([LIVE, OTHER_LIVE, GONE, OTHER], id="while it is in progress"),
        pytest.param([LIVE, GONE, OTHER], id="at its end"),
        pytest.param([LIVE, (*OTHER_LIVE[:1], OTHER_LIVE[1] | {"charger_id": "c2"})], id="and another charger"),
        pytest.param([LIVE, ACTIVE, OTHER_LIVE, OTHER_ACTIVE, OTHER_LIVE], id="after it was listed"),
        pytest.param([LIVE, OTHER_ACTIVE, LIVE, OTHER_ACTIVE, LIVE, GONE, OTHER], id="in one endpoint for ever"),
        pytest.param([LISTED, ("listed", OTHER[1] | {"ended_at_seconds": START + 61})], id="with another end"),
        pytest.param([LIVE, ACTIVE, ("listed", {}), LIVE, GONE, OTHER], id="after it went on"),
    ],
)
def test_a_session_that_gets_another_id_counts_once_and_is_news_once(rig, sightings):
    see(rig, ("listed", {"session_id": "before", "at_seconds": START - 3600}))
    news = set()
    for each in sightings:
        see(rig, each)
        assert rig.book().chargers["c1"].held.kwh_hundredths <= 831
        assert len(news := news | {session.id for session in rig.book().ended}) <= 2
    assert rig.book().history.sessions == 2


UNTAGGED = ("listed", {"id_tag": None})
LONG_AGO = ("listed", {"id_tag": None, "ended_at_seconds": START - 90_000})


@pytest.mark.parametrize(
    ("sightings", "vehicle"),
    [
        ([LIVE], "tesla"),
        ([("live", {"kwh_hundredths": 9}), GONE], None),
        ([UNTAGGED], None),
        ([UNTAGGED, UNTAGGED], "unknown"),
        ([LONG_AGO], "unknown"),
        ([("live", {"kwh_hundredths": 9}), GONE, UNTAGGED], None),
        ([("live", {"kwh_hundredths": 9}), GONE, UNTAGGED, LISTED], "tesla"),
        ([("live", {"kwh_hundredths": 9}), GONE, UNTAGGED, UNTAGGED], "unknown"),
        ([UNTAGGED, ("listed", {"id_tag": " - "})], "unknown"),
        ([("listed", {"id_tag": "?"})], "question"),
        ([("live", {"kwh_hundredths": 9})], None),  # it may still show its tag
    ],
)
def test_vehicle_of_a_session(rig, sightings, vehicle):
    rig.reopen(vehicles={"04A1": "tesla", "?": "question"})
    see(rig, *sightings)
    with_energy = [name for name, totals in held(rig.book().vehicles).items() if totals.kwh_hundredths]
    assert with_energy == ([vehicle] if vehicle else [])


def test_no_true_tag_is_taken_for_an_undecided_one():
    assert normal_tag(UNDECIDED) == ""


MORE = ("listed", {"kwh_hundredths": 750})


@pytest.mark.parametrize(
    ("sightings", "corrected", "first_kwh"),
    [
        pytest.param([LISTED, MORE], 1, 731, id="its energy"),
        pytest.param([LISTED, MORE, ("listed", {"kwh_hundredths": 740}), ("listed", {"kwh_hundredths": 740})],
                     2, 731, id="twice: the last time, and the first energy"),
        pytest.param([LISTED, MORE, LISTED], 2, 731, id="and back"),
        pytest.param([LISTED, ("listed", {"kwh_hundredths": 731, "ended_at_seconds": START + 61})], 1, 731,
                     id="its end"),
        pytest.param([LISTED, ("listed", {"kwh_hundredths": 731, "at_seconds": START - 60,
                                          "ended_at_seconds": START + 60})], 1, 731, id="its start"),
        pytest.param([LISTED, AGAIN, GONE, ("listed", {"kwh_hundredths": 732})], 3, 731, id="it went on"),
        pytest.param([LISTED, RESUMED, MORE], 2, 731, id="it was listed as in progress again"),
        pytest.param([LISTED, AGAIN, GONE, LISTED], None, None, id="no: it ends as it did"),
        pytest.param([LIVE, GONE, MORE], None, None, id="no: a provisional end became final"),
        pytest.param([("listed", {"kwh_hundredths": None}), LISTED], None, None, id="no: its energy became known"),
        pytest.param([("listed", {"kwh_hundredths": 731}), LISTED], None, None, id="no: credits and a tag came"),
        pytest.param([LISTED, ("listed", {"kwh_hundredths": None})], None, None, id="no: energy that is unusable"),
        pytest.param([LISTED, ("listed", {"kwh_hundredths": 731, "ended_at_seconds": START + 60.25})], None, None,
                     id="no: a fraction of a second"),
    ],
)  # fmt: skip
def test_a_session_that_was_final_is_corrected(rig, sightings, corrected, first_kwh):
    moments = see(rig, *sightings)
    rig.book()
    with read_ledger(rig.folder) as reader:
        [session] = reader.sessions("home")
        since = reader.completeness("home").corrections_since_seconds
    assert session.corrected_at_seconds == (None if corrected is None else moments[corrected])
    assert session.first_kwh_hundredths == first_kwh
    assert since == moments[0] - 60


def test_a_session_that_another_charger_shows_is_not_ended_by_its_own(rig):
    rig.whole_walk([finished("s")])
    before = rig.book()
    assert rig.chargers(live("s", "c2", kwh_hundredths=100), live(None)) is False
    assert (rig.book().last_sessions, rig.book().chargers["c1"]) == (before.last_sessions, before.chargers["c1"])
