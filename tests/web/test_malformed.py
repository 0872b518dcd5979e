"""Requests of every shape, against both of aiohttp's parsers: status, words, and no trace of aiohttp."""

import asyncio
import re

import pytest
from aiohttp import http_parser, web_protocol
from support.http_shapes import HOST, MALFORMED, SHAPES, get, post
from support.web import SERVICES

from joulo_exporter.web import make_application, make_runner, parse_listen_address, start_listening

PARSERS = {"c": http_parser.HttpRequestParserC, "python": http_parser.HttpRequestParserPy}


@pytest.fixture(params=PARSERS)
async def address(request, monkeypatch):
    monkeypatch.setattr(web_protocol, "HttpRequestParser", PARSERS[request.param])
    runner = make_runner(make_application(SERVICES))
    await runner.setup()
    (bound,) = await start_listening(runner, [parse_listen_address("127.0.0.1:0")])
    yield bound
    await runner.cleanup()


async def exchange(address: str, request: bytes) -> bytes:
    """Return all that is sent until the server closes; nothing where it closes hard."""
    reader, writer = await asyncio.open_connection(*address.split(":"))
    writer.write(request)
    try:
        async with asyncio.timeout(10):
            return await reader.read()
    except ConnectionError:
        return b""
    finally:
        writer.close()


def statuses(response: bytes) -> list[int]:
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


async def test_scrapes_go_on_after_garbage(address):
    assert statuses(await exchange(address, b"\x16\x03\x01\x00\xff" * 20_000)) in ([], [400])
    assert statuses(await exchange(address, get(b"/metrics"))) == [200]
