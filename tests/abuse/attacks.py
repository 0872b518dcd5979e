"""Hostile clients, each a coroutine; ``python -m abuse.attacks NAME HOST PORT CLIENTS SECONDS`` runs one of them.

Each counts how its connections ended, by status or ``closed``, and prints that as JSON.
"""

import asyncio
import collections
import contextlib
import json
import resource
import sys
import time
from collections.abc import Callable, Coroutine
from itertools import cycle

from support.http_shapes import MALFORMED, SHAPES

Endings = collections.Counter[str]
Client = Callable[["Target"], Coroutine[None, None, str]]

SCRAPE = b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"
DRIP_S = 0.2


class Target:
    """Where to attack, and until when."""

    def __init__(self, host: str, port: int, seconds: float) -> None:
        self.host, self.port = host, port
        self.end = time.monotonic() + seconds
        malformed = [(request, None) for request in MALFORMED.values()]
        self.shapes = cycle([*SHAPES.values(), *malformed])

    @property
    def left_s(self) -> float:
        return max(self.end - time.monotonic(), 0.0)


@contextlib.asynccontextmanager
async def connected(target: Target):
    reader, writer = await asyncio.open_connection(target.host, target.port)
    try:
        yield reader, writer
    finally:
        writer.transport.abort()


async def ending(reader: asyncio.StreamReader, seconds: float) -> str:
    """Return the status that the server answers before it closes."""
    try:
        async with asyncio.timeout(seconds):
            line = await reader.readline()
    except TimeoutError:
        return "held"
    return line.split()[1].decode() if line.startswith(b"HTTP/1.") else "closed"


async def silent(target: Target) -> str:
    """Connect and say nothing."""
    return await _sent(target, b"")


async def slow_head(target: Target) -> str:
    """Send a header that never ends."""
    return await _drip(target, b"GET /metrics HTTP/1.1\r\nHost: x\r\nX: ", b"a")


async def slow_body(target: Target) -> str:
    """Send a body that never ends."""
    return await _drip(target, b"POST /-/reload HTTP/1.1\r\nHost: x\r\nContent-Length: 4000\r\n\r\n", b"a")


async def _drip(target: Target, begin: bytes, drop: bytes) -> str:
    async with connected(target) as (reader, writer):
        writer.write(begin)
        answer = asyncio.ensure_future(ending(reader, target.left_s))
        while not answer.done():
            writer.write(drop)
            await asyncio.wait([answer], timeout=DRIP_S)
        return answer.result()


async def slow_reader(target: Target) -> str:
    """Ask as often as is allowed, and read nothing."""
    async with connected(target) as (reader, writer):
        writer.transport.pause_reading()
        writer.write(SCRAPE * 2)
        await asyncio.sleep(target.left_s)
        return "gone" if reader.at_eof() or writer.transport.is_closing() else "held"


async def half_closed(target: Target) -> str:
    """Ask, end this side of the connection, and read nothing."""
    async with connected(target) as (reader, writer):
        writer.transport.pause_reading()
        writer.write(SCRAPE * 2)
        with contextlib.suppress(OSError):  # it may have been closed by now
            writer.write_eof()
        await asyncio.sleep(min(target.left_s, DRIP_S))
        return "gone" if reader.at_eof() or writer.transport.is_closing() else "left"


async def pipeliner(target: Target) -> str:
    """Ask a thousand times without waiting for an answer."""
    async with connected(target) as (reader, writer):
        writer.write(SCRAPE * 1000)
        await reader.read()
        return "closed"


async def huge_head(target: Target) -> str:
    """Send headers of a megabyte."""
    return await _sent(target, b"GET /metrics HTTP/1.1\r\nHost: x\r\n" + (b"X: " + b"a" * 4000 + b"\r\n") * 250)


async def huge_url(target: Target) -> str:
    """Ask for a URL of a megabyte."""
    return await _sent(target, b"GET /" + b"a" * 1_000_000)


async def _sent(target: Target, request: bytes) -> str:
    async with connected(target) as (reader, writer):
        writer.write(request)
        return await ending(reader, target.left_s)


async def shapes(target: Target) -> str:
    """Send one request after another, most of them malformed; count those with an unexpected status."""
    request, status = next(target.shapes)
    got = await _sent(target, request)
    expected = {"held", str(status)} if status else {"held", "closed", "400", "404", "405"}
    return got if got in expected else f"{got} in place of {status or 400}"


async def flood(target: Target) -> str:
    """Scrape without a pause."""
    async with connected(target) as (reader, writer):
        writer.write(SCRAPE.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
        status = await ending(reader, target.left_s)
        await reader.read()
        return status


CLIENTS = (silent, slow_head, slow_body, slow_reader, half_closed, pipeliner, huge_head, huge_url, shapes, flood)
ATTACKS: dict[str, Client] = {each.__name__: each for each in CLIENTS}


async def attack(name: str, host: str, port: int, clients: int, seconds: float) -> Endings:
    """Keep so many clients at it for so long; each that ends is followed by another."""
    target, endings = Target(host, port, seconds), collections.Counter[str]()

    async def repeat() -> None:
        while target.left_s:
            try:
                endings[await ATTACKS[name](target)] += 1
            except (ConnectionError, TimeoutError):
                endings["closed"] += 1

    await asyncio.gather(*(repeat() for _ in range(clients)))
    return endings


if __name__ == "__main__":
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 8192), hard))
    name, host, port, clients, seconds = sys.argv[1:]
    print(json.dumps(asyncio.run(attack(name, host, int(port), int(clients), float(seconds)))))
