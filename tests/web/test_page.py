"""The page as a browser reads it: parsed, not searched as text."""

import base64
import hashlib
import itertools
import re
import tomllib
from datetime import datetime
from html.parser import HTMLParser
from importlib import resources
from urllib.parse import parse_qsl

import pytest
from coloraide import Color
from hypothesis import assume, given
from hypothesis import strategies as st
from msgspec.structs import replace
from support.golden import golden
from support.snapshots import DRIVEWAY, GARAGE, TAG, Household, fixture, recorded, recorded_snapshot

from joulo_exporter.ledger.sessions import Totals
from joulo_exporter.models.charger import KNOWN_STATUSES
from joulo_exporter.snapshot import EndedSession, EndpointHealth, Snapshot
from joulo_exporter.web.page import LANGUAGES, View, content_security_policy, page_html

NOW = 1_781_810_042.0  # 42 s after the recorded answers: 2026-06-18 19:14:02 UTC
SNAPSHOT = recorded_snapshot(account="home")
ENDPOINT, SESSION = SNAPSHOT.endpoints[0], SNAPSHOT.chargers[0].charger.session
MISSES_ONE = replace(SNAPSHOT.book.history, unreadable=1)
LINKS = {"metrics": "./metrics", "health": "https://docs.example/?a=1&b=2"}
VOID = {"meta", "link"}
INLINE = {"a", "bdi", "code", "small", "span", "strong", "time"}
"""Elements within a line of text; all others begin a line of their own."""


@pytest.fixture(autouse=True)
def amsterdam(zone):
    zone("Europe/Amsterdam")


