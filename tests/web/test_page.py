"""The page as a browser reads it: parsed, not searched as text."""

import base64
import dataclasses
import hashlib
import re
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from joulo_exporter.web import AccountRow, ChargerRow, EndpointRow, LandingPage
from joulo_exporter.web.page import content_security_policy, render_landing_page

NOW = 1_782_300_000.0  # 2026-06-24 11:20:00 UTC
CHARGER = ChargerRow("oprit", "Laadpaal", "online", charging=False, session_kwh_hundredths=None)
ENDPOINT = EndpointRow("chargers", up=True, last_success_seconds=NOW - 42, interval_s=60)
ACCOUNT = AccountRow("home", (CHARGER,), (ENDPOINT,), True, 412, NOW - 86400)  # noqa: FBT003
PAGE = LandingPage("0.1.0", NOW, (ACCOUNT,), ledger_persistent=True)
STYLE = re.search("<style>(.*?)</style>", render_landing_page(PAGE, "/metrics"), re.DOTALL)[1]

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


def read(page, telemetry_path="/metrics"):
    reading = Reading(render_landing_page(page, telemetry_path))
    assert reading.open == []
    return reading


def page_with(charger=CHARGER, endpoint=ENDPOINT, **account):
    row = dataclasses.replace(ACCOUNT, chargers=(charger,), endpoints=(endpoint,), **account)
    return dataclasses.replace(PAGE, accounts=(row,))


def test_the_whole_page_in_words():
    assert read(PAGE).text == (
        "joulo-exporter joulo-exporter 0.1.0 MetricsHealthReadiness "
        "Accounts1 Chargers1 0 chargingAPI endpoints1 of 1 up LedgerOn disk survives a restart "
        "home ✓ all endpoints up "
        "Chargers oprit ○ idleLaadpaalStatusonlineSessionnone "
        "API endpoints EndpointStateLast successIntervalchargers✓ up2026-06-24 11:19:18 UTC 42 s ago1 min "
        "History Complete: 412 sessions since 2026-06-23 11:20:00 UTC. "
        "As of 2026-06-24 11:20:00 UTC. Opening this page, or a scrape, sends no request to the API."
    )


@pytest.mark.parametrize(
    ("charging", "kwh", "words"),
    [
        (True, 742, "⚡ charging"),
        (False, None, "○ idle"),
        (None, None, "? unknown"),
    ],
)
def test_charging_in_words(charging, kwh, words):
    charger = dataclasses.replace(CHARGER, charging=charging, session_kwh_hundredths=kwh)
    assert words in read(page_with(charger)).text


@pytest.mark.parametrize(
    ("charging", "kwh", "words"),
    [
        (True, 742, "Session7.42 kWh"),
        (True, 0, "Session0.00 kWh"),
        (True, None, "Sessionunknown"),
        (False, None, "Sessionnone"),
        (False, 1205, "Session12.05 kWh"),
        (None, None, "Sessionunknown"),
    ],
)
def test_session_energy(charging, kwh, words):
    charger = dataclasses.replace(CHARGER, charging=charging, session_kwh_hundredths=kwh)
    assert words in read(page_with(charger)).text


def test_a_charger_of_which_little_is_known():
    charger = ChargerRow("6f1d2c0a", None, None, charging=None, session_kwh_hundredths=None)
    assert "6f1d2c0a ? unknownStatusunknownSessionunknown" in read(page_with(charger)).text


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "chargers✓ up2026-06-24 11:19:18 UTC 42 s ago1 min"),
        ({"up": None, "last_success_seconds": None}, "chargers… not tried yetnever1 min"),
        (
            {"up": False, "error": "asked too often", "last_success_seconds": NOW - 7300},
            "chargers✕ downasked too often2026-06-24 09:18:20 UTC 2 h ago1 min",
        ),
        ({"up": False, "last_success_seconds": None}, "chargers✕ downnever1 min"),
        ({"error": "an old failure"}, "chargers✓ up2026-06-24 11:19:18 UTC 42 s ago1 min"),
        ({"last_success_seconds": NOW + 5}, "chargers✓ up2026-06-24 11:20:05 UTC 0 s ago1 min"),
        ({"last_success_seconds": NOW - 59.9}, "60 s ago"),
        ({"last_success_seconds": NOW - 60}, "1 min ago"),
        ({"last_success_seconds": NOW - 3 * 86400 - 5}, "3 d ago"),
        ({"interval_s": 0.5}, "ago0.5 s"),
        ({"interval_s": 0}, "ago0 s"),
        ({"interval_s": 5400}, "ago1 h 30 min"),
        ({"interval_s": 93784}, "ago1 d 2 h 3 min 4 s"),
    ],
)
def test_freshness(changes, words):
    assert words in read(page_with(endpoint=dataclasses.replace(ENDPOINT, **changes))).text


