"""Charging sessions, from ``GET /sessions``, and the account's totals over them, from ``GET /energy``."""

import re

import msgspec

from joulo_exporter.errors import ApiResponseError
from joulo_exporter.models.wire import Fields, MalformedRecordError

MAX_CREDITS_PER_KWH = 3.0
"""Upper bound of ERE credits per kilowatt-hour, above any formula of the vendor so far (0.3327 in 2026)."""

UNKNOWN_CHARGER = "unknown"
"""Charger id of sessions that have no usable one; it becomes their charger's label."""


class Session(msgspec.Struct, frozen=True, gc=False):
    """One session as ``/sessions`` lists it; ``None`` is a value that it did not give."""

    id: str
    charger_id: str
    """``UNKNOWN_CHARGER`` where there is none."""
    started_at_seconds: float | None
    charger_nickname: str | None = None
    ended_at_seconds: float | None = None
    """``None`` while the session is in progress."""
    kwh_hundredths: int | None = None
    """It can still be corrected after the end."""
    credits_hundredths: int | None = None
    """``None`` until the vendor has calculated them."""
    id_tag: str | None = None
    status: str | None = None
    """In lower case."""
    counts_for_ere: bool | None = None


class EreEstimate(msgspec.Struct, frozen=True, gc=False):
    """Basis of the vendor's own estimate of what a session is worth: credits, times price, less the fee."""

    price_euros: float | None = None
    """Per credit."""
    fee_ratio: float | None = None
    """0-1; the API gives a percentage."""


class SessionPage(msgspec.Struct, frozen=True):
    """One page of the history, newest session first."""

    sessions: tuple[Session, ...]
    estimate: EreEstimate | None = None


def parse_sessions(fields: Fields) -> SessionPage:
    """Read a page of ``/sessions``, newest first; an ``ApiResponseError`` if no session in it can be used."""
    if not fields.has_value("sessions"):
        raise ApiResponseError("not what the API documents: it has no list of sessions")
    sessions = fields.records("sessions", _session, main=True)
    fields.ignore("limit", "offset")
    estimate = None
    if basis := fields.section("estimate_basis"):
        estimate = EreEstimate(basis.number("price_per_ere"), basis.share("effective_fee_pct"))
    return SessionPage(sessions, estimate)


def _session(fields: Fields) -> Session:
    session_id = fields.identifier("id")
    if session_id is None:
        raise MalformedRecordError("it has no usable id")
    started_at_seconds, ended_at_seconds = fields.moment("started_at"), fields.moment("ended_at")
    kwh_hundredths = fields.energy("kwh", started_at_seconds, ended_at_seconds)
    # The credits fit the energy that is given, else the most that fits the duration.
    most_kwh = fields.plausibility.max_kwh(started_at_seconds, ended_at_seconds)
    if kwh_hundredths is not None:
        most_kwh = kwh_hundredths / 100
    return Session(
        id=session_id,
        charger_id=fields.identifier("charger_id") or UNKNOWN_CHARGER,
        started_at_seconds=started_at_seconds,
        charger_nickname=fields.text("charger_nickname"),
        ended_at_seconds=ended_at_seconds,
        kwh_hundredths=kwh_hundredths,
        credits_hundredths=fields.hundredths(
            "ere_credits",
            most=max(1.0, MAX_CREDITS_PER_KWH * most_kwh),
            beyond="does not fit the energy of the session",
        ),
        id_tag=fields.text("id_tag"),
        status=(fields.text("status") or "").lower() or None,
        counts_for_ere=fields.boolean("counts_for_ere"),
    )


# Totals ---------------------------------------------------------------------------------------

_MONTH = re.compile(r"(\d{4}-(?:0[1-9]|1[0-2]))(?:-01)?", re.ASCII)


class Figures(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """Sums over sessions, where the API gave them; those with ``_all`` include what is not eligible for ERE."""

    kwh_hundredths: int | None = None
    kwh_all_hundredths: int | None = None
    credits_hundredths: int | None = None
    sessions: int | None = None
    sessions_all: int | None = None


class Month(Figures, frozen=True, gc=False, kw_only=True):
    """A month of the whole account, such as ``2026-06``."""

    month: str


class Energy(Figures, frozen=True, gc=False, kw_only=True):
    """Totals of the whole account."""

    months: tuple[Month, ...] = ()


def parse_energy(fields: Fields) -> Energy:
    """Read an API response of ``/energy``; an ``ApiResponseError`` if it gives none of the documented figures."""
    energy = Energy(months=fields.records("months", _month, "month"), **_figures(fields, "total_"))
    if energy == Energy() and (fields.flawed or not fields.has_value("months")):
        raise ApiResponseError("the API response gives none of the totals that the API documents")
    return energy


def _month(fields: Fields) -> Month:
    match = _MONTH.fullmatch(fields.text("month") or "")
    if match is None:
        raise MalformedRecordError("its month is not YYYY-MM")
    return Month(month=match[1], **_figures(fields))


def _figures(fields: Fields, prefix: str = "") -> dict[str, int | None]:
    return {
        "kwh_hundredths": fields.hundredths(f"{prefix}kwh"),
        "kwh_all_hundredths": fields.hundredths(f"{prefix}kwh_all"),
        "credits_hundredths": fields.hundredths(f"{prefix}ere_credits"),
        "sessions": fields.count(f"{prefix}sessions"),
        "sessions_all": fields.count(f"{prefix}sessions_all"),
    }
