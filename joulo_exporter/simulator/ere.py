"""Worth of the household's credits: a year in which quarters become final, and what is payable is paid.

A quarter's credits are sold in the quarter that follows it. A third of a settled quarter is reserved at
first, then payable, then paid: half a year after its end nothing of it is left to pay.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable

    from joulo_exporter.models import Session

Json = dict[str, Any]

_FEE_PCT = 20
_DAY_S = 86_400.0
_QUARTER_DAYS = 91.0
_WEEK_S = 7 * _DAY_S
_MONTHS_OF_QUARTER = 3


class _Quarter(msgspec.Struct):
    """A quarter in the middle of its life; ``phase`` counts quarters since its end, 0 while it lasts."""

    name: str
    credits: float
    phase: float
    price: float

    @property
    def final(self) -> bool:
        return self.phase >= 1

    @property
    def sold(self) -> float:
        return round(self.credits * min(self.phase, 1.0), 2)

    @property
    def by_status(self) -> dict[str, float]:
        """Return the credits sold, by how far their payment is."""
        paid = round(self.sold * min(max(self.phase - 0.5, 0.0), 1.0), 2)
        payable = round((self.sold - paid) * 0.6, 2)
        return {"paid": paid, "payable": payable, "reserved": round(self.sold - paid - payable, 2)}

    def net_euros(self, credits_sold: float) -> float:
        return round(credits_sold * self.price * (100 - _FEE_PCT) / 100, 2)


def position_json(sessions: Iterable[Session], moment_seconds: float) -> Json:
    """Return the body of ``/ere-position`` for all sessions up to a moment: of the calendar year of it."""
    year = datetime.fromtimestamp(moment_seconds, UTC).year
    start_seconds = datetime(year, 1, 1, tzinfo=UTC).timestamp()
    pending = 0.0
    sums = [0.0] * 4
    for session in sessions:
        started_at_seconds = session.started_at_seconds or 0.0
        if started_at_seconds < start_seconds or not session.counts_for_ere:
            continue
        quarter = (datetime.fromtimestamp(started_at_seconds, UTC).month - 1) // _MONTHS_OF_QUARTER
        sums[quarter] += (session.credits_hundredths or 0) / 100
        if session.credits_hundredths is None:
            pending += (session.kwh_hundredths or 0) / 100
    quarters = _quarters(year, sums, moment_seconds)
    return _position(year, quarters, pending, (moment_seconds - start_seconds) / _DAY_S)


def price_json(moment_seconds: float) -> Json:
    """Return the body of the public price feed; it is updated at the start of each week."""
    monday_seconds = moment_seconds - (moment_seconds - 4 * _DAY_S) % _WEEK_S
    week = datetime.fromtimestamp(monday_seconds, UTC).isocalendar().week
    current = {
        "mid_eur": _market_price(monday_seconds),
        "week_number": week,
        "updated_at": timestamp(monday_seconds + 9 * 3600),
    }
    return {"ok": True, "current": current}


def estimate_json(moment_seconds: float) -> Json:
    """Return the basis of the estimates of ``/sessions``: the market price of the week, and the fee."""
    return {
        "price_per_ere": price_json(moment_seconds)["current"]["mid_eur"],
        "effective_fee_pct": _FEE_PCT,
    }


def _market_price(moment_seconds: float) -> float:
    return round(0.49 + 0.03 * math.sin(moment_seconds / (9 * _WEEK_S)), 3)


def _quarters(year: int, sums: list[float], moment_seconds: float) -> list[_Quarter]:
    quarters = []
    for index, earned in enumerate(sums):
        start_seconds = datetime(year, 1 + index * _MONTHS_OF_QUARTER, 1, tzinfo=UTC).timestamp()
        if start_seconds <= moment_seconds:
            phase = max((moment_seconds - start_seconds) / _DAY_S / _QUARTER_DAYS - 1, 0.0)
            price = _market_price(start_seconds)
            quarters.append(_Quarter(f"{year}-Q{index + 1}", round(earned, 2), phase, price))
    return quarters


def _position(year: int, quarters: list[_Quarter], pending: float, days: float) -> Json:
    price = quarters[-1].price
    settled = {status: _settled(quarters, status) for status in ("paid", "payable", "reserved")}
    earned = sum(quarter.credits for quarter in quarters)
    sold = sum(quarter.sold for quarter in quarters)
    unsold, future = earned - sold, earned / max(days, 1.0) * max(365.0 - days, 0.0)
    realized = sum(float(bucket["net_eur"] or 0.0) for bucket in settled.values())

    def net(credits_unsold: float) -> float:
        return round(credits_unsold * price * (100 - _FEE_PCT) / 100, 2)

    return {
        "compliance_year": year,
        "effective_fee_pct": _FEE_PCT,
        "indicative_price_per_ere": price,
        "realized_avg_price": round(sum(each.sold * each.price for each in quarters) / sold, 3) if sold else None,
        **settled,
        "unsold": {
            "ere": round(unsold + future, 2),
            "ytd_ere": round(unsold, 2),
            "future_ere": round(future, 2),
            "forecast_net_eur": net(unsold + future),
            "ytd_forecast_net_eur": net(unsold),
            "future_forecast_net_eur": net(future),
        },
        "pending_ere": round(pending, 2),
        "pending_forecast_net_eur": net(pending),
        "allocatable_ere": round(earned + future, 2),
        "ytd_expected_eur": round(realized + net(unsold), 2),
        "total_expected_eur": round(realized + net(unsold + future), 2),
        "forecast_confidence": "low" if days < _QUARTER_DAYS else "medium",
        "forecast_is_projected": True,
        "forecast_history_days": int(days),
        "quarters": [_quarter_json(quarter) for quarter in quarters],
    }


def _settled(quarters: list[_Quarter], status: str) -> Json:
    credits_settled = sum(quarter.by_status[status] for quarter in quarters)
    gross = sum(quarter.by_status[status] * quarter.price for quarter in quarters)
    return {
        "ere": round(credits_settled, 2),
        "net_eur": round(sum(quarter.net_euros(quarter.by_status[status]) for quarter in quarters), 2),
        "price_per_ere": round(gross / credits_settled, 3) if credits_settled else None,
    }


def _quarter_json(quarter: _Quarter) -> Json:
    return {
        "quarter": quarter.name,
        "final": quarter.final,
        "ere": quarter.credits,
        "price_per_ere": quarter.price,
        "sold_ere": quarter.sold,
        "unsold_ere": round(quarter.credits - quarter.sold, 2),
        "realized_net_eur": quarter.net_euros(quarter.sold),
        "net_eur_by_status": {status: quarter.net_euros(amount) for status, amount in quarter.by_status.items()},
    }


def timestamp(seconds: float | None) -> str | None:
    """Return ``YYYY-MM-DDTHH:MM:SSZ``, as the API normally writes it."""
    return None if seconds is None else datetime.fromtimestamp(int(seconds), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
