"""Bounds on what all clients together may take: connections, time, and memory for responses that they do not read.

aiohttp has no limit of its own on connections, on the time in which a request arrives, and on the time in which a
client reads. What it does with a malformed request is left to it; only the words are ours.
"""

from __future__ import annotations

import asyncio
import logging
import resource
import time
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any, cast

from aiohttp import hdrs, web

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_logger = logging.getLogger(__name__)

SERVER = "joulo-exporter"
"""The ``Server`` header, without versions: those are for ``joulo_exporter_build_info``."""
MAX_HEADERS = 64
"""Number of headers; Prometheus sends about eight."""
MAX_REQUEST = 32 * 1024
"""Bytes of a request with all headers and its body. What a proxy adds to a scrape fits many times."""
MAX_BODY = 4096
"""Bytes of a request's body: nothing here reads one, and some clients send a small one with a POST."""
_LINGER_S = 1.0
"""How long aiohttp reads on after a 413, so that the client sees it and not a reset."""
TLS_CONNECTIONS = 256
"""At the same time with TLS, where asyncio has a buffer of 256 KiB for each connection."""
PIECE = 512 * 1024
"""Bytes that a response in progress holds beside what is in the transport: the piece that is being written."""
_REFUSED = 400

_REASONS = {
    400: "this is no proper HTTP request",
    408: "the request took too long to arrive",
    413: "no request here needs a body of that size",
    500: "internal server error; the exporter's log tells more",
}


