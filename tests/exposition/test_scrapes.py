"""Scrapes while snapshots come and go: each is whole, costs what has changed, and lets the event loop go on."""

import asyncio
import gzip
import itertools
import zlib
from random import Random

import msgspec
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule
from support.client_library import EVERYTHING, exposition_of, generated, rendered
from support.fleet import fleet_snapshot

from joulo_exporter.exposition import exposition as module
from joulo_exporter.metrics import FAMILIES, Family
from joulo_exporter.models.ere import ErePosition

SOME = frozenset({"joulo_up", "joulo_api_request_duration_seconds_sum", "process_cpu_seconds_total"})
FEW_FAMILIES = tuple(
    family
    for family in FAMILIES
    if family.name
    in {"joulo_up", "joulo_api_request_duration_seconds", "joulo_charger_info", "joulo_session_info"}
)


def fleet(count, generation=0):
    return {f"{number}": fleet_snapshot(f"account-{number}", 1, generation=generation) for number in range(count)}


def unpacked(body, *, compressed=True):
    return gzip.decompress(body) if compressed else body


def render(exposition, *, openmetrics=False, compressed=True, names=EVERYTHING):
    body = rendered(exposition, openmetrics=openmetrics, compressed=compressed, names=names)
    return unpacked(body, compressed=compressed)


async def scrape(exposition, *, openmetrics=False):
    body = await exposition.scrape(openmetrics=openmetrics, compressed=True, names=EVERYTHING)
    received = b"".join(body.parts)
    assert len(received) == body.length
    return gzip.decompress(received)


class Renderings:
    """A metric family that counts how often it is rendered."""

    def __init__(self):
        self.count = 0
        self.family = Family("joulo_renderings", "gauge", "Of no use.", (), self._samples)

    def _samples(self, _snapshot):
        self.count += 1
        return ()


@pytest.fixture
def renderings():
    return Renderings()


@pytest.fixture
def every_step(monkeypatch):
    """Let the event loop go on after each step."""
    monkeypatch.setattr(module, "_STEP_S", -1.0)


@pytest.fixture
def deflated(monkeypatch):
    """List with an entry for each text that is deflated."""
    made = []
    really = zlib.compressobj

    def noted(*arguments):
        made.append(arguments)
        return really(*arguments)

    monkeypatch.setattr(zlib, "compressobj", noted)
    return made


# What is served


class AnyOrder(RuleBasedStateMachine):
    """Accounts come, change and go between scrapes, in any order."""

    numbers = st.integers(0, 149)

    @initialize(count=st.sampled_from([0, 1, 60, 64, 130]))
    def start(self, count):
        self.snapshots = {}
        self.exposition = exposition_of({}, families=FEW_FAMILIES)
        self.publish_many(0, count)

    @rule(number=numbers, generation=st.integers(0, 3), chargers=st.integers(1, 3))
    def publish(self, number, generation, chargers):
        name = f"account-{number}"
        self.snapshots[name] = fleet_snapshot(name, chargers, generation=generation)
        self.exposition.publish(name, self.snapshots[name])

    @rule(first=numbers, count=st.integers(0, 70))
    def publish_many(self, first, count):
        for number in range(first, min(first + count, 150)):
            self.publish(number, 0, 1)

    @rule(number=numbers)
    def publish_what_shows_nothing(self, number):
        name = f"account-{number}"
        self.snapshots[name] = msgspec.structs.replace(fleet_snapshot(name, 1), chargers=None, endpoints=())
        self.exposition.publish(name, self.snapshots[name])

    @rule(seed=st.integers(0, 99), share=st.sampled_from([0.0, 0.5, 0.95, 1.0]), shuffled=st.booleans())
    def keep_only(self, seed, share, shuffled):
        chance = Random(seed)
        kept = [name for name in (*self.snapshots, "absent") if chance.random() <= share]
        if shuffled:
            chance.shuffle(kept)
        self.exposition.keep_only(kept)
        self.snapshots = {name: self.snapshots[name] for name in kept if name in self.snapshots}

    @rule(openmetrics=st.booleans(), compressed=st.booleans(), names=st.sampled_from([EVERYTHING, SOME]))
    def scrape(self, openmetrics, compressed, names):
        lines = render(self.exposition, openmetrics=openmetrics, compressed=compressed, names=names)
        snapshots = self.snapshots.values()
        assert lines == generated(*snapshots, openmetrics=openmetrics, names=names, families=FEW_FAMILIES)
        assert list(self.exposition.snapshots()) == list(snapshots)


