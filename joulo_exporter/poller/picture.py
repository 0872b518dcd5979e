"""From what a poller knows to a snapshot."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from joulo_exporter.snapshot import EndpointHealth, Snapshot, ended_sessions, last_sessions, live_chargers

if TYPE_CHECKING:
    from joulo_exporter.models import Charger, Energy, ErePosition, ErePrice
    from joulo_exporter.models.book import Book
    from joulo_exporter.poller.settings import PollSettings
    from joulo_exporter.snapshot import EndedSession


class FreshAnswers(msgspec.Struct, frozen=True, gc=False):
    """The last answers that may still be served as live; ``None`` for one that may not, or never came."""

    chargers: tuple[Charger, ...] | None
    energy: Energy | None
    ere_position: ErePosition | None
    ere_price: ErePrice | None


def picture(
    settings: PollSettings,
    health: tuple[EndpointHealth, ...],
    book: Book | None,
    answers: FreshAnswers,
    former: Snapshot | None = None,
) -> Snapshot:
    """Return the snapshot of this moment.

    Args:
        settings: of the account.
        health: of its endpoints.
        book: of the ledger, if it has been read.
        answers: the last ones.
        former: the snapshot before, with the same settings: what cannot have changed is taken from it.
    """
    if settings.public:
        return Snapshot(None, health, ere_price=answers.ere_price, public=True)
    if book is None:
        return Snapshot(settings.account, health)
    last, ended = _finished(settings, book, former)
    return Snapshot(
        account=settings.account,
        endpoints=health,
        book=book,
        chargers=None
        if answers.chargers is None
        else live_chargers(answers.chargers, book, settings.tags, former),
        last_sessions=last,
        ended_sessions=ended,
        energy=answers.energy,
        ere_position=answers.ere_position,
    )


def _finished(
    settings: PollSettings, book: Book, former: Snapshot | None
) -> tuple[tuple[EndedSession, ...], tuple[EndedSession, ...]]:
    """Return what is shown of the last sessions, and of those that have just ended."""
    known = former.book if former is not None else None
    if former is None or known is None or known.labels is not book.labels:
        return last_sessions(book, settings.tags), ended_sessions(book, settings.tags)
    return (
        former.last_sessions if known.last_sessions is book.last_sessions else last_sessions(book, settings.tags),
        former.ended_sessions if known.ended is book.ended else ended_sessions(book, settings.tags),
    )