@dataclass(frozen=True, slots=True)
class Limits:
    """The bounds of the HTTP server. Times are in seconds, sizes in bytes."""

    connections: int = 512
    """At the same time. As Prometheus' own ``--web.max-connections``; half of the usual 1024 descriptors."""
    head_s: float = 10.0
    """From the connection, or from the first byte of a later request, to the end of its headers: a Go client needs
    milliseconds, a person with ``telnet`` does not matter."""
    body_s: float = 10.0
    """From the headers to the end of a request's body."""
    idle_s: float = 330.0
    """Between two requests. Prometheus drops its own idle connections after 5 minutes: it shall be the first."""
    write_s: float = 60.0
    """How long a client may read nothing. The longest scrape timeout that makes sense is a minute."""
    grace_s: float = 1.0
    """How long a client that sends nothing, or reads nothing, keeps its place when others want it."""
    unread: int = 64 * 1024 * 1024
    """Of responses that clients have not read yet, all together; past it, the slowest readers are dropped."""
    handshake_s: float = 5.0
    """For a TLS handshake, in place of asyncio's 60 s."""

    @classmethod
    def of_this_process(cls, *, tls: bool) -> Limits:
        """Return the bounds for a process that may have few descriptors open: half of them are for clients."""
        descriptors, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        most = TLS_CONNECTIONS if tls else cls().connections
        if descriptors != resource.RLIM_INFINITY:
            most = max(1, min(most, descriptors // 2))
        return cls(connections=most)


class Guard:
    """All connections of a server, on whatever address, in the order in which they may be dropped.

    Args:
        limits: the bounds.
        monotonic: seconds of a clock that does not go back.
    """

    def __init__(self, limits: Limits, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self.limits = limits
        self.now = monotonic
        self._waiting: dict[GuardedConnection, float] = {}
        """Connections without a complete request, and since when; the one that waits for longest is first."""
        self._busy: dict[GuardedConnection, None] = {}
        """Connections whose request is complete and whose response is not."""

    def admit(self, newcomer: GuardedConnection) -> bool:
        """Take a connection in, if need be in the place of another; return whether there was a place."""
        if len(self._waiting) + len(self._busy) >= self.limits.connections:
            victim = self._dispensable()
            if victim is None:
                return False
            self.leave(victim)  # its end comes in a moment; its place is free at once
            victim.drop()
        self._waiting[newcomer] = self.now()
        return True

    def leave(self, connection: GuardedConnection) -> None:
        """Forget a connection."""
        self._waiting.pop(connection, None)
        self._busy.pop(connection, None)

    def begin_response(self, connection: GuardedConnection) -> None:
        """Count a connection among the busy ones."""
        if self._waiting.pop(connection, None) is not None:
            self._busy[connection] = None

    def end_response(self, connection: GuardedConnection) -> None:
        """Count a connection among the waiting ones."""
        if connection in self._busy:
            del self._busy[connection]
            self._waiting[connection] = self.now()

    def relieve(self) -> None:
        """Drop the slowest readers until what is unread fits."""
        held = {each: each.unread for each in self._waiting}
        held |= {each: each.unread + PIECE for each in self._busy}
        excess = sum(held.values()) - self.limits.unread
        slow = [each for each in held if each.unread]
        for connection in sorted(slow, key=lambda each: each.unread_since or self.now()):
            if excess <= 0:
                return
            excess -= held[connection]
            self.leave(connection)
            connection.drop()

    def _dispensable(self) -> GuardedConnection | None:
        """Return the connection that is missed least; ``None`` where all are at work."""
        return next(chain(self._silent(), self._idle(), self._stalled(), self._waiting), None)

    def _silent(self) -> Iterator[GuardedConnection]:
        """Yield the connections that have got no good response, and have had time enough to ask for one."""
        latest = self.now() - self.limits.grace_s
        for connection, since in self._waiting.items():
            if since > latest:
                return
            if not connection.served:
                yield connection

    def _idle(self) -> Iterator[GuardedConnection]:
        return (connection for connection in self._waiting if connection.served)

    def _stalled(self) -> Iterator[GuardedConnection]:
        latest = self.now() - self.limits.grace_s
        for connection in self._busy:
            if connection.unread and (connection.unread_since or latest) <= latest:
                yield connection


class GuardedConnection(web.RequestHandler):
    """aiohttp's connection with limits on time and memory.

    Args:
        server: that of the application's runner.
        guard: knows the connection from its acceptance to its end.
        loop: the event loop.
    """

    def __init__(self, server: web.Server, guard: Guard, *, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(
            server,
            loop=loop,
            keepalive_timeout=guard.limits.idle_s,
            access_log=cast("logging.Logger", None),
            logger=_logger,
            max_headers=MAX_HEADERS,
            lingering_time=_LINGER_S,
            auto_decompress=False,
        )
        self.opening: asyncio.Task[Any] | None = None
        """The TLS handshake, and what else comes before ``connection_made``."""
        self.served = False
        """Whether it has got a good response: it is not dropped for a newcomer that has not."""
        self.unread_since: float | None = None
        """Since when there are bytes that the client has not read."""
        self.guard = guard
        self._event_loop = loop
        self._wire: asyncio.Transport | None = None  # kept to the end; aiohttp forgets its own when it closes
        self._request_bytes = 0
        self._at_rest = False
        self._head_deadline: asyncio.TimerHandle | None = None
        self._read_deadline: asyncio.TimerHandle | None = None

    @property
    def unread(self) -> int:
        """Return the bytes of responses that wait for the client to read."""
        return 0 if self._wire is None else self._wire.get_write_buffer_size()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to wait for the first request."""
        self.opening = None
        self._wire = cast("asyncio.Transport", transport)
        super().connection_made(transport)
        self._await_head()

    def connection_lost(self, exc: BaseException | None) -> None:
        """Forget the connection."""
        self.guard.leave(self)
        self._wire = None
        for deadline in (self._head_deadline, self._read_deadline):
            if deadline is not None:
                deadline.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Feed the parser, unless it is too much for one request.

        Requests that come before the response to an earlier one count as one with it: scrapers do not send ahead.
        """
        if data and self._at_rest:
            self._await_head()
        self._request_bytes += len(data)
        if self._request_bytes > MAX_REQUEST:
            self.drop()
        else:
            super().data_received(data)

    def head_received(self) -> None:
        """Stop the clock: the headers of a request are complete."""
        self._at_rest = False
        if self._head_deadline is not None:
            self._head_deadline.cancel()

    def begin_response(self) -> None:
        """Note that a request is complete, and the response is ours to give."""
        if not self.unread:
            self._caught_up()
        self.guard.begin_response(self)

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        """Send the response; then the connection waits for its next request."""
        try:
            return await super().finish_response(request, resp, start_time)
        finally:
            self.served = self.served or resp.status < _REFUSED
            self._at_rest = True
            self.guard.end_response(self)
            self._note_unread()  # less than what pauses the writing

    def pause_writing(self) -> None:
        """Note that the client does not keep up."""
        super().pause_writing()
        self._note_unread()

    def resume_writing(self) -> None:
        """Note that the client reads."""
        super().resume_writing()
        self._caught_up()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Return the response to a malformed request; port scans are common, so it is logged at debug level."""
        if status == _REFUSED or isinstance(exc, ConnectionError):
            _logger.debug("no request that can be answered: %s", type(exc).__name__ if exc else message)
        else:
            _logger.error("answering %s %s failed", request.method, request.path, exc_info=exc)
        if request.writer.output_size > 0:
            raise ConnectionError("a response is on its way already")
        return refusal(_REFUSED if status == _REFUSED else 500)

    def drop(self) -> None:
        """Close at once, whatever has not been read."""
        if self._wire is not None:
            self._wire.abort()
        elif self.opening is not None:
            self.opening.cancel()

    def _await_head(self) -> None:
        self._at_rest = False
        self._request_bytes = 0
        if self._head_deadline is not None:
            self._head_deadline.cancel()
        self._head_deadline = self._event_loop.call_later(self.guard.limits.head_s, self.drop)

    def _note_unread(self) -> None:
        if not self.unread:
            return
        if self.unread_since is None:
            self.unread_since = self.guard.now()
            self._read_deadline = self._event_loop.call_later(self.guard.limits.write_s, self._end_of_patience)
        self.guard.relieve()

    def _caught_up(self) -> None:
        self.unread_since = None
        if self._read_deadline is not None:
            self._read_deadline.cancel()
            self._read_deadline = None

    def _end_of_patience(self) -> None:
        if self.unread:
            self.drop()
        else:
            self._caught_up()


@web.middleware
async def guarded(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Read the body, which no handler does, so that a next request can come; mark the request as complete."""
    connection = request.protocol
    if not isinstance(connection, GuardedConnection):
        return await handler(request)
    connection.head_received()
    status = await _body_fault(request, connection)
    connection.begin_response()
    return await handler(request) if status is None else refusal(status)


def refusal(status: int) -> web.Response:
    """Return a response after which the connection is closed: nobody knows where a next request begins."""
    response = web.Response(status=status, text=_REASONS[status] + "\n", headers={hdrs.SERVER: SERVER})
    response.force_close()
    return response


async def _body_fault(request: web.Request, connection: GuardedConnection) -> int | None:
    """Read the body and forget it; return the status if that cannot be done."""
    if not request.body_exists:
        return None
    if (request.content_length or 0) > MAX_BODY:
        return 413
    try:
        async with asyncio.timeout(connection.guard.limits.body_s):
            size = 0
            while chunk := await request.content.readany():
                size += len(chunk)
                if size > MAX_BODY:
                    return 413
    except TimeoutError:
        return 408
    except web.RequestPayloadError:
        return 400
    return None
