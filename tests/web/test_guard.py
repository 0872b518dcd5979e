"""Limits on slow, silent, greedy and malformed clients, over real sockets; small limits make quick tests."""

import asyncio
import contextlib
import dataclasses
import re
import ssl
from pathlib import Path

import pytest
from aiohttp import http_parser, web_protocol
from support.certificates import client_tls, server_tls
from support.http_shapes import HOST, MALFORMED, SHAPES, get, post
from support.web import LAST_REQUEST, REQUEST, always, connected, exchange, serving, to_the_end

from joulo_exporter.exposition import Body
from joulo_exporter.web import guard
from joulo_exporter.web.guard import Limits

LIMITS = Limits()
SOON = Limits(request_s=0.05, idle_s=0.05, write_s=0.1, grace_s=0.0)
HEALTHY = LAST_REQUEST.replace(b"/metrics", b"/-/healthy")
RELOAD = b"POST /-/reload HTTP/1.1\r\nHost: x\r\n\r\n"
SLOW_RELOAD = b"POST /-/reload HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nab"
OK = b"HTTP/1.1 200 OK\r\n"
BIG = [bytes([number]) * 100_000 for number in range(200)]
"""More than the kernel buffers between two ends of a connection."""
BIG_BYTES = 20_000_000


@pytest.fixture(params=[False, True], ids=["plain", "TLS"])
def encryption(request, certificates):
    """Return the TLS of a server, and the options of its clients, who read little by little."""
    if not request.param:
        return None, {"limit": 1}
    return server_tls(certificates), {"limit": 1, "ssl": client_tls(certificates)}


async def scrape(reader, writer):
    """Scrape on a connection that stays."""
    writer.write(REQUEST)
    await reader.readuntil(b"\r\n\r\njoulo_up 1\n")


@pytest.mark.parametrize(("begun", "drip"), [(b"", b""), (REQUEST[:-4], b""), (REQUEST[:-4], b"a")])
async def test_a_request_that_does_not_come_in_time_ends_the_connection(begun, drip):
    async with serving(limits=SOON) as address, connected(address) as (reader, writer):
        writer.write(begun)
        closed = asyncio.ensure_future(to_the_end(reader))
        while not closed.done():
            with contextlib.suppress(ConnectionError):
                writer.write(b"" if writer.is_closing() else drip)
            await asyncio.wait([closed], timeout=0.01)
    assert closed.result() == b""


async def test_a_second_request_has_its_own_time():
    limits = dataclasses.replace(SOON, idle_s=60)
    async with serving(limits=limits) as address, connected(address) as (reader, writer):
        await scrape(reader, writer)
        writer.write(b"GET /")
        assert await to_the_end(reader) == b""


async def test_an_idle_connection_is_closed_after_its_response_and_a_missing_body_is_refused():
    async with serving(limits=SOON) as address:
        assert (await exchange(address, REQUEST)).endswith(b"\r\n\r\njoulo_up 1\n")
        response = await exchange(address, SLOW_RELOAD)
    assert response.startswith(b"HTTP/1.1 408 Request Timeout\r\n")
    assert response.endswith(b"\r\n\r\nRequest Timeout\n")


async def test_a_client_that_does_not_read_is_cut_off(encryption):
    tls, options = encryption
    ended = asyncio.Event()

    def parts():
        try:
            yield from BIG
        finally:
            ended.set()

    async def metrics(**_):
        return Body(BIG_BYTES, parts())

    async with (
        serving(limits=SOON, tls=tls, metrics=metrics) as address,
        connected(address, **options) as (reader, writer),
    ):
        writer.write(LAST_REQUEST)
        await reader.readexactly(1)
        await ended.wait()
        assert len(await to_the_end(reader)) < BIG_BYTES


async def stays_open(reader, seconds):
    """Assert that the server does not close a connection on which nothing happens."""
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(seconds):
            await reader.read(1)


async def test_a_client_that_reads_again_is_not_cut_off():
    limits = Limits(write_s=0.3)
    async with (
        serving(limits=limits, metrics=always(*BIG)) as address,
        connected(address, limit=1) as (reader, writer),
    ):
        writer.write(REQUEST)
        got = bytearray()
        while not got.endswith(BIG[-1]):
            got += await reader.read(1_000_000)
        await stays_open(reader, 2 * limits.write_s)


