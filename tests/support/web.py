"""The web application with services that answer from memory, for tests of what is around them."""

import asyncio
import contextlib
from types import SimpleNamespace
from unittest.mock import AsyncMock

from joulo_exporter.exposition import Body
from joulo_exporter.web.app import WebPaths, WebServices, make_application
from joulo_exporter.web.auth import Gate
from joulo_exporter.web.config import WebConfig
from joulo_exporter.web.server import listening

REQUEST = b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n"
LAST_REQUEST = b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"


def body_of(*parts: bytes) -> Body:
    """Return the body of a response with these bytes."""
    return Body(sum(map(len, parts)), parts)


def always(*parts: bytes):
    """Return a service that gives every scrape the same bytes."""
    return AsyncMock(return_value=body_of(*parts))


@contextlib.asynccontextmanager
async def serving(*addresses, gate=None, paths=None, tls=lambda: None, limits=None, **services):
    """Serve the application with some services replaced; yield its address, of several the list.

    Args:
        addresses: a free port of 127.0.0.1 without any.
        gate: before the paths.
        paths: by default those without a prefix.
        tls: returns an ``ssl.SSLContext``, or ``None``.
        limits: of the guard.
        services: in the place of those that say all is well; ``metrics`` and ``snapshots`` are an exposition's.
    """
    well = {"ready": lambda: True, "reload": AsyncMock(return_value=None)}
    metrics, snapshots = services.pop("metrics", always(b"joulo_up 1\n")), services.pop("snapshots", tuple)
    well["exposition"] = lambda: SimpleNamespace(scrape=metrics, snapshots=snapshots)
    application = make_application(WebServices(**well | services), gate or Gate(WebConfig), paths or WebPaths())
    async with listening(application, addresses or ["127.0.0.1:0"], tls=tls, limits=limits) as bound:
        yield bound if len(bound) > 1 else bound[0]


@contextlib.asynccontextmanager
async def connected(address, **options):
    """Connect to an address of TCP; yield a reader and a writer, for half a minute at most."""
    host, _, port = address.rpartition(":")
    async with asyncio.timeout(30):  # a limit of the server that does not work must not hold up the suite
        reader, writer = await asyncio.open_connection(host, int(port), **options)
        try:
            yield reader, writer
        finally:
            writer.transport.abort()
            with contextlib.suppress(OSError):
                await writer.wait_closed()


async def to_the_end(reader):
    """Return the bytes up to the end of a connection; a client that does not read may be cut off hard."""
    got = bytearray()
    with contextlib.suppress(OSError):
        while chunk := await reader.read(1_000_000):
            got += chunk
    return bytes(got)


async def exchange(address, request, **options):
    """Send bytes; return all that comes back until the server closes."""
    async with connected(address, **options) as (reader, writer):
        writer.write(request)
        return await to_the_end(reader)
