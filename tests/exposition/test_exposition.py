"""The bytes of /metrics are those of prometheus-client, whatever comes and goes between and during scrapes."""

import asyncio
import gzip
import itertools
import math
import re
import zlib
from random import Random
from unittest.mock import Mock

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule
from msgspec.structs import replace
from prometheus_client import Gauge, generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text
from support.client_library import EVERYTHING, exposition_of, generated, process, rendered
from support.fleet import fleet_snapshot
from support.golden import FOLDER, golden
from support.snapshots import Household, fixture, market_snapshot, recorded_snapshot, with_position

from joulo_exporter.exposition import Exposition
from joulo_exporter.exposition import exposition as module
from joulo_exporter.metrics import FAMILIES, ConfigReloads, Family, process_registry
from joulo_exporter.models.ere import ErePosition


def fleet(count, generation=0, chargers=1):
    """Return accounts of some chargers each."""
    return {
        f"{number}": fleet_snapshot(f"account-{number}", chargers, generation=generation)
        for number in range(count)
    }


def render(exposition, *, openmetrics=False, compressed=True, names=EVERYTHING):
    body = rendered(exposition, openmetrics=openmetrics, compressed=compressed, names=names)
    return gzip.decompress(body) if compressed else body


async def scrape(exposition, *, openmetrics=False):
    body = await exposition.scrape(openmetrics=openmetrics, compressed=True, names=EVERYTHING)
    received = b"".join(body.parts)
    assert len(received) == body.length
    return gzip.decompress(received)


@pytest.fixture
def every_step(monkeypatch):
    """Let the event loop go on after each step."""
    monkeypatch.setattr(module, "_STEP_S", -1.0)


@pytest.fixture
def rendering():
    """Renderer of a metric family without samples, which counts the accounts."""
    return Mock(return_value=())


def counting(rendering):
    return (*FAMILIES, Family("joulo_renderings", "gauge", "Of no use.", (), rendering))


@pytest.fixture
def deflating(monkeypatch):
    """Maker of compressors, which counts the texts that are deflated."""
    counted = Mock(wraps=zlib.compressobj)
    monkeypatch.setattr(zlib, "compressobj", counted)
    return counted


# The bytes ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [0, 1, 2, 64, 65, 130])
@pytest.mark.parametrize(
    "names",
    [
        EVERYTHING,
        frozenset({"joulo_up", "joulo_charging", "process_start_time_seconds"}),
        frozenset({"joulo_api_request_duration_seconds_bucket", "process_cpu_seconds_total"}),
        frozenset({f"joulo_api_request_duration_seconds_{part}" for part in ("bucket", "sum", "count")}),
        frozenset({"joulo_api_request_duration_seconds"}),
        frozenset({"joulo_sessions_total", "joulo_sessions"}),
        frozenset({"no_such_metric"}),
    ],
    ids=lambda names: "+".join(sorted(names)) or "all",
)
def test_bytes_are_those_of_the_client_library(count, names):
    snapshots = {"": fleet_snapshot(None, 1)} if count == 1 else fleet(count, chargers=2)
    exposition = exposition_of(snapshots)
    for openmetrics, compressed in itertools.product((False, True), repeat=2):
        wanted = generated(*snapshots.values(), openmetrics=openmetrics, names=names)
        assert render(exposition, openmetrics=openmetrics, compressed=compressed, names=names) == wanted


@pytest.mark.parametrize("compressed", [False, True], ids=["plain", "gzip"])
async def test_accounts_so_large_that_a_single_family_is_sent_in_parts(monkeypatch, compressed):
    monkeypatch.setattr(module, "RUN_BYTES", most := 3_000 if compressed else 1 << 16)
    snapshots = fleet(2, chargers=1_000)
    body = await exposition_of(snapshots).scrape(openmetrics=False, compressed=compressed, names=EVERYTHING)
    parts = list(body.parts)
    assert max(map(len, parts)) <= most < max(map(len, parts)) * 1.2
    text = gzip.decompress(b"".join(parts)) if compressed else b"".join(parts)
    assert text == generated(*snapshots.values(), openmetrics=False)


