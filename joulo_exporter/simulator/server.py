"""The simulated API over HTTP, in the wire format of the vendor's example responses."""

import math
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from aiohttp import web

from joulo_exporter.models.charger import Charger
from joulo_exporter.models.session import Session
from joulo_exporter.simulator.household import Household

Json = dict[str, Any]

BASE_PATH: Final = "/functions/v1/api"
PRICE_PATH: Final = "/api/ere-price"
"""The public price feed lies outside of ``BASE_PATH``, and needs no token."""

DEMO_TOKEN: Final = "joulo_demo"  # noqa: S105 (opens the simulator only)

_SUMS = ("kwh", "ere_credits", "sessions", "kwh_all", "sessions_all")
"""Figures of ``/energy``; those without ``all`` are of eligible sessions. Energy and credits in hundredths."""
_FEE_PCT = 20
_SETTLED = ("paid", "payable", "reserved")
_DAY_S = 86_400.0
_QUARTER_DAYS = 91.0
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
    page = household.sessions_at(moment_seconds, slice(offset, offset + limit))
    basis = {"price_per_ere": price_json(moment_seconds)["current"]["mid_eur"], "effective_fee_pct": _FEE_PCT}
    sessions = [_session_json(session) for session in page]
    return {"sessions": sessions, "limit": limit, "offset": offset, "estimate_basis": basis}


_ENDPOINTS: Final[Mapping[str, Callable[[Household, float, Mapping[str, str]], Json]]] = {
    f"{BASE_PATH}/chargers": lambda household, at, _: {
        "chargers": [_charger_json(charger) for charger in household.chargers_at(at)]
    },
    f"{BASE_PATH}/sessions": _sessions,
    f"{BASE_PATH}/energy": lambda household, at, _: _energy_json(household.sessions_at(at)),
    f"{BASE_PATH}/ere-position": lambda household, at, _: position_json(household.sessions_at(at), at),
    PRICE_PATH: lambda _household, at, _: price_json(at),
}
# By full path: the function that returns the JSON body for a household, a moment and a query.


def _charger_json(charger: Charger) -> Json:
    """Return a charger of ``/chargers``; what it does not have is absent rather than null."""
    fields = {
        "id": charger.id,
        "slug": charger.slug,
        "nickname": charger.nickname,
        "connection_type": charger.connection_type,
        "status": charger.status,
        "mid_certified": charger.mid_certified,
        "is_charging": charger.charging,
        "current_session": charger.session
        and {
            "id": charger.session.id,
            "started_at": _timestamp(charger.session.started_at_seconds),
            "kwh_so_far": _decimal(charger.session.kwh_hundredths),
            "id_tag": charger.session.id_tag,
        },
        "latest_meter_wh": charger.meter_wh,
        "meter_updated_at": _timestamp(charger.meter_at_seconds),
    }
    return {name: value for name, value in fields.items() if value is not None}


def _session_json(session: Session) -> Json:
    return {
        "id": session.id,
        "charger_id": session.charger_id,
        "charger_nickname": session.charger_nickname,
        "started_at": _timestamp(session.started_at_seconds),
        "ended_at": _timestamp(session.ended_at_seconds),
        "kwh": _decimal(session.kwh_hundredths),
        "status": session.status,
        "id_tag": session.id_tag,
        "counts_for_ere": session.counts_for_ere,
        "ere_credits": _decimal(session.credits_hundredths),
    }


def _energy_json(sessions: Iterable[Session]) -> Json:
    """Return the body of ``/energy``, newest month first; a session belongs to the month in which it started."""
    months: defaultdict[str, Counter[str]] = defaultdict(lambda: Counter(dict.fromkeys(_SUMS, 0)))
    for session in sessions:
        kwh, sums = session.kwh_hundredths or 0, months[_month(session)]
        sums["kwh_all"] += kwh
        sums["sessions_all"] += 1
        if session.counts_for_ere:
            sums["kwh"] += kwh
            sums["sessions"] += 1
            sums["ere_credits"] += session.credits_hundredths or 0
    listed = [{"month": month, **_sums_json(sums)} for month, sums in sorted(months.items(), reverse=True)]
    return _sums_json(sum(months.values(), Counter(dict.fromkeys(_SUMS, 0))), "total_") | {"months": listed}


def _month(session: Session) -> str:
    return datetime.fromtimestamp(session.started_at_seconds or 0.0, UTC).strftime("%Y-%m")


def _sums_json(sums: Mapping[str, int], prefix: str = "") -> Json:
    return {prefix + name: sums[name] if "sessions" in name else _decimal(sums[name]) for name in _SUMS}


def _decimal(hundredths: int | None) -> float | None:
    """Return a number with at most two decimals; a whole one without any, as JavaScript writes it."""
    if hundredths is None:
        return None
    return hundredths / 100 if hundredths % 100 else hundredths // 100


