"""What clients that take too much, or too long, can and cannot do; with small limits."""

import asyncio
import contextlib
import dataclasses
import ssl
import subprocess

import pytest
from web_rig import SERVICES, Body, always

from joulo_exporter.web import make_application, make_runner, parse_listen_address, start_listening
from joulo_exporter.web.connection import GuardedConnection
from joulo_exporter.web.guard import ConnectionGuard
from joulo_exporter.web.limits import Limits

SOON = Limits(head_s=0.05, idle_s=0.05, write_s=0.1, grace_s=0.0, body_s=0.05, linger_s=0.05, sweep_s=0.02)
REQUEST = b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"
LAST = b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
BIG = b"x" * 20_000_000
"""More than the kernel buffers between two ends of a connection."""


@pytest.fixture
async def serve(monkeypatch):
    runners = []

    async def start(limits, ssl_context=None, ended=None, **services):
        if ended is not None:
            lost = GuardedConnection.connection_lost
            monkeypatch.setattr(
                GuardedConnection, "connection_lost", lambda *arguments: (lost(*arguments), ended.set())
            )
        runner = make_runner(make_application(dataclasses.replace(SERVICES, **services)))
        runners.append(runner)
        await runner.setup()
        (bound,) = await start_listening(
            runner, [parse_listen_address("127.0.0.1:0")], limits=limits, ssl_context=ssl_context
        )
        return bound

    async with asyncio.timeout(20):  # a limit that does not work must not hold up the suite
        yield start
    for runner in runners:
        await runner.cleanup()


@contextlib.asynccontextmanager
async def connected(address, **options):
    reader, writer = await asyncio.open_connection(*address.split(":"), **options)
    try:
        yield reader, writer
    finally:
        writer.transport.abort()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


async def scrape(address):
    async with connected(address) as (reader, writer):
        writer.write(REQUEST)
        return await reader.readline()


async def to_the_end(reader):
    """Return what comes until the server closes; a client that does not read may be cut off hard."""
    got = b""
    with contextlib.suppress(ConnectionError):
        while chunk := await reader.read(1_000_000):
            got += chunk
    return got


async def test_a_connection_that_says_nothing_is_closed_without_a_word(serve):
    async with connected(await serve(SOON)) as (reader, _):
        assert await to_the_end(reader) == b""


@pytest.mark.parametrize("begun", [b"G", b"GET /metrics HTTP/1.1\r\n", b"GET /metrics HTTP/1.1\r\nHost: x\r\nX: "])
async def test_a_request_that_never_ends_is_answered_408(serve, begun):
    async with connected(await serve(SOON)) as (reader, writer):
        writer.write(begun)
        answer = await to_the_end(reader)
    assert answer.startswith(b"HTTP/1.1 408 Request Timeout\r\nServer: joulo-exporter\r\n")
    assert answer.endswith(b"\r\n\r\nthe request took too long to arrive\n")


async def test_drops_do_not_help_a_slow_request(serve):
    """The time counts from the first byte, not from the last one."""
    async with connected(await serve(SOON)) as (reader, writer):
        writer.write(b"GET /metrics HTTP/1.1\r\nHost: x\r\nX: ")
        answer = asyncio.ensure_future(to_the_end(reader))
        while not answer.done():
            with contextlib.suppress(ConnectionError):
                writer.write(b"a" if not writer.is_closing() else b"")
            await asyncio.wait([answer], timeout=0.01)
    assert answer.result().startswith(b"HTTP/1.1 408 ")


async def test_the_second_request_has_its_own_time(serve):
    async with connected(await serve(dataclasses.replace(SOON, idle_s=60))) as (reader, writer):
        writer.write(REQUEST)
        assert await reader.readline() == b"HTTP/1.1 200 OK\r\n"
        await reader.readuntil(b"joulo_up 1\n")
        writer.write(b"GET /")
        assert (await to_the_end(reader)).startswith(b"HTTP/1.1 408 ")


async def test_an_idle_connection_is_closed_after_its_answer(serve):
    async with connected(await serve(SOON)) as (reader, writer):
        writer.write(REQUEST)
        assert (await to_the_end(reader)).endswith(b"\r\n\r\njoulo_up 1\n")


