"""The simulated API over HTTP."""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

import msgspec
from aiohttp import web

from joulo_exporter.simulator.endpoints import ALL_SCOPES, BASE_PATH, ENDPOINTS, Endpoint, full_path
from joulo_exporter.simulator.faults import Faults
from joulo_exporter.simulator.query import InvalidQueryError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from collections.abc import Set as AbstractSet

    from joulo_exporter.simulator.household import Household

DEMO_TOKEN: Final = "joulo_demo"  # noqa: S105 (opens the simulator only)
DEMO_TOKENS: Final[Mapping[str, AbstractSet[str]]] = {DEMO_TOKEN: ALL_SCOPES}
_REMEMBERED_REQUESTS = 100_000


class SeenRequest(msgspec.Struct, frozen=True):
    """One request as it arrived; the token itself is not kept."""

    at_seconds: float
    """By the household's clock, Unix seconds."""
    method: str
    path: str
    """In full, with the base path."""
    query: Mapping[str, str]
    has_authorization: bool


class Running:
    """A simulated API that is being served."""

    def __init__(self, household: Household, tokens: Mapping[str, AbstractSet[str]]) -> None:
        self.household = household
        self.faults = Faults()
        self.origin = ""
        """Scheme, host and port, such as ``http://127.0.0.1:40123``."""
        self._tokens = tokens
        self._seen: deque[SeenRequest] = deque(maxlen=_REMEMBERED_REQUESTS)
        self._closing = asyncio.Event()

    @property
    def url(self) -> str:
        """The API's base URL, as the exporter's configuration wants it."""
        return self.origin + BASE_PATH

    @property
    def requests(self) -> list[SeenRequest]:
        """All requests so far, oldest first."""
        return list(self._seen)

    def requests_to(self, path: str) -> list[SeenRequest]:
        """Return the requests to one path, in full or below the base path, oldest first."""
        wanted = full_path(path)
        return [request for request in self._seen if request.path == wanted]

    def close(self) -> None:
        """Let go of requests that hang."""
        self._closing.set()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Record a request, then answer it or fail as injected."""
        moment_seconds = self.household.clock()
        self._seen.append(_seen(request, moment_seconds))
        genuine = self._answer(request, moment_seconds)
        fault = self.faults.take(request.path)
        return genuine if fault is None else await fault.answer(request, genuine, self._closing)

    def _answer(self, request: web.Request, moment_seconds: float) -> web.Response:
        endpoint = ENDPOINTS.get(request.path)
        if endpoint is None:
            return _json({"error": "Not found"}, HTTPStatus.NOT_FOUND)
        if request.method != "GET":
            return _json({"error": "Method not allowed"}, HTTPStatus.METHOD_NOT_ALLOWED, Allow="GET")
        refusal = self._refusal(request, endpoint)
        if refusal is not None:
            return refusal
        try:
            return _json(endpoint.answer(self.household, moment_seconds, request.query))
        except InvalidQueryError as error:
            return _json({"error": str(error)}, HTTPStatus.BAD_REQUEST)

    def _refusal(self, request: web.Request, endpoint: Endpoint) -> web.Response | None:
        if endpoint.scope is None:
            return None
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        scopes = self._tokens.get(token) if scheme == "Bearer" else None
        if scopes is None:
            return _json({"error": "Missing or invalid API token"}, HTTPStatus.UNAUTHORIZED)
        if endpoint.scope not in scopes:
            body = {"error": "Insufficient scope", "required_scope": endpoint.scope}
            return _json(body, HTTPStatus.FORBIDDEN)
        return None


@asynccontextmanager
async def serve(
    household: Household,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    tokens: Mapping[str, AbstractSet[str]] = DEMO_TOKENS,
) -> AsyncIterator[Running]:
    """Serve a household while the context lasts.

    Args:
        household: who answers; its edits can be changed while it is served.
        host: the address to listen on.
        port: 0 for any free one; the URL tells which.
        tokens: the scopes of each token that is let in.

    Raises:
        OSError: the port is taken.
    """
    running = Running(household, tokens)
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", running.handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
        running.origin = f"http://{f'[{host}]' if ':' in host else host}:{runner.addresses[0][1]}"
        yield running
    finally:
        running.close()
        await runner.cleanup()


def _seen(request: web.Request, moment_seconds: float) -> SeenRequest:
    return SeenRequest(
        at_seconds=moment_seconds,
        method=request.method,
        path=request.path,
        query=dict(request.query),
        has_authorization="Authorization" in request.headers,
    )


def _json(body: object, status: HTTPStatus = HTTPStatus.OK, **headers: str) -> web.Response:
    return web.Response(
        status=status, body=msgspec.json.encode(body), content_type="application/json", headers=headers
    )
