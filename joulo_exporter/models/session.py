"""Charging sessions, past and present, from ``GET /sessions``."""

from __future__ import annotations

from typing import Annotated

import msgspec

from joulo_exporter.models.wire import (
    Answer,
    Credits,
    Identifier,
    Records,
    SessionKwh,
    Text,
    cleaned,
    decode_object,
    optional_hundredths,
    optional_unix_seconds,
    read_records,
    unix_seconds,
)


class Session(msgspec.Struct, frozen=True, gc=False):
    """One session as ``/sessions`` lists it; ``None`` is a value that it did not give."""

    id: str
    charger_id: str
    started_at_seconds: float
    charger_nickname: str | None = None
    ended_at_seconds: float | None = None
    """``None`` while the session is in progress."""
    kwh_hundredths: int | None = None
    """Given for every session that has ended; it can still be corrected."""
    credits_hundredths: int | None = None
    """``None`` until the vendor has calculated them."""
    id_tag: str | None = None
    status: str | None = None
    counts_for_ere: bool | None = None


class _SessionWire(msgspec.Struct, gc=False):
    id: Identifier
    charger_id: Identifier
    started_at: Text
    charger_nickname: Text | None = None
    ended_at: Text | None = None
    kwh: SessionKwh | None = None
    ere_credits: Credits | None = None
    id_tag: Text | None = None
    status: Text | None = None
    counts_for_ere: bool | None = None


_PageLimit = Annotated[float, msgspec.Meta(ge=1, le=10_000, multiple_of=1)]


class _SessionsWire(msgspec.Struct, gc=False):
    sessions: Records
    limit: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


def parse_sessions(body: bytes) -> Answer[Session]:
    """Read a page of ``/sessions``, newest first as the API sends it.

    Raises:
        ApiResponseError: it is no such object, or every session in it is malformed.
    """
    wire = decode_object(body, _SessionsWire)
    page = read_records(wire.sessions, _SessionWire, _session, lambda session: session.id)
    return msgspec.structs.replace(page, page_limit=_page_limit(wire.limit))


def _page_limit(raw: msgspec.Raw | msgspec.UnsetType) -> int | None:
    """Return the size of a full page; a strange one is no reason to lose the page."""
    if raw is msgspec.UNSET:
        return None
    try:
        return int(msgspec.json.decode(raw, type=_PageLimit))
    except msgspec.MsgspecError:
        return None


def _session(wire: _SessionWire) -> Session:
    ended_at_seconds = optional_unix_seconds(wire.ended_at)
    if ended_at_seconds is not None and wire.kwh is None:
        raise ValueError("a session that has ended has no kwh")
    return Session(
        id=wire.id,
        charger_id=wire.charger_id,
        started_at_seconds=unix_seconds(wire.started_at),
        charger_nickname=cleaned(wire.charger_nickname),
        ended_at_seconds=ended_at_seconds,
        kwh_hundredths=optional_hundredths(wire.kwh),
        credits_hundredths=optional_hundredths(wire.ere_credits),
        id_tag=cleaned(wire.id_tag),
        status=cleaned(wire.status),
        counts_for_ere=wire.counts_for_ere,
    )
