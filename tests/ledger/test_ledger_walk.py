"""Walks through the history, page by page, with values."""

import msgspec
import pytest
from support.ledger_rig import RESYNC_S, finished, held, history_of, live, page_of

from joulo_exporter.ledger.history import Walk, next_page
from joulo_exporter.models.session import UNKNOWN_CHARGER

P = 100


@pytest.mark.parametrize(
    ("count", "size", "asked"),
    [
        (0, P, [0]), (1, P, [0, 1]), (2, P, [0, 1, 2]), (100, P, [0, 99, 100]), (250, P, [0, 99, 198, 249, 250]),
        (11, 2, [*range(12)]), (36, 7, [*range(0, 31, 6), 35, 36]), (251, 50, [*range(0, 246, 49), 250, 251]),
    ],
)  # fmt: skip
def test_a_walk_reads_to_an_empty_page_also_where_the_api_gives_fewer_than_asked(rig, count, size, asked):
    for _ in range(2):  # the first import, and a resync
        assert rig.whole_walk(history_of(count), size=size) == asked
        book = rig.book()
        assert (book.history.complete, book.history.sessions) == (True, count)
        assert sum(part.kwh_hundredths for part in held(book.chargers).values()) == 100 * count
        assert rig.walk.finished_at_seconds == rig.now_seconds
        rig.now_seconds += RESYNC_S


def test_a_page_of_one_session_proves_no_end(rig):
    """Pages cannot overlap then; a session could slip through between two of them."""
    rig.whole_walk(history_of(5), size=1)
    assert not rig.book().history.complete


@pytest.mark.parametrize("left", [[0, 1, 2], [2, 3, 4], [0, 4]])
def test_an_empty_page_is_the_end_only_where_the_walk_has_seen_all_above(rig, left):
    """Sessions that are withdrawn meanwhile pull the others up, above the page that is asked for."""
    history = history_of(5)
    rig.page(page_of(history, 0, 3), offset=0)
    history = [history[position] for position in left]
    rig.walk_on(history, size=3)
    assert rig.book().history.complete
    assert {session.id for session in history} <= rig.stored_ids()


@pytest.mark.parametrize(
    ("known", "answer", "size", "step", "is_the_end"),
    [
        pytest.param(150, history_of(150), P, 99, False, id="full pages: it is tried again"),
        pytest.param(150, [*history_of(99), None], P, 98, False, id="with a malformed record"),
        pytest.param(150, history_of(50), 50, 49, True, id="fewer are all that the API has to say"),
        pytest.param(0, [*history_of(99), None], P, 98, False, id="a first import is not complete"),
        pytest.param(0, [*history_of(49), None], 50, 48, True, id="unless there are fewer"),
    ],
)
def test_an_api_that_ignores_the_offset_is_not_pestered_and_withdraws_nothing(
    rig, known, answer, size, step, is_the_end
):
    if known:
        rig.whole_walk(history_of(known))
    for _ in range(2):
        rig.now_seconds += RESYNC_S
        assert rig.whole_walk(answer, size=size, same_page=True) == [*range(0, 5 * step, step)]
        assert rig.newest_page().offset == (None if is_the_end else 0)  # the next regular refresh tries again
    sessions = known or len(answer) - 1
    assert (rig.book().history.complete, rig.book().history.sessions) == (known > 0 or is_the_end, sessions)


@pytest.mark.parametrize(
    ("count", "known", "later_s", "seen", "asked"),
    [
        pytest.param(1000, 400, 3600, [0], range(99, 400, 99), id="a gap: only as far as what is known"),
        pytest.param(1000, 700, 3600, [300, 0], [*range(99, 1000, 99), 999, 1000], id="a gap that meets another"),
        pytest.param(
            500, 250, RESYNC_S, [0], [*range(99, 500, 99), 499, 500], id="a resync that meets an absence"
        ),
    ],
)
def test_totals_are_complete_only_once_every_absence_is_read(rig, count, known, later_s, seen, asked):
    history = history_of(count)
    rig.whole_walk(history[known:])
    for newer in seen:  # how many sessions are still to come; only 100 of the new ones are read
        rig.now_seconds += later_s
        rig.page(page_of(history[newer:], 0, P), offset=0)
        assert (rig.book().history.complete, rig.book().chargers) == (False, {})
    assert rig.walk_on(history) == list(asked)
    assert (rig.book().history.complete, rig.book().history.sessions) == (True, count)


def test_stepping_back_into_an_absence_begins_again_from_the_top(rig):
    old = history_of(150)
    absent = list(reversed([finished(f"n{n}", at_seconds=1_780_900_000.0 + n) for n in range(200)]))
    rig.page(page_of(old, 0, P), offset=0)
    assert rig.page(page_of(absent + old, 99, P), offset=99).offset == 0
    assert rig.page(page_of(absent + old, 0, P), offset=0).offset == 99
    # Now the next page would touch what the first one showed, with 99 sessions unseen above it.
    left = absent[101:] + old
    rig.walk_on(left, size=P)
    ids = rig.stored_ids()
    assert {session.id for session in left} <= ids
    assert rig.book().history.complete


