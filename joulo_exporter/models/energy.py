"""The account's totals and months, from ``GET /energy``."""

import re

import msgspec

from joulo_exporter.errors import ApiResponseError
from joulo_exporter.models.wire import ApiResponse, Fields, MalformedRecordError, Plausibility, read_object

_MONTH = re.compile(r"(\d{4}-(?:0[1-9]|1[0-2]))(?:-01)?", re.ASCII)


class Figures(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """Sums over sessions, each if the API gave it; those in ``_all`` count what is not eligible for ERE too."""

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


def parse_energy(body: bytes, plausibility: Plausibility) -> ApiResponse[Energy]:
    """Read an API response of ``/energy``; an ``ApiResponseError`` if it gives none of the documented figures."""
    fields = read_object(body, plausibility)
    energy = Energy(months=fields.records("months", _month, "month"), **_figures(fields, "total_"))
    if energy == Energy() and (fields.flawed or not fields.has_value("months")):
        raise ApiResponseError("the API response gives none of the totals that the API documents")
    return fields.response(energy)


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
