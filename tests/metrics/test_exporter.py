"""Metric families of the exporter itself, and the shape of the whole collection."""

import platform

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.snapshots import (
    NOW,
    Household,
    fixture,
    market_snapshot,
    recorded_snapshot,
    registry_of,
    series,
    with_position,
)

from joulo_exporter.metrics import FAMILIES, ConfigReloads, JouloCollector, process_registry
from joulo_exporter.sharding import ALONE, Shard
from joulo_exporter.snapshot import DURATION_BOUNDS_S, Durations, EndpointHealth, Snapshot


def test_an_account_whose_ledger_has_not_been_read_shows_its_endpoints_only():
    served = series(Snapshot("home", (EndpointHealth("chargers", 60.0),)))
    assert {name.split("{")[0].removesuffix("_bucket") for name in served} == {
        "joulo_refresh_interval_seconds",
        "joulo_api_malformed_records_total",
        "joulo_api_unknown_fields",
        "joulo_api_request_duration_seconds",
        "joulo_api_request_duration_seconds_count",
        "joulo_api_request_duration_seconds_sum",
    }


@pytest.mark.parametrize(("shard", "ordinal", "total"), [(ALONE, 0, 1), (Shard(2, 3), 2, 3)])
def test_the_process_shows_version_reloads_and_shard(shard, ordinal, total):
    reloads = ConfigReloads(successful=True, succeeded_at_seconds=NOW)
    registry = process_registry("1.2.3", reloads, shard)
    build = {"version": "1.2.3", "python_version": platform.python_version()}
    assert registry.get_sample_value("joulo_exporter_build_info", build) == 1
    assert registry.get_sample_value("joulo_exporter_config_last_reload_successful") == 1
    reloads.successful = False
    assert registry.get_sample_value("joulo_exporter_config_last_reload_successful") == 0
    when = "joulo_exporter_config_last_reload_success_timestamp_seconds"
    assert registry.get_sample_value(when) == NOW
    labels = {"shard_ordinal": str(ordinal)}
    assert registry.get_sample_value("joulo_exporter_shard_ordinal", labels) == ordinal
    assert registry.get_sample_value("joulo_exporter_total_shards") == total
    assert registry.get_sample_value("process_start_time_seconds") > 0
    assert {metric.name for metric in registry.collect()} >= {"python_info", "python_gc_objects_collected"}


def everything() -> tuple[Snapshot, ...]:
    """Return snapshots in which every metric has a series."""
    metered = fixture("chargers")
    metered["chargers"][0] |= {"latest_meter_wh": 8_119_450, "meter_updated_at": "2026-06-18T18:15:00Z"}
    metered["chargers"][1]["status"] = 5  # malformed
    household = Household(account="home").chargers(metered).chargers(fixture("chargers"))
    household.sessions(fixture("sessions")).energy(fixture("energy"))
    ended = fixture("sessions")
    ended["sessions"][0] |= {"ended_at": "2026-06-18T19:05:00Z", "ere_credits": 2.7}
    ended["sessions"].append({"id": None})
    household.sessions(ended).chargers(fixture("chargers"))
    refused = EndpointHealth(
        "energy", 3600.0, up=False, token_refused_at_seconds=NOW - 60, malformed_fields={"total_kwh": 2}
    )
    return (
        with_position(household.snapshot()),
        market_snapshot(),
        recorded_snapshot(account="office"),
        msgspec.structs.replace(Household(account="new").snapshot(), endpoints=(refused,)),
    )


def test_what_is_described_is_what_is_collected():
    collector = JouloCollector(everything)
    described = [(metric.name, metric.type, metric.documentation) for metric in collector.describe()]
    collected = [(metric.name, metric.type, metric.documentation) for metric in collector.collect()]
    assert collected == described
    process = process_registry("1", ConfigReloads(successful=True, succeeded_at_seconds=NOW)).collect()
    names = [name for name, *_ in described] + [metric.name for metric in process]
    assert len(set(names)) == len(names)
    assert not any(metric.samples for metric in collector.describe())


def test_every_series_is_as_its_family_declares():
    metrics = {metric.name: metric for metric in registry_of(*everything()).collect()}
    for family in FAMILIES:
        labels = {"account", *family.labels} | ({"le"} if family.type == "histogram" else set())
        metric = metrics[family.empty().name]
        for sample in metric.samples:
            public = "market" in sample.name or sample.labels.get("endpoint") == "ere_price"
            expected = labels - {"account"} if public else labels
            assert set(sample.labels) in (expected, expected - {"le"})
            assert sample.timestamp is None
            assert not sample.name.endswith("_created")
            assert family.type != "counter" or sample.name.endswith("_total")


def test_help_says_that_live_values_are_cached():
    live = [family for family in FAMILIES if family.name.startswith(("joulo_charg", "joulo_session_info"))]
    assert len(live) >= 8
    assert all("Cached: at most a refresh interval old" in family.help for family in live)
    assert all(family.help.endswith(".") and not set(family.help) & set('"\\\n') for family in FAMILIES)


@given(st.lists(st.floats(0, 60, allow_nan=False) | st.sampled_from(DURATION_BOUNDS_S)))
def test_durations_add_up(durations):
    observed = Durations()
    for duration_s in durations:
        observed = observed.observed(duration_s)
    assert observed.buckets[-1] == len(durations)
    assert observed.sum_s == pytest.approx(sum(durations))
    assert observed.buckets == tuple(sum(each <= bound for each in durations) for bound in DURATION_BOUNDS_S)
