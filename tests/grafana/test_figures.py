"""The figures of the dashboards are right, in histories that are known by hand, in a real Prometheus."""

import contextlib
import functools
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from support import grafana, known_history
from support.grafana import Viewer
from support.known_history import FEE_RATIO, HISTORIES, HOME, PRICE_EUROS, at, local
from support.processes import DATABASES, filled_victoria_metrics

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module", params=DATABASES)
def servers(request, tmp_path_factory):
    """A database of each history, started when it is first asked for."""
    with contextlib.ExitStack() as stack:

        @functools.cache
        def server(name):
            lines, folder = known_history.exposition(HISTORIES[name]), tmp_path_factory.mktemp(name)
            return stack.enter_context(known_history.prometheus_with(request.param, lines, folder))

        server.is_victoria_metrics = request.param.func is filled_victoria_metrics
        yield server


PERIODS = {"today": "now/d", "this week": "now/w", "this month": "now/M", "this year": "now/y"}


def charged(server, own, viewer, ref="kwh"):
    """Return the figure in a tile of the dashboard of charging: the sum over the accounts, as Grafana shows it."""
    (found,) = server.panel("joulo-charging", "Charged", viewer, ref, own)
    return found[1]


@pytest.mark.parametrize("period", PERIODS.values(), ids=PERIODS)
@pytest.mark.parametrize("name", ["autumn", "spring", "nine_minutes", "an_hour", "a_day", "eighteen_months"])
def test_what_was_charged(servers, name, period):
    """Of all chargers and of one, since the beginning of the period or, if that was later, the first sample."""
    history, server = HISTORIES[name], servers(name)
    first = min(stretch.since for stretch in history.scraped)
    begin = max(first, grafana.moment(period, history.now, HOME))
    for labels in ({}, {"charger": "back"}):
        viewer = Viewer(HOME, history.now, chosen=labels)
        kwh, earned = (amount(begin, history.last, **labels) for amount in (history.kwh, history.credits))
        assert charged(server, period, viewer) == pytest.approx(kwh, abs=0.01), labels
        assert charged(server, period, viewer, "credits") == pytest.approx(earned, abs=0.01), labels
        worth = earned * PRICE_EUROS * (1 - FEE_RATIO)
        assert charged(server, period, viewer, "worth") == pytest.approx(worth, abs=0.01), labels


@pytest.mark.parametrize(("days", "length"), [(0, 1), (2, 1), (2, 2)])
@pytest.mark.parametrize("name", ["autumn", "spring"])
def test_of_the_past_it_is_the_past(servers, name, days, length):
    """Grafana ignores the panel's own range, and the title of it, while the dashboard shows an absolute one."""
    history = HISTORIES[name]
    until = history.now.replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=days)
    since = until - timedelta(days=length)
    viewer = Viewer(HOME, history.now, f"{since:%F %T}", f"{until:%F %T}")
    kwh = history.kwh(since.timestamp(), until.timestamp())
    assert charged(servers(name), "now/d", viewer) == pytest.approx(kwh, abs=0.01)


@pytest.mark.parametrize("seconds", [5, 20, 45])
@pytest.mark.parametrize("name", ["spring", "down"])
def test_a_clock_that_is_slow_hides_nothing(servers, name, seconds):
    """The range ends when the viewer's own clock says; Prometheus can have scraped later than that."""
    viewer = Viewer(HOME, datetime.fromtimestamp(HISTORIES[name].last - seconds, HOME))
    expected = charged(servers(name), "now/d", Viewer(HOME, HISTORIES[name].now))
    assert charged(servers(name), "now/d", viewer) == pytest.approx(expected, abs=0.05)


@pytest.mark.parametrize(
    ("name", "period", "kwh"),
    [
        ("autumn", "today", 33 + 7),  # five and a half of six hours, and half of the session in progress
        ("autumn", "this week", 14 + 4 * 20 + 5 + 36 + 7),
        ("autumn", "this month", 15 + 12 + 7 + 14 + 4 * 20 + 5 + 36 + 7),
        ("autumn", "this year", 22 + 15 + 15 + 12 + 7 + 14 + 4 * 20 + 5 + 36 + 7),
        # What is not known is not made up: what came in the night was there when Prometheus began again.
        ("down", "today", 30 - 30 + 7),
        ("down", "this week", 8 + 30 + 7),
        ("down", "this month", 8 + 30 + 7),
        ("without_ledger", "today", 7 - 3 - 3),
    ],
)
def test_what_was_charged_is_what_one_calculates_by_hand(servers, name, period, kwh):
    found = charged(servers(name), PERIODS[period], Viewer(HOME, HISTORIES[name].now))
    assert found == pytest.approx(kwh, abs=0.01)


