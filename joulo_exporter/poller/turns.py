"""Who may ask now: a bounded number at the same time, in the order in which they came."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_SHARE_OF_HUNG = 4
"""At most every so manieth turn is for accounts that the API left without an answer."""


class Turns:
    """Hands out turns to ask the API.

    Who has got no answer before takes its turn among its like: were a tenth of all accounts left hanging, each for
    the whole of its timeout, they would soon have all turns, and nobody else any.

    Args:
        most: requests at the same time; at least 1.
    """

    def __init__(self, most: int) -> None:
        self._all = asyncio.Semaphore(most)
        self._of_hung = asyncio.Semaphore(max(1, most // _SHARE_OF_HUNG))

    def take(self, *, hung: bool) -> _Turn:
        """Wait for a turn, and have it for the length of the block: ``async with turns.take(hung=False):``.

        Args:
            hung: whether the last request got no answer in time.
        """
        return _Turn((self._of_hung, self._all) if hung else (self._all,))


class _Turn:
    """All of some semaphores; a class, since a generator costs each request a multiple of it."""

    __slots__ = ("_wanted",)

    def __init__(self, wanted: tuple[asyncio.Semaphore, ...]) -> None:
        self._wanted = wanted

    async def __aenter__(self) -> None:
        taken: list[asyncio.Semaphore] = []
        try:
            for semaphore in self._wanted:
                await semaphore.acquire()
                taken.append(semaphore)
        except BaseException:  # cancelled while it waited for the second one
            _release(taken)
            raise

    async def __aexit__(self, *_: object) -> None:
        _release(self._wanted)


def _release(semaphores: Iterable[asyncio.Semaphore]) -> None:
    for semaphore in semaphores:
        semaphore.release()