@pytest.mark.parametrize("openmetrics", [False, True], ids=["text", "openmetrics"])
def test_the_process_itself_is_as_the_client_library_writes_it(openmetrics):
    registry = process_registry("1", ConfigReloads(successful=True, succeeded_at_seconds=1.5e9))
    level = Gauge("level", "A level.", ["where"], registry=registry)
    values = (0.0, -0.0, 1.5, -1e9, 1e6, 999_999.5, 1.7e9, 1e300, math.inf, -math.inf, math.nan, 3)
    for number, value in enumerate(values):
        level.labels(f'"{number}"\n\\').set(value)
    lines = rendered(Exposition(registry), openmetrics=openmetrics).decode()
    wanted = (generate_openmetrics if openmetrics else generate_latest)(registry).decode()
    changing = re.compile(r"^((?:process|python)_.*) \S+$", re.MULTILINE)
    assert changing.sub(r"\1", lines) == changing.sub(r"\1", wanted)
    assert re.search(r"^process_resident_memory_bytes [1-9]\.\d+e\+\d+$", lines, re.MULTILINE)


@pytest.mark.parametrize("names", [EVERYTHING, frozenset({"joulo_up"})], ids=["all", "some"])
@pytest.mark.parametrize(("count", "most_share"), [(1, 0.25), (130, 0.12)])
def test_gzip_is_one_small_member_and_the_same_each_time(count, most_share, names):
    exposition = exposition_of(fleet(count))
    body = rendered(exposition, compressed=True, names=names)
    wanted = rendered(exposition, names=names)
    decompressor = zlib.decompressobj(zlib.MAX_WBITS | 16)
    assert decompressor.decompress(body) == wanted
    assert (decompressor.eof, decompressor.unused_data) == (True, b"")
    assert body[4:8] == bytes(4)  # no time in it (RFC 1952, MTIME): equal snapshots are equal bytes
    assert body == rendered(exposition, compressed=True, names=names)
    if not names:
        assert len(body) < most_share * len(wanted)


@given(st.lists(st.binary(max_size=1000), max_size=6), st.integers(0, 2**40))
def test_checksums_of_joined_texts_are_those_of_the_whole(texts, length):
    whole = b"".join(texts)
    total = module.joined(map(module.text_of, texts))
    assert (total.length, total.crc) == (len(whole), zlib.crc32(whole))
    assert module.factor(length + 3) == module.product(module.factor(length), module.factor(3))


texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)


@settings(max_examples=60)
@given(account=texts, nickname=texts, session_id=texts, tag=texts, vehicle=texts, label=texts, status=texts)
@example(  # these mean something to Python
    account="%s\0{0}%%d 100 %", label="\0%s", nickname="%s", session_id="%%d", tag="{0}", vehicle="\0", status="%"
)  # fmt: skip
@example(**dict.fromkeys(("account", "nickname", "session_id", "tag", "vehicle", "label", "status"), 'a\\"b\nc'))
def test_any_label_texts(account, nickname, session_id, tag, vehicle, label, status):
    answer = fixture("chargers")
    answer["chargers"][0] |= {"nickname": nickname, "status": status}
    answer["chargers"][0]["current_session"] |= {"id": session_id, "id_tag": tag}
    charger_id = answer["chargers"][0]["id"]
    household = Household(account=account, vehicles={tag: vehicle}, labels={charger_id: label})
    snapshot = household.chargers(answer).sessions(fixture("sessions")).snapshot()
    exposition = exposition_of({"": snapshot})
    assert rendered(exposition) == generated(snapshot, openmetrics=False)
    strict = rendered(exposition, openmetrics=True)
    assert strict == generated(snapshot, openmetrics=True)
    parsed = {metric.name: metric for metric in parse_openmetrics(strict.decode())}
    (info, _) = parsed["joulo_charger_info"].samples
    assert info.labels["nickname"] == nickname.strip()
    assert {info.labels["charger"], info.labels["account"]} == {label, account}