SUNDAY = HISTORIES["autumn"].now
MIDNIGHT = SUNDAY.replace(hour=0, minute=0, second=0, microsecond=0)


@pytest.mark.parametrize(
    ("zone", "now"),
    [
        *((zone, SUNDAY) for zone in ("UTC", "Asia/Kolkata", "America/St_Johns", "Pacific/Auckland")),
        # A span of less than a second is none that PromQL would refuse.
        *(("Europe/Amsterdam", MIDNIGHT + timedelta(milliseconds=late)) for late in (1, 300, 700)),
    ],
)
def test_the_day_is_that_of_the_viewer(servers, zone, now):
    history, viewer = HISTORIES["autumn"], Viewer(ZoneInfo(zone), now)
    kwh = history.kwh(grafana.moment("now/d", now, viewer.zone), min(history.last, now.timestamp()))
    assert charged(servers("autumn"), "now/d", viewer) == pytest.approx(kwh, abs=0.01)


@pytest.mark.parametrize("since", ["now-1h", "now-1d", "now-90d", "now-550d"])
@pytest.mark.parametrize("name", ["nine_minutes", "an_hour", "a_day", "eighteen_months"])
def test_no_query_is_refused(servers, name, since):
    viewer = Viewer(HOME, HISTORIES[name].now, since)
    for path in grafana.ENGLISH:
        dashboard = grafana.load(path)
        for shown, target in grafana.targets(dashboard):
            servers(name).answer(dashboard, shown, target, viewer)


# --- Bars


def by_charger(server, uid, title, viewer, ref="A"):
    """Return what a query of a panel gives, by charger, in the order in which it comes."""
    return {labels["charger"]: found for labels, found in server.panel(uid, title, viewer, ref)}


@pytest.mark.parametrize(("name", "days"), [("autumn", 7), ("spring", 10)])
def test_bars_are_the_energy_of_each_day(servers, name, days):
    """Grafana cuts all days by the viewer's offset from UTC at the end: an hour off before a clock change."""
    history = HISTORIES[name]
    viewer = Viewer(HOME, history.now, f"now-{days}d")
    found = by_charger(servers(name), "joulo-charging", "Energy per day", viewer)
    assert found.keys() == {"front", "back"}
    offset = history.now.replace(hour=12).utcoffset()
    for charger, curve in found.items():
        assert len(curve) == days + 1
        for begin, kwh in curve.items():
            day = datetime.fromtimestamp(begin, HOME)
            assert (day + (offset - day.utcoffset())).hour == 0
            expected = history.kwh(begin, min(begin + 86_400, history.last), charger=charger)
            assert kwh == pytest.approx(expected, abs=0.01), day


def test_a_bar_after_a_gap_makes_nothing_up(servers):
    """VictoriaMetrics looks back a whole step, to the evening before, and so sees what came in the night."""
    viewer = Viewer(HOME, HISTORIES["down"].now, "now-3d")
    bars = by_charger(servers("down"), "joulo-charging", "Energy per day", viewer)
    night = 30 if servers.is_victoria_metrics else 0
    for charger, kwh in {"front": [0, 8, 0, night], "back": [0, 0, 0, 7]}.items():
        assert list(bars[charger].values()) == pytest.approx(kwh, abs=0.01)


# --- Over the range


VEHICLES, CHARGERS = ("joulo-charging", "Vehicles"), ("joulo-sessions", "Chargers")


@pytest.mark.parametrize(
    ("table", "name", "since"),
    [
        (VEHICLES, "autumn", "now/w"),
        (VEHICLES, "autumn", "now/y"),
        (VEHICLES, "spring", "now/M"),
        (VEHICLES, "down", "now/w"),
        (CHARGERS, "autumn", "2026-10-21 00:00:00"),
        (CHARGERS, "autumn", "2026-01-01 12:00:00"),
    ],
)
def test_a_table_over_the_range(servers, table, name, since):
    """Energy from before the range counts not at all, and energy that was scraped twice counts once."""
    history, label = HISTORIES[name], table[1].lower().removesuffix("s")
    begin, now = grafana.moment(since, history.now, HOME), history.last

    def amounts(amount):
        return {one: amount(begin, now, **{label: one}) for one in history.names(label)}

    kwh, ended = amounts(history.kwh), {one: count for one, count in amounts(history.ended).items() if count}
    expected = {"kwh": kwh, "credits": amounts(history.credits), "sessions": ended}
    expected["size"] = {one: kwh[one] / count for one, count in ended.items()}
    for ref, figures in expected.items():
        column = servers(name).panel(*table, Viewer(HOME, history.now, since), ref)
        assert {labels[label]: value for labels, value in column} == pytest.approx(figures, abs=0.01), ref


