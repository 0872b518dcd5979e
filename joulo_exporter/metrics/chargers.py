"""Metric families of chargers and their sessions in progress, from ``/chargers``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from joulo_exporter.metrics.family import LIVE, Family, Samples, of_hundredths
from joulo_exporter.models.charger import KNOWN_STATUSES

if TYPE_CHECKING:
    from collections.abc import Callable

    from joulo_exporter.snapshot import LiveCharger, Snapshot


def _each(value: Callable[[LiveCharger], float | None]) -> Callable[[Snapshot], Samples]:
    """Return samples of one value a charger; ``None`` is no sample."""

    def samples(snapshot: Snapshot) -> Samples:
        return [((live.label,), given) for live in snapshot.chargers or () if (given := value(live)) is not None]

    return samples


def _session_kwh(live: LiveCharger) -> float | None:
    if live.charger.session_unreadable:
        return None
    return of_hundredths(live.charger.session.kwh_hundredths) if live.charger.session else 0.0


def _session_start(live: LiveCharger) -> float | None:
    return live.charger.session.started_at_seconds if live.charger.session else None


def _session_info(snapshot: Snapshot) -> Samples:
    for live in snapshot.chargers or ():
        if live.charger.session is not None:
            yield (live.label, live.charger.session.id, live.id_tag, live.vehicle), 1.0


def _status(snapshot: Snapshot) -> Samples:
    for live in snapshot.chargers or ():
        current = live.charger.status
        if current is not None:
            for status in dict.fromkeys((*KNOWN_STATUSES, current)):
                yield (live.label, status), float(status == current)


def _charger_info(snapshot: Snapshot) -> Samples:
    for live in snapshot.chargers or ():
        charger = live.charger
        yield (live.label, charger.id, charger.nickname or "", charger.connection_type or ""), 1.0


FAMILIES = (
    Family(
        "joulo_charging",
        "gauge",
        f"1 while the charger has a charging session, connected and paused included, else 0. {LIVE}",
        ("charger",),
        _each(lambda live: live.charger.charging),
    ),
    Family(
        "joulo_session_kwh",
        "gauge",
        f"Energy of the session in progress in kWh; 0 when there is none. {LIVE}",
        ("charger",),
        _each(_session_kwh),
    ),
    Family(
        "joulo_session_start_timestamp_seconds",
        "gauge",
        f"Start of the session in progress, Unix time. {LIVE}",
        ("charger",),
        _each(_session_start),
    ),
    Family(
        "joulo_session_info",
        "gauge",
        f"The session in progress, always 1; id_tag is the RFID tag. {LIVE}",
        ("charger", "session_id", "id_tag", "vehicle"),
        _session_info,
    ),
    Family(
        "joulo_charger_status",
        "gauge",
        f"1 for the charger's current status, 0 for the other known ones. {LIVE}",
        ("charger", "status"),
        _status,
    ),
    Family(
        "joulo_charger_info",
        "gauge",
        f"The charger, always 1. {LIVE}",
        ("charger", "charger_id", "nickname", "connection_type"),
        _charger_info,
    ),
    Family(
        "joulo_charger_mid_certified",
        "gauge",
        f"1 if the charger's meter is MID-certified: only its energy earns ERE credits. {LIVE}",
        ("charger",),
        _each(lambda live: live.charger.mid_certified),
    ),
    Family(
        "joulo_charger_meter_kwh_total",
        "counter",
        f"Reading of the charger's meter in kWh. {LIVE}",
        ("charger",),
        _each(lambda live: None if live.meter_wh is None else live.meter_wh / 1000),
    ),
    Family(
        "joulo_charger_meter_timestamp_seconds",
        "gauge",
        f"Time of the charger's meter reading, Unix time. {LIVE}",
        ("charger",),
        _each(lambda live: live.meter_at_seconds),
    ),
    Family(
        "joulo_charger_power_watts",
        "gauge",
        f"Mean power between two meter readings, else of the session's energy, while charging; 0 when not. {LIVE}",
        ("charger",),
        _each(lambda live: live.power_watts),
    ),
)
