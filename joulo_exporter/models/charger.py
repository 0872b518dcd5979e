"""Chargers and the sessions in progress on them, from ``GET /chargers``, and the RFID tags that begin sessions."""

import hashlib
import math
from collections.abc import Mapping
from typing import Literal

import msgspec

from joulo_exporter.errors import ApiResponseError
from joulo_exporter.models.wire import Fields, MalformedRecordError

KNOWN_STATUSES = ("online", "offline", "charging", "active", "unavailable", "unknown")
"""The statuses that the API documents; it may send others."""

_MAX_METER_WH = 1e12
_METER_AHEAD_S = 60.0  # the clock of this machine may be behind by seconds

IdTagMode = Literal["show", "hash", "hide"]

UNKNOWN_VEHICLE = "unknown"
"""The ``vehicle`` of sessions whose tag is absent or not in the configuration."""

_IGNORED = str.maketrans("", "", " :\t-")


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
    """In lower case: charging protocols spell ``Charging``, Joulo ``charging``."""
    mid_certified: bool | None = None
    charging: bool | None = None
    session: LiveSession | None = None
    session_unreadable: bool = False
    """Whether there is a ``current_session`` without a usable id: no session may then be taken for ended."""
    meter_wh: float | None = None
    meter_at_seconds: float | None = None
    meter_ahead: bool = False
    """Whether the meter reading is dated in the future, and therefore left out."""


def parse_chargers(fields: Fields, memory: dict[int, Charger] | None = None) -> tuple[Charger, ...]:
    """Read an API response of ``/chargers``; no ``chargers`` in it means that there are none yet.

    ``memory`` is as for ``Fields.records``: most chargers stand still most of the time. If no charger in the
    response can be used, that is an ``ApiResponseError``.
    """
    if not fields.has_value("chargers") and not {"error", "code", "message"}.isdisjoint(fields.names):
        raise ApiResponseError("the API response is an error message with status 200")
    fields.ignore("error")
    return fields.records("chargers", _charger, main=True, memory=memory)


def _charger(fields: Fields) -> Charger:
    charger_id = fields.identifier("id")
    if charger_id is None:
        raise MalformedRecordError("it has no usable id")
    nickname, name = fields.text("nickname"), fields.text("name")
    status = (fields.text("status") or "").lower() or None
    session, unreadable = _live_session(fields)
    charging, in_session = fields.boolean("is_charging"), session is not None or unreadable
    if charging is None and (in_session or status is not None):  # these two tell in its place
        charging = in_session or status == "charging"
    meter_wh = fields.number("latest_meter_wh", most=_MAX_METER_WH)
    meter_at_seconds = fields.moment("meter_updated_at", ahead_s=math.inf)
    meter_ahead = (meter_at_seconds or 0) > fields.plausibility.now_seconds + _METER_AHEAD_S
    if meter_ahead:
        fields.refuse("meter_updated_at", "is in the future")
    fields.ignore("mid_eligible")
    return Charger(
        id=charger_id,
        slug=fields.text("slug"),
        nickname=nickname or name,
        connection_type=fields.text("connection_type"),
        status=status,
        mid_certified=fields.boolean("mid_certified"),
        charging=charging,
        session=session,
        session_unreadable=unreadable,
        meter_wh=None if meter_ahead else meter_wh,
        meter_at_seconds=None if meter_ahead else meter_at_seconds,
        meter_ahead=meter_ahead,
    )


def _live_session(fields: Fields) -> tuple[LiveSession | None, bool]:
    """Return the session in progress, and whether there is one without a usable id."""
    session = fields.section("current_session")
    if session is None or not session.names:
        return None, session is None and fields.has_value("current_session")
    session_id = session.identifier("id")
    started_at_seconds = session.moment("started_at")
    live = LiveSession(
        id=session_id or "",
        started_at_seconds=started_at_seconds,
        kwh_hundredths=session.energy("kwh_so_far", started_at_seconds),
        id_tag=session.text("id_tag"),
    )
    return (live, False) if session_id else (None, True)


# RFID tags ---------------------------------------------------------------------------------


def normal_tag(tag: str) -> str:
    """Return the tag as it is compared: upper case, without blanks, colons and dashes."""
    return tag.translate(_IGNORED).upper()


class Tags(msgspec.Struct, frozen=True):
    """Vehicles of RFID tags, and the way in which tags are shown, from the configuration."""

    vehicles: Mapping[str, str]
    """Vehicle by tag in the compared spelling."""
    mode: IdTagMode

    def vehicle(self, tag: str | None) -> str:
        """Return the vehicle of a tag; ``unknown`` for none, or one that is not in the configuration."""
        return self.vehicles.get(normal_tag(tag), UNKNOWN_VEHICLE) if tag else UNKNOWN_VEHICLE

    def shown(self, tag: str | None) -> str:
        """Return the text that a label may show of a tag; an empty one for no tag.

        ``hash`` gives the first 16 hexadecimal digits of the SHA-256 of the compared spelling: equal tags
        stay equal, and the digits open no charger.
        """
        if not tag or self.mode == "hide":
            return ""
        if self.mode == "hash":
            return hashlib.sha256(normal_tag(tag).encode()).hexdigest()[:16]
        return tag
