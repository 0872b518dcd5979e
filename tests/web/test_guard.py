"""Limits on slow, silent and greedy clients, over real sockets; the limits are small, so that tests are quick."""

import asyncio
import contextlib
import dataclasses

import pytest
from support.tls import client as tls_client
from support.tls import server as tls_server
from support.web import SERVICES, always

from joulo_exporter.web import make_application, make_runner, parse_listen_address, start_listening
from joulo_exporter.web.guard import Limits

SOON = Limits(request_s=0.05, idle_s=0.05, write_s=0.1, grace_s=0.0)
REQUEST = b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"
LAST = b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
HEALTHY = b"GET /-/healthy HTTP/1.1\r\nHost: x\r\n\r\n"
BIG = b"x" * 20_000_000
"""More than the kernel buffers between two ends of a connection."""


@pytest.fixture
async def serve():
    runners = []

    async def start(limits, tls=None, **services):
        runners.append(make_runner(make_application(dataclasses.replace(SERVICES, **services))))
        await runners[-1].setup()
        (bound,) = await start_listening(
            runners[-1], [parse_listen_address("127.0.0.1:0")], limits=limits, tls=tls
        )
        return bound

    start.runners = runners
    async with asyncio.timeout(20):  # a limit that does not work must not hold up the suite
        yield start
    for runner in runners:
        await runner.cleanup()


def tls_of(certificates):
    context = tls_server(certificates)
    return lambda: context


@contextlib.asynccontextmanager
async def connected(address, **options):
    reader, writer = await asyncio.open_connection(*address.split(":"), **options)
    try:
        yield reader, writer
    finally:
        writer.transport.abort()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


async def asked_for(address, request=REQUEST):
    """Return the first line of a response; an empty one where the connection is closed."""
    async with connected(address) as (reader, writer):
        writer.write(request)
        with contextlib.suppress(ConnectionError):
            return await reader.readline()
        return b""


async def to_the_end(reader):
    """Return the bytes up to the end of the connection; a client that does not read may be cut off hard."""
    got = b""
    with contextlib.suppress(ConnectionError):
        while chunk := await reader.read(1_000_000):
            got += chunk
    return got


@pytest.mark.parametrize(
    "begun", [b"", b"G", b"GET /metrics HTTP/1.1\r\n", b"GET /metrics HTTP/1.1\r\nHost: x\r\nX: "]
)
async def test_a_request_that_does_not_come_in_time_ends_the_connection(serve, begun):
    async with connected(await serve(SOON)) as (reader, writer):
        writer.write(begun)
        assert await to_the_end(reader) == b""


async def test_the_time_counts_from_the_first_byte_of_a_slow_request(serve):
    async with connected(await serve(SOON)) as (reader, writer):
        writer.write(b"GET /metrics HTTP/1.1\r\nHost: x\r\nX: ")
        closed = asyncio.ensure_future(to_the_end(reader))
        while not closed.done():
            with contextlib.suppress(ConnectionError):
                writer.write(b"a" if not writer.is_closing() else b"")
            await asyncio.wait([closed], timeout=0.01)
    assert closed.result() == b""


async def test_a_second_request_has_its_own_time(serve):
    async with connected(await serve(dataclasses.replace(SOON, idle_s=60))) as (reader, writer):
        writer.write(REQUEST)
        await reader.readuntil(b"joulo_up 1\n")
        writer.write(b"GET /")
        assert await to_the_end(reader) == b""


async def test_an_idle_connection_is_closed_after_its_response(serve):
    async with connected(await serve(SOON)) as (reader, writer):
        writer.write(REQUEST)
        assert (await to_the_end(reader)).endswith(b"\r\n\r\njoulo_up 1\n")


async def test_a_body_that_does_not_come_is_refused_with_408(serve):
    async with connected(await serve(SOON)) as (reader, writer):
        writer.write(b"POST /-/reload HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nab")
        response = await to_the_end(reader)
    assert response.startswith(b"HTTP/1.1 408 Request Timeout\r\nServer: joulo-exporter\r\n")
    assert response.endswith(b"\r\n\r\nthe request took too long to arrive\n")


@pytest.mark.parametrize("with_tls", [False, True], ids=["plain", "TLS"])
async def test_a_client_that_does_not_read_is_cut_off(serve, certificates, with_tls):
    context = tls_of(certificates) if with_tls else None
    options = {"ssl": tls_client(certificates)} if with_tls else {}
    address = await serve(SOON, context, metrics=always(*parts_of(BIG)))
    async with connected(address, limit=1, **options) as (reader, writer):
        writer.write(LAST)
        await reader.readexactly(1)
        while serve.runners[-1].server.connections:  # noqa: ASYNC110  aiohttp tells by no event
            await asyncio.sleep(0)
        assert len(await to_the_end(reader)) < len(BIG)


async def test_a_newcomer_takes_the_place_of_a_silent_connection(serve):
    address = await serve(Limits(connections=3))
    async with connected(address) as (first, _), connected(address), connected(address) as (third, _):
        assert await asked_for(address) == b"HTTP/1.1 200 OK\r\n"
        assert await first.read() == b""
        assert not third.at_eof()


async def test_an_idle_scraper_stays_before_a_connection_that_has_said_nothing(serve):
    address = await serve(Limits(connections=2, grace_s=0.0))
    async with connected(address) as (scraper, writer), connected(address) as (silent, _):
        writer.write(REQUEST)
        await scraper.readuntil(b"joulo_up 1\n")
        assert await asked_for(address) == b"HTTP/1.1 200 OK\r\n"
        assert await silent.read() == b""
        writer.write(REQUEST)
        assert await scraper.readline() == b"HTTP/1.1 200 OK\r\n"


