"""From what a poller knows to a snapshot."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from joulo_exporter.snapshot import EndpointHealth, Snapshot, ended_sessions, last_sessions, live_chargers

if TYPE_CHECKING:
    from joulo_exporter.models import Charger, Energy, ErePosition, ErePrice
    from joulo_exporter.models.book import Book
    from joulo_exporter.poller.settings import PollSettings


class FreshAnswers(msgspec.Struct, frozen=True):
    """The last answers that may still be served as live; ``None`` for one that may not, or never came."""

    chargers: tuple[Charger, ...] | None
    energy: Energy | None
    ere_position: ErePosition | None
    ere_price: ErePrice | None


def picture(
    settings: PollSettings, health: tuple[EndpointHealth, ...], book: Book | None, answers: FreshAnswers
) -> Snapshot:
    """Return the snapshot of this moment."""
    if settings.public:
        return Snapshot(None, health, ere_price=answers.ere_price, public=True)
    if book is None:
        return Snapshot(settings.account, health)
    return Snapshot(
        account=settings.account,
        endpoints=health,
        book=book,
        chargers=None if answers.chargers is None else live_chargers(answers.chargers, book, settings.tags),
        last_sessions=last_sessions(book, settings.tags),
        ended_sessions=ended_sessions(book, settings.tags),
        energy=answers.energy,
        ere_position=answers.ere_position,
    )
