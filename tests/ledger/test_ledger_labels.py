import pytest
from support.ledger_rig import NOW, RESYNC_S, finished, held, history_of, live, page_of

from joulo_exporter.ledger.account import keep_configured
from joulo_exporter.ledger.sessions import Totals
from joulo_exporter.models.charger import Charger
from joulo_exporter.models.session import Session
from joulo_exporter.models.wire import ApiResponse

ID = "6f1d2c0a-7b1e-4c55-9d0e-1a2b3c4d5e6f"
TWIN, THIRD = "6f1d2c0a-ffff-4c55-9d0e-1a2b3c4d5e6f", "6f1d2c0a-eeee-4c55-9d0e-1a2b3c4d5e6f"


@pytest.mark.parametrize(
    ("chargers", "labels"),
    [
        ([Charger(ID, slug="oprit", nickname="Something else")], {ID: "oprit"}),
        ([Charger(ID, nickname="Garage achter")], {ID: "garage-achter"}),
        ([Charger(ID, nickname="Überdachung №5 🚗")], {ID: "uberdachung-no5"}),
        ([Charger(ID, nickname="车库")], {ID: "che-ku"}),
        ([Charger(ID, nickname="🚗🔌")], {ID: "6f1d2c0a"}),
        (  # a taken one gets the start of the id, then all of it
            [Charger(ID), Charger(TWIN), Charger(THIRD), Charger("c1", slug="6f1d2c0a")],
            {ID: "6f1d2c0a", TWIN: "6f1d2c0a-6f1d2c0a", THIRD: f"6f1d2c0a-{THIRD}", "c1": "6f1d2c0a-c1"},
        ),
    ],
)
def test_choice(rig, chargers, labels):
    rig.chargers(*chargers)
    assert rig.book().labels == labels


def test_neither_a_rename_nor_a_restart_changes_a_label_but_the_configuration_does_for_ever(rig):
    rig.chargers(Charger(ID, nickname="Oprit"))
    rig.chargers(Charger(ID, slug="new", nickname="Garage"))
    for configured, label in (({}, "oprit"), ({ID: "driveway", "not there": "x"}, "driveway"), ({}, "driveway")):
        rig.reopen(configured_labels=configured)
        rig.chargers(Charger(ID, nickname="Garage"))
        assert rig.book().labels == {ID: label}


def test_two_chargers_swap_their_labels_at_once(rig):
    rig.chargers(Charger("a", slug="left"), Charger("b", slug="right"))
    rig.reopen(configured_labels={"a": "right", "b": "left"})
    assert rig.book().labels == {"a": "right", "b": "left"}


@pytest.mark.parametrize("configured", [{"a": "x", "b": "x"}, {"b": "x", "a": "x"}, {"b": "x"}])
def test_a_configured_label_that_is_taken_is_warned_of_and_never_changes_another_one(rig, configured, caplog):
    rig.chargers(Charger("a", slug="x"))
    rig.reopen(configured_labels=configured)
    rig.chargers(Charger("a", slug="x"), Charger("b", slug="y"))
    assert rig.book().labels == {"a": "x", "b": "x-b"}
    warned = [record.fields for record in caplog.records if record.levelname == "WARNING"]
    assert warned == [{"wanted": "x", "charger_id": "b", "taken_by": "a", "label": "x-b"}]
    for _ in range(2):
        rig.reopen()
        assert rig.book().labels == {"a": "x", "b": "x-b"}


def test_an_unlinked_charger_gets_the_name_that_its_sessions_give_it(rig):
    history = [
        finished("new", charger_id="gone", at_seconds=1_781_000_500.0),
        finished("old", charger_id="gone", charger_nickname="Oude paal"),
    ]
    rig.whole_walk(history)
    assert rig.book(name_unlinked=False).labels == {}
    assert rig.book(name_unlinked=True).labels == {"gone": "oude-paal"}


OPRIT, ANEW = Charger("old-id", slug="oprit"), Charger("new-id", slug="oprit")


