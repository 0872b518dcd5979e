"""A simulated household as a process or a thread of its own, and a record of the requests that one gets.

The process takes its scenario as JSON, writes one line, the API's base URL, and serves until it is ended.
"""

import asyncio
import contextlib
import sys
import threading
from collections.abc import Iterator
from typing import NamedTuple, TypeVar

import msgspec
from aiohttp import web

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


async def _serve(scenario: Scenario) -> None:
    async with serve(Household(scenario)) as running:
        print(running.url, flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_serve(msgspec.json.decode(sys.argv[1], type=Scenario)))
