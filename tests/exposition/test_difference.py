"""What two pictures share is left out of both; every family then says whether it has changed."""

from itertools import permutations

import msgspec
import pytest
from fleet import picture
from pictures import Household, fixture, market_picture, recorded_picture, with_position

from joulo_exporter.collector import FAMILIES
from joulo_exporter.exposition.difference import differing
from joulo_exporter.exposition.families import Families
from joulo_exporter.exposition.lines import FamilyLines
from joulo_exporter.exposition.patch import Patch
from joulo_exporter.exposition.work import Work

replace = msgspec.structs.replace
FULL, LATER, OTHER = picture("street", 4), picture("street", 4, generation=1), picture("away", 4)
FAMILIES_READY = Families(Work())
LISTS = ("chargers", "last_sessions", "ended_sessions", "endpoints")
ENDED = replace(FULL, ended_sessions=FULL.last_sessions)


def orders_of(name):
    """Return a picture with each order of the items of a list, and without some of them."""
    items = getattr(ENDED, name)
    for size in (len(items), len(items) - 1):
        for items_then in permutations(items, size):
            yield replace(ENDED, **{name: items_then})


def reversed_mappings():
    book = FULL.book
    chargers = dict(reversed(book.chargers.items()))
    requests = tuple(replace(each, requests=dict(reversed(each.requests.items()))) for each in FULL.endpoints)
    return [FULL, replace(FULL, book=replace(book, chargers=chargers)), replace(FULL, endpoints=requests)]


PICTURES = {
    "refreshes": [FULL, LATER, picture("street", 4, generation=2), picture("street", 3)],
    "one part changes": [
        FULL,
        *(replace(FULL, **{name: getattr(OTHER, name)}) for name in FULL.__struct_fields__ if name != "account"),
        *(replace(FULL, **{name: getattr(LATER, name)}) for name in FULL.__struct_fields__ if name != "account"),
    ],
    "one part goes": [FULL, replace(FULL, chargers=None), replace(FULL, energy=None), replace(FULL, book=None)],
    "the energy's marks change": [
        FULL,
        replace(FULL, book=replace(FULL.book, marks={("account_kwh", "all"): 99_999_999})),
    ],
    "chargers get other labels": [
        FULL,
        replace(
            FULL, book=replace(FULL.book, labels={key: f"{label}-2" for key, label in FULL.book.labels.items()})
        ),
    ],
    "mappings are reversed": reversed_mappings(),
    "recorded": [
        recorded_picture(),
        with_position(recorded_picture()),
        market_picture(),
        Household().chargers(fixture("chargers")).picture(),
        Household().chargers(fixture("chargers")).sessions(fixture("sessions")).time_out("energy").picture(),
    ],
} | {f"{name} in any order": list(orders_of(name)) for name in LISTS}


@pytest.mark.parametrize("pictures", PICTURES.values(), ids=PICTURES)
def test_a_family_changes_where_its_lines_do(pictures):
    """What is told of a change makes the lines of one picture to those of the other."""
    for former, latest in zip([pictures[0]] * len(pictures) + pictures, pictures + pictures[::-1], strict=True):
        changed = FAMILIES_READY.changed(latest, former)
        for index, lines in enumerate(FAMILIES_READY.lines):
            before, after, piece = lines.render(former), lines.render(latest), changed.get(index)
            assert (piece is not None) == (before != after), lines.family.name
            if isinstance(piece, Patch):
                assert piece.applied(before) == after, lines.family.name
            elif piece is not None:
                assert piece == after, lines.family.name


class Read:
    """A picture, or a part of one, that notes which of its fields are read."""

    def __init__(self, of, fields, prefix=""):
        self._of, self._fields, self._prefix = of, fields, prefix

    def __getattr__(self, name):
        value, path = getattr(self._of, name), self._prefix + name
        if path in STRUCTURE:
            return _parts(value, self._fields, f"{path}.")
        self._fields.add(path)
        return value


def _parts(value, fields, prefix):
    if isinstance(value, msgspec.Struct):
        return Read(value, fields, prefix)
    if isinstance(value, tuple):
        return tuple(Read(each, fields, prefix) for each in value)
    if isinstance(value, dict):
        return {key: Read(each, fields, prefix) for key, each in value.items()}
    return value


