"""Servers in threads of their own: a simulated household, with a record of its requests, and JSON of a test."""

import asyncio
import contextlib
import json
import threading
from collections.abc import Callable, Iterator
from typing import NamedTuple, TypeVar

from aiohttp import web
from aiohttp.test_utils import TestServer
from support.parsing import parse_chargers, parse_sessions

from joulo_exporter.models.charger import Charger
from joulo_exporter.models.session import Session
from joulo_exporter.simulator import BASE_PATH, Household, Scenario, SimulatedApi, serve

Served = TypeVar("Served")


class SeenRequest(NamedTuple):
    """A request as it arrived; the token itself is not kept."""

    at_seconds: float
    path: str
    """Below the base path, if it is there."""
    has_authorization: bool


def recorded(running: SimulatedApi) -> list[SeenRequest]:
    """Return a list to which each request is added from now on."""
    seen: list[SeenRequest] = []
    handle = running.handle

    async def handle_recorded(request: web.Request) -> web.StreamResponse:
        path = request.path.removeprefix(BASE_PATH)
        seen.append(SeenRequest(running.household.clock(), path, "Authorization" in request.headers))
        return await handle(request)

    running.handle = handle_recorded
    return seen


def chargers_of(household: Household, moment_seconds: float) -> list[Charger]:
    """Return the chargers of a household at a moment, as the exporter reads them."""
    return list(parse_chargers(json.dumps({"chargers": household.chargers_at(moment_seconds)}).encode()).content)


def sessions_of(household: Household, moment_seconds: float) -> list[Session]:
    """Return all sessions of a household at a moment, as the exporter reads them."""
    body = json.dumps({"sessions": household.sessions_at(moment_seconds)})
    return list(parse_sessions(body.encode()).content.sessions)


@contextlib.contextmanager
def in_thread(server: contextlib.AbstractAsyncContextManager[Served]) -> Iterator[Served]:
    """Enter a server in a thread with an event loop of its own, so that a test can wait; yield what it yields."""
    runner = asyncio.Runner(loop_factory=asyncio.new_event_loop)
    loop = runner.get_loop()

    def run() -> None:
        loop.run_forever()
        runner.close()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield asyncio.run_coroutine_threadsafe(server.__aenter__(), loop).result()
        asyncio.run_coroutine_threadsafe(server.__aexit__(None, None, None), loop).result()
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()


def scenario(session_s: float, pause_s: float, *, time_lapse: float = 40, **more) -> Scenario:
    """Return a household whose sessions and pauses are all as long."""
    return Scenario(session_s=(session_s, session_s), pause_s=(pause_s, pause_s), time_lapse=time_lapse, **more)


@contextlib.contextmanager
def simulator(scenario: Scenario = Scenario()) -> Iterator[str]:  # noqa: B008 -- it does not change
    """Run a simulated household; yield the API's URL."""
    with in_thread(serve(Household(scenario))) as running:
        yield running.url


@contextlib.contextmanager
def json_server(respond: Callable[[str, bytes], tuple[int, object]]) -> Iterator[str]:
    """Serve ``respond(path, body)``, which returns (status, content); yield the URL."""

    async def handle(request: web.Request) -> web.Response:
        status, content = respond(request.path, await request.read())
        return web.json_response(content, status=status)

    application = web.Application()
    application.router.add_route("*", "/{path:.*}", handle)
    with in_thread(TestServer(application)) as server:
        yield str(server.make_url("")).rstrip("/")
