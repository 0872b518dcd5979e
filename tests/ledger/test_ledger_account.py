import itertools

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.ledger_rig import LedgerRig, earlier_ledger, finished, live, page_of
from support.parsing import parse_chargers, parse_energy, parse_sessions

from joulo_exporter.errors import ApiServerError, ApiTimeoutError
from joulo_exporter.ledger import AccountLedger, Meter, Pause, Totals, Walk
from joulo_exporter.models.charger import Charger
from joulo_exporter.models.wire import ApiResponse

OPRIT, GARAGE = "6f1d2c0a-7b1e-4c55-9d0e-1a2b3c4d5e6f", "a0b1c2d3-e4f5-4678-9abc-def012345678"


def test_the_payloads_of_the_documentation(make_rig, fixture_bytes):
    rig = make_rig(vehicles={"DEADBEEF12345678": "tesla"})
    rig.chargers(*parse_chargers(fixture_bytes("chargers")).content)
    rig.whole_walk(parse_sessions(fixture_bytes("sessions")).content.sessions, size=100)
    rig.ledger.record_energy(parse_energy(fixture_bytes("energy")), rig.pause)
    book = rig.book()
    assert book.labels == {OPRIT: "oprit", GARAGE: "garage-achter"}
    assert book.chargers == {
        OPRIT: Totals(4839, 1610, 2, (37_500 + 40) * 1000, 4839),
        GARAGE: Totals(1840, 0, 1, 11_550_000),
    }
    assert book.vehicles == {
        "tesla": Totals(0, 0, 1, 40_000),
        "unknown": Totals(6679, 1610, 2, 49_050_000, 4839),
    }
    assert book.last_sessions[OPRIT].id == "1e2d3c4b-2222-4b6c-9d7e-8f90a1b2c3d4"
    assert book.last_sessions[OPRIT].kwh_hundredths == 4108
    assert book.last_sessions[GARAGE].credits_hundredths is None
    assert book.last_sessions[GARAGE].end_seen_at_seconds is None
    assert book.id_tags == {"0d9c8b7a-1111-4a5b-8c6d-7e8f90a1b2c3": "04A1B2C3D4E580"}
    assert book.meters == {OPRIT: Meter(8_123_450.0, 1_781_808_300.0)}
    assert book.marks[("meter_wh", OPRIT)] == 8_123_450
    assert book.marks[("account_kwh", "ere")] == 189_361
    assert book.marks[("account_sessions", "all")] == 118
    assert (book.complete, book.sessions, book.persistent) == (True, 4, True)


@pytest.mark.parametrize(
    ("shown", "has_ended"),
    [
        pytest.param([], False, id="an answer without chargers"),
        pytest.param([live(None, "c2")], False, id="its charger is missing"),
        pytest.param([live("s")], False, id="still there"),
        pytest.param([live(None)], True, id="no session any more"),
        pytest.param([live("t")], True, id="another session"),
    ],
)
def test_what_ends_a_session(rig, shown, has_ended):
    rig.whole_walk([], size=100)
    rig.chargers(live("s", started_at_seconds=rig.now_seconds - 600, kwh_hundredths=731))
    last_seen = rig.now_seconds
    rig.reopen()
    rig.now_seconds += 60
    assert rig.chargers(*shown) is has_ended
    book = rig.book()
    assert book.chargers["c1"] == Totals(731, 0, int(has_ended), 0)  # no duration before the end is final
    if has_ended:
        last = book.last_sessions["c1"]
        assert (last.ended_at_seconds, last.end_seen_at_seconds) == (last_seen, None)
        assert rig.chargers(*shown) is False  # an end is reported once
    else:
        assert book.last_sessions == {}


def test_of_the_first_import_only_the_end_of_what_was_seen_in_progress_is_news(rig):
    rig.chargers(live("seen"))
    rig.chargers(live(None))
    unseen = finished("unseen", at_seconds=rig.now_seconds - 300)
    rig.whole_walk([finished("seen", at_seconds=rig.now_seconds - 60), unseen], size=100)
    assert [(one.id, one.end_seen_at_seconds) for one in rig.book().ended] == [("seen", rig.now_seconds)]


@pytest.mark.parametrize(
    ("ago_s", "later_s", "is_news"),
    [
        pytest.param(300, 0, True, id="at once"),
        pytest.param(300, 3599, True, id="for an hour"),
        pytest.param(300, 3600, False, id="and no longer"),
        pytest.param(300, -1, False, id="not before its time"),
        pytest.param(86_400, 0, True, id="an end of yesterday"),
        pytest.param(86_401, 0, False, id="an end of long ago"),
    ],
)
def test_an_end_is_news_for_an_hour(rig, ago_s, later_s, is_news):
    rig.whole_walk([finished("old")], size=100)
    rig.now_seconds += 10 * 86_400
    rig.whole_walk([finished("new", at_seconds=rig.now_seconds - ago_s - 60), finished("old")], size=100)
    rig.now_seconds += later_s
    assert [session.id for session in rig.book().ended] == (["new"] if is_news else [])


