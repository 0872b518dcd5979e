"""The web application with services that answer from memory, for tests of what is around them."""

from __future__ import annotations

from joulo_exporter.web import LandingPage, WebServices

PAGE = LandingPage(version="1.2.3", now_seconds=1_782_300_000, accounts=(), ledger_persistent=True)


async def _reload():
    return None


class Whole:
    """The body of an answer, in one piece."""

    def __init__(self, body: bytes) -> None:
        self.length = len(body)
        self.pieces = lambda: (body,)


def always(body: bytes):
    """Return what answers every scrape with the same bytes."""

    async def metrics(*_):
        return Whole(body)

    return metrics


SERVICES = WebServices(
    metrics=always(b"joulo_up 1\n"),
    page=lambda: PAGE,
    ready=lambda: True,
    reload=_reload,
    lifecycle_enabled=True,
    telemetry_path="/metrics",
)
