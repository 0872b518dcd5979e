"""Hostile clients; ``python -m abuse.attacks NAME ADDRESS CLIENTS SECONDS`` runs those of one kind.

Counts how their connections ended, by status or ``closed``, and prints that as JSON.
"""

import asyncio
import collections
import contextlib
import itertools
import json
import resource
import sys
import time
from collections.abc import Awaitable, Callable

from support.http_shapes import MALFORMED, SHAPES
from support.web import LAST_REQUEST, REQUEST, connected

LONG_HEADERS = (b"X: " + b"a" * 4000 + b"\r\n") * 250
DRIP_S = 0.2
ALL_SHAPES = itertools.cycle([*SHAPES.values(), *((request, None) for request in MALFORMED.values())])


class Target:
    """Address to attack, and until when."""

    def __init__(self, address: str, seconds: float) -> None:
        self.address, self.end = address, time.monotonic() + seconds

    @property
    def left_s(self) -> float:
        return max(self.end - time.monotonic(), 0.0)


Client = Callable[[Target], Awaitable[str]]


def sends(request: bytes) -> Client:
    """Return a client that sends this, and waits for a status."""

    async def client(target: Target) -> str:
        async with connected(target.address) as (reader, writer):
            writer.write(request)
            return await ending(reader, target.left_s)

    return client


def drips(begin: bytes) -> Client:
    """Return a client that sends this, and then a byte at a time for ever."""

    async def client(target: Target) -> str:
        async with connected(target.address) as (reader, writer):
            writer.write(begin)
            response = asyncio.ensure_future(ending(reader, target.left_s))
            while not response.done():
                writer.write(b"a")
                await asyncio.wait([response], timeout=DRIP_S)
            return response.result()

    return client


async def ending(reader: asyncio.StreamReader, seconds: float) -> str:
    """Return the status that the server responds with before it closes."""
    try:
        async with asyncio.timeout(seconds):
            line = await reader.readline()
    except TimeoutError:
        return "held"
    return line.split()[1].decode() if line.startswith(b"HTTP/1.") else "closed"


def reads_nothing(*, leaves: bool) -> Client:
    """Return a client that asks as often as is allowed, and may end its side of the connection then."""

    async def client(target: Target) -> str:
        async with connected(target.address) as (reader, writer):
            writer.transport.pause_reading()
            writer.write(REQUEST * 2)
            if leaves:
                with contextlib.suppress(OSError):  # it may have been closed by now
                    writer.write_eof()
            await asyncio.sleep(min(target.left_s, DRIP_S if leaves else target.left_s))
            gone = reader.at_eof() or writer.transport.is_closing()
            return "gone" if gone else "left" if leaves else "held"

    return client


async def pipeliner(target: Target) -> str:
    """Ask a thousand times without waiting for a response."""
    async with connected(target.address) as (reader, writer):
        writer.write(REQUEST * 1000)
        await reader.read()
        return "closed"


async def shapes(target: Target) -> str:
    """Send one request after another, most of them malformed; count those with an unexpected status."""
    request, status = next(ALL_SHAPES)
    got = await sends(request)(target)
    expected = {"held", str(status)} if status else {"held", "closed", "400", "404", "405"}
    return got if got in expected else f"{got} in place of {status or 400}"


ATTACKS: dict[str, Client] = {
    "silent": sends(b""),
    "slow_head": drips(b"GET /metrics HTTP/1.1\r\nHost: x\r\nX: "),
    "slow_body": drips(b"POST /-/reload HTTP/1.1\r\nHost: x\r\nContent-Length: 4000\r\n\r\n"),
    "slow_reader": reads_nothing(leaves=False),
    "half_closed": reads_nothing(leaves=True),
    "pipeliner": pipeliner,
    "huge_head": sends(b"GET /metrics HTTP/1.1\r\nHost: x\r\n" + LONG_HEADERS),
    "huge_url": sends(b"GET /" + b"a" * 1_000_000),
    "shapes": shapes,
    "flood": sends(LAST_REQUEST),
}


async def attack(name: str, address: str, clients: int, seconds: float) -> dict[str, int]:
    """Keep so many clients at it for so long; each that ends is followed by another."""
    target, endings = Target(address, seconds), collections.Counter[str]()

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
    name, address, clients, seconds = sys.argv[1:]
    print(json.dumps(asyncio.run(attack(name, address, int(clients), float(seconds)))))
