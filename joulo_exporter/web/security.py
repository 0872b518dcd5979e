"""The gate before every path: rate limit, basic authentication, and headers that the web configuration adds."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING

from aiohttp import hdrs, web

from joulo_exporter.web.passwords import Passwords, TooManyComparisonsError, credentials

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class RateLimit:
    """A token bucket: ``burst`` requests at once, and one more each interval."""

    interval_s: float
    burst: int


@dataclass(frozen=True, slots=True)
class Protection:
    """What every request has to pass; nothing where nothing is configured."""

    users: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}), repr=False)
    """The bcrypt hash of each user; without users nobody is asked for a password."""
    headers: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    """Added to every answer, in place of our own of the same name."""
    rate_limit: RateLimit | None = None


class Gate:
    """Lets through what a ``Protection`` allows; another one can take its place at any time.

    Args:
        protection: what holds at first.
        monotonic: seconds of a clock that does not go back.
    """

    def __init__(self, protection: Protection, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._protection = Protection()
        self._passwords: Passwords | None = None
        self._bucket: _Bucket | None = None
        self.follow(protection)

    def follow(self, protection: Protection) -> None:
        """Hold requests against another protection; what stays the same keeps its memory."""
        former, self._protection = self._protection, protection
        if protection.users != former.users:
            self._passwords = Passwords(protection.users) if protection.users else None
        limit = protection.rate_limit
        if limit != former.rate_limit:
            self._bucket = None if limit is None else _Bucket(limit, self._monotonic())

    @web.middleware
    async def admit(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Answer a request, or send it away as the exporter-toolkit does (its ``web/handler.go``)."""
        if self._bucket is not None and not self._bucket.take(self._monotonic()):
            return web.Response(status=429, text="Too Many Requests\n")
        if self._passwords is None:
            return await handler(request)
        given = credentials(request.headers.get(hdrs.AUTHORIZATION))
        try:
            accepted = given is not None and await self._passwords.accept(*given)
        except TooManyComparisonsError:
            return web.Response(status=503, text="too many passwords to check; try again\n")
        if accepted:
            return await handler(request)
        return web.Response(status=401, text="Unauthorized\n", headers={hdrs.WWW_AUTHENTICATE: "Basic"})

    async def add_headers(self, _request: web.Request, response: web.StreamResponse) -> None:
        """Set the configured headers: for aiohttp's ``on_response_prepare``, after our own."""
        response.headers.update(self._protection.headers)


class _Bucket:
    """As many requests as a ``RateLimit`` allows."""

    def __init__(self, limit: RateLimit, now_s: float) -> None:
        self._limit = limit
        self._left = float(limit.burst)
        self._at_s = now_s

    def take(self, now_s: float) -> bool:
        """Tell whether a request may pass now, and count it if so."""
        earned = (now_s - self._at_s) / self._limit.interval_s
        self._left, self._at_s = min(self._limit.burst, self._left + earned), now_s
        if self._left < 1:
            return False
        self._left -= 1
        return True
