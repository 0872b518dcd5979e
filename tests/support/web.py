"""The web application with services that answer from memory, for tests of what is around them."""

from __future__ import annotations

from joulo_exporter.exposition.memory_file import MemoryFile
from joulo_exporter.web import LandingPage, WebServices

PAGE = LandingPage(version="1.2.3", now_seconds=1_782_300_000, accounts=(), ledger_persistent=True)


async def _reload():
    return None


class Body:
    """The body of a response.

    Args:
        pieces: its bytes.
        in_file: how many of them are in a file, from the beginning.
    """

    def __init__(self, *pieces: bytes, in_file: int = 0) -> None:
        self._pieces, self._rest = pieces, b""
        self.length = sum(map(len, pieces))
        self.front = None
        if in_file:
            whole = b"".join(pieces)
            self._rest = whole[in_file:]
            self.front = MemoryFile(in_file)
            self.front.append(whole[:in_file])

    def pieces(self):
        return self._pieces if self.front is None else (self.front.view, self._rest)

    def rest(self):
        return (self._rest,)


def always(*pieces: bytes, in_file: int = 0):
    """Return a service that gives every scrape the same bytes."""
    body = Body(*pieces, in_file=in_file)

    async def metrics(*_):
        return body

    return metrics


SERVICES = WebServices(
    metrics=always(b"joulo_up 1\n"),
    page=lambda: PAGE,
    ready=lambda: True,
    reload=_reload,
    lifecycle_enabled=True,
    telemetry_path="/metrics",
)
