"""The web application with services that answer from memory, for tests of what is around them."""

import asyncio
import contextlib
import dataclasses

from joulo_exporter.web.app import WebServices, make_application
from joulo_exporter.web.auth import Gate, Protection
from joulo_exporter.web.server import listening


async def _reload():
    return None


class Body:
    """Body of a response.

    Args:
        parts: its bytes.
    """

    def __init__(self, *parts: bytes) -> None:
        self.parts = parts
        self.length = sum(map(len, parts))


def always(*parts: bytes):
    """Return a service that gives every scrape the same bytes."""
    body = Body(*parts)

    async def metrics(*_):
        return body

    return metrics


SERVICES = WebServices(
    metrics=always(b"joulo_up 1\n"),
    snapshots=lambda: (),
    ledger_persistent=lambda: True,
    ready=lambda: True,
    reload=_reload,
    lifecycle_enabled=True,
    telemetry_path="/metrics",
)


@contextlib.asynccontextmanager
async def serving(*addresses, gate=None, tls=None, limits=None, **services):
    """Serve the application with some services replaced; yield its address, of several the list.

    Args:
        addresses: a free port of 127.0.0.1 without any.
        gate: before the paths.
        tls: returns an ``ssl.SSLContext``.
        limits: of the guard.
        services: in the place of those of ``SERVICES``.
    """
    application = make_application(dataclasses.replace(SERVICES, **services), gate or Gate(Protection()))
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
    got = b""
    with contextlib.suppress(OSError):
        while chunk := await reader.read(1_000_000):
            got += chunk
    return got


async def exchange(address, request, **options):
    """Send bytes; return all that comes back until the server closes."""
    async with connected(address, **options) as (reader, writer):
        writer.write(request)
        return await to_the_end(reader)
