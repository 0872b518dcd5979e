"""Bounds on what all clients together may take: connections, time, and memory for responses that they do not read.

aiohttp itself limits neither the number of connections, nor the time for a request to arrive, nor the time for a
client to read. Its handling of malformed requests is kept, without its texts.
"""

from __future__ import annotations

import asyncio
import logging
import resource
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from itertools import chain
from typing import cast

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler

_logger = logging.getLogger(__name__)

HEADERS: Mapping[str, str] = {hdrs.SERVER: "joulo-exporter", "X-Content-Type-Options": "nosniff"}
"""Of every response. Versions, which aiohttp's ``Server`` has, are for ``joulo_exporter_build_info``."""
MAX_REQUEST = 32 * 1024
"""Bytes of a request with all headers and its body: ample room for the headers that a proxy adds."""
MAX_BODY = 4096
"""Bytes of a request's body: nothing here reads one, and some clients send a small one with a POST."""
BUFFER = 32 * 1024
"""Bytes that may wait for a client before its response pauses."""
TLS_CONNECTIONS = 128
"""Connections at the same time with TLS, where asyncio has a buffer of 256 KiB for each connection."""

_FEWEST = 4
_OTHER_DESCRIPTORS = 48
"""Descriptors left for the ledger, the API, and connections that are just being accepted."""


