"""Curves and tiles are right up to this moment, in histories that are known by hand, in a real Prometheus."""

from __future__ import annotations

import pytest
from support import known_history
from support.grafana import Viewer
from support.known_history import HOME, at, local
from support.processes import DATABASES

pytestmark = pytest.mark.e2e

HISTORY = known_history.autumn()
PHONE = 350
"""Pixels of a curve on a phone: its steps of a week are half an hour."""


@pytest.fixture(scope="module", params=DATABASES)
def server(request, tmp_path_factory):
    lines = known_history.exposition(HISTORY)
    with known_history.prometheus_with(request.param, lines, tmp_path_factory.mktemp("autumn")) as started:
        yield started


def answer(server, uid, title, viewer, ref="A"):
    """Return what a query of a panel gives, by charger, in the order in which it comes."""
    return {labels["charger"]: found for labels, found in server.panel(uid, title, viewer, ref)}


def on_a_phone(server, title):
    curves = answer(server, "joulo-charging", title, Viewer(HOME, HISTORY.now, "now-2d", points=100))
    return curves["back"], 1800


def test_the_timeline_charges_in_each_step_of_a_session(server):
    """The colour of a step is that of what follows its beginning, the last step's too."""
    curve, step_s = on_a_phone(server, "When each charger charged")
    begin = at("2026-10-25T18:07:13")
    today = {tick: value for tick, value in curve.items() if tick >= at("2026-10-25T12:00")}
    assert max(today) + step_s > HISTORY.last
    assert today == {tick: float(tick + step_s > begin) for tick in today}


def test_the_power_is_there_in_each_step_of_a_session(server):
    curve, step_s = on_a_phone(server, "Power")
    begin = at("2026-10-25T18:07:13")
    today = {tick: value for tick, value in curve.items() if tick >= at("2026-10-25T12:00")}
    assert today == {tick: pytest.approx(7000 * float(tick + step_s > begin), abs=0.01) for tick in today}


@pytest.mark.parametrize("now", ["2026-10-25T03:30", "2026-10-25T12:00", "2026-10-25T19:07:13"])
def test_a_tile_stays_where_it_is(server, now):
    """Whichever of the chargers charges: the front one, none, the back one."""
    tiles = answer(server, "joulo-charging", "Chargers", Viewer(HOME, local(now)))
    charging = {one.charger for one in HISTORY.sessions if one.charging_at(at(now))}
    assert tiles == {charger: 2.0 * (charger in charging) for charger in ("back", "front")}
    assert list(tiles) == ["back", "front"]


@pytest.mark.parametrize("since", ["2026-10-21 00:00:00", "2026-01-01 12:00:00"])
def test_chargers_over_the_range(server, since):
    """Energy from before the range counts not at all, and energy that was scraped twice counts once."""
    viewer = Viewer(HOME, HISTORY.now, since, "2026-10-25 19:07:13")
    begin, end = at(since), HISTORY.last
    for ref, amount in (("kwh", HISTORY.kwh), ("credits", HISTORY.credits), ("sessions", HISTORY.ended)):
        expected = {name: pytest.approx(amount(begin, end, charger=name), abs=0.01) for name in ("back", "front")}
        assert answer(server, "joulo-sessions", "Chargers", viewer, ref) == expected, ref


@pytest.mark.parametrize("title", ["Hours of the day", "Days of the week"])
def test_each_hour_has_its_energy(server, title):
    """Both are sums of these: by the hour of the day, and by the day of the week."""
    viewer = Viewer(HOME, HISTORY.now, "2026-10-21 00:00:00", "2026-10-25 19:00:00")
    ((_, curve),) = server.panel("joulo-sessions", title, viewer)
    assert len(curve) == (5 * 24 + 1) - 5 + 1  # to 19:00 of a Sunday of 25 hours, and the hour that begins then
    assert curve == {
        hour: pytest.approx(HISTORY.kwh(hour, min(hour + 3600, HISTORY.last)), abs=0.01) for hour in curve
    }