def test_a_vehicle_that_gets_a_tag_takes_its_energy_out_of_unknown_or_of_another_one(rig):
    one = Totals(100, 0, 1, 60_000)
    rig.whole_walk([finished("s", id_tag="04:a1"), finished("t", id_tag="04b2")], size=100)
    for vehicles, expected in (
        ({}, {"unknown": Totals(200, 0, 2, 120_000)}),
        ({"04A1": "tesla"}, {"tesla": one, "unknown": one}),
        ({"04A1": "tesla", "04B2": "zoe"}, {"tesla": one, "zoe": one, "unknown": Totals()}),
        ({"04A1": "zoe", "04B2": "zoe"}, {"zoe": Totals(200, 0, 2, 120_000), "unknown": Totals()}),
        ({"04A1": "zoe", "04B2": "tesla"}, {"tesla": one, "zoe": one, "unknown": Totals()}),
        ({"04A1": "unknown"}, {"unknown": Totals(200, 0, 2, 120_000)}),
    ):
        rig.reopen(vehicles=vehicles)
        assert rig.book().vehicles == expected


def test_a_tag_that_sessions_showed_first_is_known_as_soon_as_the_session_is_seen_live(rig):
    rig.whole_walk([finished("s", ended_at_seconds=None, kwh_hundredths=0, id_tag="04A1")], size=100)
    assert rig.book().id_tags == {}
    rig.chargers(live("s"))
    assert rig.book().id_tags == {"s": "04A1"}


T0 = 1_781_810_000.0


def read(rig, wh, minutes):
    """Let the meter be read, and return the power in watts and the counter in Wh."""
    rig.now_seconds = T0 + 60 * minutes
    rig.chargers(Charger("c1", meter_wh=wh, meter_at_seconds=rig.now_seconds))
    book = rig.book()
    return book.meters["c1"].mean_power_watts(), book.marks["meter_wh", "c1"]


@pytest.mark.parametrize(
    ("readings", "served"),
    [
        (  # two glitches that do not go on from each other
            [(1_234_500, 0), (0, 15), (999_999_999, 30), (500, 45), (500, 60), (1_236_500, 75)],
            [(None, 1_234_500)] * 5 + [(1600, 1_236_500)],
        ),
        (  # another meter, from 0
            [(1_234_500, 0), (0, 15), (0, 30), (600, 45), (1200, 60)],
            [(None, 1_234_500)] * 3 + [(2400, 600), (2400, 1200)],
        ),
        (  # another meter that stands higher
            [(1_000, 0), (5_000_000, 15), (5_001_000, 30)],
            [(None, 1_000), (None, 1_000), (4000, 5_001_000)],
        ),
        (  # the very first reading was the glitch
            [(999_999_999, 0), (1_235_000, 15), (1_236_000, 30)],
            [(None, 999_999_999), (None, 999_999_999), (4000, 1_236_000)],
        ),
        (  # a second apart: the counter goes on, the power waits for a minute
            [(1000, 0), (1010, 1 / 60), (1020, 2 / 60), (1100, 1)],
            [(None, 1000), (None, 1010), (None, 1020), (6000, 1100)],
        ),
        ([(1000, 0), (2500, 1)], [(None, 1000), (None, 2500)]),  # plausible, but no power that a charger has
    ],
)
def test_a_meter_reading_that_falls_or_leaps_is_believed_when_the_next_goes_on_from_it(rig, readings, served):
    shown = []
    for wh, minutes in readings:
        shown.append(read(rig, wh, minutes))
        rig.chargers(Charger("c1", meter_wh=wh, meter_at_seconds=T0 + 60 * minutes))  # nothing new
        rig.reopen()
    assert [(watts and round(watts, 6), wh) for watts, wh in shown] == served


@given(
    rises=st.lists(st.integers(1, 2750), min_size=4, max_size=8),  # Wh in a quarter of an hour
    glitch=st.integers(0, 10**12) | st.integers(1_230_000, 1_260_000),
    where=st.integers(0, 4),
)
def test_after_any_single_glitch_counter_and_power_are_true_again(rises, glitch, where):
    readings = list(itertools.accumulate(rises, initial=1_234_500))
    where = min(where, len(readings) - 4)  # three readings follow
    rig = LedgerRig(None)
    for step, wh in enumerate(readings):
        served = read(rig, glitch if step == where else wh, 15 * step)
    rig.close()
    assert served == (pytest.approx(4 * rises[-1]), readings[-1])


def test_an_older_reading_is_no_news(rig):
    assert [read(rig, 1000, 0), read(rig, 11_000, 600)] == [(None, 1000), (1000, 11_000)]
    rig.chargers(Charger("c1", meter_wh=10, meter_at_seconds=T0 + 60))
    assert rig.book().meters["c1"] == Meter(11_000, T0 + 36_000, 1000, T0)