@pytest.mark.parametrize(
    ("grace_s", "clients", "scrapes", "dropped"),
    [(60.0, 3, [], 0), (0.0, 2, [0], 1), (60.0, 2, [0], 0), (0.0, 2, [0, 1, 0], 1)],
    ids=[
        "the oldest",
        "a silent one before a scraper",
        "a scraper before a new one",
        "who has scraped before others",
    ],
)
async def test_a_newcomer_takes_the_place_of_the_one_that_is_missed_least(grace_s, clients, scrapes, dropped):
    async with contextlib.AsyncExitStack() as stack:
        limits = Limits(connections=clients, grace_s=grace_s)
        address = await stack.enter_async_context(serving(limits=limits))
        connections = [await stack.enter_async_context(connected(address)) for _ in range(clients)]
        for number in scrapes:
            await scrape(*connections[number])
        assert (await exchange(address, LAST_REQUEST)).startswith(OK)
        assert await to_the_end(connections.pop(dropped)[0]) == b""
        for each in connections:
            await scrape(*each)


async def test_a_newcomer_takes_the_place_of_a_slow_reader_and_not_of_a_request_at_work():
    asked, released = asyncio.Event(), asyncio.Event()

    async def reload():
        asked.set()
        await released.wait()

    limits = Limits(connections=2, grace_s=0.0)
    async with (
        serving(limits=limits, metrics=always(*BIG), reload=reload) as address,
        connected(address, limit=1) as (slow, reading),
        connected(address) as (busy, writer),
    ):
        reading.write(LAST_REQUEST)
        await slow.readexactly(1)
        writer.write(RELOAD)
        await asked.wait()
        while not (await exchange(address, HEALTHY)).startswith(OK):
            pass  # the kernel still takes bytes of the slow response
        assert len(await to_the_end(slow)) < BIG_BYTES
        asked.clear()
        async with connected(address) as (other, asking):
            asking.write(RELOAD)
            await asked.wait()
            assert await exchange(address, HEALTHY) == b""  # all are at work
            released.set()
            assert await busy.readline() == OK
            assert await other.readline() == OK


async def test_a_slow_body_does_not_keep_its_place():
    async with serving(limits=Limits(connections=1)) as address, connected(address) as (slow, writer):
        writer.write(SLOW_RELOAD)
        assert (await exchange(address, LAST_REQUEST)).startswith(OK)
        assert await to_the_end(slow) == b""


async def test_a_client_that_leaves_within_its_body_is_no_event(caplog):
    async with serving() as address:
        async with connected(address) as (_, writer):
            writer.write(SLOW_RELOAD)
            for _ in range(50):
                await asyncio.sleep(0)
        for _ in range(50):
            await asyncio.sleep(0)
    assert caplog.records == []


async def test_unread_responses_together_stay_within_their_bound(encryption):
    """The slowest readers are dropped first, and the latest scrape gets a whole response."""
    tls, options = encryption
    async with contextlib.AsyncExitStack() as stack:
        address = await stack.enter_async_context(serving(limits=Limits(stalled=3), tls=tls, metrics=always(*BIG)))
        slow = []
        for _ in range(10):
            reader, writer = await stack.enter_async_context(connected(address, **options))
            writer.write(LAST_REQUEST)
            await reader.readexactly(1)
            slow.append(reader)
        assert (await exchange(address, LAST_REQUEST, **options)).endswith(b"\r\n\r\n" + b"".join(BIG))
        got = [len(await to_the_end(reader)) for reader in slow[:5]]
        assert all(length < BIG_BYTES for length in got)


async def test_a_silent_tls_handshake_has_its_time_and_gives_its_place(certificates):
    tls, trusting = server_tls(certificates), client_tls(certificates)
    async with serving(limits=Limits(request_s=0.05), tls=tls) as address:
        assert await exchange(address, b"") == b""
    async with (
        serving(limits=Limits(connections=2), tls=tls) as address,
        connected(address) as (first, _),
        connected(address) as (second, _),
    ):
        assert (await exchange(address, LAST_REQUEST, ssl=trusting)).startswith(OK)
        assert await to_the_end(first) == b""
        assert not second.at_eof()


async def test_a_request_that_comes_with_the_end_of_the_handshake_is_one_of_its_own(certificates):
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = client_tls(certificates).wrap_bio(incoming, outgoing, server_hostname="localhost")
    limits = dataclasses.replace(SOON, idle_s=60.0)
    async with (
        serving(limits=limits, tls=server_tls(certificates)) as address,
        connected(address) as (reader, writer),
    ):
        for step in (tls.do_handshake, lambda: tls.write(REQUEST), lambda: tls.read(1)):
            while True:
                try:
                    step()
                    break
                except ssl.SSLWantReadError:
                    writer.write(outgoing.read())
                    incoming.write(await reader.read(65536))
        await stays_open(reader, 4 * limits.request_s)


