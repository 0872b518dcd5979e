"""Servers on loopback that keep the requests: one that sends byte for byte what a test wants, and a real proxy."""

import asyncio
import base64
import socket
import struct
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

TOKEN = "joulo_9fQx7LmZr2Vb5TkW"
PROXY_PASSWORD = "hunter2hunter2"


class Loopback:
    """Requests that a server got, and its address."""

    def __init__(self, scheme):
        self.scheme = scheme
        self.port = 0
        self.heads = []
        self.asked = asyncio.Event()

    @property
    def url(self):
        return f"{self.scheme}://127.0.0.1:{self.port}"

    def headers(self, request=0):
        """Return the headers of a request, their names in lower case."""
        lines = self.heads[request].decode().split("\r\n")[1:]
        pairs = [line.split(": ", 1) for line in lines if line]
        assert len(pairs) == len({name.lower() for name, _ in pairs})
        return {name.lower(): value for name, value in pairs}


@asynccontextmanager
async def talking(talk, *, host="127.0.0.1", context=None):
    """Let ``talk(reader, writer)`` have each connection, then close it; yield the port."""
    talks = set()

    async def have(reader, writer):
        talks.add(asyncio.current_task())
        try:
            await talk(reader, writer)
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # the client left, or the test is over
        finally:
            writer.close()

    server = await asyncio.start_server(have, host, 0, ssl=context)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for each in talks:  # since 3.12 wait_closed waits for them
            each.cancel()
        await asyncio.gather(*talks, return_exceptions=True)
        await server.wait_closed()


@asynccontextmanager
async def loopback(say, *, context=None, host="127.0.0.1"):
    """Serve each request with ``say(head, writer)``, a coroutine function; then close the connection."""
    heard = Loopback("https" if context else "http")

    async def talk(reader, writer):
        heard.heads.append(await reader.readuntil(b"\r\n\r\n"))
        heard.asked.set()
        await say(heard.heads[-1], writer)
        await writer.drain()

    async with talking(talk, host=host, context=context) as heard.port:
        yield heard


def saying(*parts, hangs=False):
    """Say these bytes, whatever was asked; then, if it hangs, nothing more, without end."""

    async def say(_head, writer):
        for part in parts:
            writer.write(part)
            await writer.drain()
        if hangs:
            await asyncio.Event().wait()

    return say


def answer(body, *headers, status="200 OK"):
    """Return a whole answer with its length."""
    return head(f"Content-Length: {len(body)}", *headers, status=status) + body


def head(*headers, status="200 OK"):
    """Return the head of an answer."""
    return "\r\n".join([f"HTTP/1.1 {status}", *headers, "", ""]).encode()


async def reset(_head, writer):
    """Tear the connection down, as a crashed server does."""
    linger_not = struct.pack("ii", 1, 0)
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger_not)
    writer.transport.abort()


@asynccontextmanager
async def relay(*, user=None, context=None):
    """Run a proxy, for tunnels by CONNECT and for plain HTTP.

    ``user`` is the ``name:password`` that it wants, ``context`` its own TLS.
    """
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