async def test_within_its_time_of_grace_a_newcomer_stays_before_an_idle_scraper(serve):
    address = await serve(Limits(connections=2, grace_s=60.0))
    async with connected(address) as (scraper, writer), connected(address) as (_, silent):
        writer.write(REQUEST)
        await scraper.readuntil(b"joulo_up 1\n")
        assert await asked_for(address) == b"HTTP/1.1 200 OK\r\n"
        assert await to_the_end(scraper) == b""
        assert not silent.is_closing()


def held_reload():
    """Return events for a reload that has begun and that may end, and the reload."""
    asked, released = asyncio.Event(), asyncio.Event()

    async def reload():
        asked.set()
        await released.wait()

    return asked, released, reload


async def test_a_slow_reader_gives_its_place_and_a_request_at_work_does_not(serve):
    asked, released, reload = held_reload()
    address = await serve(Limits(connections=2, grace_s=0.0), metrics=always(*parts_of(BIG)), reload=reload)
    async with connected(address, limit=1) as (slow, reading), connected(address) as (busy, writer):
        reading.write(LAST)
        await slow.readexactly(1)
        writer.write(b"POST /-/reload HTTP/1.1\r\nHost: x\r\n\r\n")
        await asked.wait()
        while await asked_for(address, HEALTHY) != b"HTTP/1.1 200 OK\r\n":
            pass  # the kernel still takes bytes of the slow response
        assert len(await to_the_end(slow)) < len(BIG)
        released.set()
        assert await busy.readline() == b"HTTP/1.1 200 OK\r\n"


async def test_a_newcomer_is_closed_where_every_connection_is_at_work(serve):
    asked, released, reload = held_reload()
    address = await serve(Limits(connections=1, grace_s=0.0), reload=reload)
    async with connected(address) as (busy, writer):
        writer.write(b"POST /-/reload HTTP/1.1\r\nHost: x\r\n\r\n")
        await asked.wait()
        assert await asked_for(address) == b""
        released.set()
        assert await busy.readline() == b"HTTP/1.1 200 OK\r\n"


async def test_a_slow_body_does_not_keep_its_place(serve):
    address = await serve(Limits(connections=1))
    async with connected(address) as (slow, writer):
        writer.write(b"POST /-/reload HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nab")
        assert await asked_for(address) == b"HTTP/1.1 200 OK\r\n"
        assert await to_the_end(slow) == b""


@pytest.mark.parametrize("with_tls", [False, True], ids=["plain", "TLS"])
async def test_unread_responses_together_stay_within_their_bound(serve, certificates, with_tls):
    """The slowest readers are dropped first, and the latest scrape gets a whole response."""
    context = tls_of(certificates) if with_tls else None
    options = {"ssl": tls_client(certificates), "limit": 1} if with_tls else {"limit": 1}
    address = await serve(Limits(stalled=3), context, metrics=always(*parts_of(BIG)))
    async with contextlib.AsyncExitStack() as stack:
        slow = []
        for _ in range(10):
            reader, writer = await stack.enter_async_context(connected(address, **options))
            writer.write(LAST)
            await reader.readexactly(1)
            slow.append(reader)
        reader, writer = await stack.enter_async_context(connected(address, **options))
        writer.write(LAST)
        assert (await to_the_end(reader)).endswith(b"\r\n\r\n" + BIG)
        got = [len(await to_the_end(reader)) for reader in slow[:5]]
        assert all(length < len(BIG) for length in got)


async def test_a_silent_tls_handshake_has_its_time_and_gives_its_place(serve, certificates):
    context = tls_of(certificates)
    trusting = tls_client(certificates)
    address = await serve(Limits(handshake_s=0.05), context)
    async with connected(address) as (silent, _):
        assert await to_the_end(silent) == b""
    address = await serve(Limits(connections=2), context)
    async with connected(address) as (first, _), connected(address) as (second, _):
        async with connected(address, ssl=trusting) as (reader, writer):
            writer.write(LAST)
            assert await reader.readline() == b"HTTP/1.1 200 OK\r\n"
        assert await to_the_end(first) == b""
        assert not second.at_eof()


async def test_requests_sent_ahead_are_answered_in_a_row_up_to_32_kib(serve):
    async with connected(await serve(Limits())) as (reader, writer):
        writer.write(REQUEST + LAST)
        assert (await to_the_end(reader)).count(b"HTTP/1.1 200 OK") == 2
    async with connected(await serve(Limits())) as (reader, writer):
        writer.write(REQUEST * 1000)
        assert (await to_the_end(reader)).count(b"HTTP/1.1 200 OK") < 100


async def test_a_scraper_that_stays_may_ask_as_often_as_it_likes(serve):
    """The bound on bytes is one of each request."""
    padding = b"X: " + b"a" * 7000 + b"\r\n"
    async with connected(await serve(Limits())) as (reader, writer):
        for _ in range(20):
            writer.write(REQUEST[:-2] + padding + b"\r\n")
            await reader.readuntil(b"joulo_up 1\n")


def parts_of(content):
    return [content[start : start + 50_000] for start in range(0, len(content), 50_000)]


def test_half_of_the_descriptors_of_a_process_are_for_clients(monkeypatch):
    for descriptors, plain, tls in (
        (1024, 512, 128),
        (65536, 512, 128),
        (200, 100, 100),
        (64, 16, 16),
        (-1, 512, 128),
    ):
        monkeypatch.setattr("resource.getrlimit", lambda _, soft=descriptors: (soft, -1))
        assert Limits.of_this_process(tls=False).connections == plain
        assert Limits.of_this_process(tls=True).connections == tls
