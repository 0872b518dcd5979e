"""Metrics of the sessions that have just ended, one series each: what a message is made of."""

from __future__ import annotations

from typing import TYPE_CHECKING

from joulo_exporter.collector.family import Family, Labels, of_hundredths, present

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from joulo_exporter.snapshot import EndedSession, Snapshot

_NEWS = "For an hour from when /sessions first listed the end; not for what the first import brings."


def _each(value: Callable[[EndedSession], float | None]) -> Callable[[Snapshot], Iterable[tuple[Labels, float]]]:
    def samples(snapshot: Snapshot) -> Iterable[tuple[Labels, float]]:
        return present([((ended.label, ended.session_id), value(ended)) for ended in snapshot.ended_sessions])

    return samples


def _duration_s(ended: EndedSession) -> float | None:
    if ended.started_at_seconds is None:
        return None
    return max(0.0, ended.ended_at_seconds - ended.started_at_seconds)


def _info(snapshot: Snapshot) -> Iterable[tuple[Labels, float]]:
    for ended in snapshot.ended_sessions:
        yield (ended.label, ended.session_id, ended.id_tag, ended.vehicle), 1.0


FAMILIES = (
    Family(
        "joulo_ended_session_info",
        "gauge",
        f"A session that has ended, always 1; id_tag is the RFID tag. {_NEWS}",
        ("charger", "session_id", "id_tag", "vehicle"),
        _info,
        ("ended_sessions",),
    ),
    Family(
        "joulo_ended_session_reported_timestamp_seconds",
        "gauge",
        f"When /sessions first listed the session's end, Unix time; the same after a restart. {_NEWS}",
        ("charger", "session_id"),
        _each(lambda ended: ended.reported_at_seconds),
        ("ended_sessions",),
    ),
    Family(
        "joulo_ended_session_end_timestamp_seconds",
        "gauge",
        f"End of the session, Unix time. {_NEWS}",
        ("charger", "session_id"),
        _each(lambda ended: ended.ended_at_seconds),
        ("ended_sessions",),
    ),
    Family(
        "joulo_ended_session_kwh",
        "gauge",
        f"Energy of the session in kWh. {_NEWS}",
        ("charger", "session_id"),
        _each(lambda ended: of_hundredths(ended.kwh_hundredths)),
        ("ended_sessions",),
    ),
    Family(
        "joulo_ended_session_ere_credits",
        "gauge",
        f"ERE credits of the session; absent until the API has calculated them. {_NEWS}",
        ("charger", "session_id"),
        _each(lambda ended: of_hundredths(ended.credits_hundredths)),
        ("ended_sessions",),
    ),
    Family(
        "joulo_ended_session_duration_seconds",
        "gauge",
        f"Duration of the session. {_NEWS}",
        ("charger", "session_id"),
        _each(_duration_s),
        ("ended_sessions",),
    ),
)
