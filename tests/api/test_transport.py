"""Requests over a real socket: what is sent, responses whole and broken, in time and late, redirects."""

import asyncio
import gzip
import socket
import tracemalloc
import zlib
from unittest.mock import AsyncMock

import pytest
from support.loopback import TOKEN, answer, head, loopback, reset, saying, talking

from joulo_exporter import __version__, errors
from joulo_exporter.api.client import BODY_LIMIT_BYTES, CHARGERS, ERE_PRICE

BODY = b'{"chargers": [{"id": "a"}]}'
GZIPPED = gzip.compress(BODY)
GZIP = "Content-Encoding: gzip"
CHUNKED = "Transfer-Encoding: chunked"


# Requests -------------------------------------------------------------------------------------


async def test_what_is_sent(client_of, monkeypatch, tmp_path):
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login joulo password other\n")
    monkeypatch.setenv("NETRC", str(netrc))
    async with loopback(saying(answer(BODY))) as api:
        answered = await client_of(f"{api.url}/base").fetch(CHARGERS, {"limit": "100", "offset": "200"})
    assert answered.content[0].id == "a"
    assert api.heads[0].startswith(b"GET /base/chargers?limit=100&offset=200 HTTP/1.1\r\n")
    headers = api.headers()
    assert headers["authorization"] == f"Bearer {TOKEN}"
    assert headers["user-agent"] == f"joulo-exporter/{__version__}"
    assert headers["accept"] == "application/json"
    assert "gzip" in headers["accept-encoding"]
    assert set(headers) == {"host", "authorization", "user-agent", "accept", "accept-encoding"}


@pytest.mark.parametrize("token", [None, TOKEN], ids=["public client", "client of an account"])
async def test_the_public_price_is_asked_without_a_token(client_of, token):
    async with loopback(saying(answer(b'{"ok": true, "current": {"mid_eur": 0.24}}'))) as api:
        assert (await client_of(api.url, token=token).fetch(ERE_PRICE)).content.euros == 0.24
    assert "authorization" not in api.headers()
    assert TOKEN.encode() not in api.heads[0]


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


# Redirects ------------------------------------------------------------------------------------


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
        f"{endpoint.path}: {status[:3]}, a redirect, which is not followed because the token would travel with "
        "it; check api.url"
    )
    assert elsewhere.heads == []
    assert len(api.heads) == 1
    assert ("authorization" in api.headers()) == (endpoint is CHARGERS)


# Responses ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "parts",
    [
        (answer(BODY),),
        (answer(GZIPPED, GZIP),),
        (answer(zlib.compress(BODY), "Content-Encoding: deflate"),),
        (head(CHUNKED), b"5\r\n" + BODY[:5] + b"\r\n", b"16\r\n" + BODY[5:] + b"\r\n0\r\n\r\n"),
        (answer(BODY.ljust(BODY_LIMIT_BYTES)),),
    ],
    ids=["plain", "gzip", "deflate", "chunked", "of just the limit"],
)
async def test_every_form_of_body_is_read(client_of, parts):
    async with loopback(saying(*parts)) as api:
        answered = await client_of(api.url).fetch(CHARGERS)
    assert [charger.id for charger in answered.content] == ["a"]


CUT_OFF = "the response of 127.0.0.1 is cut off, or broken on its way"
NO_HTTP = "the response of 127.0.0.1 is no valid HTTP; check api.url"
BROKEN = {
    "body cut off": (answer(BODY)[:-5], CUT_OFF),
    "chunks cut off": (head(CHUNKED) + b"5\r\n" + BODY[:5] + b"\r\n", CUT_OFF),
    "chunks without framing": (head(CHUNKED) + b"this is no chunk\r\n" + BODY, NO_HTTP),
    "gzip that is none": (answer(BODY, GZIP), CUT_OFF),
    "gzip cut off": (answer(GZIPPED[:-12], GZIP), "truncated"),
    "no HTTP": (b"SSH-2.0-OpenSSH_9.2p1\r\n\r\n", NO_HTTP),
    "headers too long": (head("X: " + "x" * 20_000) + BODY, NO_HTTP),
    "too many headers": (head(*(f"X-{number}: x" for number in range(200))) + BODY, NO_HTTP),
    "length that is no number": (head("Content-Length: many") + BODY, NO_HTTP),
    "deep": (answer(b'{"chargers": ' + b"[" * 1_000_000 + b"]" * 1_000_000 + b"}"), "nested too deeply"),
    "large": (answer(b"{}".ljust(BODY_LIMIT_BYTES + 1)), "larger than 8 MiB"),
}


