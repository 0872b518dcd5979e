"""A server on loopback that sends byte for byte what a test wants, and keeps the requests."""

import asyncio
import socket
import struct
from contextlib import asynccontextmanager

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


def saying(*parts):
    """Say these bytes, whatever was asked."""

    async def say(_head, writer):
        for part in parts:
            writer.write(part)
            await writer.drain()

    return say


def answer(body, *headers, status="200 OK"):
    """Return a whole answer with its length."""
    return head(f"Content-Length: {len(body)}", *headers, status=status) + body


def head(*headers, status="200 OK"):
    """Return the head of an answer."""
    return "\r\n".join([f"HTTP/1.1 {status}", *headers, "", ""]).encode()


async def hang(_head, _writer):
    """Say nothing, and never end."""
    await asyncio.Event().wait()


def saying_then_hanging(*parts):
    """Say these bytes, and then nothing more."""

    async def say(*request):
        await saying(*parts)(*request)
        await hang(*request)

    return say


async def reset(_head, writer):
    """Tear the connection down, as a crashed server does."""
    linger_not = struct.pack("ii", 1, 0)
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger_not)
    writer.transport.abort()