TestAnyOrder = AnyOrder.TestCase
TestAnyOrder.settings = settings(max_examples=40, stateful_step_count=12, deadline=None)


@pytest.mark.parametrize("euros", [(-1.0, -2.0), (0.0, -0.0), (2.0**61, 1.0)], ids=str)
def test_a_change_between_values_of_equal_hashes_is_shown(euros):
    exposition = exposition_of({})
    for each in euros:
        position = msgspec.structs.replace(fleet_snapshot(None, 1), ere_position=ErePosition({"paid": each}))
        exposition.publish("", position)
        assert render(exposition) == generated(position, openmetrics=False)


@pytest.mark.parametrize("count", [2, 70])
def test_an_account_that_cannot_be_rendered_keeps_its_old_lines(caplog, count):
    snapshots = fleet(count)
    exposition = exposition_of(snapshots)
    before = render(exposition)
    broken = msgspec.structs.replace(snapshots["1"], endpoints=(None,))
    exposition.publish("1", broken)
    assert render(exposition) == before
    assert render(exposition, openmetrics=True) == generated(*snapshots.values(), openmetrics=True)
    snapshots["0"] = fleet_snapshot("account-0", 2, generation=1)
    exposition.publish("0", snapshots["0"])
    assert render(exposition) == generated(*snapshots.values(), openmetrics=False)
    assert [record.message for record in caplog.records] == ["an account cannot be shown as it is now"]  # once
    exposition.publish("new", broken)  # has no old lines
    assert render(exposition) == generated(*snapshots.values(), openmetrics=False)
    snapshots["1"] = fleet_snapshot("account-1", 1, generation=2)
    exposition.publish("1", snapshots["1"])
    assert render(exposition) == generated(*snapshots.values(), openmetrics=False)


# What happens at the same time


@pytest.mark.parametrize("count", [3, 70])
@pytest.mark.usefixtures("every_step")
async def test_snapshots_that_come_meanwhile_are_shown_whole_or_not_at_all(count):
    old, new = fleet(count), fleet(count, generation=1)
    exposition = exposition_of(old)
    scraping = asyncio.create_task(scrape(exposition))
    names = itertools.cycle(new)
    for _ in range(count * 2):
        await asyncio.sleep(0)
        name = next(names)
        exposition.publish(name, new[name])
    lines = set((await scraping).splitlines())
    for name in old:
        shown = [set(generated(each[name], openmetrics=False).splitlines()) <= lines for each in (old, new)]
        assert any(shown), f"account {name} is shown in parts"
    assert await scrape(exposition) == generated(*new.values(), openmetrics=False)


