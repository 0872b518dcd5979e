"""Sending of responses: a long one in parts, at the pace of the client, and never copied as a whole."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol

from aiohttp import hdrs, web

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_SHORT_BYTES = 1 << 16
_BYTES_A_STEP = 8 * _SHORT_BYTES
"""A client that keeps up never makes us wait; the event loop goes on after so many bytes, a few milliseconds."""


class Body(Protocol):
    """Body of a response: its length in bytes, and its bytes in parts, to be iterated once."""

    @property
    def length(self) -> int:
        """Return the length in bytes."""

    @property
    def parts(self) -> Iterable[bytes]:
        """Return the bytes in parts, which may be made meanwhile."""


async def send(request: web.Request, body: Body, headers: Mapping[str, str]) -> web.StreamResponse:
    """Return a response with this body; a long one has then been sent."""
    if body.length <= _SHORT_BYTES:
        return web.Response(body=b"".join(body.parts), headers=headers)
    response = web.StreamResponse(headers=headers)
    response.content_length = body.length
    try:
        await response.prepare(request)
        if request.method != hdrs.METH_HEAD:
            await _write(response, body.parts)
    except BaseException as error:
        if request.transport is not None:  # else the client would take what follows for the rest of this body
            request.transport.abort()
        if not isinstance(error, ConnectionError):  # the client has left, which is its right
            raise
    return response


async def _write(response: web.StreamResponse, parts: Iterable[bytes]) -> None:
    written = 0
    for part in parts:
        for start in range(0, len(part), _SHORT_BYTES):  # a client that does not read holds no more than this
            await response.write(part[start : start + _SHORT_BYTES])
            written += _SHORT_BYTES
            if written % _BYTES_A_STEP == 0:
                await asyncio.sleep(0)
