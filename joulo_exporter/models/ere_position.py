"""The account's money, from ``GET /ere-position``; the fields are those that published clients have seen."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import msgspec

from joulo_exporter.errors import ApiResponseError
from joulo_exporter.models.fields import Fields
from joulo_exporter.models.wire import decode_object

if TYPE_CHECKING:
    from collections.abc import Mapping

_QUARTER = re.compile(r"\d{4}-Q[1-4]", re.ASCII)
_SETTLED = ("paid", "payable", "reserved")

# Where each figure stands: the section ("" for the answer itself) and the field in it.
_EUROS = {bucket: (bucket, "net_eur") for bucket in _SETTLED}
_PRICES = {bucket: (bucket, "price_per_ere") for bucket in _SETTLED}
_CREDITS = {bucket: (bucket, "ere") for bucket in (*_SETTLED, "unsold")} | {
    "pending": ("", "pending_ere"),
    "allocatable": ("", "allocatable_ere"),
}
_FORECASTS = {
    "unsold": ("unsold", "forecast_net_eur"),
    "ytd_unsold": ("unsold", "ytd_forecast_net_eur"),
    "rest_of_year": ("unsold", "future_forecast_net_eur"),
    "pending": ("", "pending_forecast_net_eur"),
    "ytd_expected": ("", "ytd_expected_eur"),
    "total_expected": ("", "total_expected_eur"),
}
_QUARTER_CREDITS = {"total": ("", "ere"), "sold": ("", "sold_ere"), "unsold": ("", "unsold_ere")}
_QUARTER_EUROS = {bucket: ("net_eur_by_status", bucket) for bucket in _SETTLED}


class ErePositionQuarter(msgspec.Struct, frozen=True, gc=False):
    """One quarter; figures that were not given are not in the mappings."""

    quarter: str
    """``2026-Q2``."""
    final: bool | None = None
    price_euros: float | None = None
    """Per credit."""
    credits: dict[str, float] = {}
    """By state: total, sold, unsold."""
    realized_euros: dict[str, float] = {}
    """Net, by status: paid, payable, reserved."""


class ErePosition(msgspec.Struct, frozen=True, gc=False):
    """What the account's credits have earned and may earn; figures that were not given are not in the mappings."""

    euros: dict[str, float] = {}
    """Net, by bucket."""
    credits: dict[str, float] = {}
    price_euros: dict[str, float] = {}
    """Per credit, by bucket."""
    forecast_euros: dict[str, float] = {}
    """Net, by horizon."""
    forecast_confidence: str | None = None
    forecast_projected: bool | None = None
    forecast_history_days: float | None = None
    compliance_year: int | None = None
    fee_ratio: float | None = None
    """0-1; the API gives a percentage."""
    realized_price_euros: float | None = None
    indicative_price_euros: float | None = None
    quarters: tuple[ErePositionQuarter, ...] = ()
    malformed: tuple[str, ...] = ()
    """One line for each field that could not be read."""


def parse_ere_position(body: bytes) -> ErePosition:
    """Read an answer of ``/ere-position``; a malformed field costs that field only.

    Raises:
        ApiResponseError: it is no JSON object, or gives none of the known figures.
    """
    malformed: list[str] = []
    fields = Fields(decode_object(body, dict[str, Any]), "", malformed)
    year = fields.number("compliance_year", least=2000, most=2100)
    fee_pct = fields.number("effective_fee_pct", least=0, most=100)
    position = ErePosition(
        euros=_figures(fields, _EUROS),
        credits=_figures(fields, _CREDITS),
        price_euros=_figures(fields, _PRICES),
        forecast_euros=_figures(fields, _FORECASTS),
        forecast_confidence=fields.text("forecast_confidence"),
        forecast_projected=fields.truth("forecast_is_projected"),
        forecast_history_days=fields.number("forecast_history_days", least=0),
        compliance_year=None if year is None else int(year),
        fee_ratio=None if fee_pct is None else fee_pct / 100,
        realized_price_euros=fields.number("realized_avg_price"),
        indicative_price_euros=fields.number("indicative_price_per_ere"),
        quarters=_quarters(fields),
    )
    if position == ErePosition():
        raise ApiResponseError("the answer gives none of the figures of an ERE position")
    # A section that is none is reached by several figures, and is one fault.
    return msgspec.structs.replace(position, malformed=tuple(dict.fromkeys(malformed)))


def _figures(fields: Fields, places: Mapping[str, tuple[str, str]]) -> dict[str, float]:
    figures = {}
    for name, (section, field) in places.items():
        value = (fields.section(section) if section else fields).number(field)
        if value is not None:
            figures[name] = value
    return figures


def _quarters(fields: Fields) -> tuple[ErePositionQuarter, ...]:
    quarters: dict[str, ErePositionQuarter] = {}
    for item in fields.sections("quarters"):
        name = item.text("quarter")
        if name is None or not _QUARTER.fullmatch(name) or name in quarters:
            item.refuse("quarter", "is no quarter such as 2026-Q2, or stands twice in the answer")
            continue
        quarters[name] = ErePositionQuarter(
            quarter=name,
            final=item.truth("final"),
            price_euros=item.number("price_per_ere"),
            credits=_figures(item, _QUARTER_CREDITS),
            realized_euros=_figures(item, _QUARTER_EUROS),
        )
    return tuple(quarters.values())