async def test_a_body_that_never_comes_is_answered_408(serve, monkeypatch):
    monkeypatch.setattr("joulo_exporter.web.well_formed._BODY_S", 0.05)
    async with connected(await serve(SOON)) as (reader, writer):
        writer.write(b"POST /-/reload HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nab")
        assert (await to_the_end(reader)).startswith(b"HTTP/1.1 408 ")


async def test_a_client_that_does_not_read_is_cut_off(serve):
    ended = asyncio.Event()
    address = await serve(SOON, metrics=always(BIG), ended=ended)
    async with connected(address, limit=1) as (reader, writer):
        writer.write(LAST)
        await reader.readexactly(1)
        await ended.wait()
        assert len(await to_the_end(reader)) < len(BIG)


async def test_a_newcomer_takes_the_place_of_one_that_says_nothing(serve):
    address = await serve(Limits(connections=3))
    async with connected(address) as (first, _), connected(address), connected(address) as (third, _):
        assert await scrape(address) == b"HTTP/1.1 200 OK\r\n"
        assert await first.read() == b""
        assert not third.at_eof()


async def test_an_idle_scraper_is_missed_more_than_one_that_has_said_nothing(serve):
    address = await serve(Limits(connections=2, grace_s=0.0))
    async with connected(address) as (scraper, writer), connected(address) as (silent, _):
        writer.write(REQUEST)
        await scraper.readuntil(b"joulo_up 1\n")
        assert await scrape(address) == b"HTTP/1.1 200 OK\r\n"
        assert await silent.read() == b""
        writer.write(REQUEST)
        assert await scraper.readline() == b"HTTP/1.1 200 OK\r\n"


async def test_503_where_every_connection_is_at_work(serve):
    released = asyncio.Event()

    async def reload():
        await released.wait()

    address = await serve(Limits(connections=1), reload=reload)
    async with connected(address) as (busy, writer):
        writer.write(b"POST /-/reload HTTP/1.1\r\nHost: x\r\n\r\n")
        async with connected(address) as (reader, _):
            answer = await reader.read()
        released.set()
        assert await busy.readline() == b"HTTP/1.1 200 OK\r\n"
    assert answer.startswith(b"HTTP/1.1 503 Service Unavailable\r\nServer: joulo-exporter\r\n")
    assert answer.endswith(b"\r\n\r\ntoo many connections; try again in a moment\n")


