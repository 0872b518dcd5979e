"""The page as a browser reads it: parsed, not searched as text."""

import base64
import hashlib
import re
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from support.snapshots import TAG, Household, fixture, recorded, recorded_snapshot

from joulo_exporter import __version__
from joulo_exporter.snapshot import EndpointHealth, Snapshot
from joulo_exporter.web.page import content_security_policy, render_landing_page

NOW = 1_781_810_042.0  # 42 s after the recorded answers: 2026-06-18 19:14:02 UTC
SNAPSHOT = recorded_snapshot(account="home")
ENDPOINT = SNAPSHOT.endpoints[0]
LINKS = {"Metrics": "./metrics", "Docs": "https://docs.example/?a=1&b=2"}
VOID = {"meta", "link"}


class Reading(HTMLParser):
    """The tags with their attributes, and the text of each element, outside of the style sheet."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.open, self.texts = [], [], []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] not in {"style", "script"}:
            self.texts.append(data)

    @property
    def text(self):
        return " ".join("".join(self.texts).split())

    def all(self, tag):
        return [attributes for name, attributes in self.tags if name == tag]


def html_of(*snapshots, links=LINKS, persistent=True):
    return render_landing_page(snapshots, NOW, links, ledger_persistent=persistent)


def read(*snapshots, **options):
    reading = Reading(html_of(*snapshots, **options))
    assert reading.open == []
    return reading


STYLE = re.search("<style>(.*?)</style>", html_of(), re.DOTALL)[1]


def with_endpoint(**changes):
    return replace(SNAPSHOT, endpoints=(replace(ENDPOINT, **changes),))


def with_charger(**changes):
    live = SNAPSHOT.chargers[0]
    return replace(SNAPSHOT, chargers=(replace(live, charger=replace(live.charger, **changes)),))


def test_the_recorded_answers_in_words():
    row = "✓ up2026-06-18 19:13:20 UTC 42 s ago"
    assert read(SNAPSHOT).text == (
        f"joulo-exporter joulo-exporter {__version__} MetricsDocs "
        "Accounts1 Chargers2 1 chargingAPI endpoints3 of 3 up LedgerOn disk survives a restart "
        "home ✓ all endpoints up "
        "Chargers oprit ⚡ chargingOpritStatusonlineSession7.31 kWh "
        "garage-achter ○ idleGarage achterStatusonlineSessionnone "
        f"API endpoints EndpointStateLast successIntervalchargers{row}1 min sessions{row}10 min energy{row}1 h "
        "History Complete: 4 sessions since 2026-06-12 20:00:00 UTC. "
        "As of 2026-06-18 19:14:02 UTC. Opening this page, or a scrape, sends no request to the API."
    )


@pytest.mark.parametrize(
    ("charging", "kwh_hundredths", "words"),
    [
        (True, 742, "⚡ chargingOpritStatusonlineSession7.42 kWh"),
        (True, 0, "Session0.00 kWh"),
        (True, None, "Sessionunknown"),
        (False, 1205, "○ idleOpritStatusonlineSession12.05 kWh"),
        (None, None, "? unknownOpritStatusonlineSessionunknown"),
    ],
)
def test_charging_and_the_energy_of_a_session(charging, kwh_hundredths, words):
    session = replace(SNAPSHOT.chargers[0].charger.session, kwh_hundredths=kwh_hundredths)
    assert words in read(with_charger(charging=charging, session=session)).text


def test_without_a_session_there_is_no_energy():
    assert "Sessionnone" in read(with_charger(charging=False, session=None)).text
    assert "Sessionunknown" in read(with_charger(charging=None, session=None)).text


def test_chargers_whose_state_is_too_old_are_named_without_it():
    text = read(recorded().snapshot(stale=["chargers"])).text
    assert "Chargers2 0 charging" in text
    assert "oprit ? unknownStatusunknownSessionunknown garage-achter ? unknown" in text


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"up": None, "succeeded_at_seconds": None}, "chargers… not tried yetnever1 min"),
        (
            {"up": False, "error": "asked too often", "succeeded_at_seconds": NOW - 7300},
            "chargers✕ downasked too often2026-06-18 17:12:22 UTC 2 h ago1 min",
        ),
        ({"up": False, "succeeded_at_seconds": None}, "chargers✕ downnever1 min"),
        ({"error": "an old failure"}, "chargers✓ up2026-06-18 19:13:20 UTC 42 s ago1 min"),
        ({"succeeded_at_seconds": NOW + 5}, "chargers✓ up2026-06-18 19:14:07 UTC 0 s ago1 min"),
        ({"succeeded_at_seconds": NOW - 59.9}, "59 s ago"),
        ({"succeeded_at_seconds": NOW - 60}, "1 min ago"),
        ({"succeeded_at_seconds": NOW - 3 * 86400 - 5}, "3 d ago"),
        ({"interval_s": 0.5}, "ago0.5 s"),
        ({"interval_s": 0}, "ago0 s"),
        ({"interval_s": 5400}, "ago1 h 30 min"),
        ({"interval_s": 93784}, "ago1 d 2 h 3 min 4 s"),
    ],
)
def test_freshness(changes, words):
    assert words in read(with_endpoint(**changes)).text


def test_times_are_readable_by_machines():
    assert {"datetime": "2026-06-18T19:13:20Z"} in read(SNAPSHOT).all("time")


def test_a_history_that_is_being_read():
    partial = Household().sessions(fixture("sessions") | {"limit": 4}).snapshot()
    assert re.search(r"Being read: 4 sessions since .* so far. The totals appear once", read(partial).text)


def test_before_anything_is_known():
    text = read(Snapshot(None, (EndpointHealth("chargers", 60.0),))).text
    assert "Account … starting Chargers No charger is known yet." in text
    assert "Being read: 0 sessions so far." in text
    assert "Accounts0 Chargers0" in read().text


def test_what_cannot_be_read_and_what_is_held_too_high_are_shown():
    page = fixture("sessions")
    page["sessions"][1] |= {"kwh": 41.08 - 10, "ere_credits": 3.67}
    page["sessions"] += [{"id": None}, page["sessions"][1] | {"id": "without energy", "kwh": None}]
    household = recorded()
    household.snapshot()
    text = read(household.sessions(page).snapshot()).text
    assert "Complete but for 2 sessions that cannot be read: 5 sessions since" in text
    assert (
        "Counters are held above the truth: oprit: 10.00 kWh, oprit: 6.33 ERE credits, "
        "unknown: 10.00 kWh, unknown: 6.33 ERE credits."
    ) in text


def test_summary_counts_all_accounts():
    troubled = replace(SNAPSHOT, endpoints=(replace(ENDPOINT, up=False), replace(ENDPOINT, up=None), ENDPOINT))
    text = read(*(SNAPSHOT, troubled) * 200, persistent=False).text
    assert "Accounts400 Chargers800 400 charging" in text
    assert "API endpoints800 of 1200 up 200 down, 200 not tried yet" in text
    assert "LedgerIn memory only a restart reads all history again" in text


def test_state_of_an_account_names_the_endpoints_that_are_down():
    health = tuple(EndpointHealth(name, 60.0, up=up) for name, up in [("a", False), ("b", None), ("c", False)])
    assert "home ✕ a, c down Chargers" in read(replace(SNAPSHOT, endpoints=health)).text


def test_endpoints_of_no_account_stand_apart_and_are_counted():
    feed = Snapshot(None, (EndpointHealth("ere_price", 3600.0, up=False, error="timed out"),), public=True)
    text = read(SNAPSHOT, feed).text
    assert "Accounts1 Chargers2" in text
    assert "API endpoints3 of 4 up 1 down" in text
    assert "home ✓ all endpoints up" in text
    assert "Public endpoints EndpointStateLast successIntervalere_price✕ downtimed outnever1 h" in text
    assert "Public endpoints" not in read(SNAPSHOT).text


@pytest.mark.parametrize(("count", "shown", "more"), [(100, 100, ""), (101, 100, "and 1 more account;")])
def test_of_many_accounts_the_first_hundred_are_shown(count, shown, more):
    reading = read(*(replace(SNAPSHOT, account=f"customer-{number}") for number in range(count)))
    assert len(reading.all("details")) == shown
    assert "customer-99 " in reading.text
    assert "customer-100" not in reading.text
    assert more in reading.text
    assert (" more " in reading.text) == bool(more)


def test_of_many_chargers_the_first_hundred_are_shown():
    chargers = tuple(replace(SNAPSHOT.chargers[0], label=f"charger-{number}") for number in range(250))
    text = read(replace(SNAPSHOT, chargers=chargers)).text
    assert "charger-99 " in text
    assert "charger-100" not in text
    assert "and 150 more chargers; the metrics have all." in text


def test_of_many_accounts_only_those_in_trouble_are_unfolded():
    few, many = read(*[SNAPSHOT] * 3), read(SNAPSHOT, with_endpoint(up=False), SNAPSHOT, SNAPSHOT)
    assert ["open" in attributes for attributes in few.all("details")] == [True, True, True]
    assert ["open" in attributes for attributes in many.all("details")] == [False, True, False, False]


def test_links():
    assert [attributes["href"] for attributes in read(SNAPSHOT).all("a")] == list(LINKS.values())


def test_no_tag_is_on_it():
    assert TAG not in html_of(recorded_snapshot(vehicles={TAG: "kona"}))


def test_nothing_is_fetched_and_nothing_runs():
    reading = read(SNAPSHOT)
    tags = {tag for tag, _ in reading.tags}
    assert tags.isdisjoint({"script", "img", "iframe", "form", "object", "base", "svg"})
    assert [attributes["href"].split(",")[0] for attributes in reading.all("link")] == ["data:image/svg+xml"]
    for _, attributes in reading.tags:
        assert "style" not in attributes
        assert not any(name.startswith("on") for name in attributes)
    assert "url(" not in STYLE
    assert "@import" not in STYLE


def test_policy_allows_the_style_as_it_stands_in_the_page():
    digest = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
    assert f"style-src 'sha256-{digest}'" in content_security_policy()


def test_accessibility_basics():
    reading = read(SNAPSHOT)
    assert reading.all("html") == [{"lang": "en"}]
    assert {"name": "viewport", "content": "width=device-width, initial-scale=1"} in reading.all("meta")
    headings = [tag for tag, _ in reading.tags if re.fullmatch(r"h\d", tag)]
    assert headings == ["h1", "h2", "h3", "h3", "h3"]
    assert all(attributes["scope"] in {"col", "row"} for attributes in reading.all("th"))
    assert {"header", "main", "footer", "nav"} <= {tag for tag, _ in reading.tags}


def read_with(text):
    live = SNAPSHOT.chargers[0]
    charger = replace(live.charger, nickname=text, status=text)
    health = EndpointHealth(text, 60.0, up=False, error=text)
    snapshot = Snapshot(text, (health,), chargers=(replace(live, label=text, charger=charger),))
    return read(snapshot, links={"Link": f"https://docs.example/{text}"})


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
            "<!--",
            "]]>",
        ]
    )
)
def test_any_text_stays_text(text):
    reading, harmless = read_with(text), read_with("harmless")
    assert [tag for tag, _ in reading.tags] == [tag for tag, _ in harmless.tags]
    assert [set(attributes) for _, attributes in reading.tags] == [set(a) for _, a in harmless.tags]
    assert "".join(reading.texts) == "".join(harmless.texts).replace("harmless", text)
    assert reading.all("a")[-1]["href"] == f"https://docs.example/{text}"


def luminance(colour):
    channels = [int(colour[position : position + 2], 16) / 255 for position in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one, other):
    brighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (brighter + 0.05) / (darker + 0.05)


LIGHT, DARK = (
    dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6});", part))
    for part in STYLE.split("@media (prefers-color-scheme: dark)")
)


@pytest.mark.parametrize("colours", [LIGHT, DARK], ids=["light", "dark"])
@pytest.mark.parametrize("name", ["text", "faint", "link", "card", "muted", "good", "bad", "busy", "idle"])
def test_colours_have_the_contrast_of_wcag_aa(colours, name):
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast(colours[name], colours[f"{name}-ground"]) >= 4.5
