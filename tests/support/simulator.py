"""A simulated household as a process of its own, and a record of the requests that one gets.

The process writes one line, the API's base URL, and serves until SIGTERM or SIGINT.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
from typing import TYPE_CHECKING, NamedTuple

from joulo_exporter.simulator import BASE_PATH, Cadence, Household, Scenario, serve

if TYPE_CHECKING:
    from aiohttp import web

    from joulo_exporter.simulator import Running


class SeenRequest(NamedTuple):
    """A request as it arrived; the token itself is not kept."""

    at_seconds: float
    path: str
    """Below the base path, if it is there."""
    has_authorization: bool


def recorded(running: Running) -> list[SeenRequest]:
    """Return a list to which each request is added from now on."""
    seen: list[SeenRequest] = []
    handle = running.handle

    async def handle_recorded(request: web.Request) -> web.StreamResponse:
        path = request.path.removeprefix(BASE_PATH)
        seen.append(SeenRequest(running.household.clock(), path, "Authorization" in request.headers))
        return await handle(request)

    running.handle = handle_recorded
    return seen


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    usual, pace = Scenario(), Cadence()
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--seed", type=int, default=usual.seed)
    parser.add_argument("--chargers", type=int, default=usual.chargers)
    parser.add_argument("--history-days", type=int, default=usual.history_days)
    parser.add_argument("--history-sessions", type=int, default=usual.history_sessions)
    parser.add_argument("--session-seconds", type=float, help="length of every session")
    parser.add_argument("--pause-seconds", type=float, help="length of every pause")
    parser.add_argument("--credits-delay-seconds", type=float, default=pace.credits_delay_s)
    parser.add_argument("--sync-seconds", type=int, default=pace.sync_s)
    parser.add_argument("--time-lapse", type=float, default=pace.time_lapse)
    return parser.parse_args()


def _scenario(arguments: argparse.Namespace) -> Scenario:
    pace = Cadence()
    session_s, pause_s = arguments.session_seconds, arguments.pause_seconds
    return Scenario(
        seed=arguments.seed,
        chargers=arguments.chargers,
        history_days=arguments.history_days,
        history_sessions=arguments.history_sessions,
        cadence=Cadence(
            session_s=pace.session_s if session_s is None else (session_s, session_s),
            pause_s=pace.pause_s if pause_s is None else (pause_s, pause_s),
            credits_delay_s=arguments.credits_delay_seconds,
            sync_s=arguments.sync_seconds,
            time_lapse=arguments.time_lapse,
        ),
    )


async def _serve_until_signalled(household: Household, port: int) -> None:
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    async with serve(household, port=port) as running:
        sys.stdout.write(f"{running.url}\n")
        sys.stdout.flush()
        await stopped.wait()


if __name__ == "__main__":
    _given = _arguments()
    asyncio.run(_serve_until_signalled(Household(_scenario(_given)), _given.port))
