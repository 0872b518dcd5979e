"""The simulated API over HTTP, in the wire format of the vendor's example responses."""

import re
from collections.abc import AsyncIterator, Callable, Mapping
from collections.abc import Set as AbstractSet
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Any, Final

import msgspec
from aiohttp import web

from joulo_exporter.models.charger import Charger, LiveSession
from joulo_exporter.models.energy import Energy, Month
from joulo_exporter.models.session import Session
from joulo_exporter.simulator.ere import estimate_json, position_json, price_json, timestamp
from joulo_exporter.simulator.household import Household

Json = dict[str, Any]

BASE_PATH: Final = "/functions/v1/api"
PRICE_PATH: Final = "/api/ere-price"
"""The public price feed lies outside of ``BASE_PATH``, and needs no token."""

ALL_SCOPES: Final[AbstractSet[str]] = {"chargers:read", "sessions:read", "energy:read", "ere:read"}
"""Scopes of a token that may read everything."""

DEMO_TOKEN: Final = "joulo_demo"  # noqa: S105 (opens the simulator only)
DEMO_TOKENS: Final[Mapping[str, AbstractSet[str]]] = {DEMO_TOKEN: ALL_SCOPES}
_DIGITS = re.compile(r"\d{1,9}", re.ASCII)
_MOST_SESSIONS = 100
_USUAL_SESSIONS = 20


class InvalidQueryError(ValueError):
    """A parameter that gets 400; the message is for the body."""


