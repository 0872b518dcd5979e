"""What leaves the machine, to whom, and what comes of it when there is no way: redirects, TLS, proxies."""

from __future__ import annotations

import asyncio
import ssl
import subprocess

import pytest
from loopback import PROXY_PASSWORD, TOKEN, answer, free_port, loopback, reset, saying

from joulo_exporter import __version__, errors
from joulo_exporter.api import CHARGERS

BODY = b'{"chargers": [{"id": "a"}]}'


async def test_what_is_sent(client_of):
    async with loopback(saying(answer(BODY))) as api:
        answered = await client_of(f"{api.url}/base").fetch(CHARGERS, {"limit": "100"})
    assert answered.records[0].id == "a"
    assert api.heads[0].startswith(b"GET /base/chargers?limit=100 HTTP/1.1\r\n")
    headers = api.headers()
    assert headers["authorization"] == f"Bearer {TOKEN}"
    assert headers["user-agent"] == f"joulo-exporter/{__version__}"
    assert headers["accept"] == "application/json"
    assert "gzip" in headers["accept-encoding"]
    assert TOKEN.encode() not in api.heads[0].split(b"\r\n")[0]
    assert set(headers) == {"host", "authorization", "user-agent", "accept", "accept-encoding"}


async def test_no_cookie_comes_back(client_of):
    async with loopback(saying(answer(BODY, "Set-Cookie: session=1; Path=/", "Connection: close"))) as api:
        client = client_of(api.url.replace("127.0.0.1", "localhost"))
        await client.fetch(CHARGERS)
        await client.fetch(CHARGERS)
    assert "cookie" not in api.headers(1)


async def test_environment_sets_no_proxy_and_no_password(client_of, monkeypatch, tmp_path):
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login joulo password other\n")
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{free_port()}")
    monkeypatch.delenv("no_proxy", raising=False)
    async with loopback(saying(answer(BODY))) as api:
        await client_of(api.url).fetch(CHARGERS)
    assert api.headers()["authorization"] == f"Bearer {TOKEN}"


@pytest.mark.parametrize("status", ["301 x", "302 x", "303 x", "307 x", "308 x"])
async def test_a_redirect_takes_the_token_nowhere(client_of, failure_of, status):
    async with (
        loopback(saying(answer(BODY))) as elsewhere,
        loopback(saying(answer(b"", f"Location: {elsewhere.url}/chargers", status=status))) as api,
    ):
        failure = await failure_of(client_of(api.url))
    assert failure.code == status[:3]
    assert "a redirect, which is not followed because the token would travel with it" in str(failure)
    assert elsewhere.heads == []
    assert elsewhere.url not in str(failure)


async def _echo(request_head, writer):
    """Repeat the whole request in the error, as careless gateways do when debugging."""
    text = request_head.decode().replace("\r\n", " ")
    writer.write(answer(f'{{"error": "bad request: {text}"}}'.encode(), status="401 x"))


async def test_an_echo_of_the_request_shows_no_token(client_of, failure_of):
    async with loopback(_echo) as api:
        failure = await failure_of(client_of(api.url))
    assert type(failure) is errors.ApiAuthenticationError
    assert TOKEN[6:] not in str(failure)


@pytest.mark.parametrize("say", [reset, saying(b"")], ids=["reset", "closed"])
async def test_a_connection_lost_before_the_answer(client_of, failure_of, say):
    async with loopback(say) as api:
        failure = await failure_of(client_of(api.url))
    assert type(failure) is errors.ApiConnectionError
    assert failure.code == "connection"
    assert str(failure).startswith("127.0.0.1 broke the connection before it answered")


async def test_nobody_listens(client_of, failure_of):
    failure = await failure_of(client_of(f"http://127.0.0.1:{free_port()}"))
    assert type(failure) is errors.ApiConnectionError
    assert str(failure) == (
        "no connection to 127.0.0.1 (Connection refused); check the network, a firewall and api.url"
    )


# TLS -------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def self_signed(tmp_path_factory):
    """A server's TLS with a certificate that nobody vouches for."""
    folder = tmp_path_factory.mktemp("tls")
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=joulo"
    extension = ["-addext", "subjectAltName=IP:127.0.0.1"]
    files = ["-keyout", key, "-out", certificate]
    subprocess.run([*command.split(), *extension, *files], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context


async def test_a_self_signed_certificate_is_refused_before_the_token_is_sent(client_of, failure_of, self_signed):
    async with loopback(saying(answer(BODY)), context=self_signed) as api:
        failure = await failure_of(client_of(api.url))
    assert type(failure) is errors.ApiConnectionError
    assert failure.code == "connection"
    assert str(failure).startswith("the certificate of 127.0.0.1 is not trusted (self-signed certificate)")
    assert api.heads == []


async def test_https_to_a_server_without_tls(client_of, failure_of):
    server = await asyncio.start_server(_plain, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        failure = await failure_of(client_of(f"https://127.0.0.1:{port}"))
    assert type(failure) is errors.ApiConnectionError
    assert str(failure).startswith("no TLS with 127.0.0.1 (")
    assert "Error" not in str(failure)  # but OpenSSL's own reason, whose words differ between its versions


async def _plain(reader, writer):
    await reader.read(100)
    writer.write(answer(b"plain HTTP was expected", status="400 Bad Request"))
    writer.close()


# Proxy -----------------------------------------------------------------------------------------


def _proxy_url(port):
    return f"http://joulo:{PROXY_PASSWORD}@127.0.0.1:{port}"


async def test_a_proxy_is_used_and_gets_its_own_password(client_of):
    async with loopback(saying(answer(BODY))) as proxy:
        answered = await client_of("http://localhost:1", proxy=_proxy_url(proxy.port)).fetch(CHARGERS)
    assert answered.records[0].id == "a"
    assert proxy.heads[0].startswith(b"GET http://localhost:1/chargers HTTP/1.1\r\n")
    assert proxy.headers()["proxy-authorization"].startswith("Basic ")


async def test_a_proxy_that_wants_another_password(client_of, failure_of):
    refusal = answer(b"", status="407 Proxy Authentication Required")
    async with loopback(saying(refusal)) as proxy:
        failure = await failure_of(client_of("https://api.invalid", proxy=_proxy_url(proxy.port)))
    assert type(failure) is errors.ApiConnectionError
    assert (failure.code, failure.status) == ("connection", None)
    assert str(failure).startswith("the proxy does not connect us (407); check api.proxy_url")
    assert proxy.heads[0].startswith(b"CONNECT api.invalid:443 ")
    assert b"Bearer" not in proxy.heads[0]


async def test_a_proxy_that_is_not_there(client_of, failure_of):
    failure = await failure_of(client_of("https://api.invalid", proxy=_proxy_url(free_port())))
    assert type(failure) is errors.ApiConnectionError
    assert str(failure) == "no connection to the proxy (Connection refused); check api.proxy_url"
