"""Sending of long responses: whole for slow readers, nothing for HEAD, no noise when the client leaves."""

import asyncio
import contextlib
import random

import pytest
from support.web import LAST_REQUEST, REQUEST, body_of, connected, serving, to_the_end

from joulo_exporter.exposition import Body

CONTENT = random.Random(1).randbytes(5_000_000)


@contextlib.asynccontextmanager
async def asked(*bodies, method=b"GET"):
    """Serve these bodies, one after the other; yield a connection on which the first one has been asked for."""
    remaining = iter(bodies)

    async def metrics(*_):
        return next(remaining)

    async with serving(metrics=metrics) as address, connected(address, limit=1 << 16) as (reader, writer):
        writer.write(REQUEST.replace(b"GET", method))
        yield reader, writer


@pytest.mark.parametrize(
    "parts",
    [[b"", CONTENT[:70_000], b"", CONTENT[70_000:], b""], [bytes([n % 256]) for n in range(70_000)]],
    ids=["large and empty parts", "tiny parts"],
)
@pytest.mark.parametrize("method", [b"GET", b"HEAD"])
async def test_a_long_body_arrives_whole_and_the_connection_stays(parts, method):
    wanted = b"".join(parts)
    async with asked(body_of(*parts), body_of(b"short\n"), method=method) as (reader, writer):
        head = await reader.readuntil(b"\r\n\r\n")
        assert f"Content-Length: {len(wanted)}\r\n".encode() in head
        if method == b"GET":
            assert await reader.readexactly(len(wanted)) == wanted
        writer.write(LAST_REQUEST)
        last = await to_the_end(reader)
        assert last.startswith(b"HTTP/1.1 200 OK")
        assert last.endswith(b"\r\n\r\nshort\n")


async def test_a_client_that_reads_slowly_costs_little_memory():
    made = 0

    def parts():
        nonlocal made
        for number in range(1_000):
            made += 1
            yield bytes([number % 256]) * 100_000

    async with asked(Body(100_000_000, parts())) as (reader, _):
        await reader.readuntil(b"\r\n\r\n")
        for _ in range(200):
            await asyncio.sleep(0)
        assert made < 500  # the rest is made when there is room for it
        for number in range(1_000):
            assert await reader.readexactly(100_000) == bytes([number % 256]) * 100_000


async def test_the_event_loop_goes_on_while_a_fast_client_is_served():
    iterations, seen = 0, []

    def parts():
        for _ in range(400):
            seen.append(iterations)
            yield b"." * 200  # so little that the client never makes the server wait

    async with asked(Body(400 * 200, parts())):
        while len(seen) < 400:
            iterations += 1
            await asyncio.sleep(0)
    assert len(set(seen)) >= 40  # one for each 8 of 400, with some room


@pytest.mark.parametrize("before_the_head", [False, True])
async def test_a_client_that_leaves_is_no_event(caplog, before_the_head):
    begun, gone, ended = asyncio.Event(), asyncio.Event(), asyncio.Event()

    def parts():
        try:
            yield from [CONTENT] * 10
        finally:
            ended.set()

    async def metrics(*_):
        begun.set()
        if before_the_head:
            await gone.wait()
        body = parts()
        next(body)
        return Body(len(CONTENT) * 9, body)

    async with serving(metrics=metrics) as address:
        async with connected(address) as (reader, writer):
            writer.write(REQUEST)
            await begun.wait()
            if not before_the_head:
                await reader.readuntil(b"\r\n\r\n")
        for _ in range(50):
            await asyncio.sleep(0)
        gone.set()
        await ended.wait()
    assert caplog.records == []


async def test_a_fault_in_the_middle_closes_the_connection(caplog):
    def parts():
        yield CONTENT
        raise ZeroDivisionError

    async with asked(Body(len(CONTENT) * 2, parts())) as (reader, _):
        received = await to_the_end(reader)
    assert b"HTTP/1.1 500" not in received
    assert len(received) < len(CONTENT) * 2
    assert [record.exc_info[0] for record in caplog.records] == [ZeroDivisionError]
