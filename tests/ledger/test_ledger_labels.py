import pytest
from support.ledger_desk import finished, history_of, live

from joulo_exporter.models import Charger

ID = "6f1d2c0a-7b1e-4c55-9d0e-1a2b3c4d5e6f"
TWIN = "6f1d2c0a-ffff-4c55-9d0e-1a2b3c4d5e6f"


@pytest.mark.parametrize(
    ("charger", "expected"),
    [
        (Charger(ID, slug="oprit", nickname="Something else"), "oprit"),
        (Charger(ID, nickname="Garage achter"), "garage-achter"),
        (Charger(ID, nickname="Überdachung №5 🚗"), "uberdachung-no5"),
        (Charger(ID, nickname="车库"), "che-ku"),
        (Charger(ID, nickname="🚗🔌"), "6f1d2c0a"),
        (Charger(ID), "6f1d2c0a"),
    ],
)
def test_choice(desk, charger, expected):
    desk.chargers(charger)
    assert desk.book().labels == {ID: expected}


def test_the_configuration_comes_first(make_desk):
    desk = make_desk(configured_labels={ID: "driveway"})
    desk.chargers(Charger(ID, slug="oprit"))
    assert desk.book().labels == {ID: "driveway"}


def test_a_taken_label_gets_the_start_of_the_id_then_all_of_it(desk):
    third = TWIN.replace("ffff", "eeee")
    desk.chargers(Charger(ID), Charger(TWIN), Charger(third), Charger("c1", slug="6f1d2c0a"))
    assert desk.book().labels == {
        ID: "6f1d2c0a",
        TWIN: "6f1d2c0a-6f1d2c0a",
        third: f"6f1d2c0a-{third}",
        "c1": "6f1d2c0a-c1",
    }


def test_a_rename_changes_no_label_nor_does_a_restart(desk):
    desk.chargers(Charger(ID, nickname="Oprit"))
    desk.chargers(Charger(ID, slug="new", nickname="Garage"))
    desk.reopen()
    desk.chargers(Charger(ID, nickname="Garage"))
    assert desk.book().labels == {ID: "oprit"}


def test_the_configuration_renames_and_its_removal_does_not(desk):
    desk.chargers(Charger(ID, slug="oprit"))
    desk.reopen(configured_labels={ID: "driveway", "not there": "x"})
    assert desk.book().labels == {ID: "driveway"}
    desk.reopen(configured_labels={})
    assert desk.book().labels == {ID: "driveway"}


def test_two_chargers_swap_their_labels_at_once(desk):
    desk.chargers(Charger("a", slug="left"), Charger("b", slug="right"))
    desk.reopen(configured_labels={"a": "right", "b": "left"})
    assert desk.book().labels == {"a": "right", "b": "left"}


@pytest.mark.parametrize("configured", [{"a": "x", "b": "x"}, {"b": "x", "a": "x"}, {"b": "x"}])
def test_the_same_configuration_never_changes_a_label_again(desk, configured):
    desk.chargers(Charger("a", slug="x"))
    desk.reopen(configured_labels=configured)
    desk.chargers(Charger("a", slug="x"), Charger("b", slug="y"))
    first = desk.book().labels
    assert first == {"a": "x", "b": "x-b"}
    for _ in range(2):
        desk.reopen()
        assert desk.book().labels == first


def test_an_unlinked_charger_gets_the_name_that_its_sessions_give_it(desk):
    history = [
        finished("new", charger_id="gone", at_seconds=1_781_000_500.0),
        finished("old", charger_id="gone", charger_nickname="Oude paal"),
    ]
    desk.whole_walk(history, size=100)
    assert desk.book(name_unlinked=False).labels == {}
    assert desk.book(name_unlinked=True).labels == {"gone": "oude-paal"}


def test_unlinked_chargers_do_not_take_the_label_of_a_linked_one(desk):
    desk.chargers(live(None, "c9"))
    named = [finished(s.id, charger_id="gone", charger_nickname="c9") for s in history_of(1)]
    desk.whole_walk(named, size=100)
    assert desk.book().labels == {"c9": "c9", "gone": "c9-gone"}
