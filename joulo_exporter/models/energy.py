"""The account's totals and months, from ``GET /energy``."""

from __future__ import annotations

import re

import msgspec

from joulo_exporter.errors import ApiResponseError
from joulo_exporter.models.wire import (
    Count,
    Credits,
    Records,
    Text,
    TotalKwh,
    decode_object,
    optional_count,
    optional_hundredths,
    read_records,
)

_MONTH = re.compile(r"(\d{4}-(?:0[1-9]|1[0-2]))(?:-01)?", re.ASCII)


class Month(msgspec.Struct, frozen=True, gc=False):
    """A month of the whole account; ``_all`` figures count what is not eligible for ERE too."""

    month: str
    """``2026-06``."""
    kwh_hundredths: int | None = None
    kwh_all_hundredths: int | None = None
    credits_hundredths: int | None = None
    sessions: int | None = None
    sessions_all: int | None = None


class Energy(msgspec.Struct, frozen=True, gc=False):
    """Totals of the whole account; ``None`` is a value that the API did not give."""

    kwh_hundredths: int | None = None
    kwh_all_hundredths: int | None = None
    credits_hundredths: int | None = None
    sessions: int | None = None
    sessions_all: int | None = None
    months: tuple[Month, ...] = ()
    malformed: tuple[str, ...] = ()
    """One line for each month that could not be read."""


class _MonthWire(msgspec.Struct, gc=False):
    month: Text
    kwh: TotalKwh | None = None
    kwh_all: TotalKwh | None = None
    ere_credits: Credits | None = None
    sessions: Count | None = None
    sessions_all: Count | None = None


class _EnergyWire(msgspec.Struct, gc=False):
    total_kwh: TotalKwh | None = None
    total_kwh_all: TotalKwh | None = None
    total_ere_credits: Credits | None = None
    total_sessions: Count | None = None
    total_sessions_all: Count | None = None
    months: Records | None = None


def parse_energy(body: bytes) -> Energy:
    """Read an answer of ``/energy``; a malformed month costs that month only.

    Raises:
        ApiResponseError: it is no such object, gives none of the known figures, or every month is malformed.
    """
    wire = decode_object(body, _EnergyWire)
    if wire == _EnergyWire():
        raise ApiResponseError("the answer gives none of the totals that the API documents")
    months = read_records(wire.months or [], _MonthWire, _month, lambda month: month.month)
    return Energy(
        kwh_hundredths=optional_hundredths(wire.total_kwh),
        kwh_all_hundredths=optional_hundredths(wire.total_kwh_all),
        credits_hundredths=optional_hundredths(wire.total_ere_credits),
        sessions=optional_count(wire.total_sessions),
        sessions_all=optional_count(wire.total_sessions_all),
        months=months.records,
        malformed=months.malformed,
    )


def _month(wire: _MonthWire) -> Month:
    match = _MONTH.fullmatch(wire.month)
    if match is None:
        raise ValueError("month is not YYYY-MM")
    return Month(
        month=match[1],
        kwh_hundredths=optional_hundredths(wire.kwh),
        kwh_all_hundredths=optional_hundredths(wire.kwh_all),
        credits_hundredths=optional_hundredths(wire.ere_credits),
        sessions=optional_count(wire.sessions),
        sessions_all=optional_count(wire.sessions_all),
    )