@pytest.mark.parametrize(
    ("count", "resyncs"),
    [
        pytest.param(9, [([None, *history_of(8)], 9), ([None, *history_of(7)], 8), ([None, *history_of(7)], 7)],
                     id="a malformed record may be any that is missing: two walks must miss it"),
        pytest.param(9, [([], 9)], id="an answer without sessions proves nothing"),
        pytest.param(9, [(history_of(3), 3)], id="a clean one withdraws what it does not list"),
        pytest.param(40, [(history_of(20), 40), (history_of(40), 40), (history_of(20), 40), (history_of(20), 20)],
                     id="the next one must miss many too: the API may have cut a page short"),
        pytest.param(40, [([], 40), (history_of(20), 40), (history_of(20), 20)],
                     id="one without sessions is not the first of two that miss many"),
    ],
)  # fmt: skip
def test_what_a_resync_proves(rig, count, resyncs):
    rig.whole_walk(history_of(count), size=P)
    for answer, left in resyncs:
        rig.now_seconds += RESYNC_S
        rig.whole_walk(answer, size=P)
        assert (rig.book().history.sessions, rig.book().history.unreadable) == (left, answer.count(None))


@pytest.mark.parametrize("position", [0, 50, 98, 99, 100, 198, 249])
def test_records_that_cannot_be_read_are_counted_until_they_can(rig, position):
    history = history_of(250)
    unreadable = [*history[:position], None, *history[position + 1 :]]
    rig.whole_walk(unreadable, size=P)
    rig.page(page_of(unreadable, 0, P), offset=0)
    assert (rig.book().history.complete, rig.book().history.unreadable) == (True, 1)
    rig.page(page_of(history, 0, P), offset=0)
    assert rig.book().history.unreadable == (position >= P)  # further down it is looked for at the next resync
    rig.now_seconds += RESYNC_S
    rig.whole_walk(history, size=P)
    assert (rig.book().history.sessions, rig.book().history.unreadable) == (250, 0)
    rig.page(page_of([None, *history[1:]], 0, P), offset=0)
    assert (rig.book().history.sessions, rig.book().history.unreadable) == (250, 1)


def test_a_record_that_has_moved_up_to_the_newest_page_counts_there_until_it_can_be_read(rig):
    history = history_of(250)
    unreadable = [*history[:P], None, *history[P + 1 :]]
    rig.whole_walk(unreadable, size=P)
    for now, count in ((unreadable[1:], 1), (history[1:], 0)):  # one above it is gone
        rig.page(page_of(now, 0, P), offset=0)
        assert rig.book().history.unreadable == count


@pytest.mark.parametrize(("hours", "left"), [(1, 2), (23, 2), (25, 1)])
def test_a_session_that_only_its_charger_showed_is_given_a_day(rig, hours, left):
    rig.whole_walk(history_of(1), size=P)
    rig.now_seconds += RESYNC_S - hours * 3600
    rig.chargers(live("lively", kwh_hundredths=250))
    rig.now_seconds += hours * 3600
    rig.whole_walk(history_of(1), size=P)
    assert rig.book().history.sessions == left


@pytest.mark.parametrize(
    ("now_seconds", "begins"),
    [(1000.0 + RESYNC_S - 1, False), (1000.0 + RESYNC_S, True), (1000.0, False), (999.0, True)],
)
def test_when_a_resync_begins(now_seconds, begins):
    known = Walk(generation=3, complete=True, finished_at_seconds=1000.0, finished_generation=3)
    walk = next_page(known, now_seconds, interval_s=0.0, resync_interval_s=RESYNC_S)
    assert (walk.generation, walk.offset) == ((4, 0) if begins else (3, None))
    assert (walk.head_at_seconds, walk.asked_offset) == (now_seconds, 0)


def test_a_walk_under_way_goes_on_whatever_the_clock_says():
    under_way = Walk(generation=3, offset=198, full=True, finished_at_seconds=1000.0)
    newest = msgspec.structs.replace(under_way, head_at_seconds=1e12, newest_was_last=True)
    assert next_page(under_way, 1e12, interval_s=600.0, resync_interval_s=RESYNC_S) == newest


def test_a_walk_gets_on_when_each_api_response_takes_longer_than_the_interval():
    walk, asked = Walk(generation=3, offset=99, full=True), []
    for refresh in range(5):
        walk = next_page(walk, 700.0 * refresh, interval_s=600.0, resync_interval_s=RESYNC_S)
        asked.append(walk.asked_offset)
    assert asked == [99, 0, 99, 0, 99]


def test_a_history_that_gets_other_ids_counts_once_and_is_no_news(rig):
    rig.now_seconds = 1_780_030_500.0  # not long after the newest session
    rig.chargers(live(None))
    rig.whole_walk(history_of(300))
    rig.book()
    for _ in range(3):
        rig.now_seconds += 600
        rig.whole_walk(history_of(300, prefix="other"))
        book = rig.book()
        assert (book.history.sessions, book.chargers["c1"].held.kwh_hundredths, book.ended) == (300, 30_000, ())


@pytest.mark.parametrize(("charger_id", "sessions"), [("c1", 1), (UNKNOWN_CHARGER, 2)])
def test_sessions_that_begin_together_are_one_unless_their_charger_is_unknown(rig, charger_id, sessions):
    rig.page(page_of([finished("a", charger_id=charger_id)], 0, 100), offset=0)
    rig.page(page_of([finished("b", charger_id=charger_id)], 0, 100), offset=0)
    assert rig.book().history.sessions == sessions