def linked_anew(rig, was: Charger, now: Charger, count: int, **moved) -> None:
    """Let a charger have a history, and come back under another id, with its sessions changed so."""
    rig.chargers(was)
    rig.whole_walk(history_of(count, charger_id=was.id))
    rig.book()
    rig.now_seconds += 600
    rig.chargers(now)
    rig.book()
    rig.page(page_of(history_of(count, charger_id=now.id, **moved), 0, 2), offset=0)


@pytest.mark.parametrize(
    ("was", "now", "label", "moved"),
    [
        (OPRIT, ANEW, "oprit", {}),
        (OPRIT, ANEW, "oprit", {"kwh_hundredths": 70}),  # it goes on from the highest value that was shown
        (Charger("old-id", nickname="Oprit"), Charger("new-id", nickname="Oprit", slug="p1"), "oprit", {}),
        (
            Charger("old-id", slug="p1", nickname="Oprit"),
            Charger("new-id", slug="p1", nickname="Garage"),
            "p1",
            {},
        ),
    ],
)
def test_a_charger_that_is_linked_anew_goes_on_under_its_label_and_counts_once(rig, was, now, label, moved):
    linked_anew(rig, was, now, 5, **moved)  # two of the five have come back so far
    book = rig.book()
    assert book.labels == {"new-id": label}
    assert held(book.chargers) == {"new-id": Totals(500, 0, 5, 300_000)}
    rig.reopen()
    assert rig.book() == book
    for _ in range(3):  # what has not come back stays: it may have left the API along with the former id
        rig.now_seconds += RESYNC_S
        rig.whole_walk(history_of(5, charger_id="new-id", **moved)[:2])
    assert rig.book().history.sessions == 5


def test_sessions_that_move_before_the_charger_is_linked_anew_bring_it_along(rig):
    rig.chargers(OPRIT)
    rig.whole_walk([finished("s", charger_id="old-id"), finished("t", charger_id="old-id")])
    rig.book()
    rig.page(page_of([finished("s", charger_id="new-id")], 0, 1), offset=0)
    rig.book()
    rig.chargers(ANEW)
    assert (rig.book().labels, rig.book().chargers["new-id"].held.sessions) == ({"new-id": "oprit"}, 2)


def test_a_charger_of_the_same_name_that_was_there_along_with_it_takes_nothing_over(rig):
    twins = (Charger("old-id", slug="p1", nickname="Paal"), Charger("twin", slug="p2", nickname="Paal"))
    rig.chargers(*twins)
    mine = [finished("s", charger_id="old-id"), finished("r", at_seconds=NOW - 9e6, charger_id="old-id")]
    own = [finished("t", charger_id="twin", kwh_hundredths=300, ended_at_seconds=NOW - 9e5)]
    own += [finished("u", at_seconds=NOW - 9e6, charger_id="twin")]  # looks like "r"
    rig.whole_walk(own + mine)
    rig.chargers(twins[1])
    rig.now_seconds += RESYNC_S
    rig.whole_walk(own)
    assert rig.book().labels == {"old-id": "p1", "twin": "p2"}
    assert {each.truth.kwh_hundredths for each in rig.book().chargers.values()} == {100, 400}


def test_a_charger_without_sessions_keeps_its_label_apart_from_another_one_of_its_name(rig):
    twins = Charger("old-id", nickname="Paal"), Charger("twin", nickname="Paal")
    for shown in (twins, twins[1:], twins):
        rig.chargers(*shown)
        rig.whole_walk([finished("t", charger_id="twin", kwh_hundredths=0)])
        assert rig.book().labels["twin"] == "paal-twin"


def test_sessions_that_come_back_under_other_ids_count_once_before_the_next_resync(rig):
    rig.chargers(OPRIT)
    rig.whole_walk(before := history_of(30, charger_id="old-id"))
    rig.chargers(ANEW)
    anew = history_of(30, prefix="anew", charger_id="new-id")
    assert rig.whole_walk(anew) == [0, 29, 30]
    assert (rig.book().labels, rig.book().history.sessions) == ({"new-id": "oprit"}, 30)
    assert held(rig.book().chargers) == {"new-id": Totals(3000, 0, 30, 1_800_000)}
    for charger, listed in [(OPRIT, before), (ANEW, anew)] * 2:
        rig.chargers(charger)
        assert rig.whole_walk(listed) == [0]
        assert rig.book().history.sessions == 30


