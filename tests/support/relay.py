"""A real proxy on loopback: tunnels by CONNECT, forwards plain HTTP, and can want a password."""

import asyncio
import base64
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

from support.loopback import Loopback, talking


@asynccontextmanager
async def relay(*, user=None, context=None):
    """Run a proxy; ``user`` is the ``name:password`` that it wants, ``context`` its own TLS."""
    heard = Loopback("http")
    wanted = b"" if user is None else b"Basic " + base64.b64encode(user.encode())

    async def talk(reader, writer):
        head = await reader.readuntil(b"\r\n\r\n")
        heard.heads.append(head)
        if wanted in head:
            await _pass_on(head, reader, writer)
        else:
            writer.write(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")

    async with talking(talk, context=context) as heard.port:
        yield heard


async def _pass_on(head, reader, writer):
    method, target, _ = head.split(b"\r\n")[0].decode().split()
    parts = urlsplit(f"//{target}" if method == "CONNECT" else target)
    near, far = await asyncio.open_connection(parts.hostname, parts.port)
    if method == "CONNECT":
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
    else:
        far.write(head.replace(target.encode(), parts.path.encode(), 1))
    back = asyncio.create_task(_pump(near, writer))
    try:
        await _pump(reader, far)
    finally:
        back.cancel()
        await asyncio.gather(back, return_exceptions=True)
        far.close()


async def _pump(reader, writer):
    while chunk := await reader.read(65_536):
        writer.write(chunk)
        await writer.drain()