def test_times_are_readable_by_machines():
    assert {"datetime": "2026-06-24T11:19:18Z"} in read(PAGE).all("time")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "Complete: 412 sessions since 2026-06-23 11:20:00 UTC."),
        ({"history_sessions": 0, "history_back_to_seconds": None}, "Complete: 0 sessions."),
        ({"history_unreadable": 2}, "Complete but for 2 sessions that cannot be read: 412 sessions since"),
        (
            {"history_back_to_seconds": None, "excess": ("oprit: 12.50 kWh", "<i>: 3.00 ERE credits")},
            "412 sessions. Counters are held above the truth: oprit: 12.50 kWh, <i>: 3.00 ERE credits.",
        ),
        (
            {"history_complete": False, "history_sessions": 1},
            ("Being read: 1 session since 2026-06-23 11:20:00 UTC so far. The totals appear once it is complete."),
        ),
    ],
)
def test_history(changes, words):
    assert words in read(page_with(**changes)).text


def test_summary_counts_all_accounts():
    down = dataclasses.replace(ENDPOINT, up=False)
    untried = dataclasses.replace(ENDPOINT, up=None)
    busy = dataclasses.replace(CHARGER, charging=True)
    rows = (
        ACCOUNT,
        dataclasses.replace(ACCOUNT, endpoints=(down, untried, ENDPOINT), chargers=(busy, CHARGER)),
    )
    page = dataclasses.replace(PAGE, accounts=rows * 200, ledger_persistent=False)
    text = read(page).text
    assert "Accounts400 Chargers600 200 charging" in text
    assert "API endpoints400 of 800 up 200 down, 200 not tried yet" in text
    assert "LedgerIn memory only a restart reads all history again" in text


def test_state_of_an_account_names_what_is_down():
    rows = tuple(EndpointRow(name, up, None, 60) for name, up in [("a", False), ("b", None), ("c", False)])
    page = dataclasses.replace(PAGE, accounts=(dataclasses.replace(ACCOUNT, endpoints=rows),))
    assert "home ✕ a, c down Chargers" in read(page).text


def test_endpoints_of_no_account_stand_apart_and_are_counted():
    feed = EndpointRow("ere_price", up=False, last_success_seconds=None, interval_s=3600, error="no answer")
    text = read(dataclasses.replace(PAGE, public=(feed,))).text
    assert "Accounts1 Chargers1" in text
    assert "API endpoints1 of 2 up 1 down" in text
    assert "home ✓ all endpoints up" in text
    assert "Public endpoints Endpoint" in text
    assert "ere_price✕ downno answernever1 h" in text
    assert "Public endpoints" not in read(PAGE).text


def test_an_account_without_anything():
    page = dataclasses.replace(PAGE, accounts=(AccountRow(None, (), (), False, 0, None),))  # noqa: FBT003
    text = read(page).text
    assert "Account ✓ all endpoints up Chargers No charger is known yet." in text
    assert "Being read: 0 sessions so far." in text


def test_no_account_at_all():
    assert "Accounts0 Chargers0" in read(dataclasses.replace(PAGE, accounts=())).text


