"""Ways in which an API, or a gateway or network in front of it, fails."""

from __future__ import annotations

import socket
import struct
from collections import defaultdict, deque
from typing import TYPE_CHECKING, Protocol

import msgspec
from aiohttp import web

from joulo_exporter.simulator.endpoints import full_path

if TYPE_CHECKING:
    import asyncio

_GATEWAY_PAGE = """<html>
<head><title>{status} {reason}</title></head>
<body><center><h1>{status} {reason}</h1></center><hr><center>nginx</center></body>
</html>
"""
_LINGER_ZERO = struct.pack("ii", 1, 0)


class Fault(Protocol):
    """Answers a request in the API's place."""

    async def answer(
        self, request: web.Request, genuine: web.Response, closing: asyncio.Event, /
    ) -> web.StreamResponse:
        """Fail.

        Args:
            request: what was asked.
            genuine: what the API would have answered.
            closing: is set when the server shuts down; nothing may wait longer.
        """
        ...


class Canned(msgspec.Struct, frozen=True, kw_only=True):
    """A complete answer that does not depend on the household."""

    status: int = 200
    body: bytes = b""
    content_type: str = "application/json"
    headers: tuple[tuple[str, str], ...] = ()

    async def answer(
        self, _request: web.Request, _genuine: web.Response, _closing: asyncio.Event, /
    ) -> web.StreamResponse:
        """Send the answer."""
        return web.Response(
            status=self.status, body=self.body, content_type=self.content_type, headers=dict(self.headers)
        )


class Cut(msgspec.Struct, frozen=True, kw_only=True):
    """The genuine answer's headers and the beginning of its body; then the connection closes, or hangs."""

    keep: float = 0.5
    """The share of the body that is sent."""
    hangs: bool = False
    """Whether the connection stays open and silent instead, until the server shuts down."""

    async def answer(
        self, request: web.Request, genuine: web.Response, closing: asyncio.Event, /
    ) -> web.StreamResponse:
        """Send a part of the answer."""
        body = genuine.body
        if not isinstance(body, bytes):
            raise TypeError("the genuine answer must have a body of bytes")
        response = web.StreamResponse(status=genuine.status)
        response.content_type = genuine.content_type
        response.content_length = len(body)
        response.force_close()
        await response.prepare(request)
        await response.write(body[: int(len(body) * self.keep)])
        if self.hangs:
            await closing.wait()
        if request.transport is not None:
            request.transport.close()
        return response


class Hang(msgspec.Struct, frozen=True):
    """No answer at all: the connection stays open and silent until the server shuts down."""

    async def answer(
        self, request: web.Request, genuine: web.Response, closing: asyncio.Event, /
    ) -> web.StreamResponse:
        """Wait, and close without a word."""
        await closing.wait()
        if request.transport is not None:
            request.transport.abort()
        return genuine


class Reset(msgspec.Struct, frozen=True):
    """The connection is reset before any answer."""

    async def answer(
        self, request: web.Request, genuine: web.Response, _closing: asyncio.Event, /
    ) -> web.StreamResponse:
        """Close so that the other side sees a reset, not an orderly end."""
        if request.transport is not None:
            connection = request.transport.get_extra_info("socket")
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_ZERO)
            request.transport.abort()
        return genuine


def error_status(status: int, message: str = "Simulated failure", **headers: str) -> Canned:
    """Return an answer with any status and the API's JSON error body."""
    return Canned(status=status, body=msgspec.json.encode({"error": message}), headers=tuple(headers.items()))


def throttled(retry_after: int | str | None) -> Canned:
    """Return a 429 with ``Retry-After``: seconds, an HTTP date as text, or none at all."""
    headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
    return error_status(429, "Too many requests", **headers)


def gateway_page(status: int = 502, reason: str = "Bad Gateway") -> Canned:
    """Return the HTML page that a gateway shows when the API behind it fails."""
    page = _GATEWAY_PAGE.format(status=status, reason=reason)
    return Canned(status=status, body=page.encode(), content_type="text/html")


def redirect(location: str, status: int = 302) -> Canned:
    """Return a redirect to another URL."""
    return Canned(status=status, headers=(("Location", location),))


class Faults:
    """The faults in force, by path, in the order in which they were injected."""

    def __init__(self) -> None:
        self._waiting: defaultdict[str, deque[tuple[Fault, float]]] = defaultdict(deque)

    def inject(self, path: str, fault: Fault, times: float = float("inf")) -> None:
        """Let a path fail: after the faults already injected there, for so many requests.

        Args:
            path: in full, or below the base path, such as ``/chargers``.
            fault: how.
            times: number of requests; without it until the fault is cleared.
        """
        self._waiting[full_path(path)].append((fault, times))

    def clear(self, path: str | None = None) -> None:
        """Take back all faults, or those of one path."""
        if path is None:
            self._waiting.clear()
        else:
            self._waiting.pop(full_path(path), None)

    def take(self, path: str) -> Fault | None:
        """Return the fault for one request of a full path, and count the request."""
        waiting = self._waiting.get(path)
        if not waiting:
            return None
        fault, times = waiting.popleft()
        if times > 1:
            waiting.appendleft((fault, times - 1))
        return fault
