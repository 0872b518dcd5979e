"""The snapshot of an account: what the ledger and the configuration add to an answer."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from support.snapshots import NOW, TAG, recorded_snapshot

from joulo_exporter.ledger import StoredSession
from joulo_exporter.models.charger import Charger, LiveSession, Tags
from joulo_exporter.snapshot import DURATION_BOUNDS_S, Durations, ended_sessions, live_chargers

TAGS = Tags({"DEADBEEF12345678": "tesla"}, "show")
BOOK = replace(recorded_snapshot().book, labels={"c1": "oprit"}, marks={}, meters={}, id_tags={})


def test_a_charger_without_a_label_waits_for_the_ledger():
    assert live_chargers([Charger("c1"), Charger("c2")], BOOK, TAGS)[0].charger.id == "c1"
    assert live_chargers([Charger("c2")], BOOK, TAGS) == ()
    assert ended_sessions([StoredSession("s", "c2", ended_at_seconds=NOW)], BOOK, TAGS) == ()


@pytest.mark.parametrize(
    ("shown", "known", "vehicle"),
    [
        ("dead-beef 12:345678", {}, "tesla"),
        (None, {"s1": "DEADBEEF12345678"}, "tesla"),
        (TAG, {"s1": "DEADBEEF12345678"}, "unknown"),
        (None, {"s2": "DEADBEEF12345678"}, "unknown"),
    ],
)
def test_the_vehicle_follows_from_the_tag_shown_else_from_the_one_known(shown, known, vehicle):
    charger = Charger("c1", session=LiveSession("s1", id_tag=shown))
    (live,) = live_chargers([charger], replace(BOOK, id_tags=known), TAGS)
    assert live.vehicle == vehicle


@pytest.mark.parametrize(("meter_wh", "shown"), [(8000.0, 9000.0), (None, None)])
def test_a_meter_is_shown_as_the_ledger_holds_it(meter_wh, shown):
    held = replace(BOOK, marks={("meter_wh", "c1"): 9000.0, ("meter_wh", "c2"): 1.0})
    (live,) = live_chargers([Charger("c1", meter_wh=meter_wh)], held, TAGS)
    assert live.meter_wh == shown


@given(st.lists(st.floats(0, 60, allow_nan=False) | st.sampled_from(DURATION_BOUNDS_S)))
def test_durations_add_up(durations):
    observed = Durations()
    for duration_s in durations:
        observed = observed.observed(duration_s)
    assert observed.count == len(durations)
    assert observed.sum_s == pytest.approx(sum(durations))
    assert observed.buckets == tuple(sum(each <= bound for each in durations) for bound in DURATION_BOUNDS_S)