@pytest.mark.parametrize(("count", "kept"), [(100, 100), (100, 60), (100, 0), (5, 5), (5, 2), (5, 0)])
@pytest.mark.parametrize("warm", [False, True], ids=["first scrape", "later scrape"])
@pytest.mark.usefixtures("every_step")
async def test_a_reload_meanwhile_is_followed(count, kept, warm):
    snapshots = fleet(count)
    exposition = exposition_of(snapshots)
    if warm:
        await scrape(exposition)
        snapshots = fleet(count, generation=1)
        for name, each in snapshots.items():
            exposition.publish(name, each)
    scraping = asyncio.create_task(scrape(exposition))
    for _ in range(count // 3):
        await asyncio.sleep(0)
    order = list(reversed(snapshots))[:kept]
    exposition.keep_only(order)
    wanted = generated(*(snapshots[name] for name in order), openmetrics=False)
    assert await scraping == wanted
    assert await scrape(exposition) == wanted


@pytest.mark.parametrize("count", [3, 70])
@pytest.mark.usefixtures("every_step")
async def test_a_scrape_that_is_given_up_loses_nothing(count):
    exposition = exposition_of(fleet(count))
    for generation, steps in enumerate((1, 5, count + 3, count + 30, count + 90)):
        snapshots = fleet(count, generation)
        for name, each in snapshots.items():
            exposition.publish(name, each)
        scraping = asyncio.create_task(scrape(exposition))
        for _ in range(steps):
            await asyncio.sleep(0)
        scraping.cancel()
        await asyncio.wait([scraping])
    assert await scrape(exposition) == generated(*snapshots.values(), openmetrics=False)


@pytest.mark.parametrize("compressed", [False, True], ids=["plain", "gzip"])
async def test_a_body_stays_what_it_was_while_it_is_sent(compressed):
    snapshots = fleet(70)
    exposition = exposition_of(snapshots)
    body = await exposition.scrape(openmetrics=False, compressed=compressed, names=EVERYTHING)
    parts = iter(body.parts)
    received = next(parts)
    for name, each in fleet(70, generation=1).items():
        exposition.publish(name, each)
    await scrape(exposition)
    received += b"".join(parts)
    assert unpacked(received, compressed=compressed) == generated(*snapshots.values(), openmetrics=False)


# What it costs, counted: the same on any machine


@pytest.mark.parametrize("count", [3, 70])
@pytest.mark.usefixtures("every_step")
async def test_scrapes_at_the_same_time_share_the_work(count, renderings):
    snapshots = fleet(count)
    exposition = exposition_of(snapshots, families=(*FAMILIES, renderings.family))
    bodies = await asyncio.gather(*(scrape(exposition, openmetrics=openmetrics) for openmetrics in (0, 1, 0)))
    assert bodies == [generated(*snapshots.values(), openmetrics=openmetrics) for openmetrics in (0, 1, 0)]
    assert renderings.count == count


@pytest.mark.parametrize("count", [20, 200])
def test_only_accounts_with_a_new_snapshot_are_rendered_and_only_when_scraped(count, renderings):
    exposition = exposition_of(fleet(count), families=(*FAMILIES, renderings.family))
    assert renderings.count == 0
    render(exposition)
    assert renderings.count == count
    for generation in range(1, 6):
        for number in range(7):
            exposition.publish(f"{number}", fleet_snapshot(f"account-{number}", 1, generation=generation))
    assert renderings.count == count
    for openmetrics, compressed in ((False, True), (True, True), (False, False)):
        render(exposition, openmetrics=openmetrics, compressed=compressed)
        assert renderings.count == count + 7


@pytest.mark.parametrize("count", [1, 200])
def test_a_scrape_at_rest_deflates_the_process_only(deflated, count):
    exposition = exposition_of(fleet(count))
    render(exposition)
    if count > 1:
        render(exposition, openmetrics=True)
    del deflated[:]
    render(exposition)
    assert len(deflated) == 1
    exposition.publish("0", fleet_snapshot("account-0", 1))  # with nothing new
    render(exposition)
    assert len(deflated) == 2
    render(exposition, compressed=False)
    assert len(deflated) == 2


def test_a_change_of_one_account_deflates_the_families_that_show_it(deflated):
    before, after = (
        generated(fleet_snapshot("account-150", 1, generation=number), openmetrics=False) for number in (0, 1)
    )
    changed = {
        line.split(b"{")[0].split(b"_bucket")[0] for line in set(after.splitlines()) - set(before.splitlines())
    }
    exposition = exposition_of(fleet(200))
    render(exposition)
    del deflated[:]
    exposition.publish("150", fleet_snapshot("account-150", 1, generation=1))
    render(exposition)
    assert 3 <= len(deflated) <= len(changed) + 1


@pytest.mark.usefixtures("every_step")
async def test_the_event_loop_goes_on_after_each_account_and_each_deflated_piece(renderings, deflated):
    exposition = exposition_of(fleet(130), families=(*FAMILIES, renderings.family))
    del deflated[:]
    scraping = asyncio.create_task(scrape(exposition))
    iterations, rendered, pieces = 0, [0], [0]
    while not scraping.done():
        iterations += 1
        await asyncio.sleep(0)
        rendered.append(renderings.count)
        pieces.append(len(deflated))
    assert max(after - before for before, after in itertools.pairwise(rendered)) == 1
    assert max(after - before for before, after in itertools.pairwise(pieces)) == 1
    assert 130 < iterations < 130 + 3 * (len(FAMILIES) + 1) + len(FAMILIES) + 40


@pytest.mark.parametrize(("step_s", "at_rest"), [(-1.0, True), (60.0, False)], ids=["at rest", "a short one"])
async def test_a_short_scrape_ends_within_one_iteration_of_the_event_loop(monkeypatch, step_s, at_rest):
    monkeypatch.setattr(module, "_STEP_S", step_s)
    exposition = exposition_of(fleet(130))
    if at_rest:
        await scrape(exposition)
    scraping = asyncio.create_task(scrape(exposition))
    await asyncio.sleep(0)
    assert scraping.done()
