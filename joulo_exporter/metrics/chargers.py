"""Metric families of chargers and their sessions.

The present state is from ``/chargers``. Finished sessions are from the ledger: the last one of each charger, and
all of the last hour.
"""

from collections.abc import Iterable, Mapping

from joulo_exporter.ledger.sessions import StoredSession
from joulo_exporter.metrics.family import LIVE, Labelled, Labels, of_hundredths
from joulo_exporter.models.charger import KNOWN_STATUSES
from joulo_exporter.snapshot import EndedSession, LiveCharger, Snapshot

_LAST = "From the ledger; final once /sessions lists the end."
_NEWS = "For an hour after /sessions first listed the end; not for sessions of the first import."
_SESSION_LABELS = ("charger", "session_id", "id_tag", "vehicle")


def _statuses(live: LiveCharger) -> Mapping[str, bool]:
    current = live.charger.status
    return {} if current is None else {status: status == current for status in (*KNOWN_STATUSES, current)}


def _sessions(snapshot: Snapshot) -> Iterable[tuple[Labels, int]]:
    for live in snapshot.chargers or ():
        if live.charger.session is not None:
            yield (live.label, live.charger.session.id, live.id_tag, live.vehicle), 1


def _descriptions(snapshot: Snapshot) -> Iterable[tuple[Labels, int]]:
    for live in snapshot.chargers or ():
        charger = live.charger
        yield (live.label, charger.id, charger.nickname or "", charger.connection_type or ""), 1


def _session_kwh(live: LiveCharger) -> float | None:
    if live.charger.session_unreadable:
        return None
    return of_hundredths(live.charger.session.kwh_hundredths) if live.charger.session else 0.0


def _info(ended: EndedSession) -> tuple[Labels, int]:
    return (ended.label, ended.session.id, ended.id_tag, ended.vehicle), 1


def _duration_s(ended: StoredSession) -> float | None:
    if ended.started_at_seconds is None:
        return None
    return max(0.0, ended.last_known_end_seconds - ended.started_at_seconds)


_CHARGER = Labelled(
    ("charger",), lambda snapshot: [((live.label,), live) for live in snapshot.chargers or ()], LIVE
)
_LAST_OF_CHARGER = Labelled(
    ("charger",), lambda snapshot: [((last.label,), last.session) for last in snapshot.last_sessions], _LAST
)
_ENDED_SESSION = Labelled(
    ("charger", "session_id"),
    lambda snapshot: [((ended.label, ended.session.id), ended.session) for ended in snapshot.ended_sessions],
    _NEWS,
)

FAMILIES = (
    _CHARGER.of(lambda live: live.charger.charging).gauge(
        "joulo_charging", "1 while the charger has a charging session, connected and paused included, else 0."
    ),
    _CHARGER.of(_session_kwh).gauge(
        "joulo_session_kwh", "Energy of the session in progress in kWh; 0 when there is none."
    ),
    _CHARGER.of(lambda live: live.charger.session.started_at_seconds if live.charger.session else None).gauge(
        "joulo_session_start_timestamp_seconds", "Start of the session in progress, Unix time."
    ),
    Labelled(_SESSION_LABELS, _sessions, LIVE).gauge(
        "joulo_session_info", "The session in progress, always 1; id_tag is the RFID tag."
    ),
    _CHARGER.by("status", _statuses).gauge(
        "joulo_charger_status", "1 for the charger's current status, 0 for the other known ones."
    ),
    Labelled(("charger", "charger_id", "nickname", "connection_type"), _descriptions, LIVE).gauge(
        "joulo_charger_info", "The charger, always 1."
    ),
    _CHARGER.of(lambda live: live.charger.mid_certified).gauge(
        "joulo_charger_mid_certified",
        "1 if the charger's meter is MID-certified: only its energy earns ERE credits.",
    ),
    _CHARGER.of(lambda live: None if live.meter_wh is None else live.meter_wh / 1000).counter(
        "joulo_charger_meter_kwh_total", "Reading of the charger's meter in kWh."
    ),
    _CHARGER.of(lambda live: live.meter_at_seconds).gauge(
        "joulo_charger_meter_timestamp_seconds", "Time of the charger's meter reading, Unix time."
    ),
    _CHARGER.of(lambda live: live.power_watts).gauge(
        "joulo_charger_power_watts",
        "Mean power between two meter readings, else of the session's energy, while charging; 0 when not.",
    ),
)

LAST_SESSION = (
    _LAST_OF_CHARGER.of(lambda last: of_hundredths(last.kwh_hundredths)).gauge(
        "joulo_last_session_kwh", "Energy of the last finished session in kWh."
    ),
    _LAST_OF_CHARGER.of(lambda last: of_hundredths(last.credits_hundredths)).gauge(
        "joulo_last_session_ere_credits",
        "ERE credits of the last finished session; absent until the API has calculated them.",
    ),
    _LAST_OF_CHARGER.of(lambda last: last.started_at_seconds).gauge(
        "joulo_last_session_start_timestamp_seconds", "Start of the last finished session, Unix time."
    ),
    _LAST_OF_CHARGER.of(lambda last: last.last_known_end_seconds).gauge(
        "joulo_last_session_end_timestamp_seconds", "End of the last finished session, Unix time."
    ),
    Labelled(_SESSION_LABELS, lambda snapshot: map(_info, snapshot.last_sessions), _LAST).gauge(
        "joulo_last_session_info", "The last finished session, always 1; id_tag is the RFID tag."
    ),
)

ENDED_SESSIONS = (
    Labelled(_SESSION_LABELS, lambda snapshot: map(_info, snapshot.ended_sessions), _NEWS).gauge(
        "joulo_ended_session_info", "A session that has ended, always 1; id_tag is the RFID tag."
    ),
    _ENDED_SESSION.of(lambda ended: ended.end_seen_at_seconds).gauge(
        "joulo_ended_session_reported_timestamp_seconds",
        "Time when /sessions first listed the session's end, Unix time; the same after a restart.",
    ),
    _ENDED_SESSION.of(lambda ended: ended.last_known_end_seconds).gauge(
        "joulo_ended_session_end_timestamp_seconds", "End of the session, Unix time."
    ),
    _ENDED_SESSION.of(lambda ended: of_hundredths(ended.kwh_hundredths)).gauge(
        "joulo_ended_session_kwh", "Energy of the session in kWh."
    ),
    _ENDED_SESSION.of(lambda ended: of_hundredths(ended.final_credits_hundredths)).gauge(
        "joulo_ended_session_ere_credits",
        "ERE credits of the session; absent until the API has calculated them, 0 if it never gets any.",
    ),
    _ENDED_SESSION.of(_duration_s).gauge("joulo_ended_session_duration_seconds", "Duration of the session."),
)
