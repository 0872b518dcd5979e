"""However many accounts, in whatever order they come, go and change: the bytes are those of the client library."""

import gzip
import subprocess
import zlib
from random import Random

import msgspec
import pytest
from fleet import picture
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule
from rendered_by_library import EVERYTHING, Counting, generated, process

from joulo_exporter.exposition import Exposition, block, few, many, part, run

SIZES = pytest.mark.parametrize("count", [0, 1, 2, 16, 17, 63, 64, 65, 200])
FORMATS = pytest.mark.parametrize("openmetrics", [False, True], ids=["text", "openmetrics"])
SOME = frozenset({"joulo_up", "joulo_api_request_duration_seconds_sum", "process_cpu_seconds_total"})


@pytest.fixture(scope="module")
def fleet():
    return {f"account-{number}": picture(f"account-{number}", 1 + number % 2) for number in range(200)}


def exposition_of(pictures) -> Exposition:
    exposition = Exposition(process(Counting()))
    for name, each in pictures.items():
        exposition.publish(name, each)
    return exposition


def check(exposition, pictures, names=EVERYTHING, *, formats=(False, True)):
    for openmetrics in formats:
        wanted = generated(*pictures.values(), openmetrics=openmetrics, names=names, collector=Counting())
        plain = exposition.render(openmetrics=openmetrics, compressed=False, names=names)
        assert plain == wanted
        compressed = exposition.render(openmetrics=openmetrics, compressed=True, names=names)
        assert gzip.decompress(compressed) == wanted


@SIZES
def test_any_number_of_accounts(fleet, count):
    pictures = dict(list(fleet.items())[:count])
    check(exposition_of(pictures), pictures)


@SIZES
@pytest.mark.parametrize(
    "names",
    [
        frozenset({"joulo_up"}),
        SOME,
        frozenset({f"joulo_api_request_duration_seconds_{part}" for part in ("bucket", "sum", "count")}),
        frozenset({"joulo_api_requests"}),
    ],
    ids=["one", "part of a histogram", "a histogram", "none"],
)
def test_filters_of_any_number_of_accounts(fleet, count, names):
    pictures = dict(list(fleet.items())[:count])
    check(exposition_of(pictures), pictures, names)


@pytest.mark.parametrize("count", [3, 20, 80])
def test_accounts_change_come_go_and_move(fleet, count):
    order = list(fleet)[:count]
    pictures = {name: fleet[name] for name in order}
    exposition = exposition_of(pictures)
    check(exposition, pictures)
    for name in (order[0], order[-1]):
        pictures[name] = picture(name, 3, generation=5)
        exposition.publish(name, pictures[name])
    check(exposition, pictures)
    for kept in (order[1:], order[1:-1], order[-2::-1], order[: count // 2], order[:2], []):
        exposition.keep_only(kept)
        pictures = {name: pictures[name] for name in kept if name in pictures}
        check(exposition, pictures, formats=(False,))
    exposition.publish("new", fleet[order[0]])
    check(exposition, {"new": fleet[order[0]]})


@pytest.mark.parametrize("count", [1, 70])
@pytest.mark.parametrize("names", [EVERYTHING, SOME], ids=["all", "some"])
def test_gzip_is_one_member_that_every_decompressor_reads(tmp_path, fleet, count, names):
    pictures = dict(list(fleet.items())[:count])
    exposition = exposition_of(pictures)
    body = exposition.render(openmetrics=False, compressed=True, names=names)
    wanted = exposition.render(openmetrics=False, compressed=False, names=names)
    decompressor = zlib.decompressobj(zlib.MAX_WBITS | 16)
    assert decompressor.decompress(body) == wanted
    assert (decompressor.eof, decompressor.unused_data) == (True, b"")
    (tmp_path / "body.gz").write_bytes(body)
    unpacked = subprocess.run(["gzip", "-dc", tmp_path / "body.gz"], capture_output=True, check=True)
    assert (unpacked.stdout, unpacked.stderr) == (wanted, b"")


def test_a_picture_that_cannot_be_rendered_leaves_the_others_alone(caplog, fleet):
    for count in (2, 70):
        pictures = dict(list(fleet.items())[:count])
        exposition = exposition_of(pictures)
        exposition.publish("broken", msgspec.structs.replace(fleet["account-199"], endpoints=(None,)))
        check(exposition, pictures, formats=(False,))
        pictures["broken"] = fleet["account-199"]
        exposition.publish("broken", pictures["broken"])
        check(exposition, pictures, formats=(False,))
    assert {record.message for record in caplog.records} == {"an account cannot be shown as it is now"}


NAMES = st.sampled_from([f"account-{number}" for number in range(14)])
PICTURES = {
    (name, generation): picture(name, chargers, generation=generation)
    for number, name in enumerate(f"account-{number}" for number in range(14))
    for generation, chargers in enumerate((1 + number % 2, 1, 0 + (number % 3 > 0)))
    if chargers
}


class AnyOrder(RuleBasedStateMachine):
    """Accounts that come, change and go between scrapes, in blocks so small that there are many of them."""

    @initialize(seed=st.integers(0, 3))
    def start(self, seed):
        self.patch = pytest.MonkeyPatch()
        self.patch.setattr(few, "LIMIT", (0, 2, 3, 5)[seed])
        for module in (block, many):
            self.patch.setattr(module, "SIZE", (1, 2, 3, 4)[seed])
        self.patch.setattr(run, "_WORTH_A_FILE", 1)
        self.patch.setattr(run, "_OFTEN", {True: (0, 1, 2, 4)[seed], False: (0, 2, 1, 1)[seed]})
        self.patch.setattr(part, "SHORT", (0, 100, 1_000, 8_192)[seed])
        self.pictures = {}
        self.exposition = Exposition(process())

    @rule(name=NAMES, generation=st.integers(0, 2))
    def publish(self, name, generation):
        self.pictures[name] = PICTURES.get((name, generation), PICTURES[name, 0])
        self.exposition.publish(name, self.pictures[name])

    @rule(names=st.lists(NAMES, min_size=8, unique=True))
    def publish_many(self, names):
        for name in names:
            self.publish(name, 0)

    @rule(seed=st.integers(0, 99), share=st.sampled_from([0.0, 0.5, 0.9, 1.0]), shuffled=st.booleans())
    def keep_only(self, seed, share, shuffled):
        chance = Random(seed)
        kept = [name for name in (*self.pictures, "absent") if chance.random() <= share]
        if shuffled:
            chance.shuffle(kept)
        self.exposition.keep_only(kept)
        self.pictures = {name: self.pictures[name] for name in kept if name in self.pictures}

    @rule(openmetrics=st.booleans(), compressed=st.booleans(), names=st.sampled_from([EVERYTHING, SOME]))
    def scrape(self, openmetrics, compressed, names):
        body = self.exposition.render(openmetrics=openmetrics, compressed=compressed, names=names)
        wanted = generated(*self.pictures.values(), openmetrics=openmetrics, names=names)
        assert (gzip.decompress(body) if compressed else body) == wanted
        assert list(self.exposition.snapshots()) == list(self.pictures.values())

    def teardown(self):
        self.patch.undo()


TestAnyOrder = AnyOrder.TestCase
TestAnyOrder.settings = settings(max_examples=40, stateful_step_count=15, deadline=None)
