"""Chargers and the sessions in progress on them, from ``GET /chargers``."""

from __future__ import annotations

import msgspec

from joulo_exporter.errors import ApiResponseError
from joulo_exporter.models.wire import (
    Answer,
    Identifier,
    MeterWh,
    Records,
    SessionKwh,
    Text,
    cleaned,
    decode_object,
    optional_hundredths,
    optional_unix_seconds,
    read_records,
)

KNOWN_STATUSES = ("online", "offline", "charging", "active", "unavailable", "unknown")
"""The statuses that the API documents; it may send others."""


class LiveSession(msgspec.Struct, frozen=True, gc=False):
    """A session in progress, as ``current_session`` of a charger shows it."""

    id: str
    started_at_seconds: float | None = None
    kwh_hundredths: int | None = None
    id_tag: str | None = None


class Charger(msgspec.Struct, frozen=True, gc=False):
    """One charger as the API saw it last; ``None`` is a value that it did not give."""

    id: str
    slug: str | None = None
    nickname: str | None = None
    connection_type: str | None = None
    status: str | None = None
    mid_certified: bool | None = None
    charging: bool | None = None
    session: LiveSession | None = None
    meter_wh: float | None = None
    meter_at_seconds: float | None = None


class _LiveSessionWire(msgspec.Struct, gc=False):
    id: Identifier
    started_at: Text | None = None
    kwh_so_far: SessionKwh | None = None
    id_tag: Text | None = None


class _ChargerWire(msgspec.Struct, gc=False):
    id: Identifier
    slug: Text | None = None
    nickname: Text | None = None
    name: Text | None = None
    connection_type: Text | None = None
    status: Text | None = None
    mid_certified: bool | None = None
    is_charging: bool | None = None
    current_session: _LiveSessionWire | None = None
    latest_meter_wh: MeterWh | None = None
    meter_updated_at: Text | None = None


class _ChargersWire(msgspec.Struct, gc=False):
    chargers: Records | None = None
    error: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


def parse_chargers(body: bytes, memory: dict[int, Charger] | None = None) -> Answer[Charger]:
    """Read an answer of ``/chargers``; no ``chargers`` in it means that there are none yet.

    Args:
        body: the answer.
        memory: as for ``read_records``: most chargers stand still most of the time.

    Raises:
        ApiResponseError: it is no such object, or every charger in it is malformed.
    """
    wire = decode_object(body, _ChargersWire)
    if wire.chargers is None and wire.error is not msgspec.UNSET:
        raise ApiResponseError("the answer is an error message with status 200")
    return read_records(wire.chargers or [], _ChargerWire, _charger, lambda charger: charger.id, memory)


def _charger(wire: _ChargerWire) -> Charger:
    return Charger(
        id=wire.id,
        slug=cleaned(wire.slug),
        nickname=cleaned(wire.nickname) or cleaned(wire.name),
        connection_type=cleaned(wire.connection_type),
        status=cleaned(wire.status),
        mid_certified=wire.mid_certified,
        charging=_charging(wire),
        session=_live_session(wire.current_session) if wire.current_session else None,
        meter_wh=wire.latest_meter_wh,
        meter_at_seconds=optional_unix_seconds(wire.meter_updated_at),
    )


def _charging(wire: _ChargerWire) -> bool | None:
    """Return ``is_charging``; where it is absent, what status and session in progress say together."""
    if wire.is_charging is not None:
        return wire.is_charging
    if wire.current_session is not None or wire.status == "charging":
        return True
    return None if cleaned(wire.status) is None else False


def _live_session(wire: _LiveSessionWire) -> LiveSession:
    return LiveSession(
        id=wire.id,
        started_at_seconds=optional_unix_seconds(wire.started_at),
        kwh_hundredths=optional_hundredths(wire.kwh_so_far),
        id_tag=cleaned(wire.id_tag),
    )
