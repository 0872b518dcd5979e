"""Metric families of finished sessions: the last one of each charger, and all of the last hour."""

from __future__ import annotations

from typing import TYPE_CHECKING

from joulo_exporter.metrics.family import Family, Samples, of_hundredths, present

if TYPE_CHECKING:
    from collections.abc import Callable

    from joulo_exporter.snapshot import EndedSession, Snapshot

_LAST = "From the ledger; final once /sessions lists the end."
_NEWS = "For an hour after /sessions first listed the end; not for sessions of the first import."


def _last(value: Callable[[EndedSession], float | None]) -> Callable[[Snapshot], Samples]:
    def samples(snapshot: Snapshot) -> Samples:
        return present([((last.label,), value(last)) for last in snapshot.last_sessions])

    return samples


def _last_info(snapshot: Snapshot) -> Samples:
    for last in snapshot.last_sessions:
        yield (last.label, last.session_id, last.id_tag, last.vehicle), 1.0


def _ended(value: Callable[[EndedSession], float | None]) -> Callable[[Snapshot], Samples]:
    def samples(snapshot: Snapshot) -> Samples:
        return present([((ended.label, ended.session_id), value(ended)) for ended in snapshot.ended_sessions])

    return samples


def _duration_s(ended: EndedSession) -> float | None:
    if ended.started_at_seconds is None:
        return None
    return max(0.0, ended.ended_at_seconds - ended.started_at_seconds)


def _ended_info(snapshot: Snapshot) -> Samples:
    for ended in snapshot.ended_sessions:
        yield (ended.label, ended.session_id, ended.id_tag, ended.vehicle), 1.0


LAST_SESSION = (
    Family(
        "joulo_last_session_kwh",
        "gauge",
        f"Energy of the last finished session in kWh. {_LAST}",
        ("charger",),
        _last(lambda last: of_hundredths(last.kwh_hundredths)),
    ),
    Family(
        "joulo_last_session_ere_credits",
        "gauge",
        f"ERE credits of the last finished session; absent until the API has calculated them. {_LAST}",
        ("charger",),
        _last(lambda last: of_hundredths(last.credits_hundredths)),
    ),
    Family(
        "joulo_last_session_start_timestamp_seconds",
        "gauge",
        f"Start of the last finished session, Unix time. {_LAST}",
        ("charger",),
        _last(lambda last: last.started_at_seconds),
    ),
    Family(
        "joulo_last_session_end_timestamp_seconds",
        "gauge",
        f"End of the last finished session, Unix time. {_LAST}",
        ("charger",),
        _last(lambda last: last.ended_at_seconds),
    ),
    Family(
        "joulo_last_session_info",
        "gauge",
        f"The last finished session, always 1; id_tag is the RFID tag. {_LAST}",
        ("charger", "session_id", "id_tag", "vehicle"),
        _last_info,
    ),
)

ENDED_SESSIONS = (
    Family(
        "joulo_ended_session_info",
        "gauge",
        f"A session that has ended, always 1; id_tag is the RFID tag. {_NEWS}",
        ("charger", "session_id", "id_tag", "vehicle"),
        _ended_info,
    ),
    Family(
        "joulo_ended_session_reported_timestamp_seconds",
        "gauge",
        f"Time when /sessions first listed the session's end, Unix time; the same after a restart. {_NEWS}",
        ("charger", "session_id"),
        _ended(lambda ended: ended.reported_at_seconds),
    ),
    Family(
        "joulo_ended_session_end_timestamp_seconds",
        "gauge",
        f"End of the session, Unix time. {_NEWS}",
        ("charger", "session_id"),
        _ended(lambda ended: ended.ended_at_seconds),
    ),
    Family(
        "joulo_ended_session_kwh",
        "gauge",
        f"Energy of the session in kWh. {_NEWS}",
        ("charger", "session_id"),
        _ended(lambda ended: of_hundredths(ended.kwh_hundredths)),
    ),
    Family(
        "joulo_ended_session_ere_credits",
        "gauge",
        f"ERE credits of the session; absent until the API has calculated them, 0 if it never gets any. {_NEWS}",
        ("charger", "session_id"),
        _ended(lambda ended: of_hundredths(ended.credits_hundredths)),
    ),
    Family(
        "joulo_ended_session_duration_seconds",
        "gauge",
        f"Duration of the session. {_NEWS}",
        ("charger", "session_id"),
        _ended(_duration_s),
    ),
)
