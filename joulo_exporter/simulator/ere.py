"""Worth of the household's credits: a year in which quarters become final, and what is payable is paid.

A quarter's credits are sold in the quarter that follows it. A third of a settled quarter is reserved at
first, then payable, then paid: half a year after its end nothing of it is left to pay.
"""

import math
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from joulo_exporter.models.session import Session

Json = dict[str, Any]

_FEE_PCT = 20
_DAY_S = 86_400.0
_QUARTER_DAYS = 91.0
_WEEK_S = 7 * _DAY_S
_MONTHS_OF_QUARTER = 3


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


def position_json(sessions: Iterable[Session], moment_seconds: float) -> Json:
    """Return the body of ``/ere-position`` for all sessions up to a moment: of the calendar year of it."""
    year = datetime.fromtimestamp(moment_seconds, UTC).year
    starts = [datetime(year, 1 + index * _MONTHS_OF_QUARTER, 1, tzinfo=UTC).timestamp() for index in range(4)]
    earned, pending = [0.0] * 4, 0.0
    for session in sessions:
        started_at_seconds = session.started_at_seconds or 0.0
        if started_at_seconds < starts[0] or not session.counts_for_ere:
            continue
        quarter = (datetime.fromtimestamp(started_at_seconds, UTC).month - 1) // _MONTHS_OF_QUARTER
        earned[quarter] += (session.credits_hundredths or 0) / 100
        if session.credits_hundredths is None:
            pending += (session.kwh_hundredths or 0) / 100
    quarters = []
    for index, start_seconds in enumerate(starts):
        if start_seconds <= moment_seconds:
            phase = max((moment_seconds - start_seconds) / _DAY_S / _QUARTER_DAYS - 1, 0.0)
            name = f"{year}-Q{index + 1}"
            quarters.append(_quarter(name, round(earned[index], 2), phase, _market_price(start_seconds)))
    return _position(year, quarters, pending, (moment_seconds - starts[0]) / _DAY_S)


def _quarter(name: str, earned: float, phase: float, price: float) -> tuple[Json, dict[str, float]]:
    """Return a quarter and, by how far it is paid, what of it is sold; ``phase`` counts quarters since its end."""
    sold = round(earned * min(phase, 1.0), 2)
    paid = round(sold * min(max(phase - 0.5, 0.0), 1.0), 2)
    payable = round((sold - paid) * 0.6, 2)
    by_status = {"paid": paid, "payable": payable, "reserved": round(sold - paid - payable, 2)}
    quarter = {
        "quarter": name,
        "final": phase >= 1,
        "ere": earned,
        "price_per_ere": price,
        "sold_ere": sold,
        "unsold_ere": round(earned - sold, 2),
        "realized_net_eur": _net_euros(sold, price),
        "net_eur_by_status": {status: _net_euros(amount, price) for status, amount in by_status.items()},
    }
    return quarter, by_status


def _position(year: int, quarters: list[tuple[Json, dict[str, float]]], pending: float, days: float) -> Json:
    listed = [quarter for quarter, _ in quarters]
    price = listed[-1]["price_per_ere"]
    settled = {status: _settled(quarters, status) for status in ("paid", "payable", "reserved")}
    earned, sold = sum(each["ere"] for each in listed), sum(each["sold_ere"] for each in listed)
    realized_price = sum(each["sold_ere"] * each["price_per_ere"] for each in listed) / sold if sold else None
    unsold, future = earned - sold, earned / max(days, 1.0) * max(365.0 - days, 0.0)
    realized = sum(bucket["net_eur"] for bucket in settled.values())
    return {
        "compliance_year": year,
        "effective_fee_pct": _FEE_PCT,
        "indicative_price_per_ere": price,
        "realized_avg_price": None if realized_price is None else round(realized_price, 3),
        **settled,
        "unsold": {
            "ere": round(unsold + future, 2),
            "ytd_ere": round(unsold, 2),
            "future_ere": round(future, 2),
            "forecast_net_eur": _net_euros(unsold + future, price),
            "ytd_forecast_net_eur": _net_euros(unsold, price),
            "future_forecast_net_eur": _net_euros(future, price),
        },
        "pending_ere": round(pending, 2),
        "pending_forecast_net_eur": _net_euros(pending, price),
        "allocatable_ere": round(earned + future, 2),
        "ytd_expected_eur": round(realized + _net_euros(unsold, price), 2),
        "total_expected_eur": round(realized + _net_euros(unsold + future, price), 2),
        "forecast_confidence": "low" if days < _QUARTER_DAYS else "medium",
        "forecast_is_projected": True,
        "forecast_history_days": int(days),
        "quarters": listed,
    }


def _settled(quarters: list[tuple[Json, dict[str, float]]], status: str) -> Json:
    amounts = [(by_status[status], quarter["price_per_ere"]) for quarter, by_status in quarters]
    total = sum(amount for amount, _ in amounts)
    gross = sum(amount * price for amount, price in amounts)
    return {
        "ere": round(total, 2),
        "net_eur": round(sum(_net_euros(amount, price) for amount, price in amounts), 2),
        "price_per_ere": round(gross / total, 3) if total else None,
    }


def _net_euros(credits_sold: float, price: float) -> float:
    return round(credits_sold * price * (100 - _FEE_PCT) / 100, 2)


def _market_price(moment_seconds: float) -> float:
    return round(0.49 + 0.03 * math.sin(moment_seconds / (9 * _WEEK_S)), 3)


def timestamp(seconds: float | None) -> str | None:
    """Return ``YYYY-MM-DDTHH:MM:SSZ``, as the API normally writes it."""
    return None if seconds is None else datetime.fromtimestamp(int(seconds), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