@pytest.mark.parametrize(
    ("was", "moved"),
    [
        ({}, {"kwh_hundredths": 110, "ended_at_seconds": NOW}),  # energy and end were corrected meanwhile
        ({"started_at_seconds": None}, {"started_at_seconds": None}),
        ({"ended_at_seconds": None}, {"kwh_hundredths": 110}),
    ],
)
def test_the_only_session_of_a_charger_counts_once_if_it_comes_back_before_the_new_id(rig, was, moved):
    rig.chargers(OPRIT)
    rig.whole_walk([finished("s", charger_id="old-id", **was)])
    rig.whole_walk([new := finished("new", **({"charger_id": "new-id"} | was | moved))])
    rig.chargers(ANEW)
    assert sum(each.truth.kwh_hundredths for each in rig.book().chargers.values()) == new.kwh_hundredths


@pytest.mark.parametrize(("noticed", "charger_id"), [(True, "new-id"), (False, "new-id"), (True, "unknown")])
def test_a_session_that_comes_back_under_another_id_is_no_news(rig, noticed, charger_id):
    """Whether ``/chargers`` has shown by then that its charger was linked anew or not."""
    old, night = finished("old", charger_id="old-id"), {"at_seconds": rig.now_seconds - 7200}
    rig.chargers(OPRIT)
    rig.whole_walk([old])
    rig.page(page_of([finished("s", charger_id="old-id", **night), old], 0, 100), offset=0)
    assert [session.id for session in rig.book().ended] == ["s"]
    rig.now_seconds += 3700
    rig.chargers(ANEW if noticed else OPRIT)
    new = finished("new", charger_id="new-id", at_seconds=rig.now_seconds - 600)
    rig.whole_walk([new, finished("s+", charger_id=charger_id, **night)])
    assert [session.id for session in rig.book().ended] == ["new"]
    rig.chargers(ANEW)
    assert ([session.id for session in rig.book().ended], rig.book().history.sessions) == (["new"], 3)


