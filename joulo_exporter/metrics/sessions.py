"""Metric families of finished sessions: the last one of each charger, and all of the last hour."""

from __future__ import annotations

from typing import TYPE_CHECKING

from joulo_exporter.metrics.family import Per, of_hundredths

if TYPE_CHECKING:
    from collections.abc import Iterable

    from joulo_exporter.metrics.family import Labels
    from joulo_exporter.snapshot import EndedSession, Snapshot

_LAST = "From the ledger; final once /sessions lists the end."
_NEWS = "For an hour after /sessions first listed the end; not for sessions of the first import."
_INFO_LABELS = ("charger", "session_id", "id_tag", "vehicle")


def _info(session: EndedSession) -> tuple[Labels, EndedSession]:
    return (session.label, session.session_id, session.id_tag, session.vehicle), session


def _last(snapshot: Snapshot) -> Iterable[tuple[Labels, EndedSession]]:
    return [((session.label,), session) for session in snapshot.last_sessions]


def _ended(snapshot: Snapshot) -> Iterable[tuple[Labels, EndedSession]]:
    return [((session.label, session.session_id), session) for session in snapshot.ended_sessions]


def _duration_s(ended: EndedSession) -> float | None:
    if ended.started_at_seconds is None:
        return None
    return max(0.0, ended.ended_at_seconds - ended.started_at_seconds)


_LAST_OF_CHARGER = Per(("charger",), _last)
_ENDED_SESSION = Per(("charger", "session_id"), _ended)

LAST_SESSION = (
    _LAST_OF_CHARGER.gauge(
        "joulo_last_session_kwh",
        f"Energy of the last finished session in kWh. {_LAST}",
        lambda last: of_hundredths(last.kwh_hundredths),
    ),
    _LAST_OF_CHARGER.gauge(
        "joulo_last_session_ere_credits",
        f"ERE credits of the last finished session; absent until the API has calculated them. {_LAST}",
        lambda last: of_hundredths(last.credits_hundredths),
    ),
    _LAST_OF_CHARGER.gauge(
        "joulo_last_session_start_timestamp_seconds",
        f"Start of the last finished session, Unix time. {_LAST}",
        lambda last: last.started_at_seconds,
    ),
    _LAST_OF_CHARGER.gauge(
        "joulo_last_session_end_timestamp_seconds",
        f"End of the last finished session, Unix time. {_LAST}",
        lambda last: last.ended_at_seconds,
    ),
    Per(_INFO_LABELS, lambda snapshot: map(_info, snapshot.last_sessions)).info(
        "joulo_last_session_info",
        f"The last finished session, always 1; id_tag is the RFID tag. {_LAST}",
    ),
)

ENDED_SESSIONS = (
    Per(_INFO_LABELS, lambda snapshot: map(_info, snapshot.ended_sessions)).info(
        "joulo_ended_session_info",
        f"A session that has ended, always 1; id_tag is the RFID tag. {_NEWS}",
    ),
    _ENDED_SESSION.gauge(
        "joulo_ended_session_reported_timestamp_seconds",
        f"Time when /sessions first listed the session's end, Unix time; the same after a restart. {_NEWS}",
        lambda ended: ended.reported_at_seconds,
    ),
    _ENDED_SESSION.gauge(
        "joulo_ended_session_end_timestamp_seconds",
        f"End of the session, Unix time. {_NEWS}",
        lambda ended: ended.ended_at_seconds,
    ),
    _ENDED_SESSION.gauge(
        "joulo_ended_session_kwh",
        f"Energy of the session in kWh. {_NEWS}",
        lambda ended: of_hundredths(ended.kwh_hundredths),
    ),
    _ENDED_SESSION.gauge(
        "joulo_ended_session_ere_credits",
        f"ERE credits of the session; absent until the API has calculated them, 0 if it never gets any. {_NEWS}",
        lambda ended: of_hundredths(ended.credits_hundredths),
    ),
    _ENDED_SESSION.gauge(
        "joulo_ended_session_duration_seconds",
        f"Duration of the session. {_NEWS}",
        _duration_s,
    ),
)
