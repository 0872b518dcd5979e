"""Token files that rotate: read again when they change, and when the API refuses the token."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

import msgspec

from joulo_exporter.config import Secret, TokenSource
from joulo_exporter.config.files import Fingerprint, fingerprint
from joulo_exporter.errors import ConfigError
from joulo_exporter.logs import event

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from joulo_exporter.poller import Clock

_logger = logging.getLogger(__name__)

LOOK_INTERVAL_S = 15.0
"""Time between two looks at the token files: well within the shortest interval of an endpoint."""


class AccountToken(msgspec.Struct, eq=False):
    """The token of one account, and the state of its file."""

    key: str
    """The account's name, or an empty text."""
    source: TokenSource | None
    """The place of the token, if there is one; only files are watched."""
    token: Secret | None
    former: Secret | None = None
    """The token before the one in use, which no line of the log may show either."""
    seen: Fingerprint | None = None
    """The file as it was read last; ``None`` to read it at the next look."""
    unreadable: bool = False


class TokenFiles:
    """Looks at the token files of all accounts, with one call in a thread for all of them.

    Args:
        tokens: gives the tokens in use now.
        rotate: puts a new token to use; it is awaited before the next look.
        clock: time and sleep.
        in_thread: runs the reading of the files, which may be slow, outside of the event loop.
    """

    def __init__(
        self,
        tokens: Callable[[], Iterable[AccountToken]],
        rotate: Callable[[AccountToken, Secret], Awaitable[None]],
        *,
        clock: Clock,
        in_thread: Callable[..., Awaitable[list[tuple[AccountToken, Secret | ConfigError]]]],
    ) -> None:
        self._tokens = tokens
        self._rotate = rotate
        self._clock = clock
        self._in_thread = in_thread
        self._looking = asyncio.Lock()
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin to look at the files; a second call does nothing."""
        if not self._tasks:
            self._tasks.append(asyncio.create_task(self._watch(), name="token files"))

    def refused(self, token: AccountToken) -> None:
        """Read the file now: the API has refused the token."""
        token.seen = None
        self._tasks = [task for task in self._tasks if not task.done()]
        if len(self._tasks) == 1:  # else a look is under way, or looking has ended
            self._tasks.append(asyncio.create_task(self._look()))

    async def stop(self) -> None:
        """End all looking, for good: the last API response to a poller that stops may be a refusal."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _watch(self) -> None:
        while True:
            await self._clock.sleep(LOOK_INTERVAL_S)
            await self._look()

    async def _look(self) -> None:
        async with self._looking:
            for token, read in await self._in_thread(_read_changed, list(self._tokens())):
                named = {"account": token.key} if token.key else {}
                was_unreadable, token.unreadable = token.unreadable, isinstance(read, ConfigError)
                if token.unreadable and not was_unreadable:
                    event(_logger, "warn", "token not read again; the former one stays in use", **named, err=read)
                elif was_unreadable and not token.unreadable:
                    event(_logger, "info", "the token can be read again", **named)
                if isinstance(read, Secret) and read != token.token:
                    event(_logger, "info", "the token has changed and the new one is used", **named)
                    token.former, token.token = token.token, read
                    await self._rotate(token, read)


def _read_changed(tokens: Iterable[AccountToken]) -> list[tuple[AccountToken, Secret | ConfigError]]:
    """Return the content of each file that has changed, or why it cannot be read."""
    found: list[tuple[AccountToken, Secret | ConfigError]] = []
    for token in tokens:
        if token.source is None or token.source.path is None:
            continue
        # Before the file is read: a change in between shows at the next look.
        seen = fingerprint(token.source.path)
        # The cause of a fault need not be in the file: a folder's permissions, or a full table of files.
        if seen != token.seen or seen is None or token.unreadable:
            token.seen = seen
            try:
                found.append((token, token.source.read()))
            except ConfigError as error:
                found.append((token, error))
    return found
