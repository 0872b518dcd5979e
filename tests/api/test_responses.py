"""API responses over a real socket on loopback: whole and broken, in time and late."""

import asyncio
import gzip
import tracemalloc
import zlib

import pytest
from support.loopback import (
    answer,
    hang,
    head,
    loopback,
    saying,
    saying_then_hanging,
)

from joulo_exporter import errors
from joulo_exporter.api.client import BODY_LIMIT_BYTES, CHARGERS

BODY = b'{"chargers": [{"id": "a"}]}'
GZIPPED = gzip.compress(BODY)
GZIP = "Content-Encoding: gzip"
CHUNKED = "Transfer-Encoding: chunked"


@pytest.mark.parametrize(
    "parts",
    [
        (answer(BODY),),
        (answer(GZIPPED, GZIP),),
        (answer(zlib.compress(BODY), "Content-Encoding: deflate"),),
        (
            head(CHUNKED),
            b"5\r\n" + BODY[:5] + b"\r\n",
            b"%x\r\n" % (len(BODY) - 5) + BODY[5:] + b"\r\n0\r\n\r\n",
        ),
        (head("Connection: close"), BODY),
    ],
    ids=["plain", "gzip", "deflate", "chunked", "until the end"],
)
async def test_every_form_of_body_is_read(client_of, parts):
    async with loopback(saying(*parts)) as api:
        answered = await client_of(api.url).fetch(CHARGERS)
    assert [charger.id for charger in answered.content] == ["a"]


BROKEN = {
    "body cut off": answer(BODY)[:-5],
    "no body at all": head("Content-Length: 20"),
    "chunks cut off": head(CHUNKED) + b"5\r\n" + BODY[:5] + b"\r\n",
    "chunks without framing": head(CHUNKED) + b"this is no chunk\r\n" + BODY,
    "gzip that is none": answer(BODY, GZIP),
    "gzip cut off": answer(GZIPPED[:-12], GZIP),
    "gzip of something else": answer(gzip.compress(b"<html>"), GZIP),
    "no HTTP": b"SSH-2.0-OpenSSH_9.2p1\r\n\r\n",
    "headers too long": head("X: " + "x" * 20_000) + BODY,
    "too many headers": head(*(f"X-{number}: x" for number in range(200))) + BODY,
    "length that is no number": head("Content-Length: many") + BODY,
}


@pytest.mark.parametrize("said", BROKEN.values(), ids=BROKEN.keys())
async def test_a_broken_answer_is_invalid(client_of, failure_of, said):
    async with loopback(saying(said)) as api:
        failure = await failure_of(client_of(api.url))
    assert type(failure) is errors.ApiResponseError
    assert (failure.code, failure.status) == ("invalid", None)


async def _drip(_head, writer):
    """Send one more piece whenever the last one has gone, without end."""
    writer.write(head(CHUNKED))
    while True:
        writer.write(b"1\r\n \r\n")
        await writer.drain()
        await asyncio.sleep(0)


async def _put_off(_head, writer):
    """Announce an answer again and again."""
    while True:
        writer.write(head(status="103 Early Hints"))
        await writer.drain()
        await asyncio.sleep(0)


@pytest.mark.parametrize(
    "say",
    [hang, saying_then_hanging(answer(BODY)[:-5]), saying_then_hanging(b"HTTP/1.1 200"), _drip, _put_off],
    ids=["no answer", "half a body", "half a head", "a body that drips", "an answer that is put off"],
)
async def test_the_timeout_covers_everything(client_of, failure_of, say):
    async with loopback(say) as api:
        failure = await failure_of(client_of(api.url, timeout_s=0.1))
    assert type(failure) is errors.ApiTimeoutError
    assert failure.code == "timeout"
    assert str(failure).startswith("no complete response from 127.0.0.1 within 0.1 s")


THROTTLED = ("Retry-After: 300",)


@pytest.mark.parametrize(
    ("say", "timeout_s"),
    [
        # Its head is here long before this, on however slow a machine; that the body never comes takes all of it.
        (saying_then_hanging(head("Content-Length: 9", *THROTTLED, status="429 x")), 1.0),
        (saying(head("Content-Length: 9", *THROTTLED, status="429 x")), 30.0),
        (saying(answer(b"no gzip", GZIP, *THROTTLED, status="429 x")), 30.0),
        (saying(answer(b" " * 100_000, *THROTTLED, status="429 x")), 30.0),
    ],
    ids=["hangs", "cut off", "undecodable", "long"],
)
async def test_a_status_counts_even_if_its_body_never_arrives(client_of, failure_of, say, timeout_s):
    async with loopback(say) as api:
        failure = await failure_of(client_of(api.url, timeout_s=timeout_s))
    assert type(failure) is errors.ApiThrottledError
    assert (failure.code, failure.retry_after_s) == ("429", 300.0)


async def test_waiting_for_a_free_connection_counts_too(client_of, failure_of):
    async with loopback(hang) as api:
        others = [asyncio.create_task(failure_of(client_of(api.url, timeout_s=5))) for _ in range(4)]
        while len(api.heads) < 4:
            await api.asked.wait()
            await asyncio.sleep(0)
        failure = await failure_of(client_of(api.url, timeout_s=0.05))
        assert len(api.heads) == 4
        for other in others:
            other.cancel()
        await asyncio.gather(*others, return_exceptions=True)
    assert failure.code == "timeout"


async def test_cancellation_passes_untouched(client_of):
    async with loopback(hang) as api:
        fetching = asyncio.create_task(client_of(api.url).fetch(CHARGERS))
        await api.asked.wait()
        fetching.cancel("shutdown")
        with pytest.raises(asyncio.CancelledError, match="shutdown"):
            await fetching
    assert fetching.cancelled()


NESTED = b'{"chargers": ' + b"[" * 1_000_000 + b"]" * 1_000_000 + b"}"


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (NESTED, "nested too deeply"),
        (b'{"chargers": [' + b"0," * 1_000_000 + b"0]}", "no list of at most 10,000"),
        (b"{}".ljust(BODY_LIMIT_BYTES + 1), "larger than 8 MiB"),
    ],
    ids=["deep", "many records", "large"],
)
async def test_an_absurd_answer_is_invalid(client_of, failure_of, body, words):
    async with loopback(saying(answer(body))) as api:
        failure = await failure_of(client_of(api.url))
    assert (type(failure), failure.code) == (errors.ApiResponseError, "invalid")
    assert words in str(failure)


async def test_a_body_of_just_the_limit_is_read(client_of):
    async with loopback(saying(answer(b"{}".ljust(BODY_LIMIT_BYTES)))) as api:
        assert (await client_of(api.url).fetch(CHARGERS)).content == ()


def _bomb(mebibytes):
    """Return zeros as gzip: each of the equal blocks stands for 1 MiB."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    first = packer.compress(bytes(2**20)) + packer.flush(zlib.Z_FULL_FLUSH)
    block = packer.compress(bytes(2**20)) + packer.flush(zlib.Z_FULL_FLUSH)
    return first + block * (mebibytes - 1)


async def test_a_gzip_bomb_ends_at_the_limit(client_of, failure_of):
    bomb = answer(_bomb(1024), GZIP)
    async with loopback(saying(bomb)) as api:
        tracemalloc.start()
        try:
            failure = await failure_of(client_of(api.url))
            _, peak_bytes = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert (type(failure), failure.code) == (errors.ApiResponseError, "invalid")
    assert "larger than 8 MiB" in str(failure)
    assert peak_bytes < 32 * 2**20