async def test_requests_sent_ahead_are_answered_in_a_row_up_to_32_kib():
    async with serving() as address:
        assert (await exchange(address, REQUEST + LAST_REQUEST)).count(OK) == 2
        assert (await exchange(address, REQUEST * 1000)).count(OK) < 100


async def test_a_scraper_that_stays_may_ask_as_often_as_it_likes():
    """The bound on bytes is one of each request."""
    padding = b"X: " + b"a" * 7000 + b"\r\n"
    async with serving() as address, connected(address) as (reader, writer):
        for _ in range(20):
            writer.write(REQUEST[:-2] + padding + b"\r\n")
            await reader.readuntil(b"joulo_up 1\n")


@pytest.mark.parametrize(
    ("descriptors", "plain", "with_tls"),
    [(1024, 512, 128), (200, 100, 100), (64, 16, 16), (50, 4, 4), (-1, 512, 128)],
)
def test_half_of_the_descriptors_of_a_process_are_for_clients(monkeypatch, descriptors, plain, with_tls):
    monkeypatch.setattr("resource.getrlimit", lambda _: (descriptors, -1))
    assert Limits.of_this_process(tls=False).connections == plain
    assert Limits.of_this_process(tls=True).connections == with_tls


def test_the_numbers_of_the_documentation():
    text = " ".join((Path(__file__).parents[2] / "docs" / "robustness.md").read_text().split())
    for sentence in (
        f"connects and says nothing for {LIMITS.request_s:.0f} s",
        f"takes more than {LIMITS.request_s:.0f} s for a request line and headers",
        f"says nothing for {LIMITS.idle_s:.0f} s after a response",
        f"next {guard.BUFFER // 1024} KiB of its response for {LIMITS.write_s:.0f} s",
        f"is the {LIMITS.connections + 1}th at the same time",
        f"for more than {LIMITS.grace_s:.0f} s",
        f"while the responses of {LIMITS.stalled} others stand still",
        f"more than {guard.MAX_REQUEST // 1024} KiB for one request",
        f"a body of more than {guard.MAX_BODY:,} bytes",
        f"With TLS there are {guard.TLS_CONNECTIONS} places",
    ):
        assert sentence in text


# Malformed requests -------------------------------------------------------------------------


@pytest.fixture(params=[http_parser.HttpRequestParserC, http_parser.HttpRequestParserPy], ids=["c", "python"])
async def address(request, monkeypatch):
    """Serve with each of aiohttp's parsers."""
    monkeypatch.setattr(web_protocol, "HttpRequestParser", request.param)
    async with serving() as bound:
        yield bound


def statuses(response):
    return [int(status) for status in re.findall(rb"^HTTP/\d\.\d (\d{3}) ", response, re.MULTILINE)]


async def test_every_shape(address):
    """One test for all of them: most take a millisecond, a server takes longer."""
    known = {name: (request, [status]) for name, (request, status) in SHAPES.items()}
    for name, (request, wanted) in {**known, **{name: (each, None) for name, each in MALFORMED.items()}}.items():
        response = await exchange(address, request)
        got = statuses(response)
        assert got == wanted if wanted else all(400 <= status < 500 for status in got), (name, got)
        headers, _, body = response.partition(b"\r\n\r\n")
        assert not response or b"\r\nServer: joulo-exporter\r\n" in headers, name
        assert not re.search(rb"(?i)aiohttp|python|llhttp|yarl|traceback", response), name
        if got and got[0] >= 400:
            assert len(body.splitlines()) == 1, name
            assert len(body) < 200, name  # nothing of the request comes back


async def test_a_smuggled_request_is_never_answered(address):
    inner = get(b"/nowhere")
    outer = b"GET /metrics HTTP/1.1\r\n" + HOST + b"Content-Length: %d\r\n\r\n" % len(inner)
    assert statuses(await exchange(address, outer + inner + get(b"/-/healthy"))) == [200, 200]


async def test_a_small_body_may_wait_for_100_continue(address):
    response = await exchange(address, post(b"Expect: 100-continue\r\nContent-Length: 5\r\n", b"hello"))
    assert response.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n")
