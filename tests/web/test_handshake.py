"""What a client is told about a handshake that fails, by the server that the exporter really is."""

import asyncio
import gc
import logging
import ssl

import pytest
from tls_rig import client, settings
from web_rig import SERVICES

from joulo_exporter.web import (
    CurrentContext,
    handshake,
    make_application,
    make_runner,
    make_tls_context,
    parse_listen_address,
)
from joulo_exporter.web import start_listening as listen
from joulo_exporter.web.limits import Limits

PLAIN = b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.fixture
async def serve():
    runners = []

    async def start(made, limits=None):
        runners.append(make_runner(make_application(SERVICES)))
        await runners[-1].setup()
        context = CurrentContext(make_tls_context(made))
        address = parse_listen_address("127.0.0.1:0")
        (bound,) = await listen(runners[-1], [address], ssl_context=context, limits=limits)
        return bound.split(":")

    async with asyncio.timeout(20):
        yield start
    for runner in runners:
        await runner.cleanup()


def verified(certificates, version):
    return settings(
        certificates, client_auth=ssl.CERT_REQUIRED, client_ca=certificates.text("ca.crt").encode(),
        minimum=version, maximum=version,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("version", "pair", "alert"),
    [
        ("TLSv1_2", None, "handshake failure"),
        ("TLSv1_2", "stranger", "unknown ca"),
        ("TLSv1_3", None, "certificate required"),
        ("TLSv1_3", "stranger", "unknown ca"),
    ],
)
async def test_an_alert_tells_what_is_wrong_with_a_clients_certificate(serve, certificates, version, pair, alert):
    address = await serve(verified(certificates, ssl.TLSVersion[version]))
    with pytest.raises(ssl.SSLError, match=alert):
        await asked(address, client(certificates, pair))
    assert b" 200 OK" in await asked(address, client(certificates, "client"))


async def test_an_alert_tells_that_the_version_is_not_spoken(serve, certificates):
    address = await serve(settings(certificates, minimum=ssl.TLSVersion.TLSv1_3))
    older = client(certificates)
    older.maximum_version = ssl.TLSVersion.TLSv1_2
    with pytest.raises(ssl.SSLError, match="protocol version"):
        await asked(address, older)


async def asked(address, context):
    """Return the first line of an answer; a client of TLS 1.3 hears of a refusal only when it reads."""
    reader, writer = await asyncio.open_connection(*address, ssl=context)
    try:
        writer.write(PLAIN)
        return await reader.readline()
    finally:
        writer.transport.abort()


@pytest.mark.parametrize("rest", [b"", b"x" * 100_000])
async def test_plain_http_is_told_so_as_by_go(serve, certificates, rest):
    reader, writer = await asyncio.open_connection(*await serve(settings(certificates)))
    writer.write(PLAIN + rest)
    head = await reader.readuntil(b"\r\n\r\n")
    body = await reader.readline()
    writer.transport.abort()
    assert head.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert b"\r\nConnection: close\r\n" in head
    assert f"Content-Length: {len(body)}\r\n".encode() in head
    assert body == b"Client sent an HTTP request to an HTTPS server.\n"


async def test_who_stays_after_a_failure_has_the_time_of_a_handshake(serve, certificates):
    address = await serve(settings(certificates), Limits(handshake_s=0.1))
    reader, writer = await asyncio.open_connection(*address)
    writer.write(PLAIN)
    answer = await reader.readuntil(b"server.\n")
    writer.write(PLAIN)
    assert await reader.read() == b""
    assert answer.count(b"HTTP/1.1") == 1
    writer.close()


async def test_the_log_tells_at_debug_level_only(serve, certificates, caplog):
    caplog.set_level(logging.DEBUG, logger="joulo_exporter")
    address = await serve(verified(certificates, ssl.TLSVersion.TLSv1_3))
    with pytest.raises(ssl.SSLError):
        await asked(address, client(certificates))
    told = [record for record in caplog.records if record.name.startswith("joulo_exporter.web")]
    assert [(record.levelname, record.getMessage()) for record in told] == [
        ("DEBUG", "a TLS handshake failed: peer did not return a certificate")
    ]


async def test_a_storm_of_failures_leaves_no_more_behind_than_its_bound(serve, certificates, monkeypatch):
    """Each takes a quarter of a megabyte until the garbage is collected, which Python itself does too seldom."""
    monkeypatch.setattr(handshake, "UNFINISHED", 10)
    address = await serve(settings(certificates))
    gc.collect()
    gc.disable()
    try:
        for _ in range(50):
            reader, writer = await asyncio.open_connection(*address)
            writer.write(PLAIN)
            await reader.readuntil(b"server.\n")
            writer.close()
            await writer.wait_closed()
        left = [each for each in gc.get_objects() if isinstance(each, handshake.Handshake)]
        assert len(left) <= 12
    finally:
        gc.enable()


async def test_handshakes_that_succeed_need_no_collection(serve, certificates, monkeypatch):
    monkeypatch.setattr(handshake, "UNFINISHED", 5)
    address = await serve(settings(certificates))
    monkeypatch.setattr(gc, "collect", None)  # a call would fail the handshake
    for _ in range(10):
        assert b" 200 OK" in await asked(address, client(certificates))
