"""The gate before every path: rate limit, basic authentication, and headers that the web configuration adds."""

import asyncio
import base64
import hashlib
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler

Compare = Callable[[bytes, bytes], bool]

WAITING = 100
"""Comparisons that may wait; further requests that need one are refused."""

_LONGEST_PASSWORD = 72
"""Bytes that bcrypt looks at: Go's implementation ignores the rest, Python's refuses it."""


@dataclass(frozen=True, slots=True)
class RateLimit:
    """A token bucket: ``burst`` requests at once, and one more each interval."""

    interval_s: float
    burst: int


@dataclass(frozen=True, slots=True)
class Protection:
    """Conditions for every request, and headers of every response; none where none is configured."""

    users: Mapping[str, str] = field(default_factory=dict, repr=False)
    """The bcrypt hash of each user; without users nobody is asked for a password."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """Added to every response, in place of our own of the same name."""
    rate_limit: RateLimit | None = None


class Gate:
    """Lets through the requests that a ``Protection`` allows; another one can take its place at any time.

    Args:
        protection: holds at first.
        monotonic: seconds of a clock that does not go back.
    """

    def __init__(self, protection: Protection, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self.follow(protection)

    def follow(self, protection: Protection) -> None:
        """Hold requests against another protection; nothing of the former one is remembered."""
        self._protection = protection
        self._passwords = Passwords(protection.users) if protection.users else None
        self._left: float = protection.rate_limit.burst if protection.rate_limit else 0
        """Requests that the rate limit still allows."""
        self._counted_at_s = self._monotonic()

    @web.middleware
    async def admit(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Pass a request on, or refuse it as the exporter-toolkit does (its ``web/handler.go``)."""
        if self._protection.rate_limit is not None and not self._within(self._protection.rate_limit):
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

    def _within(self, limit: RateLimit) -> bool:
        now_s = self._monotonic()
        earned = (now_s - self._counted_at_s) / limit.interval_s
        self._left, self._counted_at_s = min(limit.burst, self._left + earned), now_s
        if self._left < 1:
            return False
        self._left -= 1
        return True


class TooManyComparisonsError(Exception):
    """Too many passwords wait for their comparison already."""


class Passwords:
    """Passwords of the users: bcrypt comparisons, one at a time off the event loop, and a memory of correct ones.

    No password is kept: of each user's correct one a keyed hash is.

    Args:
        users: the bcrypt hash of each user.
        compare: ``bcrypt.checkpw``, which is imported only where there are users.
    """

    def __init__(self, users: Mapping[str, str], compare: Compare | None = None) -> None:
        from bcrypt import checkpw  # noqa: PLC0415  most exporters have no users, and start without it

        self._users = {name.encode(): hashed.encode() for name, hashed in users.items()}
        self._compare = compare or checkpw
        self._key = secrets.token_bytes(32)
        self._correct: dict[bytes, bytes] = {}
        """The keyed hash of each user's password, once it has been compared."""
        self._comparing = asyncio.Lock()  # one at a time: a comparison takes all of a core
        self._waiting = 0

    async def accept(self, user: bytes, password: bytes) -> bool:
        """Tell whether this is the password of this user; an unknown user takes as long as a known one.

        Raises:
            TooManyComparisonsError: too many wait already.
        """
        digest = self._digest(password)
        if self._correct.get(user) == digest:
            return True
        if self._waiting >= WAITING:
            raise TooManyComparisonsError
        # For an unknown user the hash of some known one, always the same: costs that differ give no name away.
        hashes = list(self._users.values())
        hashed = self._users.get(user) or hashes[self._digest(user)[0] % len(hashes)]
        self._waiting += 1
        try:
            async with self._comparing:
                if self._correct.get(user) == digest:  # by now: the same question came several times at once
                    return True
                equal = await asyncio.to_thread(self._compare, password[:_LONGEST_PASSWORD], hashed)
        finally:
            self._waiting -= 1
        if user not in self._users or not equal:
            return False
        self._correct[user] = digest
        return True

    def _digest(self, text: bytes) -> bytes:
        return hashlib.blake2b(text, key=self._key, digest_size=32).digest()


def credentials(authorization: str | None) -> tuple[bytes, bytes] | None:
    """Return user and password of an ``Authorization`` header (RFC 7617); ``None`` if it has none."""
    scheme, _, encoded = (authorization or "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        user, colon, password = base64.b64decode(encoded, validate=True).partition(b":")
    except ValueError:
        return None
    return (user, password) if colon else None