@pytest.mark.parametrize(("said", "words"), BROKEN.values(), ids=BROKEN.keys())
async def test_a_broken_answer_is_invalid(client_of, failure_of, said, words):
    async with loopback(saying(said)) as api:
        failure = await failure_of(client_of(api.url))
    assert type(failure) is errors.ApiResponseError
    assert (failure.code, failure.status) == ("invalid", None)
    assert words in str(failure)


async def test_a_gzip_bomb_ends_at_the_limit(client_of, failure_of):
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    first, block = (packer.compress(bytes(2**20)) + packer.flush(zlib.Z_FULL_FLUSH) for _ in range(2))
    bomb = answer(first + block * 1023, GZIP)  # each of the equal blocks stands for 1 MiB
    async with loopback(saying(bomb)) as api:
        tracemalloc.start()
        try:
            failure = await failure_of(client_of(api.url))
            _, peak_bytes = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert type(failure) is errors.ApiResponseError
    assert "larger than 8 MiB" in str(failure)
    assert peak_bytes < 32 * 2**20


@pytest.mark.parametrize("say", [reset, saying(b"")], ids=["reset", "closed"])
async def test_a_connection_lost_before_the_answer(client_of, failure_of, say):
    async with loopback(say) as api:
        failure = await failure_of(client_of(api.url))
    assert type(failure) is errors.ApiConnectionError
    assert failure.code == "connection"
    assert str(failure).startswith("127.0.0.1 broke the connection before it responded")
    assert len(api.heads) == 1  # it is not asked again


async def test_what_is_lost_on_a_used_connection_is_not_asked_again(client_of, failure_of):
    heads = []

    async def answer_and_leave_at_the_second(reader, writer):
        for said in (answer(BODY), b""):
            heads.append(await reader.readuntil(b"\r\n\r\n"))
            writer.write(said)

    async with talking(answer_and_leave_at_the_second) as port:
        client = client_of(f"http://127.0.0.1:{port}")
        await client.fetch(CHARGERS)
        failure = await failure_of(client)
    assert len(heads) == 2
    assert failure.code == "connection"
    assert str(failure).startswith("127.0.0.1 broke the connection before it responded")


# Time -----------------------------------------------------------------------------------------


def _repeating(first, again):
    """Send one more piece whenever the last one has gone, without end."""

    async def say(_head, writer):
        writer.write(first)
        while True:
            writer.write(again)
            await writer.drain()
            await asyncio.sleep(0)

    return say


@pytest.mark.parametrize(
    "say",
    [
        saying(hangs=True),
        saying(answer(BODY)[:-5], hangs=True),
        saying(b"HTTP/1.1 200", hangs=True),
        _repeating(head(CHUNKED), b"1\r\n \r\n"),
        _repeating(b"", head(status="103 Early Hints")),
    ],
    ids=["no answer", "half a body", "half a head", "a body that drips", "an answer that is put off"],
)
async def test_the_timeout_covers_everything(client_of, failure_of, say):
    async with loopback(say) as api:
        failure = await failure_of(client_of(api.url, timeout_s=0.1))
    assert type(failure) is errors.ApiTimeoutError
    assert failure.code == "timeout"
    assert str(failure).startswith("no complete response from 127.0.0.1 within 0.1 s")


RETRY = "Retry-After: 300"


@pytest.mark.parametrize(
    ("say", "timeout_s"),
    [
        # Its head is here long before this, on however slow a machine; that the body never comes takes all of it.
        (saying(head("Content-Length: 9", RETRY, status="429 x"), hangs=True), 1.0),
        (saying(head("Content-Length: 9", RETRY, status="429 x")), 30.0),
        (saying(answer(b"no gzip", GZIP, RETRY, status="429 x")), 30.0),
        (saying(answer(b" " * 100_000, RETRY, status="429 x")), 30.0),
    ],
    ids=["hangs", "cut off", "undecodable", "long"],
)
async def test_a_status_counts_even_if_its_body_never_arrives(client_of, failure_of, say, timeout_s):
    async with loopback(say) as api:
        failure = await failure_of(client_of(api.url, timeout_s=timeout_s))
    assert type(failure) is errors.ApiError
    assert (failure.code, failure.retry_after_s) == ("429", 300.0)
