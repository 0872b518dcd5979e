"""Sending of long responses: whole for slow readers, nothing for HEAD, no noise when the client leaves."""

import asyncio
import contextlib
import random
import subprocess

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from support.client_library import EVERYTHING, generated, process
from support.fleet import fleet_snapshot
from support.web import Body

from joulo_exporter.exposition import Exposition
from joulo_exporter.web import app

CONTENT = random.Random(1).randbytes(5_000_000)
CUTS = sorted(random.Random(2).sample(range(len(CONTENT)), 700))
PARTS = [CONTENT[start:end] for start, end in zip([0, *CUTS], [*CUTS, len(CONTENT)], strict=True)]


class Endless(Body):
    """A long body whose parts are made while they are sent."""

    def __init__(self, parts, length):
        super().__init__()
        self.parts, self.length = parts, length


@contextlib.asynccontextmanager
async def serving(*bodies, headers=None):
    """Serve these bodies, one after the other, on a port of its own."""
    remaining = iter(bodies)

    async def metrics(request):
        return await app.send(request, next(remaining), headers or {})

    application = web.Application()
    application.router.add_get("/metrics", metrics)
    server = TestServer(application)
    await server.start_server()
    try:
        yield server
    finally:
        await server.close()


async def request(server, method="GET"):
    reader, writer = await asyncio.open_connection(server.host, server.port, limit=1 << 16)
    writer.write(f"{method} /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    return reader, writer


async def ask(server, method="GET"):
    reader, writer = await request(server, method)
    head = await reader.readuntil(b"\r\n\r\n")
    return reader, writer, head


async def last_body(reader, writer):
    """Return the response to a further request on the connection."""
    writer.write(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    return await reader.read()


@pytest.mark.parametrize(
    "parts",
    [
        [CONTENT],
        PARTS,
        [b"", CONTENT[:70_000], b"", CONTENT[70_000:], b""],
        [bytes([n % 256]) for n in range(70_000)],
    ],
    ids=["one part", "many parts", "empty parts", "tiny parts"],
)
async def test_a_long_body_arrives_whole_and_the_connection_stays(parts):
    async with serving(Body(*parts), Body(b"short\n")) as server:
        reader, writer, head = await ask(server)
        wanted = b"".join(parts)
        assert f"Content-Length: {len(wanted)}\r\n".encode() in head
        assert await reader.readexactly(len(wanted)) == wanted
        assert (await last_body(reader, writer)).endswith(b"\r\n\r\nshort\n")
        writer.close()


async def test_head_of_a_long_body_is_its_head():
    async with serving(Body(CONTENT), Body(b"short\n")) as server:
        reader, writer, head = await ask(server, "HEAD")
        assert f"Content-Length: {len(CONTENT)}\r\n".encode() in head
        assert (await last_body(reader, writer)).startswith(b"HTTP/1.1 200 OK")
        writer.close()


async def test_a_client_that_reads_slowly_costs_little_memory():
    made = 0

    def parts():
        nonlocal made
        for number in range(1_000):
            made += 1
            yield bytes([number % 256]) * 100_000

    async with serving(Endless(parts(), 100_000_000)) as server:
        reader, writer, _ = await ask(server)
        for _ in range(200):
            await asyncio.sleep(0)
        assert made < 500  # the rest is made when there is room for it
        for number in range(1_000):
            assert await reader.readexactly(100_000) == bytes([number % 256]) * 100_000
        writer.close()


async def test_the_event_loop_goes_on_while_a_fast_client_is_served():
    iterations, seen = 0, []

    def parts():
        for _ in range(400):
            seen.append(iterations)
            yield b"." * 200  # so little that the client never makes the server wait

    async with serving(Endless(parts(), 400 * 200)) as server:
        _, writer = await request(server)
        while len(seen) < 400:
            iterations += 1
            await asyncio.sleep(0)
        writer.close()
    assert len(set(seen)) >= 40  # one for each 8 of 400, with some room


async def test_a_client_that_leaves_is_no_event(caplog):
    async with serving(Body(*[CONTENT] * 10), Body(b"short\n")) as server:
        _, writer, _ = await ask(server)
        writer.transport.abort()
        for _ in range(50):
            await asyncio.sleep(0)
        reader, writer, head = await ask(server)
        assert head.startswith(b"HTTP/1.1 200 OK")
        assert await reader.readexactly(6) == b"short\n"
        writer.close()
    assert caplog.records == []


async def test_a_client_that_has_left_before_the_head_is_no_event(caplog):
    asked, gone = asyncio.Event(), asyncio.Event()

    async def metrics(request):
        asked.set()
        await gone.wait()
        return await app.send(request, Body(CONTENT), {})

    application = web.Application()
    application.router.add_get("/metrics", metrics)
    async with TestServer(application) as server:
        _, writer = await request(server)
        await asked.wait()
        writer.transport.abort()
        for _ in range(50):
            await asyncio.sleep(0)
        gone.set()
        for _ in range(50):
            await asyncio.sleep(0)
    assert caplog.records == []


async def test_a_fault_in_the_middle_closes_the_connection(caplog):
    def parts():
        yield CONTENT
        raise ZeroDivisionError

    async with serving(Endless(parts(), len(CONTENT) * 2)) as server:
        reader, writer, _ = await ask(server)
        with contextlib.suppress(ConnectionResetError):
            received = await reader.read(-1)
            assert b"HTTP/1.1 500" not in received
        assert reader.at_eof() or reader.exception() is not None
        writer.close()
    assert [record.exc_info[0] for record in caplog.records] == [ZeroDivisionError]


@pytest.mark.e2e
@pytest.mark.parametrize("compressed", [False, True], ids=["plain", "gzip"])
async def test_curl_takes_a_long_response(tmp_path, compressed):
    exposition = Exposition(process())
    snapshots = [fleet_snapshot(f"account-{number}", 1) for number in range(130)]
    for number, each in enumerate(snapshots):
        exposition.publish(f"{number}", each)
    body = await exposition.scrape(openmetrics=False, compressed=compressed, names=EVERYTHING)
    assert body.length > 1 << 16
    target = tmp_path / "metrics"
    async with serving(body, headers={"Content-Encoding": "gzip"} if compressed else None) as server:
        command = ["curl", "-sS", "--compressed", "--fail", "-o", target, str(server.make_url("/metrics"))]
        await asyncio.to_thread(subprocess.run, command, check=True)
    assert target.read_bytes() == generated(*snapshots, openmetrics=False)
