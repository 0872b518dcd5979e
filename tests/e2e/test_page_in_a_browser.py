"""The page for people as people see it: served by the real process, opened in Chromium."""

import json
import re

import pytest
import pytest_asyncio
from support.browser import browser
from support.exposition import samples_of
from support.processes import TOKEN, exporter, free_port, get, wait_for
from support.simulator import in_thread

from joulo_exporter.simulator import Household, Scenario, serve

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="module")]

FLEET = {f"customer {number}": f"joulo_{number}" for number in range(1, 31)}


@pytest.fixture(scope="module")
def household():
    """The URL of the API."""
    tokens = {TOKEN, *FLEET.values()}
    with in_thread(serve(Household(Scenario()), tokens=tokens)) as running:
        yield running.url


@pytest.fixture(scope="module")
def served(household, tmp_path_factory):
    """The URL of the exporter."""
    port = free_port()
    with exporter(tmp_path_factory.mktemp("served"), household, port):
        url = f"http://127.0.0.1:{port}"
        wait_for("the history", lambda: b"\njoulo_history_complete 1.0\n" in get(f"{url}/metrics"))
        yield url


@pytest.fixture(scope="module")
def fleet(household, tmp_path_factory):
    """The URL of an exporter, under a prefix, of so many accounts that they are a list."""
    folder, port = tmp_path_factory.mktemp("fleet"), free_port()
    url = f"http://127.0.0.1:{port}/joulo"
    options = (f"--config.file={folder / 'fleet.yml'}", "--web.route-prefix=/joulo")
    accounts = [{"name": name, "token": token} for name, token in FLEET.items()]
    config = {"accounts": accounts, "intervals": {"chargers": "1s", "sessions": "60s", "energy": "60s"}}
    (folder / "fleet.yml").write_text(json.dumps(config))
    with exporter(folder, household, port, *options, is_ready=lambda: get(f"{url}/-/ready")):
        yield url


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def open_tab(tmp_path_factory):
    async with browser(tmp_path_factory.mktemp("browser")) as opened:
        yield opened


@pytest_asyncio.fixture(loop_scope="module")
async def page(open_tab):
    async with open_tab() as tab:
        await tab.look_like(1280)
        yield tab


async def texts(page, selector, of="element.innerText"):
    return await page.evaluate(f"[...document.querySelectorAll({selector!r})].map(element => {of})")


def charged(url):
    return samples_of(get(f"{url}/metrics").decode())["joulo_session_kwh", (("charger", "oprit"),)]


async def test_the_page_shows_the_values_of_the_metrics_and_no_secret(page, served):
    before = charged(served)
    await page.go(f"{served}/")
    after = charged(served)
    _, session, vehicle, *_ = await texts(page, ".chargers dt + dd")
    assert before <= float(session.removesuffix(" kWh")) <= after
    metrics = get(f"{served}/metrics").decode()
    assert f'vehicle="{vehicle}"' in metrics
    tags = set(re.findall(r'id_tag="(\w+)"', metrics))
    source = await page.evaluate("document.documentElement.outerHTML")
    assert tags
    assert [secret for secret in (*tags, TOKEN) if secret in source] == []


async def test_it_loads_nothing_else_and_the_console_is_empty(page, served):
    await page.go(f"{served}/")
    requests = [event["request"]["url"] for event in page.all("Network.requestWillBeSent")]
    assert [url for url in requests if not url.startswith("data:")] == [f"{served}/"]
    assert page.complaints() == []
    assert await page.evaluate("getComputedStyle(document.body).maxWidth") == "1024px"  # its style is in force


async def test_markup_that_got_in_would_load_and_run_nothing(page, served):
    """The policy holds; the complaints of which another test finds none do come."""
    await page.go(f"{served}/")
    await page.evaluate(f"document.body.innerHTML = '<img src={served}/x onerror=window.done=1 style=color:red>'")
    await page.happened("Audits.issueAdded")
    assert await page.evaluate("window.done") is None
    assert await page.evaluate("getComputedStyle(document.querySelector('img')).color") != "rgb(255, 0, 0)"
    refused = [event["requestId"] for event in page.all("Network.loadingFailed") if event.get("blockedReason")]
    assert len(refused) == 1
    assert page.complaints() != []


@pytest.mark.parametrize(("width", "scheme"), [(320, "light"), (400, "dark"), (768, "light"), (1920, "dark")])
async def test_nothing_is_wider_than_the_window_and_dark_is_dark(page, served, width, scheme):
    await page.look_like(width, scheme)
    await page.go(f"{served}/")
    window, inside, content = await page.evaluate(
        "[innerWidth, document.documentElement.clientWidth, document.documentElement.scrollWidth]"
    )
    assert (window, content) == (width, inside)  # a scroll bar takes some of the window
    ground = await page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (max(map(int, re.findall(r"\d+", ground))) < 64) == (scheme == "dark")


async def test_a_screen_reader_finds_the_months_as_a_table(page, served):
    await page.go(f"{served}/")
    assert await page.evaluate("document.querySelector('.bar svg').clientWidth") > 100
    figures = await texts(page, ".months .bar span")
    assert len(figures) == 13
    tree = [node for node in (await page.send("Accessibility.getFullAXTree"))["nodes"] if not node["ignored"]]
    roles, names = ([node[key]["value"] for node in tree if key in node] for key in ("role", "name"))
    assert roles.count("table") == 2
    assert {"Months", "kWh", "ERE credits", figures[-1]} <= {*names}
    assert roles.count("rowheader") == 13 + 3


async def test_the_page_refreshes_itself_where_its_reader_is_with_the_account_that_was_clicked(page, fleet):
    await page.go(f"{fleet}/")
    assert await page.evaluate("document.querySelectorAll('h3').length") == 0
    await page.click("customer 30")
    await page.evaluate("scrollTo(0, 100)")
    seen = await page.evaluate("scrollY")
    assert seen > 0
    moment = "document.querySelector('footer time').dateTime"
    before = await page.evaluate(moment)
    async with page.loading():
        pass
    assert await page.evaluate(moment) > before
    assert await page.evaluate("scrollY") == seen
    assert page.complaints() == []
    assert await texts(page, "h2") == ["customer 30"]
    assert await texts(page, ".chargers strong") == ["oprit", "garage-achter"]
    await page.click("All accounts")
    assert len(await texts(page, "h2")) == len(FLEET)


async def test_the_keyboard_reaches_every_link_and_opens_an_account(page, fleet):
    await page.go(f"{fleet}/")
    await page.click("Stop refreshing")  # it would take the focus away
    assert await page.evaluate("document.querySelector('meta[http-equiv]')") is None
    reached = []
    for _ in range(5):
        await page.press("Tab", 9)
        reached.append(await page.evaluate("document.activeElement.innerText"))
    assert reached == ["Metrics", "Health", "Readiness", "Refresh by itself", "customer 1"]
    assert await page.evaluate("document.activeElement.matches(':focus-visible')") is True
    async with page.loading():
        await page.press("Enter", 13, "\r")
    assert await texts(page, ".chargers strong") == ["oprit", "garage-achter"]
    await page.click("Metrics")
    assert await page.evaluate("location.href") == f"{fleet}/metrics"
    assert (await page.evaluate("document.body.innerText")).startswith("# HELP joulo_")
