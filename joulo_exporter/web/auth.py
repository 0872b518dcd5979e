"""The gate before every path: rate limit, basic authentication, and headers that the web configuration adds."""

import asyncio
import base64
import hashlib
import re
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, ClassVar

import msgspec
from aiohttp import hdrs, web
from aiohttp.typedefs import Handler

from joulo_exporter.config.schema import WebSection
from joulo_exporter.config.values import like

WAITING = 100
"""Password comparisons that may wait; further requests that need one are refused."""

_LONGEST_PASSWORD = 72
"""Bytes of a password that bcrypt uses: Go's implementation ignores the rest, Python's refuses a longer one."""

_PIECE = r"([0-9]+(?:\.[0-9]*)?)(ns|us|µs|ms|s|m|h)"
_UNITS_S = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}


def _count(text: str) -> int:
    if not re.fullmatch("[0-9]{1,9}", text):
        raise ValueError("must be a whole number; write one such as 10")
    return int(text)


def _go_duration(text: str) -> float:
    """Return the seconds of a duration as Go's ``time.ParseDuration`` reads it, and so the exporter-toolkit."""
    if text != "0" and not re.fullmatch(f"(?:{_PIECE})+", text):
        raise ValueError("is not a duration; write one such as 500ms, 1s or 1m30s")
    return sum(float(number) * _UNITS_S[unit] for number, unit in re.findall(_PIECE, text))


class RateLimit(WebSection, frozen=True):
    """A token bucket: ``burst`` requests at once, and one more each interval; without an interval, no limit."""

    EXAMPLE: ClassVar = "{interval: 1s, burst: 10}"

    interval_s: Annotated[float, like("1s", _go_duration)] = msgspec.field(name="interval", default=0.0)
    burst: Annotated[int, like("10", _count)] = 0


@dataclass(frozen=True, slots=True)
class Protection:
    """Conditions for every request, and headers for every response; none by default."""

    users: Mapping[str, str] = field(default_factory=dict, repr=False)
    """The bcrypt hash of each user; without users nobody is asked for a password."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """Added to every response, in place of our own of the same name."""
    rate_limit: RateLimit = field(default_factory=RateLimit)


class Gate:
    """Lets through the requests that a ``Protection`` allows; the protection can be replaced at any time.

    Passwords are compared one at a time, off the event loop, since a comparison keeps a core busy. No password is
    kept, only a keyed hash of each user's correct one. ``monotonic`` is a clock in seconds that never goes back.
    """

    def __init__(self, protection: Protection, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._key = secrets.token_bytes(32)
        self._comparing = asyncio.Lock()
        self._waiting = 0
        self.follow(protection)

    def follow(self, protection: Protection) -> None:
        """Replace the protection, and forget everything about the former one."""
        self._protection = protection
        self._hashes = {name.encode(): hashed.encode() for name, hashed in protection.users.items()}
        self._correct: dict[bytes, bytes] = {}
        """The keyed hash of each user's password, once it has been compared."""
        self._left: float = protection.rate_limit.burst
        """Requests that the rate limit still allows."""
        self._counted_at_s = self._monotonic()

    @web.middleware
    async def admit(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Pass a request on, or refuse it as the exporter-toolkit does (its ``web/handler.go``)."""
        limit = self._protection.rate_limit
        if limit.interval_s and not self._within(limit):
            return web.Response(status=429, text="Too Many Requests\n")
        given = credentials(request.headers.get(hdrs.AUTHORIZATION))
        if self._hashes and (given is None or not await self._accepts(*given)):
            return web.Response(status=401, text="Unauthorized\n", headers={hdrs.WWW_AUTHENTICATE: "Basic"})
        return await handler(request)

    async def add_headers(self, _request: web.Request, response: web.StreamResponse) -> None:
        """Set the configured headers: for aiohttp's ``on_response_prepare``, after our own."""
        response.headers.update(self._protection.headers)

    def _within(self, limit: RateLimit) -> bool:
        now_s = self._monotonic()
        earned = (now_s - self._counted_at_s) / limit.interval_s
        self._left, self._counted_at_s = min(limit.burst, self._left + earned), now_s
        if self._left < 1:
            return False
        self._left -= 1
        return True

    async def _accepts(self, user: bytes, password: bytes) -> bool:
        """Return whether this is the user's password; an unknown user takes as long as a known one."""
        from bcrypt import checkpw  # noqa: PLC0415  most exporters have no users, and do without it

        hashes, correct = self._hashes, self._correct  # ``follow`` may replace them during the comparison
        digest = self._digest(password)
        if correct.get(user) == digest:
            return True
        if self._waiting >= WAITING:
            raise web.HTTPServiceUnavailable(text="too many passwords to check; try again\n")
        # An unknown user gets the hash of a known one, always the same, so that differing costs reveal no name.
        hashed = hashes.get(user) or list(hashes.values())[self._digest(user)[0] % len(hashes)]
        self._waiting += 1
        try:
            async with self._comparing:
                if correct.get(user) == digest:  # an identical request was compared meanwhile
                    return True
                equal = await asyncio.to_thread(checkpw, password[:_LONGEST_PASSWORD], hashed)
        finally:
            self._waiting -= 1
        if user not in hashes or not equal:
            return False
        correct[user] = digest
        return True

    def _digest(self, text: bytes) -> bytes:
        return hashlib.blake2b(text, key=self._key, digest_size=32).digest()


def credentials(authorization: str | None) -> tuple[bytes, bytes] | None:
    """Return user and password of an ``Authorization`` header (RFC 7617); ``None`` if it has none."""
    scheme, _, encoded = (authorization or "").partition(" ")
    try:
        user, colon, password = base64.b64decode(encoded, validate=True).partition(b":")
    except ValueError:
        return None
    return (user, password) if colon and scheme.lower() == "basic" else None