def _timestamp(seconds: float | None) -> str | None:
    """Return ``YYYY-MM-DDTHH:MM:SSZ``, as the API normally writes it."""
    return None if seconds is None else datetime.fromtimestamp(int(seconds), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


# Worth of the credits ---------------------------------------------------------------------------


def price_json(moment_seconds: float) -> Json:
    """Return the body of the public price feed; it is updated at the start of each week."""
    monday_seconds = moment_seconds - (moment_seconds - 4 * _DAY_S) % _WEEK_S
    current = {
        "mid_eur": _market_price(monday_seconds),
        "week_number": datetime.fromtimestamp(monday_seconds, UTC).isocalendar().week,
        "updated_at": _timestamp(monday_seconds + 9 * 3600),
    }
    return {"ok": True, "current": current}


def position_json(sessions: Iterable[Session], moment_seconds: float) -> Json:
    """Return the body of ``/ere-position`` from all sessions up to a moment, for its calendar year.

    A quarter's credits are sold during the quarter that follows it, for the price at the beginning of the year. Of
    those sold and not yet paid, 60 % are payable and the rest are reserved; a quarter and a half after the end of
    theirs, all are paid.
    """
    year = datetime.fromtimestamp(moment_seconds, UTC).year
    starts = [datetime(year, month, 1, tzinfo=UTC).timestamp() for month in (1, 4, 7, 10)]
    price, days = _market_price(starts[0]), (moment_seconds - starts[0]) / _DAY_S
    earned, pending = [0.0] * 4, 0.0
    for session in sessions:
        month = _month(session)
        if session.counts_for_ere and int(month[:4]) == year:
            earned[(int(month[5:]) - 1) // 3] += (session.credits_hundredths or 0) / 100
            if session.credits_hundredths is None:
                pending += (session.kwh_hundredths or 0) / 100

    def euros(amount: float) -> float:
        return round(amount * price * (100 - _FEE_PCT) / 100, 2)

    quarters, sums = [], dict.fromkeys((*_SETTLED, "unsold"), 0.0)
    for number, start_seconds in enumerate(starts):
        if start_seconds <= moment_seconds:
            since_end = max((moment_seconds - start_seconds) / _DAY_S / _QUARTER_DAYS - 1, 0.0)
            total = round(earned[number], 2)
            sold = round(total * min(since_end, 1.0), 2)
            paid = round(sold * min(max(since_end - 0.5, 0.0), 1.0), 2)
            payable = round((sold - paid) * 0.6, 2)
            states = {"paid": paid, "payable": payable, "reserved": sold - paid - payable, "unsold": total - sold}
            sums = {state: round(sums[state] + amount, 2) for state, amount in states.items()}
            quarters.append(
                {
                    "quarter": f"{year}-Q{number + 1}",
                    "final": since_end >= 1,
                    "ere": total,
                    "price_per_ere": price,
                    "sold_ere": sold,
                    "unsold_ere": round(states["unsold"], 2),
                    "realized_net_eur": euros(sold),
                    "net_eur_by_status": {status: euros(states[status]) for status in _SETTLED},
                }
            )
    earned_ere, realized_ere = sum(earned), sum(sums[status] for status in _SETTLED)
    future = earned_ere / max(days, 1.0) * max(365.0 - days, 0.0)
    return {
        "compliance_year": year,
        "effective_fee_pct": _FEE_PCT,
        "indicative_price_per_ere": price,
        "realized_avg_price": price if realized_ere else None,
        **{
            status: {
                "ere": sums[status],
                "net_eur": euros(sums[status]),
                "price_per_ere": price if sums[status] else None,
            }
            for status in _SETTLED
        },
        "unsold": {
            "ere": round(sums["unsold"] + future, 2),
            "ytd_ere": sums["unsold"],
            "future_ere": round(future, 2),
            "forecast_net_eur": euros(sums["unsold"] + future),
            "ytd_forecast_net_eur": euros(sums["unsold"]),
            "future_forecast_net_eur": euros(future),
        },
        "pending_ere": round(pending, 2),
        "pending_forecast_net_eur": euros(pending),
        "allocatable_ere": round(earned_ere + future, 2),
        "ytd_expected_eur": euros(earned_ere),
        "total_expected_eur": euros(earned_ere + future),
        "forecast_confidence": "low" if days < _QUARTER_DAYS else "medium",
        "forecast_is_projected": True,
        "forecast_history_days": int(days),
        "quarters": quarters,
    }


def _market_price(moment_seconds: float) -> float:
    return round(0.49 + 0.03 * math.sin(moment_seconds / (9 * _WEEK_S)), 3)