class Reading(HTMLParser):
    """The tags with their attributes, and the text of each element, outside of the style sheet."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.open, self.texts = [], [], []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self._between(tag)
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag
        self._between(tag)

    def _between(self, tag):
        if tag not in INLINE:
            self.texts.append(" ")

    def handle_data(self, data):
        if self.open and self.open[-1] not in {"style", "script"}:
            self.texts.append(data)

    @property
    def text(self):
        return " ".join("".join(self.texts).split())

    def all(self, tag):
        return [attributes for name, attributes in self.tags if name == tag]


def html_of(*snapshots, links=LINKS, now_seconds=NOW, **view):
    return page_html(snapshots, links, View(**view), now_seconds=now_seconds)


def read(*snapshots, **options):
    reading = Reading(html_of(*snapshots, **options))
    assert reading.open == []
    return reading


STYLE = re.search("<style>(.*?)</style>", html_of(), re.DOTALL)[1]


def with_charger(*, power_watts=None, vehicle="unknown", **changes):
    live = SNAPSHOT.chargers[0]
    live = replace(live, power_watts=power_watts, vehicle=vehicle, charger=replace(live.charger, **changes))
    return replace(SNAPSHOT, chargers=(live,))


def corrected():
    """Return a household of which the API lowers a session, and lists two that cannot be read."""
    page, household = fixture("sessions"), recorded(account="corrected", vehicles={TAG: "kona"})
    household.snapshot()
    page["sessions"][1] |= {"kwh": 41.08 - 10, "ere_credits": 3.67}
    page["sessions"] += [{"id": None}, page["sessions"][1] | {"id": "without energy", "kwh": None}]
    return household.sessions(page).snapshot()


@pytest.mark.parametrize("language", LANGUAGES)
def test_golden_page(monkeypatch, language):
    """Of the recorded answers, of corrections, of an account that begins, and of the public feed."""
    monkeypatch.setattr("joulo_exporter.language.__version__", "1.2.3")
    beginning = Snapshot("new", (EndpointHealth("chargers", 60.0),))
    feed = Snapshot(None, (EndpointHealth("ere_price", 3600.0, up=False, error="timed out"),), public=True)
    stored = {"persistent": language == "en"}
    known = [replace(each, book=replace(each.book, **stored)) for each in (SNAPSHOT, corrected())]
    html = html_of(*known, beginning, feed, language=language).replace(STYLE, "")
    assert html == golden(f"page.{language}.html", html)


def state(status, *, charging):
    return with_charger(charging=charging, status=status, session=None)


def with_last(**changes):
    last = next(last for last in SNAPSHOT.last_sessions if last.label == "oprit")
    return replace(SNAPSHOT, last_sessions=(replace(last, session=replace(last.session, **changes)),))


def with_endpoint(**changes):
    return replace(SNAPSHOT, endpoints=(replace(ENDPOINT, **changes),))


@pytest.mark.parametrize(
    ("snapshot", "words"),
    [
        # One word for the state of a charger: trouble, then whether it charges, then what else the API says.
        (state("online", charging=True), "oprit ⚡ charging Oprit"),
        (state("offline", charging=True), "oprit ✕ offline Oprit"),
        (state("online", charging=False), "oprit ○ idle Oprit"),
        (state(None, charging=False), "oprit ○ idle Oprit"),
        (state("finishing", charging=False), "oprit ? finishing Oprit"),
        (state("online", charging=None), "oprit ? online Oprit"),
        (state(None, charging=None), "oprit ? unknown Oprit"),
        # Power is that of a charger that charges.
        (with_charger(charging=True, power_watts=7360.0), "Power 7.4 kW Session 7.31 kWh"),
        (with_charger(charging=False, power_watts=0.0), "idle Oprit Session 7.31 kWh"),
        # Energy of the session in progress.
        (with_charger(session=replace(SESSION, kwh_hundredths=None)), "Session unknown Vehicle"),
        (with_charger(charging=True, session=None), "Session unknown"),
        # Vehicles are those of the configuration.
        (with_charger(vehicle="<b>kona</b>"), "Vehicle <b>kona</b>"),
        # The last session.
        (with_last(kwh_hundredths=None), "Last session unknown 16 Jun 21:05"),
        (with_last(credits_hundredths=0), "41.08 kWh 0.00 ERE credits"),
        (with_last(credits_hundredths=None), "41.08 kWh credits not known yet"),
        (with_last(started_at_seconds=None), "13.67 ERE credits ended 17 Jun 07:30"),
        # Chargers whose state is too old are named without it.
        (recorded().snapshot(stale=["chargers"]), "oprit ? unknown Last session 41.08 kWh"),
        # Freshness.
        (
            with_endpoint(up=False, error="asked too often", succeeded_at_seconds=NOW - 7300),
            "chargers ✕ downasked too often 2026-06-18 19:12:22 CEST 17:12:22 UTC 2 h ago 1 min",
        ),
        (with_endpoint(error="an old failure"), "✓ up 2026-06-18 21:13:20 CEST 19:13:20 UTC 42 s ago 1 min"),
        (with_endpoint(succeeded_at_seconds=NOW + 5), "✓ up 2026-06-18 21:14:07 CEST 19:14:07 UTC 0 s ago 1 min"),
        (with_endpoint(succeeded_at_seconds=NOW - 59.9), "59 s ago"),
        (with_endpoint(succeeded_at_seconds=NOW - 60), "1 min ago"),
        (with_endpoint(interval_s=0.5), "ago 0.5 s"),
        (with_endpoint(interval_s=93784), "ago 1 d 2 h 3 min 4 s"),
        # What cannot be read.
        (
            replace(SNAPSHOT, book=replace(SNAPSHOT.book, history=MISSES_ONE)),
            "1 session cannot be read, and is missing",
        ),
    ],
    ids=itertools.count(),
)
def test_facts_in_words(snapshot, words):
    text = read(snapshot).text
    assert words in text
    assert "Status" not in text


# Months -------------------------------------------------------------------------------------------


def at(text):
    return datetime.fromisoformat(text).timestamp()


def with_months(months):
    """Return a snapshot with energy and credits by charger and month."""
    months = {key: Totals(*sums) for key, sums in months.items()}
    return replace(SNAPSHOT, book=replace(SNAPSHOT.book, months=months))


def months_shown(html):
    """Return width of the bar, energy and credits by month, as a screen reader comes to them."""
    rows = re.findall(r'<tr><th scope="row">(.*?)</th>(.*?)</tr>', html, re.DOTALL)
    return {
        Reading(f"<p>{name}</p>").text: (
            *re.findall(r'<rect width="([^"]*)"', cells),
            *re.findall(r">([\d.,]+)<", cells),
        )
        for name, cells in rows
    }


def test_months_are_bars_with_figures_the_latest_first():
    months = {
        (DRIVEWAY, "2026-05"): (500, 167),
        (DRIVEWAY, "2025-12"): (1000, 301),
        (DRIVEWAY, "2026-03"): (3000, 0),
        (GARAGE, "2026-03"): (1000, 0),
    }
    html = html_of(with_months(months))
    only_june = html_of(with_months({(DRIVEWAY, "2026-06"): (0, 0)}))
    assert months_shown(only_june) == {"Jun 2026 so far": ("0.0%", "0.00", "0.00")}
    assert months_shown(html) == {
        "Jun 2026 so far": ("0.0%", "0.00", "0.00"),
        "May 2026": ("12.5%", "5.00", "1.67"),
        "Apr 2026": ("0.0%", "0.00", "0.00"),
        "Mar 2026": ("100.0%", "40.00", "0.00"),
        "Feb 2026": ("0.0%", "0.00", "0.00"),
        "Jan 2026": ("0.0%", "0.00", "0.00"),
        "Dec 2025": ("25.0%", "10.00", "3.01"),
    }
    assert next(iter(months_shown(html))) == "Jun 2026 so far"


def test_there_are_no_months_without_a_session_nor_before_the_history_is_complete():
    older = [fixture("sessions")["sessions"][-1] | {"id": f"older-{number}"} for number in range(96)]
    page = {"sessions": fixture("sessions")["sessions"] + older}
    text = read(Household().sessions(page).snapshot()).text
    assert re.search(r"Being read: 100 sessions since .* so far. The totals appear once", text)
    assert "Jun 2026" not in text
    assert "Months" not in text + read(with_months({})).text


def test_this_month_of_a_charger_is_local_and_begins_with_nothing():
    june = with_months({(DRIVEWAY, "2026-06"): (700, 233)})
    last_second, first_second = at("2026-06-30T23:59:59+02:00"), at("2026-07-01T00:00:00+02:00")
    assert "Jun 2026 7.00 kWh 2.33 ERE credits garage" in read(june, now_seconds=last_second).text
    assert "Jul 2026 0.00 kWh 0.00 ERE credits garage" in read(june, now_seconds=first_second).text
    assert list(months_shown(html_of(june, now_seconds=first_second))) == ["Jul 2026 so far", "Jun 2026"]


# Freshness ----------------------------------------------------------------------------------------


def fleet(count, **changes):
    return [replace(SNAPSHOT, account=f"customer-{number}", **changes) for number in range(count)]


def account_links(reading):
    return [link["href"] for link in reading.all("a") if "account=customer" in link["href"]]


def test_up_to_three_accounts_are_shown_whole_and_more_are_a_list_of_links():
    whole = read(*fleet(3))
    assert (whole.text.count("Chargers oprit"), account_links(whole)) == (3, [])
    accounts = fleet(4)
    accounts[1] = replace(accounts[1], endpoints=(replace(ENDPOINT, up=False),))
    reading = read(*accounts)
    assert "customer-0 ✓ all endpoints up customer-1 ✕ chargers down customer-2" in reading.text
    assert "Chargers oprit" not in reading.text
    assert account_links(reading) == [f"?account=customer-{number}" for number in range(4)]


def test_of_many_accounts_and_chargers_the_first_hundred_are_shown_and_the_account_of_the_url():
    assert "more account" not in read(*fleet(100)).text
    assert "and 1 more account; the metrics have all." in read(*fleet(101)).text
    reading = read(*fleet(5000), account="nobody")
    assert len(account_links(reading)) == 100
    assert "and 4900 more accounts;" in reading.text
    reading = read(*fleet(5000), account="customer-4711")
    assert re.findall(r"customer-\d+", reading.text) == ["customer-4711"]
    assert "Chargers oprit" in reading.text
    assert "more account" not in reading.text
    charger = SNAPSHOT.chargers[0]
    many = tuple(replace(charger, label=f"charger-{number}") for number in range(250))
    text = read(replace(SNAPSHOT, chargers=many)).text
    assert "charger-99 " in text
    assert "charger-100" not in text
    assert "and 150 more chargers; the metrics have all." in text


def test_links_keep_the_account_and_whether_the_page_refreshes():
    reading = read(*fleet(4), account="customer-2", refreshing=False)
    assert [link["href"] for link in reading.all("a")[2:]] == ["?account=customer-2", "?refresh=off"]
    assert not [meta for meta in reading.all("meta") if "http-equiv" in meta]
    assert account_links(read(*fleet(4), refreshing=False))[3] == "?account=customer-3&refresh=off"


@given(st.none() | st.text(st.characters(exclude_categories=["Cs"])), st.booleans())
def test_a_view_goes_through_its_url(account, refreshing):
    query = dict(parse_qsl(View("nl", account, refreshing).query()[1:], keep_blank_values=True))
    assert View("nl", query.pop("account", None), query.pop("refresh", None) is None) == View(
        "nl", account, refreshing
    )
    assert query == {}


@pytest.mark.parametrize(
    ("intervals_s", "refresh_s"),
    [((60, 600), "60"), ((600, 3600), "60"), ((0.5, 60), "5"), ((20, 60), "20"), ((), "60")],
)
def test_the_page_refreshes_itself_as_often_as_there_can_be_news(intervals_s, refresh_s):
    health = tuple(EndpointHealth("chargers", interval_s) for interval_s in intervals_s)
    reading = read(replace(SNAPSHOT, endpoints=health))
    assert {"http-equiv": "refresh", "content": refresh_s} in reading.all("meta")


# Languages and zones ------------------------------------------------------------------------------


def test_every_text_is_in_every_language_with_a_place_for_the_same_values():
    texts = tomllib.loads((resources.files("joulo_exporter.web") / "page.toml").read_text("utf-8"))
    assert tuple(texts) == LANGUAGES
    english, dutch = (language.pop("status") | language for language in texts.values())
    assert english.keys() == dutch.keys()
    for key, text in english.items():
        assert text.count("{}") == dutch[key].count("{}"), key


@pytest.mark.parametrize(
    ("name", "local"),
    [
        ("Nowhere/AtAll", "As of 2026-06-18 19:14:02 UTC. This"),
        ("Europe/London", "As of 2026-06-18 20:14:02 BST 19:14:02 UTC. This"),
        ("JLO-9:45", "As of 2026-06-19 04:59:02 JLO 2026-06-18 19:14:02 UTC. This"),
        ("<+03>-3", "As of 2026-06-18 22:14:02 +03 19:14:02 UTC. This"),
    ],
)
def test_times_are_local_with_their_zone_and_in_utc(zone, name, local):
    zone(name)
    assert local in read(SNAPSHOT).text
    assert {"datetime": "2026-06-18T19:14:02Z"} in read(SNAPSHOT).all("time")


def test_a_session_over_the_clock_change():
    session = replace(
        next(last.session for last in SNAPSHOT.last_sessions if last.label == "oprit"),
        started_at_seconds=at("2026-10-25T02:30:00+02:00"),
        ended_at_seconds=at("2026-10-25T02:45:00+01:00"),
    )
    reading = read(replace(SNAPSHOT, last_sessions=(EndedSession("oprit", session, "", "tesla"),)))
    assert "25 Oct 02:30 \u2013 02:45" in reading.text
    assert {"datetime": "2026-10-25T02:30:00+02:00"} in reading.all("time")
    assert {"datetime": "2026-10-25T02:45:00+01:00"} in reading.all("time")


# Safety and contrast ------------------------------------------------------------------------------


def test_no_tag_is_on_it_and_the_policy_allows_the_style_as_it_stands_in_it():
    assert TAG not in html_of(recorded_snapshot(vehicles={TAG: "kona"}))
    digest = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
    assert f"style-src 'sha256-{digest}'" in content_security_policy()


def read_with(text):
    live = SNAPSHOT.chargers[0]
    charger = replace(live.charger, nickname=text, status=text)
    health = EndpointHealth(text, 60.0, up=False, error=text)
    snapshot = Snapshot(text, (health,), chargers=(replace(live, label=text, charger=charger),))
    links = {"metrics": f"https://docs.example/{text}"}
    # The list of accounts has a link with the name, and the other page all else.
    return Reading("".join(html_of(snapshot, *fleet(3), links=links, account=account) for account in (None, text)))


# A carriage return and NUL are changed by HTML itself, and an empty name has its own words.
@given(
    st.text(st.characters(exclude_characters="\r\0", exclude_categories=["Cs"]), min_size=1)
    | st.sampled_from(
        [
            "<script>alert(1)</script>",
            '"><img src=x onerror=alert(1)>',
            "</style></title></bdi><h1>",
            "' onmouseover='alert(1)",
            "&lt;b&gt; &amp;",
            "{version}$version${now}%s",
            "{{ 7 * 7 }}{% if words %}{# note #}",
            "<!--",
            "]]>",
        ]
    )
)
def test_any_text_stays_text(text):
    assume(text not in KNOWN_STATUSES)  # for which the page has words and colours
    reading, harmless = read_with(text), read_with("harmless")
    assert [tag for tag, _ in reading.tags] == [tag for tag, _ in harmless.tags]
    assert [set(attributes) for _, attributes in reading.tags] == [set(a) for _, a in harmless.tags]
    assert "".join(reading.texts) == "".join(harmless.texts).replace("harmless", text)
    assert reading.all("a")[0]["href"] == f"https://docs.example/{text}"


LIGHT, DARK = (
    dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6});", part))
    for part in STYLE.split("@media (prefers-color-scheme: dark)")
)


@pytest.mark.parametrize("colours", [LIGHT, DARK], ids=["light", "dark"])
def test_colours_have_the_contrast_of_wcag_aa(colours):
    for name in ("text", "faint", "link", "card", "muted", "good", "bad", "busy", "idle"):
        assert Color(colours[name]).contrast(colours[f"{name}-ground"]) >= 4.5, name
    assert ".bar rect { fill: var(--busy); }" in STYLE
    assert Color(colours["busy"]).contrast(colours["card-ground"]) >= 3