def recorded_responses() -> Exposition:
    """Return two accounts of the recorded API responses, the second with a power reading and a failure."""
    metered, strange = fixture("chargers"), fixture("chargers")
    metered["chargers"][0] |= {"latest_meter_wh": 8_119_450, "meter_updated_at": "2026-06-18T18:15:00Z"}
    metered["chargers"][1]["status"] = 5  # malformed
    strange["chargers"][1] |= {"nickname": 'Garage "achter"\n\\ ⚡', "status": "paused"}
    office = Household(account="office", id_tags="hash").chargers(metered).chargers(strange)
    office.sessions(fixture("sessions")).energy(fixture("energy-older")).time_out("energy")
    exposition = Exposition(process(with_counter=False))
    snapshots = (with_position(recorded_snapshot(account="home")), office.snapshot(), market_snapshot())
    for position, snapshot in enumerate(snapshots):
        exposition.publish(f"{position}", snapshot)
    return exposition


@pytest.mark.parametrize(
    ("name", "openmetrics", "parse"),
    [("metrics.txt", False, parse_text), ("openmetrics.txt", True, parse_openmetrics)],
    ids=["text", "openmetrics"],
)
def test_recorded_responses_give_the_golden_text_of_which_parsers_read_all(name, openmetrics, parse):
    text = rendered(recorded_responses(), openmetrics=openmetrics).decode()
    assert text == golden(name, text)
    families = list(parse(text))
    samples = [sample for family in families for sample in family.samples]
    assert len(samples) == sum(not line.startswith("#") for line in text.splitlines())
    rare = ("joulo_ended_session_", "joulo_token_refused_", "joulo_api_malformed_fields_")
    assert {family.name for family in families} >= {
        family.empty().name for family in FAMILIES if not family.name.startswith(rare)
    }
    garage = next(s for s in samples if s.name == "joulo_charger_info" and 'Garage "' in s.labels["nickname"])
    assert garage.labels["nickname"] == 'Garage "achter"\n\\ ⚡'
    assert all(sample.timestamp is None for sample in samples)


@pytest.mark.e2e
def test_promtool_finds_nothing_to_improve(generation):
    with (FOLDER / "metrics.txt").open("rb") as golden:
        checked = generation.run("promtool", "check", "metrics", stdin=golden)
    # The one unit that is not a base unit: the API counts the days of a forecast's history, and so do people.
    days = 'joulo_ere_forecast_history_days use base unit "seconds" instead of "days"\n'
    assert (checked.stdout, checked.stderr, checked.returncode) == ("", days, 3)


# Snapshots come and go ----------------------------------------------------------------------------

SOME = frozenset({"joulo_up", "joulo_api_request_duration_seconds_sum", "process_cpu_seconds_total"})
FEW = {"joulo_up", "joulo_api_request_duration_seconds", "joulo_charger_info", "joulo_session_info"}
FEW_FAMILIES = tuple(family for family in FAMILIES if family.name in FEW)


class AnyOrder(RuleBasedStateMachine):
    """Accounts come, change and go between scrapes, in any order."""

    numbers = st.integers(0, 149)

    @initialize(count=st.sampled_from([0, 1, 60, 64, 130]))
    def start(self, count):
        self.snapshots = {}
        self.exposition = exposition_of({}, families=FEW_FAMILIES)
        self.publish_many(0, count)

    @rule(number=numbers, generation=st.integers(0, 3), chargers=st.integers(1, 3), shown=st.booleans())
    def publish(self, number, generation, chargers, shown):
        name = f"account-{number}"
        snapshot = fleet_snapshot(name, chargers, generation=generation)
        self.snapshots[name] = snapshot if shown else replace(snapshot, chargers=None, endpoints=())
        self.exposition.publish(name, self.snapshots[name])

    @rule(first=numbers, count=st.integers(0, 70))
    def publish_many(self, first, count):
        for number in range(first, min(first + count, 150)):
            self.publish(number, 0, 1, shown=True)

    @rule(seed=st.integers(0, 99), share=st.sampled_from([0.0, 0.5, 0.95, 1.0]), shuffled=st.booleans())
    def keep_only(self, seed, share, shuffled):
        chance = Random(seed)
        kept = [name for name in (*self.snapshots, "absent") if chance.random() <= share]
        if shuffled:
            chance.shuffle(kept)
        with pytest.raises(StopIteration):  # it waits for nothing
            self.exposition.keep_only(kept).send(None)
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
        position = replace(fleet_snapshot(None, 1), ere_position=ErePosition({"paid": each}))
        exposition.publish("", position)
        assert render(exposition) == generated(position, openmetrics=False)


