"""The gate before every path: rate limit, basic authentication, and headers that the web configuration adds."""

import asyncio
import base64
import hashlib
import math
import secrets
import time
from collections.abc import Callable, Mapping

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler

from joulo_exporter.web.config import RateLimit, WebConfig
from joulo_exporter.web.guard import HEADERS

WAITING = 100
"""Password comparisons that may wait; further requests that need one are refused."""

_LONGEST_PASSWORD = 72
"""Bytes of a password that bcrypt uses: Go's implementation ignores the rest, Python's refuses a longer one."""


class Gate:
    """Lets through the requests that the web configuration allows, which ``config`` returns as it is in force.

    Passwords are compared one at a time, off the event loop, since a comparison keeps a core busy. No password is
    kept, only a keyed hash of each user's correct one. ``monotonic`` is a clock in seconds that never goes back.
    """

    def __init__(
        self, config: Callable[[], WebConfig], *, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._config = config
        self._monotonic = monotonic
        self._key = secrets.token_bytes(32)
        self._comparing = asyncio.Lock()
        self._waiting = 0
        self._correct: dict[str, bytes] = {}
        """The keyed hash of each user's bcrypt hash and password, once they have been compared."""
        self._left = math.inf
        """Requests that the rate limit still allows; its burst bounds them."""
        self._counted_at_s = self._monotonic()

    @web.middleware
    async def admit(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Pass a request on, or refuse it as the exporter-toolkit does (its ``web/handler.go``)."""
        config = self._config()
        if config.rate_limit.interval_s and not self._within(config.rate_limit):
            return web.Response(status=429, text="Too Many Requests\n")
        given = credentials(request.headers.get(hdrs.AUTHORIZATION))
        if config.users and (given is None or not await self._accepts(config.users, *given)):
            return web.Response(status=401, text="Unauthorized\n", headers={hdrs.WWW_AUTHENTICATE: "Basic"})
        return await handler(request)

    async def add_headers(self, _request: web.Request, response: web.StreamResponse) -> None:
        """Set the headers of every response, and those configured: for aiohttp's ``on_response_prepare``."""
        response.headers.update({**HEADERS, **self._config().headers})

    def _within(self, limit: RateLimit) -> bool:
        now_s = self._monotonic()
        earned = (now_s - self._counted_at_s) / limit.interval_s
        self._left, self._counted_at_s = min(limit.burst, self._left + earned), now_s
        if self._left < 1:
            return False
        self._left -= 1
        return True

    async def _accepts(self, users: Mapping[str, str], user: bytes, password: bytes) -> bool:
        """Return whether this is the user's password; an unknown user takes as long as a known one."""
        from bcrypt import checkpw  # noqa: PLC0415  most exporters have no users, and do without it

        name = user.decode(errors="surrogateescape")
        # An unknown user gets the hash of a known one, always the same, so that differing costs reveal no name.
        hashed = users.get(name) or list(users.values())[self._digest(user)[0] % len(users)]
        digest = self._digest(hashed.encode() + password)
        if self._correct.get(name) == digest:
            return name in users
        if self._waiting >= WAITING:
            raise web.HTTPServiceUnavailable(reason="too many passwords to check; try again")
        self._waiting += 1
        try:
            async with self._comparing:
                # Unless an identical request was compared meanwhile.
                if self._correct.get(name) != digest and not await asyncio.to_thread(
                    checkpw, password[:_LONGEST_PASSWORD], hashed.encode()
                ):
                    return False
        finally:
            self._waiting -= 1
        if name in users:
            self._correct[name] = digest
        return name in users

    def _digest(self, text: bytes) -> bytes:
        return hashlib.blake2b(text, key=self._key, digest_size=32).digest()


def credentials(authorization: str | None) -> tuple[bytes, bytes] | None:
    """Return user and password of an ``Authorization`` header (RFC 7617); ``None`` if it has none."""
    scheme, _, encoded = (authorization or "").partition(" ")
    try:  # aiohttp's BasicAuth could do this, but is deprecated
        user, colon, password = base64.b64decode(encoded, validate=True).partition(b":")
    except ValueError:
        return None
    return (user, password) if colon and scheme.lower() == "basic" else None
