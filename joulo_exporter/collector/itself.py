"""Metrics of the exporter's own work, per account and endpoint."""

from __future__ import annotations

from typing import TYPE_CHECKING

from joulo_exporter.collector.family import Family, Labels, Value, present

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from joulo_exporter.snapshot import EndpointHealth, Snapshot


def _each(value: Callable[[EndpointHealth], float | None]) -> Callable[[Snapshot], Iterable[tuple[Labels, float]]]:
    def samples(snapshot: Snapshot) -> Iterable[tuple[Labels, float]]:
        return present([((health.endpoint,), value(health)) for health in snapshot.endpoints])

    return samples


def _requests(snapshot: Snapshot) -> Iterable[tuple[Labels, float]]:
    for health in snapshot.endpoints:
        for code, count in health.requests.items():
            yield (health.endpoint, code), float(count)


def _durations(snapshot: Snapshot) -> Iterable[tuple[Labels, Value]]:
    for health in snapshot.endpoints:
        yield (health.endpoint,), health.durations


def _persistent(snapshot: Snapshot) -> Iterable[tuple[Labels, float]]:
    if snapshot.book is not None:
        yield (), float(snapshot.book.persistent)


FAMILIES = (
    Family(
        "joulo_up",
        "gauge",
        "1 if the last refresh of the endpoint succeeded, else 0; absent before the first one.",
        ("endpoint",),
        _each(lambda health: health.up),
        ("endpoints.up",),
    ),
    Family(
        "joulo_last_refresh_timestamp_seconds",
        "gauge",
        "When a refresh of the endpoint succeeded last, Unix time.",
        ("endpoint",),
        _each(lambda health: health.succeeded_at_seconds),
        ("endpoints.succeeded_at_seconds",),
    ),
    Family(
        "joulo_refresh_interval_seconds",
        "gauge",
        "The least time between two refreshes of the endpoint.",
        ("endpoint",),
        _each(lambda health: health.interval_s),
        ("endpoints.interval_s",),
    ),
    Family(
        "joulo_api_requests_total",
        "counter",
        "Requests to the API; code is the HTTP status, or timeout, connection, invalid.",
        ("endpoint", "code"),
        _requests,
        ("endpoints.requests",),
    ),
    Family(
        "joulo_api_malformed_records_total",
        "counter",
        "Records of answers that could not be read and were left out.",
        ("endpoint",),
        _each(lambda health: health.malformed),
        ("endpoints.malformed",),
    ),
    Family(
        "joulo_api_unknown_fields",
        "gauge",
        "Fields of answers that this version does not know, by name, at most 64; the debug log has them.",
        ("endpoint",),
        _each(lambda health: health.unknown_fields),
        ("endpoints.unknown_fields",),
    ),
    Family(
        "joulo_api_request_duration_seconds",
        "histogram",
        "Duration of requests to the API, body and decoding included.",
        ("endpoint",),
        _durations,
        ("endpoints.durations",),
    ),
    Family(
        "joulo_ledger_persistent",
        "gauge",
        "1 if the ledger is on disk, 0 if it is in memory and lost with the process.",
        (),
        _persistent,
        ("book.persistent",),
    ),
)