def test_readings_without_a_date_count_from_when_they_are_first_seen(rig):
    shown = []
    for minutes, wh in enumerate([1000, 1000, 1500, 900_000, 900_000, 2000, 2000]):
        rig.now_seconds = T0 + 60 * minutes
        rig.chargers(Charger("c1", meter_wh=wh))
        shown.append(rig.book().marks["meter_wh", "c1"])
    assert shown == [1000, 1000, 1500, 1500, 1500, 2000, 2000]


def test_a_reading_that_our_own_fast_clock_dated_stops_none_after_it(rig):
    rig.now_seconds = T0 + 7200
    rig.chargers(Charger("c1", meter_wh=1000))
    rig.now_seconds = T0
    rig.chargers(Charger("c1", meter_wh=1100))
    assert rig.book().marks["meter_wh", "c1"] == 1100


def test_without_a_meter_the_energy_of_a_session_gives_the_power(rig):
    shown = []
    for minutes, kwh_hundredths in ((0, 100), (0.5, 110), (1.5, 120), (5, 120), (25, 120)):
        rig.now_seconds = T0 + 60 * minutes
        rig.chargers(live("s", kwh_hundredths=kwh_hundredths))
        shown.append(rig.book().meters["c1"].mean_power_watts())
    assert shown == [None, None, 8000, 8000, 0]  # it stands still only after 20 minutes


def test_endpoints_outlive_the_process(rig):
    assert rig.ledger.load()[0] == {}
    for malformed in (("bad", "worse"), ("bad",), ()):
        answer = ApiResponse((live(None),), malformed)
        rig.ledger.record_chargers(answer, rig.pause)
    failed = Pause(rig.now_seconds + 60, 120.0, 1)
    for error in (ApiTimeoutError("slow"), ApiServerError("x" * 999, status=502)):
        rig.ledger.record_failure("chargers", error, failed)
    rig.reopen()
    record = rig.ledger.load()[0]["chargers"]
    assert (record.pause, record.up, record.error) == (failed, False, "x" * 300)
    assert record.requests == (("200", 3), ("502", 1), ("timeout", 1))
    assert record.malformed == 3
    assert record.succeeded_at_seconds == rig.now_seconds
    assert record.body is not None
    assert b'"c1"' in record.body


def test_the_latest_answer_is_kept_also_when_it_changes_back(rig):
    for session_id in ("s1", "s2", "s1", None):
        rig.chargers(live(session_id))
        body = rig.ledger.load()[0]["chargers"].body
        assert msgspec.json.decode(body, type=tuple[Charger, ...]) == (live(session_id),)


def test_accounts_in_one_file_know_nothing_of_each_other(rig):
    other = AccountLedger(rig.database, "work", configured_labels={}, vehicles={})
    rig.chargers(live("s", kwh_hundredths=5))
    rig.whole_walk([finished("s")], size=100)
    book = other.book(name_unlinked=True, now_seconds=rig.now_seconds)
    assert (book.sessions, book.labels, book.meters, book.complete) == (0, {}, {}, False)
    assert other.load()[0] == {}


def test_eligible_energy_of_an_older_ledger_is_served_after_a_resync(make_rig, tmp_path):
    """In between it is a part of the whole, and would rise without a kWh charged."""
    history = [finished(f"s{n}", at_seconds=1_780_000_000.0 + 100 * n, counts_for_ere=True) for n in (3, 2, 1)]
    walk = Walk(generation=1, complete=True, finished_at_seconds=1_781_700_000.0, finished_generation=1)
    with earlier_ledger(tmp_path, 6) as ledger:
        ledger.execute("INSERT INTO chargers VALUES (1, 'c1', 'c1')")
        ledger.execute("INSERT INTO totals VALUES (1, 'c1', '', 300, 0, 3, 180000, 3)")
        ledger.execute("INSERT INTO walks VALUES (1, ?)", (msgspec.json.encode(walk),))
        ledger.executemany(
            """INSERT INTO sessions VALUES (1, ?, 'c1', NULL, ?, ?, 1, 100, NULL, NULL, NULL, NULL, 1, 0)""",
            [(one.id, one.started_at_seconds, one.ended_at_seconds) for one in history],
        )
    rig = make_rig()
    assert (rig.book().chargers["c1"].kwh_hundredths, rig.book().eligibility_known) == (300, False)
    rig.page(page_of(history, 0, 2), offset=0)
    assert (rig.book().chargers["c1"].kwh_hundredths, rig.book().eligibility_known) == (300, False)
    rig.now_seconds += 8 * 86_400
    rig.whole_walk(history, size=2)
    assert rig.book().eligibility_known
    assert rig.book().chargers["c1"] == Totals(300, 0, 3, 180_000, 300)