class SimulatedApi:
    """A simulated API that is being served."""

    def __init__(self, household: Household, tokens: Mapping[str, AbstractSet[str]]) -> None:
        self.household = household
        self.origin = ""
        """Scheme, host and port, such as ``http://127.0.0.1:40123``."""
        self._tokens = tokens

    @property
    def url(self) -> str:
        """The API's base URL, as the exporter's configuration wants it."""
        return self.origin + BASE_PATH

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Respond to a request."""
        moment_seconds = self.household.clock()
        endpoint = _ENDPOINTS.get(request.path)
        if endpoint is None:
            return _json({"error": "Not found"}, HTTPStatus.NOT_FOUND)
        if request.method != "GET":
            return _json({"error": "Method not allowed"}, HTTPStatus.METHOD_NOT_ALLOWED, Allow="GET")
        scope, body_of = endpoint
        refusal = None if scope is None else self._refusal(request, scope)
        if refusal is not None:
            return refusal
        try:
            return _json(body_of(self.household, moment_seconds, request.query))
        except InvalidQueryError as error:
            return _json({"error": str(error)}, HTTPStatus.BAD_REQUEST)

    def _refusal(self, request: web.Request, wanted: str) -> web.Response | None:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        scopes = self._tokens.get(token) if scheme == "Bearer" else None
        if scopes is None:
            return _json({"error": "Missing or invalid API token"}, HTTPStatus.UNAUTHORIZED)
        if wanted not in scopes:
            return _json({"error": "Insufficient scope", "required_scope": wanted}, HTTPStatus.FORBIDDEN)
        return None


@asynccontextmanager
async def serve(
    household: Household,
    *,
    port: int = 0,
    tokens: Mapping[str, AbstractSet[str]] = DEMO_TOKENS,
) -> AsyncIterator[SimulatedApi]:
    """Serve a household while the context lasts.

    Args:
        household: source of all responses.
        port: 0 for any free one; the URL tells which.
        tokens: the scopes of each token that is let in.

    Raises:
        OSError: the port is taken.
    """
    running = SimulatedApi(household, tokens)

    async def respond(request: web.Request) -> web.StreamResponse:
        return await running.handle(request)  # looked up anew: tests wrap it

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", respond)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", port).start()
        running.origin = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield running
    finally:
        await runner.cleanup()


def _json(body: object, status: HTTPStatus = HTTPStatus.OK, **headers: str) -> web.Response:
    return web.Response(
        status=status, body=msgspec.json.encode(body), content_type="application/json", headers=headers
    )


def _sessions(household: Household, moment_seconds: float, parameters: Mapping[str, str]) -> Json:
    limit = _number(parameters, "limit", _USUAL_SESSIONS, 1, _MOST_SESSIONS)
    offset = _number(parameters, "offset", 0, 0, 999_999_999)
    page = household.sessions_at(moment_seconds, slice(offset, offset + limit))
    return {
        "sessions": [_session_json(session) for session in page],
        "limit": limit,
        "offset": offset,
        "estimate_basis": estimate_json(moment_seconds),
    }


_ENDPOINTS: Final[Mapping[str, tuple[str | None, Callable[[Household, float, Mapping[str, str]], Json]]]] = {
    f"{BASE_PATH}/chargers": (
        "chargers:read",
        lambda household, at, _: {"chargers": [_charger_json(charger) for charger in household.chargers_at(at)]},
    ),
    f"{BASE_PATH}/sessions": ("sessions:read", _sessions),
    f"{BASE_PATH}/energy": ("energy:read", lambda household, at, _: _energy_json(household.energy_at(at))),
    f"{BASE_PATH}/ere-position": (
        "ere:read",
        lambda household, at, _: position_json(household.sessions_at(at), at),
    ),
    PRICE_PATH: (None, lambda _household, at, _: price_json(at)),
}
# By full path: the scope that a token needs, ``None`` for a public path, and the JSON body of the response.


def _number(parameters: Mapping[str, str], name: str, usual: int, least: int, most: int) -> int:
    text = parameters.get(name)
    if text is None:
        return usual
    if not _DIGITS.fullmatch(text) or not least <= int(text) <= most:
        raise InvalidQueryError(f"{name} must be a whole number from {least} to {most}")
    return int(text)


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
        "current_session": charger.session and _live_session_json(charger.session),
        "latest_meter_wh": charger.meter_wh,
        "meter_updated_at": timestamp(charger.meter_at_seconds),
    }
    return {name: value for name, value in fields.items() if value is not None or name == "nickname"}


def _live_session_json(session: LiveSession) -> Json:
    return {
        "id": session.id,
        "started_at": timestamp(session.started_at_seconds),
        "kwh_so_far": decimal(session.kwh_hundredths),
        "id_tag": session.id_tag,
    }


def _session_json(session: Session) -> Json:
    """Return a session of ``/sessions``."""
    return {
        "id": session.id,
        "charger_id": session.charger_id,
        "charger_nickname": session.charger_nickname,
        "started_at": timestamp(session.started_at_seconds),
        "ended_at": timestamp(session.ended_at_seconds),
        "kwh": decimal(session.kwh_hundredths),
        "status": session.status,
        "id_tag": session.id_tag,
        "counts_for_ere": session.counts_for_ere,
        "ere_credits": decimal(session.credits_hundredths),
    }


def _energy_json(energy: Energy) -> Json:
    """Return the body of ``/energy`` in its newer form, with the ``_all`` figures."""
    months = [{"month": month.month, **_sums_json(month)} for month in energy.months]
    return {**_sums_json(energy, "total_"), "months": months}


def _sums_json(sums: Energy | Month, prefix: str = "") -> Json:
    return {
        f"{prefix}kwh": decimal(sums.kwh_hundredths),
        f"{prefix}ere_credits": decimal(sums.credits_hundredths),
        f"{prefix}sessions": sums.sessions,
        f"{prefix}kwh_all": decimal(sums.kwh_all_hundredths),
        f"{prefix}sessions_all": sums.sessions_all,
    }


def decimal(hundredths: int | None) -> float | None:
    """Return a number with at most two decimals; a whole one without any, as JavaScript writes it."""
    if hundredths is None:
        return None
    return hundredths / 100 if hundredths % 100 else hundredths // 100
