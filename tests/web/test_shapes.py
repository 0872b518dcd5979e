"""Requests of every wrong shape, against both of aiohttp's parsers: status, words, and no trace of aiohttp."""

import asyncio
import re

import pytest
from aiohttp import http_parser, web_protocol
from web_rig import SERVICES
from web_shapes import HOST, SHAPES, get, post

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
    reader, writer = await asyncio.open_connection(*address.split(":"))
    writer.write(request)
    try:
        async with asyncio.timeout(2):
            return await reader.read()
    except (TimeoutError, ConnectionError):
        return b""
    finally:
        writer.close()


def statuses(answer: bytes) -> list[int]:
    return [int(status) for status in re.findall(rb"^HTTP/1\.[01] (\d{3}) ", answer, re.MULTILINE)]


async def test_every_shape(address):
    """One test for all of them: most take a millisecond, a server takes longer."""
    got = {name: statuses(await exchange(address, request)) for name, (request, _) in SHAPES.items()}
    assert got == {name: [status] for name, (_, status) in SHAPES.items()}


async def test_refusals_are_one_line_and_name_no_library(address):
    for name, (request, status) in SHAPES.items():
        answer = await exchange(address, request)
        headers, _, body = answer.partition(b"\r\n\r\n")
        assert b"\r\nServer: joulo-exporter\r\n" in headers, name
        assert not re.search(rb"(?i)aiohttp|python|llhttp|yarl|traceback", answer), name
        if status >= 400:
            assert len(body.splitlines()) == 1, name
            assert len(body) < 200, name  # nothing of the request comes back


async def test_a_smuggled_request_is_never_answered(address):
    inner = get(b"/nowhere")
    outer = b"GET /metrics HTTP/1.1\r\n" + HOST + b"Content-Length: %d\r\n\r\n" % len(inner)
    assert statuses(await exchange(address, outer + inner + get(b"/-/healthy"))) == [200, 200]


async def test_what_comes_before_garbage_does_not_change_its_status(address):
    request = b"GET /metrics HTTP/1.1\r\n" + HOST + b"\r\n\x00\x01\r\n\r\n"
    assert statuses(await exchange(address, request))[-1] == 400


async def test_requests_in_a_row_are_answered_in_a_row(address):
    one = b"GET /metrics HTTP/1.1\r\n" + HOST + b"\r\n"
    assert statuses(await exchange(address, one + get(b"/metrics"))) == [200] * 2


async def test_a_client_that_does_not_wait_for_answers_is_cut_off(address):
    one = b"GET /metrics HTTP/1.1\r\n" + HOST + b"\r\n"
    assert len(statuses(await exchange(address, one * 1000))) < 100


async def test_a_body_is_asked_for_when_it_is_small(address):
    answer = await exchange(address, post(b"Expect: 100-continue\r\nContent-Length: 5\r\n", b"hello"))
    assert answer.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n")


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        (get(b"/metrics"), [200]),
        (b"GET /metrics HTTP/1.1\r\n" + HOST + b"\r\n", [200]),  # kept alive, if there were more to come
        (b"GET /metrics HTTP/1.0\r\n\r\n", [200]),
        (get(b"/nothing"), [404]),
        (get(b"/metrics#x"), [400]),
        (post(b"Content-Length: 5\r\n", b"hello"), [200]),
        (b"GET /metrics HTTP/1.1\r\n" + HOST + b"\r\n" + get(b"/-/ready"), [200, 200]),
        (b"GET /metrics HTTP/1.1\r\n" + HOST + b"\r\nGET /met", [200]),
        (b"GET /met", []),
    ],
)
async def test_a_client_that_ends_its_side_is_answered_and_then_closed(address, request_, expected):
    """As ``nc -N`` and ``socat`` do once their input has ended."""
    reader, writer = await asyncio.open_connection(*address.split(":"))
    writer.write(request_)
    writer.write_eof()
    async with asyncio.timeout(5):
        answer = await reader.read()
    writer.close()
    assert statuses(answer) == expected
