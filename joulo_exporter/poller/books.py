"""The book of an account as its poller knows it: read along with whatever is written down."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from joulo_exporter.ledger import AccountLedger
    from joulo_exporter.models.book import Book
    from joulo_exporter.poller.notices import Notices
    from joulo_exporter.poller.settings import Clock, Offload, Result


class Books:
    """Holds the last book that could be read.

    Args:
        ledger: the account's ledger.
        notices: told when it cannot be read, and when it can be again.
        offload: runs the ledger's transactions outside of the event loop.
        clock: the time.
        public: whether this is no account, so that there is no book.
    """

    def __init__(
        self, ledger: AccountLedger, notices: Notices, *, offload: Offload, clock: Clock, public: bool
    ) -> None:
        self._ledger = ledger
        self._notices = notices
        self._offload = offload
        self._clock = clock
        self._public = public
        self.book: Book | None = None

    async def written(self, write: Callable[[], Result], *, name_unlinked: bool) -> Result:
        """Write an outcome down, and read the book as it is then, both with one commit.

        Args:
            write: writes it.
            name_unlinked: as for ``AccountLedger.book``.

        Raises:
            LedgerError: it could not be written.
        """
        result, read = await self._offload(lambda: (write(), self._attempt(name_unlinked=name_unlinked)))
        self._take(read)
        return result

    async def read(self, *, name_unlinked: bool) -> None:
        """Read the book; when that fails the former one stays."""
        try:
            self._take(await self._offload(lambda: self._attempt(name_unlinked=name_unlinked)))
        except Exception as error:  # noqa: BLE001 -- the former book is still true
            self._take(error)

    def _attempt(self, *, name_unlinked: bool) -> Book | Exception | None:
        """Return the book, or why it cannot be read: what was written along with it stands all the same."""
        if self._public:
            return None
        try:
            return self._ledger.book(name_unlinked=name_unlinked, now_seconds=self._clock.now())
        except Exception as error:  # noqa: BLE001 -- told by _take
            return error

    def _take(self, read: Book | Exception | None) -> None:
        if isinstance(read, Exception):
            self._notices.ledger_failed(read, self._clock.monotonic())
        elif read is not None:
            self.book = read
            self._notices.ledger_works(self._clock.monotonic())