@pytest.mark.parametrize("count", [2, 70])
def test_an_account_that_cannot_be_rendered_keeps_its_old_lines(caplog, count):
    snapshots = fleet(count)
    exposition = exposition_of(snapshots)
    before = render(exposition)
    broken = replace(snapshots["1"], endpoints=(None,))
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


# What happens at the same time --------------------------------------------------------------------


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
async def test_a_reload_meanwhile_is_followed_by_the_next_scrape(count, kept, warm):
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
    await exposition.keep_only(order)
    assert await scraping == generated(*snapshots.values(), openmetrics=False)
    wanted = generated(*(snapshots[name] for name in order), openmetrics=False)
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
    text = gzip.decompress(received) if compressed else received
    assert text == generated(*snapshots.values(), openmetrics=False)


# What it costs, counted: the same on any machine --------------------------------------------------


@pytest.mark.parametrize("count", [3, 70])
@pytest.mark.usefixtures("every_step")
async def test_scrapes_at_the_same_time_share_the_work(count, rendering):
    snapshots = fleet(count)
    exposition = exposition_of(snapshots, families=counting(rendering))
    bodies = await asyncio.gather(*(scrape(exposition, openmetrics=openmetrics) for openmetrics in (0, 1, 0)))
    assert bodies == [generated(*snapshots.values(), openmetrics=openmetrics) for openmetrics in (0, 1, 0)]
    assert rendering.call_count == count


@pytest.mark.parametrize("count", [20, 200])
def test_only_accounts_with_a_new_snapshot_are_rendered_and_only_when_scraped(count, rendering):
    exposition = exposition_of(fleet(count), families=counting(rendering))
    assert rendering.call_count == 0
    render(exposition)
    assert rendering.call_count == count
    for generation in range(1, 6):
        for number in range(7):
            exposition.publish(f"{number}", fleet_snapshot(f"account-{number}", 1, generation=generation))
    assert rendering.call_count == count
    for openmetrics, compressed in ((False, True), (True, True), (False, False)):
        render(exposition, openmetrics=openmetrics, compressed=compressed)
        assert rendering.call_count == count + 7


@pytest.mark.parametrize("count", [1, 200])
def test_a_scrape_at_rest_deflates_the_process_only(deflating, count):
    exposition = exposition_of(fleet(count))
    render(exposition)
    render(exposition, openmetrics=count > 1)
    deflating.reset_mock()
    render(exposition)
    assert deflating.call_count == 1
    exposition.publish("0", fleet_snapshot("account-0", 1))  # with nothing new
    render(exposition)
    assert deflating.call_count == 2
    render(exposition, compressed=False)
    assert deflating.call_count == 2


def test_a_change_of_one_account_deflates_the_families_that_show_it(deflating):
    before, after = (
        generated(fleet_snapshot("account-150", 1, generation=number), openmetrics=False) for number in (0, 1)
    )
    changed = {
        line.split(b"{")[0].split(b"_bucket")[0] for line in set(after.splitlines()) - set(before.splitlines())
    }
    exposition = exposition_of(fleet(200))
    render(exposition)
    deflating.reset_mock()
    exposition.publish("150", fleet_snapshot("account-150", 1, generation=1))
    render(exposition)
    assert 3 <= deflating.call_count <= len(changed) + 1


@pytest.mark.usefixtures("every_step")
async def test_the_event_loop_goes_on_after_each_account_and_each_deflated_piece(rendering, deflating):
    exposition = exposition_of(fleet(130), families=counting(rendering))
    deflating.reset_mock()
    scraping = asyncio.create_task(scrape(exposition))
    iterations, rendered, pieces = 0, [0], [0]
    while not scraping.done():
        iterations += 1
        await asyncio.sleep(0)
        rendered.append(rendering.call_count)
        pieces.append(deflating.call_count)
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
