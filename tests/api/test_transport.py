"""Requests over a real socket: headers, redirects, lost connections, and no token where it does not belong."""

import asyncio
import socket
from unittest.mock import AsyncMock

import pytest
from support.loopback import TOKEN, answer, loopback, reset, saying

from joulo_exporter import __version__, errors
from joulo_exporter.api.client import CHARGERS, ERE_PRICE

BODY = b'{"chargers": [{"id": "a"}]}'


async def test_what_is_sent(client_of):
    async with loopback(saying(answer(BODY))) as api:
        answered = await client_of(f"{api.url}/base").fetch(CHARGERS, {"limit": "100"})
    assert answered.content[0].id == "a"
    assert api.heads[0].startswith(b"GET /base/chargers?limit=100 HTTP/1.1\r\n")
    headers = api.headers()
    assert headers["authorization"] == f"Bearer {TOKEN}"
    assert headers["user-agent"] == f"joulo-exporter/{__version__}"
    assert headers["accept"] == "application/json"
    assert "gzip" in headers["accept-encoding"]
    assert TOKEN.encode() not in api.heads[0].split(b"\r\n")[0]
    assert set(headers) == {"host", "authorization", "user-agent", "accept", "accept-encoding"}


async def test_the_environment_sets_no_password(client_of, monkeypatch, tmp_path):
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login joulo password other\n")
    monkeypatch.setenv("NETRC", str(netrc))
    async with loopback(saying(answer(BODY))) as api:
        await client_of(api.url).fetch(CHARGERS)
    assert api.headers()["authorization"] == f"Bearer {TOKEN}"


@pytest.mark.parametrize("status", ["301 x", "302 x", "303 x", "307 x", "308 x"])
@pytest.mark.parametrize("endpoint", [CHARGERS, ERE_PRICE], ids=["chargers", "the public price"])
async def test_a_redirect_takes_the_token_nowhere(client_of, failure_of, endpoint, status):
    async with (
        loopback(saying(answer(BODY))) as elsewhere,
        loopback(saying(answer(b"", f"Location: {elsewhere.url}/chargers", status=status))) as api,
    ):
        failure = await failure_of(client_of(api.url), endpoint)
    assert failure.code == status[:3]
    assert str(failure) == (
        f"{endpoint.path}: {status[:3]}, a redirect to 127.0.0.1, which is not followed because the token would "
        "travel with it; check api.url"
    )
    assert elsewhere.heads == []
    assert len(api.heads) == 1
    assert ("authorization" in api.headers()) == (endpoint is CHARGERS)


@pytest.mark.parametrize("token", [None, TOKEN], ids=["public client", "client of an account"])
async def test_the_public_price_is_asked_without_a_token(client_of, token):
    async with loopback(saying(answer(b'{"ok": true, "current": {"mid_eur": 0.24}}'))) as api:
        assert (await client_of(api.url, token=token).fetch(ERE_PRICE)).content.euros == 0.24
    assert "authorization" not in api.headers()
    assert TOKEN.encode() not in api.heads[0]


@pytest.mark.parametrize(
    ("location", "target"),
    [
        ("https://user:secret@elsewhere.example:8443/path?key=secret#secret", " to elsewhere.example"),
        ("//elsewhere.example/secret", " to elsewhere.example"),
        ("https://[2001:db8::1]/", " to 2001:db8::1"),
        ("/functions/v2/secret", ""),
        ("https://[secret/", ""),
        (f"https://{TOKEN}.example/", ""),
        ("https://" + "secret." * 20, ""),
        ("https://b\u00fccher.example/", ""),
        ("mailto:secret@elsewhere.example", ""),
    ],
)
async def test_of_where_a_redirect_leads_only_the_host_is_shown(client_of, failure_of, location, target):
    async with loopback(saying(_moved(location))) as api:
        failure = await failure_of(client_of(api.url))
    assert f"301, a redirect{target}, which is not followed" in str(failure)
    assert "secret" not in str(failure)


def _moved(location):
    return b"HTTP/1.1 301 Moved\r\nContent-Length: 0\r\nLocation: " + location.encode() + b"\r\n\r\n"


async def test_what_is_lost_on_a_used_connection_is_not_asked_again(client_of, failure_of):
    heads = []

    async def answer_and_leave_at_the_second(reader, writer):
        for said in (answer(BODY), b""):
            heads.append(await reader.readuntil(b"\r\n\r\n"))
            writer.write(said)
        writer.close()

    async with await asyncio.start_server(answer_and_leave_at_the_second, "127.0.0.1", 0) as server:
        client = client_of(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        await client.fetch(CHARGERS)
        failure = await failure_of(client)
    assert len(heads) == 2
    assert failure.code == "connection"
    assert str(failure).startswith("127.0.0.1 broke the connection before it responded")


async def test_no_cookie_of_an_account_goes_out_with_another_one(client_of):
    async with loopback(saying(answer(BODY, "Set-Cookie: session=1; Path=/", "Connection: close"))) as api:
        await client_of(api.url).fetch(CHARGERS)
        await client_of(api.url, token="joulo_of_the_neighbour").fetch(CHARGERS)
    assert "cookie" not in api.headers(1)
    assert api.headers(1)["authorization"] == "Bearer joulo_of_the_neighbour"


async def test_an_address_of_the_api_that_does_not_answer_gives_way_to_the_next(client_of, monkeypatch):
    """An IPv6 address whose packets vanish, as behind many a router, costs a quarter of a second."""
    loop = asyncio.get_running_loop()
    async with loopback(saying(answer(BODY))) as api:
        with socket.socket(socket.AF_INET6) as silent, socket.socket(socket.AF_INET6) as filler:
            silent.bind(("::1", api.port))
            silent.listen(0)
            filler.connect(silent.getsockname())  # the queue is full: the kernel drops who comes next
            stream = (socket.SOCK_STREAM, 6, "")
            found = [
                (socket.AF_INET6, *stream, ("::1", api.port, 0, 0)),
                (socket.AF_INET, *stream, ("127.0.0.1", api.port)),
            ]
            monkeypatch.setattr(loop, "getaddrinfo", AsyncMock(return_value=found))
            answered = await client_of(f"http://localhost:{api.port}", timeout_s=5).fetch(CHARGERS)
    assert answered.content[0].id == "a"


@pytest.mark.parametrize("say", [reset, saying(b"")], ids=["reset", "closed"])
async def test_a_connection_lost_before_the_answer(client_of, failure_of, say):
    async with loopback(say) as api:
        failure = await failure_of(client_of(api.url))
    assert type(failure) is errors.ApiConnectionError
    assert failure.code == "connection"
    assert str(failure).startswith("127.0.0.1 broke the connection before it responded")
    assert len(api.heads) == 1  # it is not asked again
