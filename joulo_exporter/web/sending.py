"""How a long answer gets to its client: in pieces, at the pace of the client, and never copied as a whole."""

from __future__ import annotations

import asyncio
import os
from collections import deque
from typing import TYPE_CHECKING, Protocol

from aiohttp import hdrs, web

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

_SHORT = 1 << 16
_AT_ONCE = 1 << 19
"""Bytes that are given to the system at once."""
_BATCHES_A_TURN = 8
"""A client that keeps up never makes us wait; then others have their turn after so many, a few milliseconds."""
_PIECES_AT_ONCE = 256  # below the least IOV_MAX that Linux has
_WAITING = 1 << 17
"""Bytes that wait, copied, for a client that does not keep up: more than asyncio's high-water mark of 64 KiB."""


class Body(Protocol):
    """The bytes of an answer."""

    length: int

    def pieces(self) -> Iterable[bytes]:
        """Return the bytes in pieces, together ``length`` bytes."""


async def send(request: web.Request, body: Body, headers: Mapping[str, str]) -> web.StreamResponse:
    """Return the response of an answer; a long one has then been sent."""
    if body.length <= _SHORT:
        return web.Response(body=b"".join(body.pieces()), headers=headers)
    response = web.StreamResponse(headers=headers)
    response.content_length = body.length
    await response.prepare(request)
    transport = request.transport
    if request.method == hdrs.METH_HEAD or transport is None:
        return response
    try:
        for number, batch in enumerate(_batches(body.pieces()), start=1):
            await _send(response, transport, batch)
            if number % _BATCHES_A_TURN == 0:
                await asyncio.sleep(0)
    except ConnectionError:
        transport.abort()  # the client has left, which is its right
    except BaseException:
        transport.abort()  # else what follows would be taken for the rest of this answer
        raise
    return response


async def _send(response: web.StreamResponse, transport: asyncio.Transport, pieces: deque[memoryview]) -> None:
    """Write all pieces; what the socket does not take now waits in the transport.

    With nothing waiting, the pieces go to the socket as they are, in one call: asyncio joins them first (before
    Python 3.12), and aiohttp writes one by one. Measured: a fifth less CPU for an answer of 5 MB.
    """
    plain = transport.get_extra_info("sslcontext") is None
    while pieces:
        if plain and not transport.is_closing() and not transport.get_write_buffer_size():
            _take(pieces, _written(transport, pieces))
        if pieces:
            await response.write(pieces[0][:_WAITING])
            _take(pieces, min(len(pieces[0]), _WAITING))


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


def _batches(pieces: Iterable[bytes]) -> Iterator[deque[memoryview]]:
    """Yield the pieces in batches that one call can write; an empty piece is left out."""
    batch: deque[memoryview] = deque()
    size = 0
    for piece in filter(None, pieces):
        batch.append(memoryview(piece))
        size += len(piece)
        if size >= _AT_ONCE or len(batch) == _PIECES_AT_ONCE:
            yield batch
            batch, size = deque(), 0
    if batch:
        yield batch
