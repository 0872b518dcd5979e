"""The bytes of /metrics are those of prometheus-client, whatever is in them."""

import gzip
import math
import os
import re
import zlib
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Gauge, generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text
from support.client_library import EVERYTHING, Gauges, exposition_of, generated, process, rendered
from support.fleet import fleet_snapshot
from support.snapshots import Household, fixture, market_snapshot, recorded_snapshot, with_position

from joulo_exporter.exposition import Exposition
from joulo_exporter.exposition.exposition import factor, joined, piece_of, product
from joulo_exporter.metrics import FAMILIES, ConfigReloads, process_registry

GOLDEN = Path(__file__).parents[1] / "golden"
FORMATS = pytest.mark.parametrize("openmetrics", [False, True], ids=["text", "openmetrics"])


def fleet(count):
    """Return accounts of one charger or two; a single one has no name."""
    if count == 1:
        return {"": fleet_snapshot(None, 1)}
    return {f"{number}": fleet_snapshot(f"account-{number}", 1 + number % 2) for number in range(count)}


@pytest.mark.parametrize("count", [0, 1, 2, 64, 65, 130])
@pytest.mark.parametrize(
    "names",
    [
        EVERYTHING,
        frozenset({"joulo_total_kwh"}),
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
    snapshots = fleet(count)
    exposition = exposition_of(snapshots)
    for openmetrics in (False, True):
        wanted = generated(*snapshots.values(), openmetrics=openmetrics, names=names)
        assert rendered(exposition, openmetrics=openmetrics, names=names) == wanted
        assert (
            gzip.decompress(rendered(exposition, openmetrics=openmetrics, compressed=True, names=names)) == wanted
        )


def test_accounts_so_large_that_a_single_family_is_sent_in_parts():
    snapshots = {name: fleet_snapshot(name, 1_000) for name in ("a", "b")}
    exposition = exposition_of(snapshots)
    wanted = generated(*snapshots.values(), openmetrics=False)
    assert rendered(exposition) == wanted
    assert gzip.decompress(rendered(exposition, compressed=True)) == wanted


@FORMATS
def test_the_process_itself_is_as_the_client_library_writes_it(openmetrics):
    registry = process_registry("1", ConfigReloads(successful=True, succeeded_at_seconds=1.5e9))
    lines = rendered(Exposition(registry), openmetrics=openmetrics).decode()
    wanted = (generate_openmetrics if openmetrics else generate_latest)(registry).decode()
    series = [[line.rsplit(" ", 1)[0] for line in text.splitlines()] for text in (lines, wanted)]
    assert series[0] == series[1]
    assert re.search(r"^process_resident_memory_bytes [1-9]\.\d+e\+\d+$", lines, re.MULTILINE)


@FORMATS
def test_values_are_written_as_the_client_library_writes_them(openmetrics):
    registry = CollectorRegistry()
    level = Gauge("level", "A level.", ["where"], registry=registry)
    values = (0.0, -0.0, 1.5, -1e9, 1e6, 999_999.5, 1.7e9, 1e300, math.inf, -math.inf, math.nan, 3)
    for number, value in enumerate(values):
        level.labels(f'"{number}"\n\\').set(value)
    body = rendered(Exposition(registry), openmetrics=openmetrics)
    assert body == (generate_openmetrics if openmetrics else generate_latest)(registry)


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
    total = joined(piece_of(text).checksum for text in texts)
    assert (total.length, total.crc) == (len(whole), zlib.crc32(whole))
    assert factor(length + 3) == product(factor(length), factor(3))


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
    metered = fixture("chargers")
    metered["chargers"][0] |= {"latest_meter_wh": 8_119_450, "meter_updated_at": "2026-06-18T18:15:00Z"}
    strange = fixture("chargers")
    metered["chargers"][1]["status"] = 5  # malformed
    strange["chargers"][1] |= {"nickname": 'Garage "achter"\n\\ ⚡', "status": "paused"}
    office = Household(account="office", id_tags="hash").chargers(metered).chargers(strange)
    office.sessions(fixture("sessions")).energy(fixture("energy-older")).time_out("energy")
    exposition = Exposition(process(Gauges()))
    snapshots = (with_position(recorded_snapshot(account="home")), office.snapshot(), market_snapshot())
    for position, snapshot in enumerate(snapshots):
        exposition.publish(f"{position}", snapshot)
    return exposition


GOLDENS = pytest.mark.parametrize(
    ("name", "openmetrics"), [("metrics.txt", False), ("openmetrics.txt", True)], ids=["text", "openmetrics"]
)


@GOLDENS
def test_recorded_responses_give_the_golden_exposition(name, openmetrics):
    body = rendered(recorded_responses(), openmetrics=openmetrics)
    if os.environ.get("RENEW_GOLDEN"):
        (GOLDEN / name).write_bytes(body)
    assert body.decode() == (GOLDEN / name).read_text(encoding="utf-8")


@GOLDENS
def test_parsers_read_every_sample_of_the_golden_exposition(name, openmetrics):
    text = (GOLDEN / name).read_text(encoding="utf-8")
    families = list((parse_openmetrics if openmetrics else parse_text)(text))
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
    with (GOLDEN / "metrics.txt").open("rb") as golden:
        checked = generation.run("promtool", "check", "metrics", stdin=golden)
    # The one unit that is not a base unit: the API counts the days of a forecast's history, and so do people.
    days = 'joulo_ere_forecast_history_days use base unit "seconds" instead of "days"\n'
    assert (checked.stdout, checked.stderr, checked.returncode) == ("", days, 3)
