"""One connection of a client: aiohttp's, under the eyes of the guard."""

from __future__ import annotations

import contextlib
import logging
from typing import TYPE_CHECKING, Any, cast

from aiohttp import web

from joulo_exporter.web.limits import MAX_BODY, MAX_HEAD, MAX_HEADERS, MAX_LINE, MAX_PIPELINED
from joulo_exporter.web.refusals import raw_refusal, refusal, status_of

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Iterator

    from joulo_exporter.web.guard import ConnectionGuard

_logger = logging.getLogger(__name__)

_REFUSED = 400
_MOST = MAX_HEAD + MAX_BODY
_NEVER_S = 7 * 86400.0


class GuardedConnection(web.RequestHandler):
    """Knows since when it waits for a request, or for a client that does not read.

    aiohttp has no limit of its own on connections, on the time that a request takes to arrive, and on the time
    that a client takes to read; it answers what it cannot parse with 400 and with words of its own.
    """

    __slots__ = (
        "_answered",
        "_ended",
        "_gone",
        "_guard",
        "_head",
        "_more",
        "_received",
        "body_since",
        "idle_since",
        "leaving_since",
        "proven",
        "reading_since",
        "stalled_since",
        "wire",
    )

    def __init__(self, server: web.Server, guard: ConnectionGuard, *, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(
            server,
            loop=loop,
            keepalive_timeout=_NEVER_S,  # the guard closes idle connections
            access_log=cast("logging.Logger", None),
            logger=_logger,
            max_line_size=MAX_LINE,
            max_field_size=MAX_LINE,
            max_headers=MAX_HEADERS,
            lingering_time=0,
            auto_decompress=False,
        )
        self._guard = guard
        self._head = b""
        self._received = 0
        self._answered = 0
        self._more = False
        self._ended = False
        self._gone: asyncio.Future[None] | None = None
        self.wire: asyncio.Transport | None = None
        self.proven = False
        """Whether it has sent a request that was answered well: it is not dropped for a newcomer that has not."""
        self.reading_since: float | None = None
        """When it connected, or when the first byte of a request came that is not complete."""
        self.body_since: float | None = None
        """When the body of its request was waited for; the gate says so."""
        self.idle_since: float | None = None
        """When its last request was answered."""
        self.stalled_since: float | None = None
        """Since when there are bytes that it has not read."""
        self.leaving_since: float | None = None
        """When it was refused: what it sends from then on is thrown away."""

    @property
    def unread(self) -> int:
        """Return the bytes of answers that wait for the client to read."""
        return 0 if self.wire is None else self.wire.get_write_buffer_size()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin, or refuse when too many are connected."""
        self.wire = _wire(transport)
        if not self._guard.admit(self):
            cast("asyncio.Transport", transport).write(raw_refusal(503))
            transport.close()
            return
        self.reading_since = self._guard.now()
        super().connection_made(transport)

    def connection_lost(self, exc: BaseException | None) -> None:
        """Forget the connection."""
        self._guard.leave(self)
        self._let_go()
        self.wire = None
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Feed the parser, and note whether a request is complete now."""
        if self.leaving_since is not None:
            return
        requests = self._request_count
        if not data or self._answered < requests:
            self._more = self._more or bool(data)  # a body, or the next request before this one is answered
            super().data_received(data)
            self._bound_pipeline()
            return
        if self.idle_since is not None or self.reading_since is None:
            self._await_request(self._guard.now())
        self._head = (self._head + data)[: MAX_LINE + 1] if len(self._head) <= MAX_LINE else self._head
        self._received += len(data)
        super().data_received(data[:_MOST])  # an error that the parser raises has several copies of it
        if self._request_count != requests:
            self.reading_since = None
            if len(data) > _MOST:
                self.close()  # what comes now would begin in the middle of something
            self._bound_pipeline()
        elif self._received > MAX_HEAD:
            self.refuse(431)

    def eof_received(self) -> bool:  # type: ignore[override]  # asyncio closes unless it is True, aiohttp lets it
        """Answer what was asked before the client ended its side, as ``nc -N`` does; then close.

        A refused client that has ended its side has read the answer, or never will. TLS has no half connection.
        In a storm, who seems to have left is not worth an answer.
        """
        self._let_go()
        busy = self._answered < self._request_count and self.body_since is None and self.leaving_since is None
        self._ended = busy and self.transport is self.wire and self._guard.at_ease
        return self._ended

    @contextlib.contextmanager
    def awaiting_body(self) -> Iterator[None]:
        """While the block lasts the client is at work, and not we: its place may be given to another."""
        self.body_since = self._guard.now()
        try:
            yield
        finally:
            self.body_since = None

    def pause_writing(self) -> None:
        """Note that the client does not keep up."""
        super().pause_writing()
        self._note_unread()

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        """Send the answer; then the connection waits for its next request."""
        try:
            sent = await super().finish_response(request, resp, start_time)
            self._note_unread()  # under TLS, nothing pauses
            if resp.status >= _REFUSED and not resp.keep_alive and not self._ended:
                await self._linger()
        finally:
            self._answered += 1
            self.proven = self.proven or resp.status < _REFUSED
            if self._answered >= self._request_count:
                self._finish()
        return sent

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer what could not be parsed; a port scan must not fill the log, so it says so at debug only."""
        _logger.debug("no request that can be answered: %s", type(exc).__name__ if exc else message)
        if exc is not None:
            exc.with_traceback(None)  # whose frames hold what was received, a quarter of a megabyte
        if request.writer.output_size > 0:
            raise ConnectionError("an answer is on its way already")
        return refusal(status_of(exc, self._head) if status == _REFUSED else 500)

    def refuse(self, status: int) -> None:
        """Answer in place of aiohttp, which has no complete request, and close."""
        if self.wire is not None and self.transport is not None and not self.wire.is_closing():
            self.transport.write(raw_refusal(status))
        self._take_leave()

    def time_out(self) -> None:
        """Close a connection on which no request has come in time; one that has begun hears why."""
        if self._head and self.reading_since is not None:
            self.refuse(408)
        else:
            self.drop()

    def drop(self) -> None:
        """Close at once, whatever has not been read."""
        wire = self.wire
        if wire is None:
            return
        self._let_go()
        if wire.get_write_buffer_size():
            wire.abort()
        self.force_close()

    def _bound_pipeline(self) -> None:
        if self._request_count - self._answered > MAX_PIPELINED:
            self.drop()

    def _note_unread(self) -> None:
        if self.unread:
            self.stalled_since = self.stalled_since or self._guard.now()
            self._guard.relieve(self)

    def _take_leave(self) -> None:
        """End our side of the connection, and read on; the guard closes it if the client does not."""
        self.leaving_since, self.reading_since, self.idle_since = self._guard.now(), None, None
        wire = self.wire
        if wire is None or wire.is_closing() or self.transport is not wire:
            self.force_close()  # gone, or TLS, which has no half of a connection
            return
        wire.write_eof()
        if not wire.is_reading():
            wire.resume_reading()

    async def _linger(self) -> None:
        self._take_leave()
        if self.wire is not None and not self.wire.is_closing():
            self._gone = self._loop.create_future()
            await self._gone

    def _let_go(self) -> None:
        if self._gone is not None and not self._gone.done():
            self._gone.set_result(None)

    def _await_request(self, now: float) -> None:
        self.reading_since, self.idle_since = now, None
        self._head, self._received, self._more = b"", 0, False

    def _finish(self) -> None:
        """Wait for the next request; where some of it may have come already, not for as long."""
        if self.leaving_since is not None:
            return
        if self._ended:
            self.close()
        more, now = self._more, self._guard.now()
        self._await_request(now)
        if not more:
            self.reading_since, self.idle_since = None, now


def _wire(transport: asyncio.BaseTransport) -> asyncio.Transport:
    """Return the transport of the socket itself: under TLS it is there that unread bytes pile up."""
    tls: Any = getattr(transport, "_ssl_protocol", None)
    return cast("asyncio.Transport", transport if tls is None else tls._transport)  # noqa: SLF001  asyncio hides it
