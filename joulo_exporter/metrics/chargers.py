"""Metric families of chargers and their sessions in progress, from ``/chargers``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from joulo_exporter.metrics.family import LIVE, Per, of_hundredths
from joulo_exporter.models import KNOWN_STATUSES

if TYPE_CHECKING:
    from collections.abc import Iterable

    from joulo_exporter.metrics.family import Labels
    from joulo_exporter.snapshot import LiveCharger, Snapshot


def _chargers(snapshot: Snapshot) -> Iterable[tuple[Labels, LiveCharger]]:
    return [((live.label,), live) for live in snapshot.chargers or ()]


def _statuses(snapshot: Snapshot) -> Iterable[tuple[Labels, bool]]:
    for live in snapshot.chargers or ():
        current = live.charger.status
        if current is not None:
            for status in dict.fromkeys((*KNOWN_STATUSES, current)):
                yield (live.label, status), status == current


def _sessions(snapshot: Snapshot) -> Iterable[tuple[Labels, None]]:
    for live in snapshot.chargers or ():
        if live.charger.session is not None:
            yield (live.label, live.charger.session.id, live.id_tag, live.vehicle), None


def _descriptions(snapshot: Snapshot) -> Iterable[tuple[Labels, None]]:
    for live in snapshot.chargers or ():
        charger = live.charger
        yield (live.label, charger.id, charger.nickname or "", charger.connection_type or ""), None


def _session_kwh(live: LiveCharger) -> float | None:
    if live.charger.session_unreadable:
        return None
    return of_hundredths(live.charger.session.kwh_hundredths) if live.charger.session else 0.0


def _session_start(live: LiveCharger) -> float | None:
    return live.charger.session.started_at_seconds if live.charger.session else None


_CHARGER = Per(("charger",), _chargers)

FAMILIES = (
    _CHARGER.gauge(
        "joulo_charging",
        f"1 while the charger has a charging session, connected and paused included, else 0. {LIVE}",
        lambda live: live.charger.charging,
    ),
    _CHARGER.gauge(
        "joulo_session_kwh",
        f"Energy of the session in progress in kWh; 0 when there is none. {LIVE}",
        _session_kwh,
    ),
    _CHARGER.gauge(
        "joulo_session_start_timestamp_seconds",
        f"Start of the session in progress, Unix time. {LIVE}",
        _session_start,
    ),
    Per(("charger", "session_id", "id_tag", "vehicle"), _sessions).info(
        "joulo_session_info",
        f"The session in progress, always 1; id_tag is the RFID tag. {LIVE}",
    ),
    Per(("charger", "status"), _statuses).gauge(
        "joulo_charger_status",
        f"1 for the charger's current status, 0 for the other known ones. {LIVE}",
        float,
    ),
    Per(("charger", "charger_id", "nickname", "connection_type"), _descriptions).info(
        "joulo_charger_info",
        f"The charger, always 1. {LIVE}",
    ),
    _CHARGER.gauge(
        "joulo_charger_mid_certified",
        f"1 if the charger's meter is MID-certified: only its energy earns ERE credits. {LIVE}",
        lambda live: live.charger.mid_certified,
    ),
    _CHARGER.counter(
        "joulo_charger_meter_kwh_total",
        f"Reading of the charger's meter in kWh. {LIVE}",
        lambda live: None if live.meter_wh is None else live.meter_wh / 1000,
    ),
    _CHARGER.gauge(
        "joulo_charger_meter_timestamp_seconds",
        f"Time of the charger's meter reading, Unix time. {LIVE}",
        lambda live: live.meter_at_seconds,
    ),
    _CHARGER.gauge(
        "joulo_charger_power_watts",
        f"Mean power between two meter readings, else of the session's energy, while charging; 0 when not. {LIVE}",
        lambda live: live.power_watts,
    ),
)
