"""Worth of ERE credits: the account's money from ``GET /ere-position``, and the public market price.

The fields are those that published clients have seen; the price feed is ``GET https://joulo.nl/api/ere-price``.
"""

import re
from collections.abc import Mapping

import msgspec

from joulo_exporter.errors import ApiResponseError
from joulo_exporter.models.wire import Fields, MalformedRecordError

_QUARTER = re.compile(r"\d{4}-Q[1-4]", re.ASCII)
_SETTLED = ("paid", "payable", "reserved")

# Where each figure of a field of the records stands: in the API response itself, or in a section of it.
_POSITION = {
    "euros": {bucket: f"{bucket}.net_eur" for bucket in _SETTLED},
    "credits": {bucket: f"{bucket}.ere" for bucket in (*_SETTLED, "unsold")}
    | {"pending": "pending_ere", "allocatable": "allocatable_ere"},
    "price_euros": {bucket: f"{bucket}.price_per_ere" for bucket in _SETTLED},
    "forecast_euros": {
        "unsold": "unsold.forecast_net_eur",
        "ytd_unsold": "unsold.ytd_forecast_net_eur",
        "rest_of_year": "unsold.future_forecast_net_eur",
        "pending": "pending_forecast_net_eur",
        "ytd_expected": "ytd_expected_eur",
        "total_expected": "total_expected_eur",
    },
    "forecast_credits": {"ytd_unsold": "unsold.ytd_ere", "rest_of_year": "unsold.future_ere"},
}
_QUARTERLY = {
    "credits": {"total": "ere", "sold": "sold_ere", "unsold": "unsold_ere"},
    "realized_euros": {bucket: f"net_eur_by_status.{bucket}" for bucket in _SETTLED},
}


class ErePositionQuarter(msgspec.Struct, frozen=True, gc=False):
    """One quarter, such as ``2026-Q2``; mappings hold only what was given."""

    quarter: str
    final: bool | None = None
    price_euros: float | None = None
    """Per credit."""
    credits: dict[str, float] = {}
    """By state: total, sold, unsold."""
    realized_euros: dict[str, float] = {}
    """Net, by status: paid, payable, reserved."""


class ErePosition(msgspec.Struct, frozen=True, gc=False):
    """Money that the account's credits have earned and may earn; mappings hold only what was given."""

    euros: dict[str, float] = {}
    """Net, by bucket."""
    credits: dict[str, float] = {}
    price_euros: dict[str, float] = {}
    """Per credit, by bucket."""
    forecast_euros: dict[str, float] = {}
    """Net, by horizon."""
    forecast_credits: dict[str, float] = {}
    """Credits not yet sold, by horizon."""
    forecast_confidence: str | None = None
    forecast_projected: bool | None = None
    forecast_history_days: float | None = None
    compliance_year: int | None = None
    fee_ratio: float | None = None
    """0-1; the API gives a percentage."""
    realized_price_euros: float | None = None
    indicative_price_euros: float | None = None
    quarters: tuple[ErePositionQuarter, ...] = ()


class ErePrice(msgspec.Struct, frozen=True, gc=False):
    """Market price of a credit, midway between bid and offer, and Unix time at which the feed was updated."""

    euros: float | None = None
    at_seconds: float | None = None


def parse_ere_position(fields: Fields) -> ErePosition:
    """Read an API response of ``/ere-position``; an ``ApiResponseError`` if it gives none of the known figures."""
    year = fields.number("compliance_year", least=2000, most=2100)
    position = ErePosition(
        **{name: _figures(fields, places) for name, places in _POSITION.items()},
        forecast_confidence=fields.text("forecast_confidence"),
        forecast_projected=fields.boolean("forecast_is_projected"),
        forecast_history_days=fields.number("forecast_history_days"),
        compliance_year=None if year is None else int(year),
        fee_ratio=fields.share("effective_fee_pct"),
        realized_price_euros=_figure(fields, "realized_avg_price"),
        indicative_price_euros=_figure(fields, "indicative_price_per_ere"),
        quarters=fields.records("quarters", _quarter, "quarter"),
    )
    if position == ErePosition():
        raise ApiResponseError("the API response gives none of the figures of an ERE position")
    return position


def parse_ere_price(fields: Fields) -> ErePrice:
    """Read an API response of the public feed; an ``ApiResponseError`` if it is out of order or gives no price."""
    if fields.boolean("ok") is False:
        raise ApiResponseError("the price feed says that it is out of order")
    price = ErePrice()
    if current := fields.section("current"):
        current.ignore("week_number")
        price = ErePrice(_figure(current, "mid_eur"), current.moment("updated_at"))
    if price == ErePrice():
        raise ApiResponseError("the API response gives no price")
    return price


def _figure(fields: Fields, name: str) -> float | None:
    return fields.number(name, least=-1e9)


def _figures(fields: Fields, places: Mapping[str, str]) -> dict[str, float]:
    figures = {}
    for name, place in places.items():
        section, _, field = place.rpartition(".")
        within = fields.section(section) if section else fields
        value = None if within is None else _figure(within, field)
        if value is not None:
            figures[name] = value
    return figures


def _quarter(fields: Fields) -> ErePositionQuarter:
    name = fields.text("quarter") or ""
    if not _QUARTER.fullmatch(name):
        raise MalformedRecordError("its quarter is not of the form 2026-Q2")
    fields.ignore("realized_net_eur")
    return ErePositionQuarter(
        quarter=name,
        final=fields.boolean("final"),
        price_euros=_figure(fields, "price_per_ere"),
        **{name: _figures(fields, places) for name, places in _QUARTERLY.items()},
    )
