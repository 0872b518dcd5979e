"""The simulated API over HTTP, in the wire format of the vendor's example responses."""

import math
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from aiohttp import web

from joulo_exporter.simulator.household import Household, Json, timestamp

BASE_PATH: Final = "/functions/v1/api"
PRICE_PATH: Final = "/api/ere-price"
"""The public price feed lies outside of ``BASE_PATH``, and needs no token."""

DEMO_TOKEN: Final = "joulo_demo"  # noqa: S105 (opens the simulator only)

_FEE_PCT = 20
_SETTLED = ("paid", "payable", "reserved")
_SHARES: Final[Sequence[Mapping[str, float]]] = ({}, {"payable": 0.6, "reserved": 0.4}, {"paid": 1.0})
"""Shares of a quarter's credits that are sold, by status: in the quarter itself, in the next one, and later."""
_DAY_S = 86_400.0
_WEEK_S = 7 * _DAY_S


@dataclass
class SimulatedApi:
    """A simulated API that is being served."""

    household: Household
    tokens: Collection[str]
    url: str = BASE_PATH
    """The API's base URL, as the exporter's configuration wants it."""

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Respond to a request."""
        body_of = _ENDPOINTS.get(request.path)
        if body_of is None:
            return web.json_response({"error": "Not found"}, status=404)
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if request.path != PRICE_PATH and (scheme != "Bearer" or token not in self.tokens):
            return web.json_response({"error": "Missing or invalid API token"}, status=401)
        return web.json_response(body_of(self.household, self.household.clock(), request.query))


@asynccontextmanager
async def serve(household: Household, *, tokens: Collection[str] = (DEMO_TOKEN,)) -> AsyncIterator[SimulatedApi]:
    """Serve a household on a free port while the context lasts."""
    running = SimulatedApi(household, tokens)

    async def respond(request: web.Request) -> web.StreamResponse:
        return await running.handle(request)  # looked up anew: tests wrap it

    app = web.Application()
    app.router.add_get("/{path:.*}", respond)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        running.url = f"http://127.0.0.1:{runner.addresses[0][1]}{BASE_PATH}"
        yield running
    finally:
        await runner.cleanup()


def _sessions(household: Household, moment_seconds: float, query: Mapping[str, str]) -> Json:
    limit, offset = min(int(query.get("limit", 20)), 100), int(query.get("offset", 0))
    sessions = household.sessions_at(moment_seconds, slice(offset, offset + limit))
    basis = {"price_per_ere": price_json(moment_seconds)["current"]["mid_eur"], "effective_fee_pct": _FEE_PCT}
    return {"sessions": sessions, "limit": limit, "offset": offset, "estimate_basis": basis}


_ENDPOINTS: Final[Mapping[str, Callable[[Household, float, Mapping[str, str]], Json]]] = {
    f"{BASE_PATH}/chargers": lambda household, at, _: {"chargers": household.chargers_at(at)},
    f"{BASE_PATH}/sessions": _sessions,
    f"{BASE_PATH}/energy": lambda household, at, _: _energy_json(household.sessions_at(at)),
    f"{BASE_PATH}/ere-position": lambda household, at, _: position_json(household.sessions_at(at), at),
    PRICE_PATH: lambda _household, at, _: price_json(at),
}
# By full path: the function that returns the JSON body for a household, a moment and a query.


def _energy_json(sessions: Sequence[Json]) -> Json:
    """Return the body of ``/energy``, newest month first; a session belongs to the month in which it started."""
    months: defaultdict[str, list[Json]] = defaultdict(list)
    for session in sessions:
        months[session["started_at"][:7]].append(session)
    listed = [{"month": month, **_sums(months[month])} for month in sorted(months, reverse=True)]
    return _sums(sessions, "total_") | {"months": listed}


def _sums(sessions: Sequence[Json], prefix: str = "") -> Json:
    """Return the figures of ``/energy`` over sessions; those without ``all`` are of eligible ones."""
    eligible = [session for session in sessions if session["counts_for_ere"]]
    return {
        f"{prefix}kwh": round(sum(session["kwh"] for session in eligible), 2),
        f"{prefix}ere_credits": round(sum(session["ere_credits"] or 0 for session in eligible), 2),
        f"{prefix}sessions": len(eligible),
        f"{prefix}kwh_all": round(sum(session["kwh"] for session in sessions), 2),
        f"{prefix}sessions_all": len(sessions),
    }


# Worth of the credits ---------------------------------------------------------------------------


def price_json(moment_seconds: float) -> Json:
    """Return the body of the public price feed; it is updated each Monday at nine."""
    updated_seconds = moment_seconds - (moment_seconds - 4 * _DAY_S - 9 * 3600) % _WEEK_S
    current = {
        "mid_eur": _market_price(updated_seconds),
        "week_number": datetime.fromtimestamp(updated_seconds, UTC).isocalendar().week,
        "updated_at": timestamp(updated_seconds),
    }
    return {"ok": True, "current": current}


def position_json(sessions: Iterable[Json], moment_seconds: float) -> Json:
    """Return the body of ``/ere-position`` from all sessions up to a moment, for its calendar year.

    A quarter's credits are sold when it is over, for the price at the beginning of the year. In the next quarter
    60 % of them are payable and the rest are reserved; then they are paid.
    """
    now = datetime.fromtimestamp(moment_seconds, UTC)
    year, running = now.year, (now.month - 1) // 3
    start_seconds = datetime(year, 1, 1, tzinfo=UTC).timestamp()
    price, days = _market_price(start_seconds), (moment_seconds - start_seconds) / _DAY_S
    earned, pending = [0.0] * (running + 1), 0.0
    for session in sessions:
        if session["counts_for_ere"] and session["started_at"].startswith(str(year)):
            earned[(int(session["started_at"][5:7]) - 1) // 3] += session["ere_credits"] or 0
            if session["ere_credits"] is None:
                pending += session["kwh"]

    def euros(amount: float) -> float:
        return round(amount * price * (100 - _FEE_PCT) / 100, 2)

    quarters, settled = [], dict.fromkeys(_SETTLED, 0.0)
    for number, total in enumerate(earned):
        shares = _SHARES[min(running - number, 2)]
        by_status = {status: round(total * shares.get(status, 0.0), 2) for status in _SETTLED}
        settled = {status: round(amount + by_status[status], 2) for status, amount in settled.items()}
        sold = sum(by_status.values())
        quarters.append(
            {
                "quarter": f"{year}-Q{number + 1}",
                "final": running - number > 1,
                "ere": round(total, 2),
                "price_per_ere": price,
                "sold_ere": round(sold, 2),
                "unsold_ere": round(total - sold, 2),
                "realized_net_eur": euros(sold),
                "net_eur_by_status": {status: euros(amount) for status, amount in by_status.items()},
            }
        )
    earned_ere, realized_ere = sum(earned), sum(settled.values())
    unsold = earned_ere - realized_ere
    future = earned_ere / max(days, 1.0) * max(365.0 - days, 0.0)
    return {
        "compliance_year": year,
        "effective_fee_pct": _FEE_PCT,
        "indicative_price_per_ere": price,
        "realized_avg_price": price if realized_ere else None,
        **{
            status: {"ere": amount, "net_eur": euros(amount), "price_per_ere": price if amount else None}
            for status, amount in settled.items()
        },
        "unsold": {
            "ere": round(unsold + future, 2),
            "ytd_ere": round(unsold, 2),
            "future_ere": round(future, 2),
            "forecast_net_eur": euros(unsold + future),
            "ytd_forecast_net_eur": euros(unsold),
            "future_forecast_net_eur": euros(future),
        },
        "pending_ere": round(pending, 2),
        "pending_forecast_net_eur": euros(pending),
        "allocatable_ere": round(earned_ere + future, 2),
        "ytd_expected_eur": euros(earned_ere),
        "total_expected_eur": euros(earned_ere + future),
        "forecast_confidence": "medium" if running else "low",
        "forecast_is_projected": True,
        "forecast_history_days": int(days),
        "quarters": quarters,
    }


def _market_price(moment_seconds: float) -> float:
    return round(0.49 + 0.03 * math.sin(moment_seconds / (9 * _WEEK_S)), 3)