# --- Session by session


def column(server, viewer, ref):
    """Return a column of the table of sessions, by charger and start."""
    found = server.panel("joulo-sessions", "Sessions", viewer, ref)
    return {(labels["charger"], float(labels["start"])): labels.get("vehicle", value) for labels, value in found}


@pytest.mark.parametrize("name", ["autumn", "spring", "eighteen_months"])
@pytest.mark.parametrize("labels", [{}, {"vehicle": "tesla"}], ids=["all", "tesla"])
def test_every_session_has_its_row(servers, name, labels):
    """Those of the backfill too, with their vehicle."""
    history = HISTORIES[name]
    viewer = Viewer(HOME, history.now, f"now-{30 * 24}h", chosen=labels | {"price": "0.5"})
    ended = {(one.charger, one.start): one for one in history.of(**labels) if one.end < history.last - 600}
    recent = {key: one for key, one in ended.items() if one.end > history.last - 30 * 86_400}
    columns = {ref: column(servers(name), viewer, ref) for ref in ("kwh", "length", "start", "cost", "vehicle")}
    for key, one in recent.items():
        assert {ref: found[key] for ref, found in columns.items()} == {
            "kwh": one.kwh, "length": (one.end - one.start) * 1000, "start": one.start * 1000,
            "cost": one.kwh * 0.5, "vehicle": one.vehicle,
        }  # fmt: skip
    rows = column(servers(name), viewer, "chosen").keys()
    assert recent.keys() <= rows <= ended.keys()  # the last one before the beginning is still there then


# --- Curves and tiles, up to this moment


@pytest.mark.parametrize(("title", "charging"), [("When each charger charged", 1), ("Power", 7000)])
def test_each_step_of_a_session_shows_it(servers, title, charging):
    """A step shows what follows its beginning, the last one too; on a phone, in steps of half an hour."""
    history = HISTORIES["autumn"]
    viewer = Viewer(HOME, history.now, "now-2d", points=100)
    curve = by_charger(servers("autumn"), "joulo-charging", title, viewer)["back"]
    begin, noon = at("2026-10-25T18:07:13"), at("2026-10-25T12:00")
    today = {tick: value for tick, value in curve.items() if tick >= noon}
    assert max(today) + 1800 > history.last
    assert today == {tick: pytest.approx(charging * (tick + 1800 > begin), abs=0.01) for tick in today}


@pytest.mark.parametrize("now", ["2026-10-25T03:30", "2026-10-25T12:00", "2026-10-25T19:07:13"])
def test_a_tile_stays_where_it_is(servers, now):
    """Whichever of the chargers charges: the front one, none, the back one."""
    tiles = by_charger(servers("autumn"), "joulo-charging", "Chargers", Viewer(HOME, local(now)))
    charging = {one.charger for one in HISTORIES["autumn"].sessions if one.charging_at(at(now))}
    assert tiles == {charger: 2.0 * (charger in charging) for charger in ("back", "front")}
    assert list(tiles) == ["back", "front"]


@pytest.mark.parametrize("title", ["Hours of the day", "Days of the week"])
def test_each_hour_has_its_energy(servers, title):
    """Both are sums of these: by the hour of the day, and by the day of the week."""
    history = HISTORIES["autumn"]
    viewer = Viewer(HOME, history.now, "2026-10-21 00:00:00", "2026-10-25 19:00:00")
    ((_, curve),) = servers("autumn").panel("joulo-sessions", title, viewer)
    assert len(curve) == (5 * 24 + 1) - 5 + 1  # to 19:00 of a Sunday of 25 hours, and the hour that begins then
    for hour, kwh in curve.items():
        assert kwh == pytest.approx(history.kwh(hour, min(hour + 3600, history.last)), abs=0.01)
