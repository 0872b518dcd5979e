"""What a request must be before any path is looked at; the first of the application's middlewares.

aiohttp's parsers refuse what is malformed; this is what they let pass, one of them or both.
"""

from __future__ import annotations

import asyncio
import re
from contextlib import nullcontext
from typing import TYPE_CHECKING

from aiohttp import hdrs, web
from aiohttp.http import HttpVersion10, HttpVersion11

from joulo_exporter.web.connection import GuardedConnection
from joulo_exporter.web.limits import MAX_BODY, MAX_HEAD, Limits
from joulo_exporter.web.refusals import METHODS, refusal

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_HOST = re.compile(r"[A-Za-z0-9._~!$&'()*+,;=:%\[\]-]*")
_TARGET = re.compile(r"\*|(?:https?://[^/?#]+)?(?:/[!\"$-~]*)?(?:\?[!\"$-~]*)?", re.IGNORECASE)
"""RFC 9112, section 3.2: a path, or a whole URL as for a proxy; printable ASCII, and never a fragment."""
_BODY_S = Limits().body_s


@web.middleware
async def well_formed(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuse what is no request that could have an answer here; read the body that nobody reads."""
    if request._message.version not in (HttpVersion10, HttpVersion11):  # noqa: SLF001  public is what the next line sets
        request._version = HttpVersion11  # noqa: SLF001  or the answer would claim the version that is not spoken
        return refusal(505)
    status = _fault(request) or await _body_fault(request)
    return await handler(request) if status is None else refusal(status)


async def expect_continue(request: web.Request) -> None:
    """Say ``100 Continue`` only to a request that will not be refused for its body."""
    if request.version != HttpVersion11:
        return
    expectation = request.headers.get(hdrs.EXPECT, "")
    if expectation.lower() == "100-continue" and not (request.content_length or 0) > MAX_BODY:
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0  # an answer is still to come


def _fault(request: web.Request) -> int | None:
    """Return the status of the first thing that is wrong."""
    coding = request.headers.get(hdrs.TRANSFER_ENCODING, "chunked")
    faults = (
        (request.method not in METHODS, 501),
        (coding.strip().lower() != "chunked", 501),
        # Faulty framing, says RFC 9112, section 6.1.
        (hdrs.TRANSFER_ENCODING in request.headers and request.version == HttpVersion10, 400),
        (sum(len(name) + len(value) for name, value in request.raw_headers) > MAX_HEAD, 431),
        (not _HOST.fullmatch(request.headers.get(hdrs.HOST, "")), 400),
        (not _TARGET.fullmatch(_target(request)), 400),
        (request.headers.get(hdrs.EXPECT, "100-continue").lower() != "100-continue", 417),
    )
    return next((status for wrong, status in faults if wrong), None)


def _target(request: web.Request) -> str:
    return request._message.path  # noqa: SLF001  nothing public has the target as it came


async def _body_fault(request: web.Request) -> int | None:
    """Read the body and forget it, so that a next request can come; return the status if that cannot be done."""
    if not request.body_exists:
        return None
    if (request.content_length or 0) > MAX_BODY:
        return 413
    connection = request.protocol
    try:
        async with asyncio.timeout(_BODY_S):
            with connection.awaiting_body() if isinstance(connection, GuardedConnection) else nullcontext():
                return await _drained(request)
    except TimeoutError:
        return 408
    except web.RequestPayloadError:
        return 400


async def _drained(request: web.Request) -> int | None:
    size = 0
    while chunk := await request.content.readany():
        size += len(chunk)
        if size > MAX_BODY:
            return 413
    return None