@pytest.fixture(scope="module")
def tls(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tls")
    command = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -keyout key.pem -out cert.pem"
    subprocess.run(command.split(), cwd=folder, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    return context


@pytest.mark.parametrize("with_tls", [False, True], ids=["open", "TLS"])
async def test_unread_answers_together_stay_within_their_bound(serve, tls, with_tls):
    """The slowest readers go first, and the latest scrape is answered in full."""
    metrics = always(*[BIG[:65_536]] * (len(BIG) // 65_536), BIG[: len(BIG) % 65_536])
    # Of each, 66 to 186 kB wait: ten of them are too many, while two fit, whoever they are.
    address = await serve(Limits(buffered=500_000), ssl_context=tls if with_tls else None, metrics=metrics)
    client = ssl.create_default_context()
    client.check_hostname, client.verify_mode = False, ssl.CERT_NONE
    options = {"ssl": client, "limit": 1} if with_tls else {"limit": 1}
    async with contextlib.AsyncExitStack() as stack:
        slow = []
        for _ in range(10):
            reader, writer = await stack.enter_async_context(connected(address, **options))
            writer.write(LAST)
            await reader.readexactly(1)
            slow.append(reader)
        reader, writer = await stack.enter_async_context(connected(address, **options))
        writer.write(LAST)
        answer = await to_the_end(reader)
        assert answer.endswith(b"\r\n\r\n" + BIG)
        got = [len(await to_the_end(reader)) for reader in slow[:2]]
        assert all(length < len(BIG) for length in got)


@pytest.mark.parametrize(("others", "answered"), [(1, True), (2, False)])
async def test_in_a_storm_a_client_that_has_ended_its_side_is_not_answered(serve, others, answered):
    asked, released = asyncio.Event(), asyncio.Event()

    async def metrics(*_):
        asked.set()
        await released.wait()
        return Body(b"joulo_up 1\n")

    address = await serve(Limits(connections=16), metrics=metrics)
    async with contextlib.AsyncExitStack() as stack:
        for _ in range(others):
            await stack.enter_async_context(connected(address))
        reader, writer = await stack.enter_async_context(connected(address))
        writer.write(REQUEST)
        await asked.wait()
        writer.write_eof()
        for _ in range(3):  # the server sees the end before its answer is ready
            await asyncio.sleep(0)
        released.set()
        assert ((await to_the_end(reader)) != b"") == answered


class Client:
    """A connection in the guard's eyes."""

    def __init__(self, *, unread=0, proven=False, **since):
        self.unread = unread
        self.proven = proven
        self.reading_since = self.body_since = self.idle_since = self.stalled_since = self.leaving_since = None
        self.__dict__.update(since)
        self.fate = None

    def drop(self):
        self.fate = "dropped"

    def time_out(self):
        self.fate = "timed out"


@pytest.fixture
def at_1000():
    """A guard whose clock shows 1000 s."""
    return lambda limits: ConnectionGuard(limits, clock=lambda: 1000.0)


@pytest.mark.parametrize(
    ("client", "fate"),
    [
        (Client(reading_since=990.0), None),
        (Client(reading_since=989.0), "timed out"),
        (Client(idle_since=670.0), None),
        (Client(idle_since=669.0), "timed out"),
        (Client(unread=1), None),
        (Client(unread=1, stalled_since=940.0), None),
        (Client(unread=1, stalled_since=939.0), "dropped"),
        (Client(unread=0, stalled_since=900.0), None),
        (Client(leaving_since=999.0), None),
        (Client(leaving_since=998.0), "dropped"),
        (Client(), None),
    ],
)
async def test_the_times_of_a_connection(at_1000, client, fate):
    guard = at_1000(Limits())
    guard.admit(client)
    guard.sweep()
    assert client.fate == fate
    assert (client.stalled_since is not None) == bool(client.unread)
    guard.leave(client)


async def test_of_those_that_never_asked_for_anything_many_go_at_once(at_1000):
    guard = at_1000(Limits(connections=100))
    silent = [Client(reading_since=900.0 + each) for each in range(99)]
    scraper, newcomer = Client(idle_since=1.0, proven=True), Client()
    for client in [*silent, scraper, newcomer]:
        assert guard.admit(client)
    assert [client.fate for client in silent] == ["dropped"] * 6 + [None] * 93
    assert scraper.fate is None
    for client in [*silent, scraper, newcomer]:
        guard.leave(client)


@pytest.mark.parametrize(
    ("others", "dropped"),
    [
        (
            [
                Client(idle_since=2.0, proven=True),
                Client(reading_since=998.0),
                Client(idle_since=1.0, proven=True),
            ],
            1,
        ),
        ([Client(), Client(idle_since=999.0, proven=True), Client(idle_since=998.0, proven=True)], 2),
        ([Client(), Client(unread=1, stalled_since=900.0), Client(reading_since=999.0, proven=True)], 2),
        ([Client(), Client(unread=1, stalled_since=994.0), Client(unread=1, stalled_since=993.0)], 2),
        ([Client(), Client(body_since=998.0), Client(idle_since=1.0, proven=True)], 1),
        ([Client(leaving_since=999.0), Client(idle_since=1.0, proven=True), Client()], 0),
        ([Client(), Client(unread=1, stalled_since=999.0), Client(unread=1)], None),
        # One that has just come, and may be a scrape, goes after those that do not read.
        ([Client(), Client(unread=1, stalled_since=998.0), Client(reading_since=999.5)], 1),
        ([Client(), Client(unread=1, stalled_since=999.5), Client(reading_since=999.5)], 2),
    ],
)
async def test_who_goes_for_a_newcomer(at_1000, others, dropped):
    guard = at_1000(Limits(connections=3))
    for other in others:
        assert guard.admit(other)
    newcomer = Client()
    assert guard.admit(newcomer) is (dropped is not None)
    assert [other.fate for other in others] == ["dropped" if each == dropped else None for each in range(3)]
    assert len(guard) == 3
    for client in [*others, newcomer]:
        guard.leave(client)


async def test_who_goes_for_memory(at_1000):
    guard = at_1000(Limits(buffered=100))
    clients = [Client(unread=60, stalled_since=float(since)) for since in (3, 1, 2)]
    for client in clients:
        guard.admit(client)
    guard.relieve(clients[1])
    assert [client.fate for client in clients] == ["dropped", None, "dropped"]
    for client in clients:
        guard.leave(client)
