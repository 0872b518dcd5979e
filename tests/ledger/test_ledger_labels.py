import pytest
from support.ledger_rig import finished, history_of, live

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
def test_choice(rig, charger, expected):
    rig.chargers(charger)
    assert rig.book().labels == {ID: expected}


def test_the_configuration_comes_first(make_rig):
    rig = make_rig(configured_labels={ID: "driveway"})
    rig.chargers(Charger(ID, slug="oprit"))
    assert rig.book().labels == {ID: "driveway"}


def test_a_taken_label_gets_the_start_of_the_id_then_all_of_it(rig):
    third = TWIN.replace("ffff", "eeee")
    rig.chargers(Charger(ID), Charger(TWIN), Charger(third), Charger("c1", slug="6f1d2c0a"))
    assert rig.book().labels == {
        ID: "6f1d2c0a",
        TWIN: "6f1d2c0a-6f1d2c0a",
        third: f"6f1d2c0a-{third}",
        "c1": "6f1d2c0a-c1",
    }


def test_a_rename_changes_no_label_nor_does_a_restart(rig):
    rig.chargers(Charger(ID, nickname="Oprit"))
    rig.chargers(Charger(ID, slug="new", nickname="Garage"))
    rig.reopen()
    rig.chargers(Charger(ID, nickname="Garage"))
    assert rig.book().labels == {ID: "oprit"}


def test_the_configuration_renames_and_its_removal_does_not(rig):
    rig.chargers(Charger(ID, slug="oprit"))
    rig.reopen(configured_labels={ID: "driveway", "not there": "x"})
    assert rig.book().labels == {ID: "driveway"}
    rig.reopen(configured_labels={})
    assert rig.book().labels == {ID: "driveway"}


def test_two_chargers_swap_their_labels_at_once(rig):
    rig.chargers(Charger("a", slug="left"), Charger("b", slug="right"))
    rig.reopen(configured_labels={"a": "right", "b": "left"})
    assert rig.book().labels == {"a": "right", "b": "left"}


@pytest.mark.parametrize("configured", [{"a": "x", "b": "x"}, {"b": "x", "a": "x"}, {"b": "x"}])
def test_the_same_configuration_never_changes_a_label_again(rig, configured):
    rig.chargers(Charger("a", slug="x"))
    rig.reopen(configured_labels=configured)
    rig.chargers(Charger("a", slug="x"), Charger("b", slug="y"))
    first = rig.book().labels
    assert first == {"a": "x", "b": "x-b"}
    for _ in range(2):
        rig.reopen()
        assert rig.book().labels == first


def test_an_unlinked_charger_gets_the_name_that_its_sessions_give_it(rig):
    history = [
        finished("new", charger_id="gone", at_seconds=1_781_000_500.0),
        finished("old", charger_id="gone", charger_nickname="Oude paal"),
    ]
    rig.whole_walk(history, size=100)
    assert rig.book(name_unlinked=False).labels == {}
    assert rig.book(name_unlinked=True).labels == {"gone": "oude-paal"}


def test_unlinked_chargers_do_not_take_the_label_of_a_linked_one(rig):
    rig.chargers(live(None, "c9"))
    named = [finished(s.id, charger_id="gone", charger_nickname="c9") for s in history_of(1)]
    rig.whole_walk(named, size=100)
    assert rig.book().labels == {"c9": "c9", "gone": "c9-gone"}
