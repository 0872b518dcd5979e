"""Basic authentication: bcrypt comparisons, one at a time off the event loop, and a memory of correct answers."""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import secrets
from collections import OrderedDict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Compare = Callable[[bytes, bytes], bool]

REMEMBERED = 100
"""Correct answers remembered, as many as the exporter-toolkit remembers (its ``web/cache.go``)."""

WAITING = 100
"""Comparisons that may wait for their turn; whoever comes then is sent away."""

_LONGEST_PASSWORD = 72
"""Bytes that bcrypt looks at: Go's implementation ignores the rest, Python's refuses it."""


class TooManyComparisonsError(Exception):
    """So many passwords wait for their comparison that one more would wait too long."""


class Passwords:
    """Tells whether a user and a password belong together.

    No password is kept: a correct answer is remembered by a keyed hash of user, bcrypt hash and password.

    Args:
        users: the bcrypt hash of each user.
        compare: ``bcrypt.checkpw``, which is imported only where there are users.
    """

    def __init__(self, users: Mapping[str, str], compare: Compare | None = None) -> None:
        self._users = {name.encode(): hashed.encode() for name, hashed in users.items()}
        self._compare = compare or _bcrypt()
        self._key = secrets.token_bytes(32)
        self._remembered: OrderedDict[bytes, None] = OrderedDict()
        self._turn = asyncio.Lock()  # one at a time: a comparison takes all of a core
        self._waiting = 0

    async def accept(self, user: bytes, password: bytes) -> bool:
        """Tell whether this is the password of this user; an unknown user takes as long as a known one.

        Raises:
            TooManyComparisonsError: too many wait already.
        """
        known = user in self._users
        hashed = self._users[user] if known else self._decoy(user)
        digest = self._digest(user, hashed, password)
        if self._remembers(digest):
            return True
        if self._waiting >= WAITING:
            raise TooManyComparisonsError
        self._waiting += 1
        try:
            async with self._turn:
                if self._remembers(digest):  # by now: the same question came several times at once
                    return True
                equal = await asyncio.to_thread(self._compare, password[:_LONGEST_PASSWORD], hashed)
        finally:
            self._waiting -= 1
        if not (known and equal):
            return False
        self._remember(digest)
        return True

    def _decoy(self, user: bytes) -> bytes:
        """Return a hash for an unknown user that is as much work as the one of some known user.

        Always the same one for a name: costs that differ among users give no name away.
        """
        hashes = list(self._users.values())
        position = int.from_bytes(self._digest(user)[:8], "big") % len(hashes)
        return hashes[position][:7] + b"." * 53

    def _digest(self, *parts: bytes) -> bytes:
        digest = hashlib.blake2b(key=self._key, digest_size=32)
        for part in parts:
            digest.update(len(part).to_bytes(8, "big") + part)
        return digest.digest()

    def _remembers(self, digest: bytes) -> bool:
        if digest not in self._remembered:
            return False
        self._remembered.move_to_end(digest)
        return True

    def _remember(self, digest: bytes) -> None:
        self._remembered[digest] = None
        if len(self._remembered) > REMEMBERED:
            self._remembered.popitem(last=False)


def credentials(authorization: str | None) -> tuple[bytes, bytes] | None:
    """Return user and password of an ``Authorization`` header (RFC 7617); ``None`` if it has none."""
    scheme, _, encoded = (authorization or "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        decoded = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        return None
    user, colon, password = decoded.partition(b":")
    return (user, password) if colon else None


def _bcrypt() -> Compare:
    from bcrypt import checkpw  # noqa: PLC0415  most exporters have no users, and start without it

    return checkpw
