"""Metric families of the exporter itself: its requests and refreshes per account, and its process."""

import platform
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Gauge, GCCollector, PlatformCollector, ProcessCollector

from joulo_exporter.metrics.family import Family, Labelled, unlabelled
from joulo_exporter.sharding import ALONE, Shard

_ENDPOINT = Labelled(
    ("endpoint",), lambda snapshot: [((health.endpoint,), health) for health in snapshot.endpoints]
)

FAMILIES = (
    _ENDPOINT.of(lambda health: health.up).gauge(
        "joulo_up", "1 if the last refresh of the endpoint succeeded, else 0; absent before the first one."
    ),
    _ENDPOINT.of(lambda health: health.succeeded_at_seconds).gauge(
        "joulo_last_refresh_timestamp_seconds", "Time of the last successful refresh of the endpoint, Unix time."
    ),
    _ENDPOINT.of(lambda health: health.token_refused_at_seconds).gauge(
        "joulo_token_refused_timestamp_seconds",
        "When the API refused the token last at the endpoint (401 or 403), Unix time; absent if it never did.",
    ),
    _ENDPOINT.of(lambda health: health.interval_s).gauge(
        "joulo_refresh_interval_seconds", "The least time between two refreshes of the endpoint."
    ),
    _ENDPOINT.by("code", lambda health: health.requests).counter(
        "joulo_api_requests_total",
        "Requests to the API; code is the HTTP status, or timeout, connection, invalid.",
    ),
    _ENDPOINT.of(lambda health: health.malformed).counter(
        "joulo_api_malformed_records_total", "Records of API responses that could not be read and were left out."
    ),
    _ENDPOINT.by("field", lambda health: health.malformed_fields).counter(
        "joulo_api_malformed_fields_total",
        "Fields of API responses that could not be used and were treated as not given.",
    ),
    _ENDPOINT.of(lambda health: health.unknown_fields).gauge(
        "joulo_api_unknown_fields",
        "Fields of API responses that this version does not know, by name, at most 64; the debug log has them.",
    ),
    Family(
        "joulo_api_request_duration_seconds",
        "histogram",
        "Duration of requests to the API, body and decoding included.",
        ("endpoint",),
        lambda snapshot: [((health.endpoint,), health.durations) for health in snapshot.endpoints],
    ),
    unlabelled(lambda snapshot: snapshot.book.persistent if snapshot.book else None).gauge(
        "joulo_ledger_persistent", "1 if the ledger is on disk, 0 if it is in memory and lost with the process."
    ),
)


@dataclass(slots=True)
class ConfigReloads:
    """Outcome of the last loading of the configuration."""

    successful: bool
    succeeded_at_seconds: float


def process_registry(version: str, reloads: ConfigReloads, shard: Shard = ALONE) -> CollectorRegistry:
    """Return a registry with the metrics of this process: version, configuration, shard, memory and the like."""
    registry = CollectorRegistry(auto_describe=True)

    def gauge(name: str, text: str, **labels: str) -> Gauge:
        metric = Gauge(name, text, tuple(labels), registry=registry)
        return metric.labels(**labels) if labels else metric

    gauge(
        "joulo_exporter_build_info",
        "Version of the exporter and of Python, always 1.",
        version=version,
        python_version=platform.python_version(),
    ).set(1)
    gauge(
        "joulo_exporter_config_last_reload_successful",
        "1 if the last loading of the configuration succeeded, else 0.",
    ).set_function(lambda: reloads.successful)
    gauge(
        "joulo_exporter_config_last_reload_success_timestamp_seconds",
        "Time when the configuration was last loaded without a fault, Unix time.",
    ).set_function(lambda: reloads.succeeded_at_seconds)
    gauge(
        "joulo_exporter_shard_ordinal",
        "Shard of the accounts that this exporter serves, from 0; the label is the same.",
        shard_ordinal=str(shard.ordinal),
    ).set(shard.ordinal)
    gauge(
        "joulo_exporter_total_shards", "Number of shards that this exporter knows of; 1 if it serves all accounts."
    ).set(shard.total)
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)
    return registry
