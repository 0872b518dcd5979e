"""The web application with services that answer from memory, for tests of what is around them."""

from __future__ import annotations

from joulo_exporter.web import WebServices


async def _reload():
    return None


class Body:
    """Body of a response.

    Args:
        parts: its bytes.
    """

    def __init__(self, *parts: bytes) -> None:
        self.parts = parts
        self.length = sum(map(len, parts))


def always(*parts: bytes):
    """Return a service that gives every scrape the same bytes."""
    body = Body(*parts)

    async def metrics(*_):
        return body

    return metrics


SERVICES = WebServices(
    metrics=always(b"joulo_up 1\n"),
    snapshots=lambda: (),
    ledger_persistent=lambda: True,
    ready=lambda: True,
    reload=_reload,
    lifecycle_enabled=True,
    telemetry_path="/metrics",
)