@dataclass(frozen=True, slots=True)
class Limits:
    """The bounds of the HTTP server. Times are in seconds."""

    connections: int = 512
    """At the same time: as Prometheus' ``--web.max-connections``, and half of the usual 1024 descriptors."""
    request_s: float = 10.0
    """Limit for the headers, from the connection (a TLS handshake included) or the first byte of a later request,
    and again for the body: a Go client needs milliseconds, and a person with ``telnet`` does not matter."""
    idle_s: float = 330.0
    """Limit between two requests. Prometheus drops its idle connections after 5 minutes: it should be first."""
    write_s: float = 60.0
    """Limit for a stalled response. The longest scrape timeout that makes sense is a minute."""
    grace_s: float = 1.0
    """Time for which a client that sends nothing keeps its place when others want it."""
    stalled: int = 64
    """Responses stalled at the same time: each holds what ``app`` writes at once, 256 KiB at most."""

    @classmethod
    def of_this_process(cls, *, tls: bool) -> Limits:
        """Return the bounds under this process's limit of descriptors: at most half of them are for clients."""
        descriptors, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        most = TLS_CONNECTIONS if tls else cls().connections
        if descriptors != resource.RLIM_INFINITY:
            most = max(_FEWEST, min(most, descriptors // 2, descriptors - _OTHER_DESCRIPTORS))
        return cls(connections=most)


class Guard:
    """All connections of a server, on all its addresses, in the order in which they may be dropped.

    ``tls`` returns the TLS in force for a new connection; ``None`` for plain HTTP.
    """

    def __init__(self, limits: Limits, tls: Callable[[], ssl.SSLContext | None]) -> None:
        self.limits = limits
        self.tls = tls
        self.stalled: dict[GuardedConnection, None] = {}
        """Connections whose client does not read; the one stalled for longest is first."""
        self._connections: dict[GuardedConnection, None] = {}
        """All of them; among those that wait for a request, the one that has waited longest is first."""

    def admit(self, newcomer: GuardedConnection) -> bool:
        """Take a connection in, if need be in the place of another; return whether there was a place."""
        if len(self._connections) >= self.limits.connections:
            victim = self._dispensable()
            if victim is None:
                return False
            victim.drop()
        self._connections[newcomer] = None
        return True

    def leave(self, connection: GuardedConnection) -> None:
        """Forget a connection."""
        self._connections.pop(connection, None)
        self.stalled.pop(connection, None)

    def wait_again(self, connection: GuardedConnection) -> None:
        """Move a connection to the end of those that wait, unless it has left."""
        if connection in self._connections:
            del self._connections[connection]
            self._connections[connection] = None

    def stall(self, connection: GuardedConnection) -> None:
        """Note that a response has stalled; if too many have, drop the one stalled for longest."""
        self.stalled[connection] = None
        if len(self.stalled) > self.limits.stalled:
            next(iter(self.stalled)).drop()

    def _dispensable(self) -> GuardedConnection | None:
        """Return the connection that will be missed least; ``None`` if all are busy."""
        latest = time.monotonic() - self.limits.grace_s
        waiting = [each for each in self._connections if not each.busy]
        silent = (each for each in waiting if not each.served and each.waits_since_s <= latest)
        idle = (each for each in waiting if each.served)
        return next(chain(silent, idle, self.stalled, waiting), None)


class GuardedConnection(web.RequestHandler):
    """aiohttp's connection with limits on time and memory, known to the guard from its acceptance to its end."""

    def __init__(self, server: web.Server, guard: Guard) -> None:
        self.guard = guard
        self.served = False
        """Whether it has had a good response: silent connections that have not are dropped before it."""
        self.busy = False
        """Whether its request is complete and its response is not."""
        self.waits_since_s = time.monotonic()
        self._wire: asyncio.Transport | None = None  # kept to the end; aiohttp clears its own on close
        self._request_bytes = 0
        self._timers: dict[str, asyncio.TimerHandle] = {}
        """Timers of a drop: ``head`` while a request is awaited, ``read`` while the client does not read."""
        self._handshake: asyncio.Task[None] | None = None  # the event loop itself holds tasks only weakly
        super().__init__(
            server,
            loop=asyncio.get_running_loop(),
            keepalive_timeout=guard.limits.idle_s,
            access_log=cast("logging.Logger", None),
            logger=_logger,
            lingering_time=1.0,  # for the rest of a body: so a client sees a 413 and not a reset
            auto_decompress=False,
        )

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to wait for the first request; with TLS, after the handshake."""
        self._wire = cast("asyncio.Transport", transport)
        self._wire.set_write_buffer_limits(BUFFER)
        self._start_timer("head", self.guard.limits.request_s)
        super().connection_made(transport)
        if not self.guard.admit(self):
            self.drop()
        elif (tls := self.guard.tls()) is not None:
            handshake = self._encrypt(self._wire, tls)
            self._handshake = asyncio.get_running_loop().create_task(handshake)

    async def _encrypt(self, plain: asyncio.Transport, tls: ssl.SSLContext) -> None:
        """Do the TLS handshake, here and not in asyncio's server, so that the connection counts before it."""
        wire, fault = None, None
        try:
            # A request that comes together with the end of the handshake is handled after this has returned.
            wire = await asyncio.get_running_loop().start_tls(
                plain, self, tls, server_side=True, ssl_shutdown_timeout=self.guard.limits.request_s
            )
        except OSError as error:
            # asyncio keeps the error, and with the traceback the handshake's buffer of 256 KiB, in a cycle that
            # Python's collector, which counts objects and not bytes, comes to far too late.
            error.__traceback__ = None
            fault = error
        if wire is None:  # without a fault where the client has left at the end of the handshake
            self.connection_lost(fault)
            reason = getattr(fault, "reason", None) or str(fault or "closed") or type(fault).__name__
            _logger.debug("a connection did not come about: %s", reason.lower().replace("_", " "))
        else:
            self.transport = self._wire = wire
            wire.set_write_buffer_limits(BUFFER)

    def connection_lost(self, exc: BaseException | None) -> None:
        """Forget the connection."""
        self.guard.leave(self)
        self._wire = None
        self.stop_timer("head")
        self.stop_timer("read")
        super().connection_lost(exc)

    def _start_timer(self, name: str, seconds: float) -> None:
        self.stop_timer(name)
        self._timers[name] = asyncio.get_running_loop().call_later(seconds, self.drop)

    def stop_timer(self, name: str) -> None:
        """Stop ``head`` or ``read``, if it runs."""
        if name in self._timers:
            self._timers.pop(name).cancel()

    def data_received(self, data: bytes) -> None:
        """Feed the parser, unless the request is too large.

        Requests that come before the response to an earlier one count as part of it: scrapers do not pipeline.
        """
        if data and not self._request_bytes and "head" not in self._timers:
            self._start_timer("head", self.guard.limits.request_s)
        self._request_bytes += len(data)
        if self._request_bytes > MAX_REQUEST:
            self.drop()
        else:
            super().data_received(data)

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        """Send the response; then the connection waits for its next request."""
        try:
            return await super().finish_response(request, resp, start_time)
        finally:
            self.served = self.served or resp.status < HTTPStatus.BAD_REQUEST
            self.busy, self.waits_since_s, self._request_bytes = False, time.monotonic(), 0
            self.guard.wait_again(self)

    def pause_writing(self) -> None:
        """Note that the client does not keep up."""
        super().pause_writing()
        self._start_timer("read", self.guard.limits.write_s)
        self.guard.stall(self)

    def resume_writing(self) -> None:
        """Note that the client reads."""
        super().resume_writing()
        self.stop_timer("read")
        self.guard.stalled.pop(self, None)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Return the response to a malformed request; port scans are common, so it is logged at debug level.

        The connection is closed after it: where the next request begins is unknown.
        """
        is_common = status < HTTPStatus.INTERNAL_SERVER_ERROR or isinstance(exc, ConnectionError)
        level = logging.DEBUG if is_common else logging.ERROR
        _logger.log(level, "malformed request from %s: %s", request.remote, type(exc).__name__ if exc else message)
        text = f"{HTTPStatus(status).phrase}\n"
        response = web.Response(status=status, text=text, headers=HEADERS)
        response.force_close()
        return response

    def drop(self) -> None:
        """Close at once, whatever has not been read; ``connection_lost`` follows, but the place is free now."""
        self.guard.leave(self)
        if self._wire is not None:
            self._wire.abort()


@web.middleware
async def guarded(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Read the body, which no handler does, so that another request can follow; mark the request as complete."""
    connection = cast("GuardedConnection", request.protocol)
    connection.stop_timer("head")
    if (request.content_length or 0) > MAX_BODY:
        raise web.HTTPRequestEntityTooLarge(MAX_BODY)
    try:
        if request.body_exists:
            async with asyncio.timeout(connection.guard.limits.request_s):
                await request.read()
    except TimeoutError:
        raise web.HTTPRequestTimeout from None
    except (web.RequestPayloadError, ConnectionError):  # also of a client that has left
        raise web.HTTPBadRequest from None
    connection.busy = True
    return await handler(request)
