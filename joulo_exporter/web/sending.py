"""How a long answer gets to its client: in pieces, at the pace of the client, and never copied as a whole."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import sys
from collections import deque
from typing import TYPE_CHECKING, Protocol

from aiohttp import hdrs, web

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

_SHORT = 1 << 16
_AT_ONCE = 1 << 19
"""Bytes that are given to the system at once."""
_FILE_AT_ONCE = 1 << 24
"""Bytes of a file that the system sends at once: in 2 ms, if the client keeps up; then others have their turn."""
_BATCHES_A_TURN = 8
"""A client that keeps up never makes us wait; then others have their turn after so many, a few milliseconds."""
_PIECES_AT_ONCE = 256  # below the least IOV_MAX that Linux has
_WAITING = 1 << 17
"""Bytes that wait, copied, for a client that does not keep up: more than asyncio's high-water mark of 64 KiB."""


class Front(Protocol):
    """The first bytes of an answer, which are in a file too, at its beginning; both never change."""

    size: int

    @property
    def view(self) -> memoryview:
        """Return the bytes, which are not copied."""

    def fileno(self) -> int:
        """Return the descriptor of the file."""


class Body(Protocol):
    """The bytes of an answer."""

    length: int

    @property
    def front(self) -> Front | None:
        """Return what it begins with, if that is in a file."""

    def pieces(self) -> Iterable[bytes | memoryview]:
        """Return the bytes in pieces, together ``length`` bytes."""

    def rest(self) -> Iterable[bytes | memoryview]:
        """Return what follows the front, in pieces."""


async def send(request: web.Request, body: Body, headers: Mapping[str, str]) -> web.StreamResponse:
    """Return the response of an answer; a long one has then been sent."""
    if body.length <= _SHORT:
        return web.Response(body=b"".join(body.pieces()), headers=headers)
    response = web.StreamResponse(headers=headers)
    response.content_length = body.length
    transport = request.transport
    if request.method == hdrs.METH_HEAD or transport is None:
        await response.prepare(request)
        return response
    with _full_packets(transport):
        await response.prepare(request)
        try:
            if body.front is not None and _plain(transport):
                await _send_file(response, transport, body.front)
                await _send_all(response, transport, body.rest())
            else:
                await _send_all(response, transport, body.pieces())
        except ConnectionError:
            transport.abort()  # the client has left, which is its right
        except BaseException:
            transport.abort()  # else what follows would be taken for the rest of this answer
            raise
    return response


@contextlib.contextmanager
def _full_packets(transport: asyncio.Transport) -> Iterator[None]:
    """Have the system wait for full packets as long as more is to come; what is left then goes out at once.

    aiohttp asks for the opposite, which suits short answers. Measured: a fifth less CPU for an answer of 94 MB.
    """
    _cork(transport, wanted=True)
    try:
        yield
    finally:
        _cork(transport, wanted=False)


def _cork(transport: asyncio.Transport, *, wanted: bool) -> None:
    if sys.platform == "linux":
        with contextlib.suppress(OSError):  # a Unix domain socket, or one that is closed
            transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, int(wanted))


async def _send_file(response: web.StreamResponse, transport: asyncio.Transport, front: Front) -> None:
    """Have the system send the file; it copies nothing."""
    position = 0
    while position < front.size:
        sent = _sent(transport, front, position) if _idle(transport) else 0
        if not sent:
            piece = front.view[position : position + _WAITING]
            await response.write(piece)
            sent = len(piece)
        elif position + sent < front.size:
            await asyncio.sleep(0)
        position += sent


async def _send_all(
    response: web.StreamResponse, transport: asyncio.Transport, pieces: Iterable[bytes | memoryview]
) -> None:
    for number, batch in enumerate(_batches(pieces), start=1):
        await _send(response, transport, batch)
        if number % _BATCHES_A_TURN == 0:
            await asyncio.sleep(0)


async def _send(response: web.StreamResponse, transport: asyncio.Transport, pieces: deque[memoryview]) -> None:
    """Write all pieces; what the socket does not take now waits in the transport.

    With nothing waiting, the pieces go to the socket as they are, in one call: asyncio joins them first (before
    Python 3.12), and aiohttp writes one by one. Measured: a fifth less CPU for an answer of 5 MB.
    """
    plain = _plain(transport)
    while pieces:
        if plain and _idle(transport):
            _take(pieces, _written(transport, pieces))
        if pieces:
            await response.write(pieces[0][:_WAITING])
            _take(pieces, min(len(pieces[0]), _WAITING))


def _plain(transport: asyncio.Transport) -> bool:
    return transport.get_extra_info("sslcontext") is None


def _idle(transport: asyncio.Transport) -> bool:
    """Tell whether nothing waits in the transport, so that the socket may be used past it."""
    return not transport.is_closing() and not transport.get_write_buffer_size()


def _sent(transport: asyncio.Transport, front: Front, position: int) -> int:
    count = min(front.size - position, _FILE_AT_ONCE)
    try:
        return os.sendfile(transport.get_extra_info("socket").fileno(), front.fileno(), position, count)
    except ConnectionError:
        raise
    except OSError:  # the socket is full, or the system has no memory, or a sandbox forbids it: nothing is sent
        return 0


def _written(transport: asyncio.Transport, pieces: Iterable[memoryview]) -> int:
    try:
        return os.writev(transport.get_extra_info("socket").fileno(), list(pieces))
    except BlockingIOError:
        return 0


def _take(pieces: deque[memoryview], count: int) -> None:
    """Remove so many bytes from the front."""
    while count:
        piece = pieces.popleft()
        if len(piece) > count:
            pieces.appendleft(piece[count:])
        count -= min(count, len(piece))


def _batches(pieces: Iterable[bytes | memoryview]) -> Iterator[deque[memoryview]]:
    """Yield the pieces in batches that one call can write; an empty piece is left out."""
    batch: deque[memoryview] = deque()
    size = 0
    for piece in pieces:
        for start in range(0, len(piece), _AT_ONCE):
            part = memoryview(piece)[start : start + _AT_ONCE]
            batch.append(part)
            size += len(part)
            if size >= _AT_ONCE or len(batch) == _PIECES_AT_ONCE:
                yield batch
                batch, size = deque(), 0
    if batch:
        yield batch