@pytest.mark.parametrize(
    ("count", "shown", "more"),
    [(100, 100, None), (101, 100, "1 more account;"), (5000, 100, "4900 more accounts;")],
)
def test_of_many_accounts_the_first_hundred_are_shown(count, shown, more):
    accounts = tuple(dataclasses.replace(ACCOUNT, name=f"customer-{number}") for number in range(count))
    reading = read(dataclasses.replace(PAGE, accounts=accounts))
    assert len(reading.all("details")) == shown
    assert "customer-99 " in reading.text
    assert "customer-100" not in reading.text
    assert (more or "no such text") in reading.text or (more is None and " more " not in reading.text)


def test_of_many_chargers_the_first_hundred_are_shown():
    chargers = tuple(dataclasses.replace(CHARGER, label=f"charger-{number}") for number in range(250))
    page = dataclasses.replace(PAGE, accounts=(dataclasses.replace(ACCOUNT, chargers=chargers),))
    text = read(page).text
    assert "charger-99 " in text
    assert "charger-100" not in text
    assert "and 150 more chargers; the metrics have all." in text


def test_of_many_accounts_only_those_in_trouble_are_unfolded():
    trouble = dataclasses.replace(ACCOUNT, endpoints=(dataclasses.replace(ENDPOINT, up=False),))
    few = read(dataclasses.replace(PAGE, accounts=(ACCOUNT,) * 3))
    many = read(dataclasses.replace(PAGE, accounts=(ACCOUNT, trouble, ACCOUNT, ACCOUNT)))
    assert ["open" in attributes for attributes in few.all("details")] == [True, True, True]
    assert ["open" in attributes for attributes in many.all("details")] == [False, True, False, False]


def test_links_are_relative():
    page = dataclasses.replace(PAGE, documentation_url="https://docs.example/?a=1&b=2")
    links = [attributes["href"] for attributes in read(page, "/joulo/metrics").all("a")]
    assert links == ["./joulo/metrics", "./-/healthy", "./-/ready", "https://docs.example/?a=1&b=2"]


def test_nothing_is_fetched_and_nothing_runs():
    reading = read(PAGE)
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
    reading = read(PAGE)
    assert reading.all("html") == [{"lang": "en"}]
    assert {"name": "viewport", "content": "width=device-width, initial-scale=1"} in reading.all("meta")
    headings = [tag for tag, _ in reading.tags if re.fullmatch(r"h\d", tag)]
    assert headings == ["h1", "h2", "h3", "h3", "h3"]
    assert all(attributes["scope"] in {"col", "row"} for attributes in reading.all("th"))
    assert {"header", "main", "footer", "nav"} <= {tag for tag, _ in reading.tags}


INJECTIONS = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "</style></title></bdi><h1>",
    "' onmouseover='alert(1)",
    "&lt;b&gt; &amp;",
    "{version}{0}%s",
    "<!--",
    "]]>",
]


def filled_with(text):
    charger = ChargerRow(text, text, text, charging=None, session_kwh_hundredths=None)
    endpoint = EndpointRow(text, False, None, 60, text)  # noqa: FBT003
    account = AccountRow(text, (charger,), (endpoint,), True, 1, None)  # noqa: FBT003
    return LandingPage(text, NOW, (account,), True, f"https://docs.example/{text}")  # noqa: FBT003


def assert_only_text(text):
    reading = read(filled_with(text))
    harmless = read(filled_with("harmless"))
    assert [tag for tag, _ in reading.tags] == [tag for tag, _ in harmless.tags]
    assert [set(attributes) for _, attributes in reading.tags] == [set(a) for _, a in harmless.tags]
    assert "".join(reading.texts) == "".join(harmless.texts).replace("harmless", text)
    assert reading.all("a")[-1]["href"] == f"https://docs.example/{text}"


@pytest.mark.parametrize("text", INJECTIONS)
def test_injection_stays_text(text):
    assert_only_text(text)


# A carriage return and NUL are changed by HTML itself, and an empty name has its own words.
@given(st.text(st.characters(exclude_characters="\r\0", exclude_categories=["Cs"]), min_size=1))
def test_any_text_stays_text(text):
    assert_only_text(text)


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
    assert contrast(colours[name], colours[f"{name}-ground"]) >= 4.5


def test_both_schemes_have_the_same_colours():
    assert LIGHT.keys() == DARK.keys()
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
