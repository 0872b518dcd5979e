"""Long answers: whole for who reads slowly, nothing for HEAD, no noise when the client leaves."""

import asyncio
import contextlib
import errno
import os
import random
import socket
import subprocess
from functools import partial

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from fleet import picture
from rendered_by_library import EVERYTHING, generated, process
from web_rig import Body

from joulo_exporter.exposition import Exposition, run
from joulo_exporter.web import sending

CONTENT = random.Random(1).randbytes(5_000_000)
CUTS = sorted(random.Random(2).sample(range(len(CONTENT)), 700))
PIECES = [CONTENT[start:end] for start, end in zip([0, *CUTS], [*CUTS, len(CONTENT)], strict=True)]


def application_of(*bodies, headers=None):
    """Return what serves these bodies, one after the other."""
    remaining = iter(bodies)

    async def metrics(request):
        return await sending.send(request, next(remaining), headers or {})

    application = web.Application()
    application.router.add_get("/metrics", metrics)
    return application


@contextlib.asynccontextmanager
async def serving(*bodies, headers=None):
    """Serve these bodies, one after the other, on a port of its own."""
    server = TestServer(application_of(*bodies, headers=headers))
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


@pytest.mark.parametrize(
    "pieces",
    [
        [CONTENT],
        PIECES,
        [b"", CONTENT[:70_000], b"", CONTENT[70_000:], b""],
        [bytes([n % 256]) for n in range(70_000)],
    ],
    ids=["one piece", "many pieces", "empty pieces", "tiny pieces"],
)
async def test_a_long_answer_arrives_whole_and_the_connection_stays(pieces):
    async with serving(Body(*pieces), Body(b"short\n")) as server:
        reader, writer, head = await ask(server)
        wanted = b"".join(pieces)
        assert f"Content-Length: {len(wanted)}\r\n".encode() in head
        assert await reader.readexactly(len(wanted)) == wanted
        writer.write(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        assert (await reader.read()).endswith(b"\r\n\r\nshort\n")
        writer.close()


@pytest.mark.parametrize("in_file", [1, 70_000, 4_999_999, 5_000_000])
async def test_an_answer_that_begins_with_a_file_arrives_whole(in_file):
    async with serving(*2 * [Body(*PIECES, in_file=in_file)], Body(b"short\n")) as server:
        reader, writer, head = await ask(server)
        assert b"Content-Length: 5000000\r\n" in head
        assert await reader.readexactly(len(CONTENT)) == CONTENT
        writer.write(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 OK")
        assert await reader.readexactly(len(CONTENT)) == CONTENT
        writer.write(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        assert (await reader.read()).endswith(b"\r\n\r\nshort\n")
        writer.close()


async def test_it_is_the_file_that_is_sent(monkeypatch):
    sent = []

    def sendfile(target, source, position, count):
        sent.append(really(target, source, position, count))
        return sent[-1]

    really = os.sendfile
    monkeypatch.setattr(os, "sendfile", sendfile)
    async with serving(Body(CONTENT, in_file=4_900_000)) as server:
        reader, writer, _ = await ask(server)
        assert await reader.readexactly(len(CONTENT)) == CONTENT
        writer.close()
    assert sum(sent) > 2_000_000  # the rest waited, copied, while the reader was behind


async def test_a_file_is_sent_over_a_unix_socket_too(tmp_path):
    runner = web.AppRunner(application_of(Body(*PIECES, in_file=4_000_000)))
    await runner.setup()
    await web.UnixSite(runner, tmp_path / "socket").start()
    reader, writer = await asyncio.open_unix_connection(tmp_path / "socket")
    writer.write(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")
    await reader.readuntil(b"\r\n\r\n")
    assert await reader.readexactly(len(CONTENT)) == CONTENT
    writer.close()
    await runner.cleanup()


@pytest.mark.parametrize("in_file", [0, 4_900_000])
async def test_without_the_direct_way_to_the_socket_it_arrives_too(monkeypatch, in_file):
    for name in ("_written", "_sent"):  # as when the socket is full, or with TLS
        monkeypatch.setattr(sending, name, lambda *_: 0)
    async with serving(Body(*PIECES, in_file=in_file)) as server:
        reader, writer, _ = await ask(server)
        assert await reader.readexactly(len(CONTENT)) == CONTENT
        writer.close()


@pytest.mark.parametrize("in_file", [0, 4_900_000])
async def test_head_of_a_long_answer_is_its_head(in_file):
    async with serving(Body(CONTENT, in_file=in_file), Body(b"short\n")) as server:
        reader, writer, head = await ask(server, "HEAD")
        assert f"Content-Length: {len(CONTENT)}\r\n".encode() in head
        writer.write(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        assert (await reader.read()).startswith(b"HTTP/1.1 200 OK")
        writer.close()


async def test_a_client_that_reads_slowly_costs_little_memory():
    made = 0

    def pieces():
        nonlocal made
        for number in range(1_000):
            made += 1
            yield bytes([number % 256]) * 100_000

    body = Body(b"")
    body.length, body.pieces = 100_000_000, pieces
    async with serving(body) as server:
        reader, writer, _ = await ask(server)
        for _ in range(200):
            await asyncio.sleep(0)
        assert made < 500  # the rest is made when there is room for it
        for number in range(1_000):
            assert await reader.readexactly(100_000) == bytes([number % 256]) * 100_000
        writer.close()


async def turns_until(event, body):
    """Return how many turns others have until it happens, while a client is sent the body."""
    turns = 0
    async with serving(body) as server:
        _, writer = await request(server)
        while not event.is_set():
            turns += 1
            await asyncio.sleep(0)
        writer.close()
    return turns


async def test_others_have_their_turns_while_the_system_sends_a_file(monkeypatch):
    monkeypatch.setattr(os, "sendfile", lambda _target, _source, _position, count: count)  # takes everything
    body, sent = Body(CONTENT, in_file=len(CONTENT)), asyncio.Event()
    body.front.size = 100 * len(CONTENT)
    body.rest = lambda: sent.set() or ()
    assert await turns_until(sent, body) >= 25  # one for each 16 MiB


async def test_others_have_their_turns_while_a_fast_client_is_served(monkeypatch):
    monkeypatch.setattr(sending, "_written", lambda _transport, pieces: sum(map(len, pieces)))  # takes everything
    monkeypatch.setattr(sending, "_take", lambda pieces, _count: pieces.clear())
    turns, seen = 0, []

    def pieces():
        for _ in range(100):
            seen.append(turns)
            yield CONTENT

    body = Body(b"")
    body.length, body.pieces = 100 * len(CONTENT), pieces
    async with serving(body) as server:
        _, writer = await request(server)
        while len(seen) < 100:
            turns += 1
            await asyncio.sleep(0)
        writer.close()
    assert len(set(seen)) >= 10  # one for each 8 of 100, but for the first and the last


async def test_others_have_their_turns_while_a_long_piece_is_written(monkeypatch):
    monkeypatch.setattr(sending, "_written", lambda _transport, pieces: sum(map(len, pieces)))  # takes everything
    body, written = Body(b""), asyncio.Event()

    def pieces():
        yield bytes(body.length)
        written.set()
        yield b"."

    body.length, body.pieces = 100 * len(CONTENT), pieces
    assert await turns_until(written, body) >= 100  # one for each 4 MiB of 500 MB


@pytest.mark.parametrize("in_file", [0, 4_900_000])
async def test_the_system_waits_for_full_packets_until_the_answer_is_complete(in_file):
    waits = []

    async def metrics(request):
        def note():
            waits.append(
                request.transport.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_CORK)
            )

        def noted(pieces):
            note()
            yield from pieces

        body = Body(CONTENT, in_file=in_file)
        body.pieces, body.rest = partial(noted, body.pieces()), partial(noted, body.rest())
        response = await sending.send(request, body, {})
        note()
        return response

    application = web.Application()
    application.router.add_get("/metrics", metrics)
    async with TestServer(application) as server:
        reader, writer, _ = await ask(server)
        assert await reader.readexactly(len(CONTENT)) == CONTENT
        writer.close()
    assert waits == [1, 0]


@pytest.mark.parametrize("in_file", [0, 49_000_000])
async def test_a_client_that_leaves_is_no_event(caplog, in_file):
    async with serving(Body(*[CONTENT] * 10, in_file=in_file), Body(b"short\n")) as server:
        _, writer, _ = await ask(server)
        writer.transport.abort()
        for _ in range(50):
            await asyncio.sleep(0)
        reader, writer, head = await ask(server)
        assert head.startswith(b"HTTP/1.1 200 OK")
        assert await reader.readexactly(6) == b"short\n"
        writer.close()
    assert caplog.records == []


@pytest.mark.parametrize("code", [errno.EPERM, errno.ENOSYS, errno.EINVAL, errno.ENOMEM])
async def test_where_the_system_does_not_send_files_the_bytes_arrive_all_the_same(monkeypatch, caplog, code):
    def refuse(*_):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "sendfile", refuse)
    async with serving(Body(CONTENT, in_file=len(CONTENT) - 7)) as server:
        reader, writer, _ = await ask(server)
        assert await reader.readexactly(len(CONTENT)) == CONTENT
        writer.close()
    assert caplog.records == []


async def test_a_fault_in_the_middle_closes_the_connection(caplog):
    def pieces():
        yield CONTENT
        raise ZeroDivisionError

    body = Body(b"")
    body.length, body.pieces = len(CONTENT) * 2, pieces
    async with serving(body) as server:
        reader, writer, _ = await ask(server)
        with contextlib.suppress(ConnectionResetError):
            received = await reader.read(-1)
            assert b"HTTP/1.1 500" not in received
        assert reader.at_eof() or reader.exception() is not None
        writer.close()
    assert [record.exc_info[0] for record in caplog.records] == [ZeroDivisionError]


def test_batches_are_all_the_bytes():
    batches = list(sending._batches(PIECES))
    assert b"".join(bytes(piece) for batch in batches for piece in batch) == CONTENT
    assert all(len(batch) <= 256 for batch in batches)
    assert len(batches) < 12


@pytest.mark.e2e
@pytest.mark.parametrize("times", [1, 5], ids=["from blocks", "from a file"])
async def test_curl_takes_a_long_gzip_answer(tmp_path, monkeypatch, times):
    monkeypatch.setattr(run, "_WORTH_A_FILE", 1)
    exposition = Exposition(process())
    pictures = [picture(f"account-{number}", 1) for number in range(130)]
    for number, each in enumerate(pictures):
        exposition.publish(f"{number}", each)
    for _ in range(times):
        answer = await exposition.answer(openmetrics=False, compressed=True, names=EVERYTHING)
    assert (answer.front is None) == (times == 1)
    target = tmp_path / "metrics"
    async with serving(answer, headers={"Content-Encoding": "gzip"}) as server:
        command = ["curl", "-sS", "--compressed", "--fail", "-o", target, str(server.make_url("/metrics"))]
        await asyncio.to_thread(subprocess.run, command, check=True)
    assert answer.length > sending._SHORT
    assert target.read_bytes() == generated(*pictures, openmetrics=False)
