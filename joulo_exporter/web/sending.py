"""How a long answer gets to its client: in pieces, at the pace of the client, and never copied as a whole."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from aiohttp import hdrs, web

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

_SHORT = 1 << 16

_WRITE = 1 << 17
"""Bytes given to the socket at once; what it does not take is copied: the memory that a slow client costs."""
_GATHERED = 1 << 14


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
    if request.method != hdrs.METH_HEAD:
        for piece in _writes(body.pieces()):
            await response.write(piece)
    await response.write_eof()
    return response


def _writes(pieces: Iterable[bytes]) -> Iterator[bytes | memoryview]:
    """Yield the same bytes in pieces that are worth a system call, and no longer than one write should be."""
    gathered = bytearray()
    for piece in pieces:
        if len(piece) < _GATHERED:
            gathered += piece
            if len(gathered) < _SHORT:
                continue
            piece = b""  # noqa: PLW2901 -- it has been gathered
        if gathered:
            yield bytes(gathered)
            gathered.clear()
        view = memoryview(piece)
        yield from (view[start : start + _WRITE] for start in range(0, len(view), _WRITE))
    if gathered:
        yield bytes(gathered)