def test_sessions_of_two_chargers_that_look_the_same_both_count(rig):
    """Their chargers began and ended together, on a schedule or in a power cut."""
    rig.chargers(Charger("c1"), Charger("c2"))
    both = [finished(f"s{n}", charger_id=f"c{n % 2 + 1}", at_seconds=NOW - 9000 * (n // 2 + 1)) for n in range(8)]
    for _ in range(3):
        rig.whole_walk(both, size=3)
        assert {each.truth.kwh_hundredths for each in rig.book().chargers.values()} == {400}
        rig.now_seconds += RESYNC_S


def test_a_charger_of_the_same_name_whose_sessions_are_others_takes_none_away(rig):
    """A charger was replaced, and its history has left the API along with it."""
    rig.chargers(OPRIT)
    rig.whole_walk(history_of(30, charger_id="old-id"))
    rig.chargers(ANEW)
    own = [finished(f"n{n}", at_seconds=1_781_000_000.0 - 200 * n, charger_id="new-id") for n in range(5)]
    for _ in range(3):
        rig.whole_walk(own)
        rig.now_seconds += RESYNC_S
    assert sum(totals.kwh_hundredths for totals in held(rig.book().chargers).values()) == 3500


def test_a_charger_that_keeps_its_sessions_keeps_its_label_and_its_series(rig):
    rig.chargers(OPRIT)
    rig.whole_walk([finished("s", charger_id="old-id")])
    rig.chargers(ANEW)
    rig.whole_walk([finished("s", charger_id="old-id")])
    assert rig.book().labels == {"old-id": "oprit", "new-id": "oprit-new-id"}
    assert (rig.book().chargers["old-id"].held.sessions, rig.book().chargers["new-id"].held.sessions) == (1, 0)


def test_a_session_that_was_in_progress_when_its_charger_left_has_ended_when_it_was_last_seen(rig):
    last_seen_seconds, stays = rig.now_seconds, [finished("other", charger_id="c2")]
    rig.chargers(live("s", kwh_hundredths=700), live(None, "c2"))
    rig.whole_walk([Session("s", "c1", NOW - 7200, kwh_hundredths=700, status="charging"), *stays])
    rig.chargers(live(None, "c2"))
    assert rig.book().chargers["c1"].held.sessions == 0  # a charger that is missing from /chargers ends nothing
    rig.now_seconds += RESYNC_S
    rig.whole_walk(stays)
    book = rig.book()
    assert book.last_sessions["c1"].ended_at_seconds == last_seen_seconds
    assert book.chargers["c1"].held == Totals(kwh_hundredths=700, sessions=1)
    assert book.vehicles["unknown"].held.kwh_hundredths == 800


def test_a_response_with_an_unreadable_record_takes_no_charger_for_gone(rig):
    rig.chargers(OPRIT, live(None, "c9"))
    rig.ledger.record_chargers(ApiResponse((live(None, "c9"),), ("malformed",)), rig.pause)
    assert set(rig.book().labels) == {"old-id", "c9"}


@pytest.mark.parametrize("gone", [True, False])
def test_a_charger_that_moves_to_another_account_leaves_no_session_behind(rig, gone):
    history = history_of(30)
    rig.chargers(live(None))
    rig.whole_walk(history)
    rig.book()
    rig.chargers(*([] if gone else [live(None)]))
    other = rig.of_account("work")
    other.whole_walk(history)
    rig.now_seconds += RESYNC_S
    rig.whole_walk([])  # no session at all: believed, since the other account has them
    assert (rig.book().labels, rig.book().history.sessions) == ({} if gone else {"c1": "c1"}, 0)
    assert held(other.book().chargers) == {"c1": Totals(3000, 0, 30, 1_800_000)}


def test_its_sessions_count_once_as_soon_as_the_other_account_has_them(rig):
    history, stays = history_of(30), [finished("c2", charger_id="c2")]
    other = rig.of_account("work")
    rig.chargers(live(None), live(None, "c2"))
    rig.whole_walk([*stays, *history])
    rig.book()

    def sessions_after_a_refresh() -> int:
        rig.page(page_of(stays, 0, 100), offset=0)
        return rig.book().history.sessions

    other.page(page_of(history, 0, 20), offset=0)
    assert sessions_after_a_refresh() == 31  # an account that the household has, too
    other.chargers(live(None))
    rig.chargers(live(None, "c2"))
    assert sessions_after_a_refresh() == 11  # ten are still on their way to the other account
    other.page(page_of(history, 19, 20), offset=19)
    assert (sessions_after_a_refresh(), set(rig.book().chargers)) == (1, {"c2"})


def test_what_an_account_had_under_a_former_name_takes_no_session_along(rig):
    history = history_of(300)
    rig.chargers(live(None))
    rig.whole_walk(history)
    renamed = rig.of_account("house")
    keep_configured(rig.database, {"house"})
    renamed.chargers(live(None))
    renamed.whole_walk(history)
    renamed.now_seconds += RESYNC_S
    renamed.page(page_of([], 0, 100), offset=0)
    assert renamed.book().history.sessions == 300  # an empty list proves nothing
    renamed.chargers(live(None, "c2"))  # the charger is gone, and its history with it
    renamed.whole_walk([finished("other", charger_id="c2")])
    assert renamed.book().history.sessions == 301
    assert renamed.book().chargers["c1"].held.kwh_hundredths == 30_000


@pytest.mark.parametrize(("slug", "configured"), [("p2", "oprit"), ("oprit", "driveway")])
def test_a_charger_linked_anew_has_its_configured_label_which_its_former_one_frees(rig, slug, configured):
    rig.reopen(configured_labels={"new-id": configured})
    linked_anew(rig, OPRIT, Charger("new-id", slug=slug), 2)
    assert (rig.book().labels, rig.book().chargers["new-id"].held.sessions) == ({"new-id": configured}, 2)
