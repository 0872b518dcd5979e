"""Who may ask now: a bounded number at the same time, in the order in which they came."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

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

    @contextlib.asynccontextmanager
    async def take(self, *, hung: bool) -> AsyncIterator[None]:
        """Wait for a turn, and have it for the length of the block.

        Args:
            hung: whether the last request got no answer in time.
        """
        if not hung:
            async with self._all:
                yield
            return
        async with self._of_hung, self._all:
            yield
