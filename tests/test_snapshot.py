"""The snapshot of an account: what the ledger and the configuration add to an answer."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.snapshots import NOW, TAG

from joulo_exporter.ledger import Book, StoredSession
from joulo_exporter.models.charger import Charger, LiveSession, Tags
from joulo_exporter.snapshot import (
    DURATION_BOUNDS_S,
    Durations,
    EndpointHealth,
    Snapshot,
    last_sessions,
    live_chargers,
)

TAGS = Tags({"DEADBEEF12345678": "tesla"}, "show")


def book(**changes) -> Book:
    values = {
        "labels": {"c1": "oprit"},
        "chargers": {},
        "vehicles": {},
        "last_sessions": {},
        "ended": (),
        "id_tags": {},
        "meters": {},
        "marks": {},
        "complete": True,
        "sessions": 0,
        "back_to_seconds": None,
        "persistent": True,
    }
    return Book(**(values | changes))


def test_a_charger_without_a_label_waits_for_the_ledger():
    assert live_chargers([Charger("c1"), Charger("c2")], book(), TAGS)[0].charger.id == "c1"
    assert live_chargers([Charger("c2")], book(), TAGS) == ()
    sessions = {"c2": StoredSession("s", "c2", ended_at_seconds=NOW)}
    assert last_sessions(book(last_sessions=sessions), TAGS) == ()


@pytest.mark.parametrize(
    ("shown", "known", "vehicle"),
    [
        ("dead-beef 12:345678", {}, "tesla"),
        (None, {"s1": "DEADBEEF12345678"}, "tesla"),
        (TAG, {"s1": "DEADBEEF12345678"}, "unknown"),
        (None, {"s2": "DEADBEEF12345678"}, "unknown"),
        (None, {}, "unknown"),
        (" - ", {}, "unknown"),
    ],
)
def test_the_vehicle_follows_from_the_tag_shown_else_from_the_one_known(shown, known, vehicle):
    charger = Charger("c1", session=LiveSession("s1", id_tag=shown))
    (live,) = live_chargers([charger], book(id_tags=known), TAGS)
    assert live.vehicle == vehicle


def test_a_meter_is_shown_as_the_ledger_holds_it():
    held = book(marks={("meter_wh", "c1"): 9000.0, ("meter_wh", "c2"): 1.0})
    (live,) = live_chargers([Charger("c1", meter_wh=8000.0)], held, TAGS)
    assert live.meter_wh == 9000
    (silent,) = live_chargers([Charger("c1")], held, TAGS)
    assert silent.meter_wh is None


@pytest.mark.parametrize(
    ("up", "tried"),
    [((True, False), True), ((True, None), False), ((None, None), False), ((False, False), True)],
)
def test_an_account_is_tried_once_each_endpoint_was(up, tried):
    health = tuple(EndpointHealth(str(position), 60.0, up=value) for position, value in enumerate(up))
    assert Snapshot(None, health).tried is tried


@given(st.lists(st.floats(0, 60, allow_nan=False) | st.sampled_from(DURATION_BOUNDS_S)))
def test_durations_add_up(durations):
    observed = Durations()
    for duration_s in durations:
        observed = observed.observed(duration_s)
    assert observed.count == len(durations)
    assert observed.sum_s == pytest.approx(sum(durations))
    assert observed.buckets == tuple(sum(each <= bound for each in durations) for bound in DURATION_BOUNDS_S)
