"""Metric families of the exporter itself, and the shape of the whole collection."""

import platform

import msgspec
import pytest
from prometheus_client import CollectorRegistry
from support.snapshots import (
    INTERVALS,
    NOW,
    Household,
    fixture,
    market_snapshot,
    recorded,
    recorded_snapshot,
    registry_of,
    renamed,
    series,
    series_of,
    with_position,
)

from joulo_exporter.metrics import FAMILIES, ConfigReloads, JouloCollector, process_registry
from joulo_exporter.sharding import ALONE, Shard
from joulo_exporter.snapshot import DURATION_BOUNDS_S, Durations, EndpointHealth, Snapshot


def each(**values) -> dict[str, float]:
    return {f"{{endpoint='{endpoint}'}}": value for endpoint, value in values.items()}


@pytest.mark.parametrize(
    ("metric", "values"),
    [
        ("joulo_up", each(chargers=1, sessions=1, energy=0)),
        ("joulo_last_refresh_timestamp_seconds", each(chargers=NOW, sessions=NOW, energy=NOW)),
        ("joulo_refresh_interval_seconds", each(**INTERVALS)),
        (
            "joulo_api_requests_total",
            {
                "{endpoint='chargers',code='200'}": 1,
                "{endpoint='sessions',code='200'}": 4,
                "{endpoint='energy',code='200'}": 1,
                "{endpoint='energy',code='timeout'}": 1,
            },
        ),
        ("joulo_api_malformed_records_total", each(chargers=0, sessions=1, energy=0)),
        ("joulo_api_request_duration_seconds_count", each(chargers=2, sessions=2, energy=2)),
        ("joulo_api_request_duration_seconds_sum", each(chargers=3.2, sessions=3.2, energy=3.2)),
        (
            "joulo_api_request_duration_seconds_bucket",
            {
                f"{{endpoint='{endpoint}',le='{bound}'}}": count
                for endpoint in INTERVALS
                for bound, count in {
                    "0.05": 0, "0.1": 0, "0.25": 1, "0.5": 1, "1.0": 1, "2.5": 1, "5.0": 2, "10.0": 2, "+Inf": 2
                }.items()
            },
        ),
        ("joulo_ledger_persistent", {"": 0}),
    ],
)  # fmt: skip
def test_values(metric, values):
    page = fixture("sessions")
    page["sessions"].append({"id": None})
    assert series_of(metric, recorded().sessions(page).time_out("energy").snapshot()) == values


def test_an_endpoint_that_was_never_asked_is_neither_up_nor_down():
    served = series(Household().snapshot())
    assert not [
        name for name in served if name.startswith(("joulo_up", "joulo_last_refresh", "joulo_api_requests"))
    ]
    assert served["joulo_refresh_interval_seconds{endpoint='energy'}"] == 3600


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


@pytest.mark.parametrize("bound", DURATION_BOUNDS_S)
def test_a_duration_on_a_bound_belongs_below_it(bound):
    position = DURATION_BOUNDS_S.index(bound)
    buckets = Durations().observed(bound).buckets
    assert buckets == (0,) * position + (1,) * (len(DURATION_BOUNDS_S) - position)


def test_the_process_shows_version_and_reloads():
    reloads = ConfigReloads(successful=True, succeeded_at_seconds=NOW)
    registry = process_registry("1.2.3", reloads)
    build = {"version": "1.2.3", "python_version": platform.python_version()}
    assert registry.get_sample_value("joulo_exporter_build_info", build) == 1
    assert registry.get_sample_value("joulo_exporter_config_last_reload_successful") == 1
    reloads.successful = False
    assert registry.get_sample_value("joulo_exporter_config_last_reload_successful") == 0
    when = "joulo_exporter_config_last_reload_success_timestamp_seconds"
    assert registry.get_sample_value(when) == NOW
    assert registry.get_sample_value("process_start_time_seconds") > 0
    assert {metric.name for metric in registry.collect()} >= {"python_info", "python_gc_objects_collected"}


@pytest.mark.parametrize(("shard", "ordinal", "total"), [(ALONE, 0, 1), (Shard(2, 3), 2, 3)])
def test_the_process_shows_its_shard(shard, ordinal, total):
    registry = process_registry("1", ConfigReloads(successful=True, succeeded_at_seconds=NOW), shard)
    labels = {"shard_ordinal": str(ordinal)}
    assert registry.get_sample_value("joulo_exporter_shard_ordinal", labels) == ordinal
    assert registry.get_sample_value("joulo_exporter_total_shards") == total


def everything() -> tuple[Snapshot, ...]:
    """Return snapshots in which every metric has a series."""
    metered = fixture("chargers")
    metered["chargers"][0] |= {"latest_meter_wh": 8_119_450, "meter_updated_at": "2026-06-18T18:15:00Z"}
    metered["chargers"][1]["status"] = 5  # malformed
    household = Household(account="home").chargers(metered).chargers(fixture("chargers"))
    household.sessions(fixture("sessions")).energy(fixture("energy"))
    ended = fixture("sessions")
    ended["sessions"][0] |= {"ended_at": "2026-06-18T19:05:00Z", "ere_credits": 2.7}
    household.sessions(ended).chargers(fixture("chargers"))
    refused = EndpointHealth(
        "energy", 3600.0, up=False, token_refused_at_seconds=NOW - 60, malformed_fields={"total_kwh": 2}
    )
    return (
        with_position(household.snapshot()),
        market_snapshot(),
        renamed(recorded_snapshot(), "office"),
        msgspec.structs.replace(Household(account="new").snapshot(), endpoints=(refused,)),
    )


def test_the_last_refusal_and_the_fields_that_could_not_be_used_are_shown():
    *_, new = everything()
    assert series_of("joulo_token_refused_timestamp_seconds", new) == {
        "{endpoint='energy',account='new'}": NOW - 60
    }
    assert series_of("joulo_api_malformed_fields_total", new) == {
        "{endpoint='energy',field='total_kwh',account='new'}": 2
    }
    assert series_of("joulo_token_refused_timestamp_seconds", recorded_snapshot()) == {}


def test_what_is_described_is_what_is_collected():
    collector = JouloCollector(everything)
    described = [(metric.name, metric.type, metric.documentation) for metric in collector.describe()]
    collected = [(metric.name, metric.type, metric.documentation) for metric in collector.collect()]
    assert collected == described
    assert len({name for name, *_ in described}) == len(described)
    assert not any(metric.samples for metric in collector.describe())


def test_without_accounts_nothing_is_collected():
    assert list(JouloCollector(tuple).collect()) == []


def test_names_clash_neither_with_each_other_nor_with_the_process():
    registry = CollectorRegistry()
    registry.register(JouloCollector(everything))  # raises ValueError for a name that is taken
    ours = {metric.name for metric in registry.collect()}
    process = process_registry("1", ConfigReloads(successful=True, succeeded_at_seconds=NOW))
    assert ours.isdisjoint({metric.name for metric in process.collect()})


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