STRUCTURE = {
    "account", "book", "book.chargers", "book.vehicles", "chargers", "chargers.charger",
    "chargers.charger.session", "chargers.label", "endpoints", "endpoints.endpoint",
}  # fmt: skip
"""What is made of parts, and what tells accounts and items apart: where that differs, all of them is rendered."""


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_a_family_reads_what_it_says(family):
    """Else it would not be served anew when what it reads has changed."""
    fields = set()
    samples = []
    reported = replace(FULL.last_sessions[0], reported_at_seconds=1_780_000_000.0)
    ended = replace(FULL, ended_sessions=(reported,))
    for shown in (
        with_position(FULL),
        ended,
        recorded_picture(),
        with_position(recorded_picture()),
        market_picture(),
    ):
        samples += family.samples(Read(shown, fields))
    assert samples
    assert fields == set(family.reads)


def test_nothing_is_left_of_what_is_equal():
    before, after, changed = differing(FULL, replace(FULL, chargers=tuple(FULL.chargers), book=replace(FULL.book)))
    assert changed == set()
    assert before.chargers == after.chargers == ()
    assert before.book.chargers == after.book.vehicles == {}


def test_only_what_charges_is_left_of_a_refresh():
    endpoints = (LATER.endpoints[0], *FULL.endpoints[1:])
    latest = replace(LATER, book=FULL.book, energy=FULL.energy, endpoints=endpoints)
    before, after, changed = differing(FULL, latest)
    charging = [live.label for live in FULL.chargers if live.charger.charging]
    assert 0 < len(charging) < 4
    assert [live.label for live in before.chargers] == [live.label for live in after.chargers] == charging
    assert [health.endpoint for health in after.endpoints] == ["chargers"]
    assert changed == {
        "chargers.charger.session.kwh_hundredths", "chargers.charger.meter_wh",
        "chargers.charger.meter_at_seconds", "chargers.meter_wh", "chargers.power_watts",
        "endpoints.succeeded_at_seconds", "endpoints.requests", "endpoints.durations",
    }  # fmt: skip


def test_a_refresh_looks_at_the_families_that_it_changes_alone(monkeypatch):
    looked_at = []
    change = FamilyLines.change

    def noted(lines, *pictures):
        looked_at.append(lines.family.name)
        return change(lines, *pictures)

    monkeypatch.setattr(FamilyLines, "change", noted)
    marks = FULL.book.marks | {("meter_wh", FULL.chargers[0].charger.id): 1.0}
    endpoints = (LATER.endpoints[0], *FULL.endpoints[1:])
    latest = replace(LATER, book=replace(FULL.book, marks=marks), energy=FULL.energy, endpoints=endpoints)
    changed = FAMILIES_READY.changed(latest, FULL)
    assert looked_at == [FAMILIES_READY.lines[index].family.name for index in changed] == [
        "joulo_session_kwh", "joulo_charger_meter_kwh_total", "joulo_charger_meter_timestamp_seconds",
        "joulo_charger_power_watts", "joulo_last_refresh_timestamp_seconds", "joulo_api_requests_total",
        "joulo_api_request_duration_seconds",
    ]  # fmt: skip


def test_a_session_that_begins_differs_as_a_whole():
    charging = next(live for live in FULL.chargers if live.charger.session is not None)
    idle = replace(charging, charger=replace(charging.charger, session=None))
    for former, latest in ((idle, charging), (charging, idle)):
        pictures = (replace(FULL, chargers=(each,)) for each in (former, latest))
        assert differing(*pictures).changed == {"chargers.charger.session"}


@pytest.mark.parametrize(
    ("series", "changed"),
    [("account_kwh", {"book.marks"}), ("account_sessions", {"book.marks"}), ("meter_wh", set())],
)
def test_marks_of_meters_are_shown_by_their_chargers_alone(series, changed):
    book = replace(FULL.book, marks={(series, "a"): 1.0, ("meter_wh", "b"): 2.0})
    for value in (3.0, None):
        marks = {("meter_wh", "b"): 2.0} | ({} if value is None else {(series, "a"): value})
        latest = replace(FULL, book=replace(book, marks=marks))
        assert differing(replace(FULL, book=book), latest).changed == changed
        assert differing(latest, replace(FULL, book=book)).changed == changed


def test_only_sums_that_have_grown_are_left_of_a_book():
    charger = next(iter(FULL.book.chargers))
    grown = replace(FULL.book.chargers[charger], kwh_hundredths=9_999_999)
    book = replace(FULL.book, chargers={**FULL.book.chargers, charger: grown})
    before, after, changed = differing(FULL, replace(FULL, book=book))
    assert changed == {"book.chargers.kwh_hundredths"}
    assert before.book.chargers == {charger: FULL.book.chargers[charger]}
    assert after.book.chargers == {charger: grown}
