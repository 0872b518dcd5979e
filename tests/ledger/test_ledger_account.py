import itertools

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.ledger_rig import NOW, LedgerRig, finished, held, live

from joulo_exporter.errors import ApiError, ApiTimeoutError
from joulo_exporter.ledger.account import Pause
from joulo_exporter.ledger.sessions import Totals
from joulo_exporter.models.charger import Charger
from joulo_exporter.models.wire import ApiResponse


def test_of_the_first_import_only_the_end_of_what_was_seen_in_progress_is_news(rig):
    rig.chargers(live("seen"))
    rig.chargers(live(None))
    unseen = finished("unseen", at_seconds=rig.now_seconds - 300)
    rig.whole_walk([finished("seen", at_seconds=rig.now_seconds - 60), unseen])
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
    rig.whole_walk([finished("old")])
    rig.now_seconds += 10 * 86_400
    rig.whole_walk([finished("new", at_seconds=rig.now_seconds - ago_s - 60), finished("old")])
    rig.now_seconds += later_s
    assert [session.id for session in rig.book().ended] == (["new"] if is_news else [])


def test_a_vehicle_that_gets_a_tag_takes_its_energy_out_of_unknown_or_of_another_one(rig):
    one = Totals(100, 0, 1, 60_000)
    rig.whole_walk([finished("s", id_tag="04:a1"), finished("t", id_tag="04b2")])
    for vehicles, expected in (
        ({}, {"unknown": Totals(200, 0, 2, 120_000)}),
        ({"04A1": "tesla"}, {"tesla": one, "unknown": one}),
        ({"04A1": "tesla", "04B2": "zoe"}, {"tesla": one, "zoe": one, "unknown": Totals()}),
        ({"04A1": "zoe", "04B2": "zoe"}, {"zoe": Totals(200, 0, 2, 120_000), "unknown": Totals()}),
        ({"04A1": "zoe", "04B2": "tesla"}, {"tesla": one, "zoe": one, "unknown": Totals()}),
        ({"04A1": "unknown"}, {"unknown": Totals(200, 0, 2, 120_000)}),
    ):
        rig.reopen(vehicles=vehicles)
        assert held(rig.book().vehicles) == expected


def test_a_tag_that_sessions_showed_first_is_known_as_soon_as_the_session_is_seen_live(rig):
    rig.whole_walk([finished("s", ended_at_seconds=None, kwh_hundredths=0, id_tag="04A1")])
    assert rig.book().id_tags == {}
    rig.chargers(live("s"))
    assert rig.book().id_tags == {"s": "04A1"}


def read(rig, wh, minutes, dated=None):
    """Let the meter be read, and return the power in watts and the counter in Wh; times are in minutes."""
    rig.now_seconds = NOW + 60 * minutes
    dated_seconds = None if dated == NEVER else NOW + 60 * (minutes if dated is None else dated)
    rig.chargers(Charger("c1", meter_wh=wh, meter_at_seconds=dated_seconds))
    book = rig.book()
    return book.meters["c1"].power_watts, book.marks["meter_wh", "c1"]


NEVER = "without a date"


@pytest.mark.parametrize(
    ("readings", "served"),
    [
        pytest.param(
            [(1_234_500, 0), (0, 15), (999_999_999, 30), (500, 45), (500, 60), (1_236_500, 75)],
            [(None, 1_234_500)] * 5 + [(1600, 1_236_500)],
            id="two glitches that do not go on from each other",
        ),
        pytest.param(
            [(1_234_500, 0), (0, 15), (0, 30), (600, 45), (1200, 60)],
            [(None, 1_234_500)] * 3 + [(2400, 600), (2400, 1200)],
            id="another meter, from 0",
        ),
        pytest.param(
            [(1_000, 0), (5_000_000, 15), (5_000_100, 15.5), (5_001_550, 30)],
            [(None, 1_000), (None, 1_000), (None, 5_000_100), (6000, 5_001_550)],
            id="another meter that stands higher, read again within a minute",
        ),
        pytest.param(
            [(1000, 0), (1010, 1 / 60), (1020, 2 / 60), (1100, 1)],
            [(None, 1000), (None, 1010), (None, 1020), (6000, 1100)],
            id="a second apart: the counter goes on, the power waits for a minute",
        ),
        pytest.param(
            [(1000, 0), (2500, 1)], [(None, 1000), (None, 2500)], id="plausible, but no power that a charger has"
        ),
        pytest.param(
            [(1000, 0), (11_000, 600), (10, 600, 1)],
            [(None, 1000), (1000, 11_000), (1000, 11_000)],
            id="an older reading is no news",
        ),
        pytest.param(
            [(wh, minute, NEVER) for minute, wh in enumerate([1000, 1000, 1500, 900_000, 900_000, 2000, 2000])],
            [(None, 1000)] * 2 + [(15_000, 1500)] * 3 + [(10_000, 2000)] * 2,
            id="without a date they count from when they are first seen"),
        pytest.param([(1000, 0, NEVER), (4500, 1, NEVER), (4500, 15, NEVER)],
                     [(None, 1000), (None, 1000), (14_000, 4500)],
                     id="without a date a rise that is late is believed in time"),
        pytest.param([(1000, 120, NEVER), (1100, 0, NEVER)], [(None, 1000), (None, 1100)],
                     id="one that our own fast clock dated stops none after it"),
    ],
)  # fmt: skip
def test_a_meter_reading_that_falls_or_leaps_is_believed_when_the_next_goes_on_from_it(rig, readings, served):
    shown = []
    for reading in readings:
        shown.append(read(rig, *reading))
        assert read(rig, *reading) == shown[-1]  # nothing new
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


def test_without_a_meter_the_energy_of_a_session_gives_the_power(rig):
    shown = []
    for minutes, kwh_hundredths in ((0, 100), (0.5, 110), (1.5, 120), (5, 120), (25, 120)):
        rig.now_seconds = NOW + 60 * minutes
        rig.chargers(live("s", kwh_hundredths=kwh_hundredths))
        shown.append(rig.book().meters["c1"].power_watts)
    assert shown == [None, None, 8000, 8000, 0]  # it stands still only after 20 minutes


def test_endpoints_outlive_the_process(rig):
    assert rig.ledger.load()[0] == {}
    for session_id, malformed in (("s1", ("bad", "worse")), ("s2", ("bad",)), ("s1", ()), (None, ())):
        rig.ledger.record_chargers(ApiResponse((live(session_id),), malformed), rig.pause)
        body = rig.ledger.load()[0]["chargers"].body
        assert msgspec.json.decode(body, type=tuple[Charger, ...]) == (live(session_id),)
    failed = Pause(rig.now_seconds + 60, 120.0, 1)
    for error in (ApiTimeoutError("slow"), ApiError("x" * 999, status=502)):
        rig.ledger.record_failure("chargers", error, failed)
    rig.reopen()
    record = rig.ledger.load()[0]["chargers"]
    assert (record.pause, record.up, record.error, record.body) == (failed, False, "x" * 300, body)
    assert record.requests == {"200": 4, "502": 1, "timeout": 1}
    assert record.malformed == 3
    assert record.succeeded_at_seconds == rig.now_seconds
