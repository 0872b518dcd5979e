"""Records in the API's wire format, field by field as the vendor's example answers have them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from joulo_exporter.models import Charger, Energy, LiveSession, Month, Session

Json = dict[str, Any]


def charger_json(charger: Charger) -> Json:
    """Return a charger of ``/chargers``; what it does not have is absent rather than null."""
    fields = {
        "id": charger.id,
        "slug": charger.slug,
        "nickname": charger.nickname,
        "connection_type": charger.connection_type,
        "status": charger.status,
        "mid_certified": charger.mid_certified,
        "is_charging": charger.charging,
        "current_session": charger.session and _live_session_json(charger.session),
        "latest_meter_wh": charger.meter_wh,
        "meter_updated_at": timestamp(charger.meter_at_seconds),
    }
    return {name: value for name, value in fields.items() if value is not None or name == "nickname"}


def _live_session_json(session: LiveSession) -> Json:
    return {
        "id": session.id,
        "started_at": timestamp(session.started_at_seconds),
        "kwh_so_far": decimal(session.kwh_hundredths),
        "id_tag": session.id_tag,
    }


def session_json(session: Session) -> Json:
    """Return a session of ``/sessions``."""
    return {
        "id": session.id,
        "charger_id": session.charger_id,
        "charger_nickname": session.charger_nickname,
        "started_at": timestamp(session.started_at_seconds),
        "ended_at": timestamp(session.ended_at_seconds),
        "kwh": decimal(session.kwh_hundredths),
        "status": session.status,
        "id_tag": session.id_tag,
        "counts_for_ere": session.counts_for_ere,
        "ere_credits": decimal(session.credits_hundredths),
    }


def energy_json(energy: Energy) -> Json:
    """Return the answer of ``/energy`` in its newer form, with the ``_all`` figures."""
    return {
        "total_kwh": decimal(energy.kwh_hundredths),
        "total_ere_credits": decimal(energy.credits_hundredths),
        "total_sessions": energy.sessions,
        "total_kwh_all": decimal(energy.kwh_all_hundredths),
        "total_sessions_all": energy.sessions_all,
        "months": [_month_json(month) for month in energy.months],
    }


def _month_json(month: Month) -> Json:
    return {
        "month": month.month,
        "kwh": decimal(month.kwh_hundredths),
        "ere_credits": decimal(month.credits_hundredths),
        "sessions": month.sessions,
        "kwh_all": decimal(month.kwh_all_hundredths),
        "sessions_all": month.sessions_all,
    }


def timestamp(seconds: float | None) -> str | None:
    """Return ``YYYY-MM-DDTHH:MM:SSZ``, as the API normally writes it."""
    return None if seconds is None else datetime.fromtimestamp(int(seconds), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def decimal(hundredths: int | None) -> float | None:
    """Return a number with at most two decimals; a whole one without any, as JavaScript writes it."""
    if hundredths is None:
        return None
    return hundredths / 100 if hundredths % 100 else hundredths // 100
