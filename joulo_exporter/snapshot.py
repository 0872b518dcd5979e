"""The immutable snapshot of one account, which is served until the next one."""

from __future__ import annotations

import math
from collections.abc import Iterable

import msgspec

from joulo_exporter.ledger.account import Refreshes
from joulo_exporter.ledger.book import Book
from joulo_exporter.ledger.sessions import StoredSession
from joulo_exporter.models.charger import Charger, Tags
from joulo_exporter.models.ere import ErePosition, ErePrice
from joulo_exporter.models.session import Energy, EreEstimate

DURATION_BOUNDS_S = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, math.inf)
"""Upper bounds of the buckets of ``joulo_api_request_duration_seconds``."""


class Durations(msgspec.Struct, frozen=True, gc=False):
    """Durations of the requests to an endpoint since the process began."""

    buckets: tuple[int, ...] = (0,) * len(DURATION_BOUNDS_S)
    """Requests not longer than each bound; the last one counts all."""
    sum_s: float = 0.0

    def observed(self, duration_s: float) -> Durations:
        """Return the durations with one more."""
        counts = zip(self.buckets, DURATION_BOUNDS_S, strict=True)
        return Durations(tuple(count + (duration_s <= bound) for count, bound in counts), self.sum_s + duration_s)


class EndpointHealth(Refreshes, frozen=True, gc=False):
    """State of the refreshes of one endpoint."""

    endpoint: str
    interval_s: float
    token_refused_at_seconds: float | None = None
    durations: Durations = Durations()
    unknown_fields: int = 0
    """Names of fields in its API responses that this version does not know, since the process began."""


class LiveCharger(msgspec.Struct, frozen=True, gc=False):
    """A charger as ``/chargers`` showed it last."""

    label: str
    charger: Charger
    power_watts: float | None
    meter_wh: float | None
    """The reading that was believed last, held so that it falls only with another meter."""
    id_tag: str
    """Of the session in progress, as labels may show it."""
    vehicle: str
    meter_at_seconds: float | None = None
    """Time of the reading that was believed last."""


class EndedSession(msgspec.Struct, frozen=True, gc=False):
    """A session that has ended, with its labels."""

    label: str
    session: StoredSession
    id_tag: str
    """As labels may show it."""
    vehicle: str


class Snapshot(msgspec.Struct, frozen=True, gc=False):
    """Everything that is served of one account."""

    account: str | None
    endpoints: tuple[EndpointHealth, ...]
    book: Book | None = None
    """``None`` until the ledger has been read."""
    chargers: tuple[LiveCharger, ...] | None = None
    """``None`` before the first API response, and once the last one is too old."""
    last_sessions: tuple[EndedSession, ...] = ()
    """Of each charger, the session that ended last."""
    ended_sessions: tuple[EndedSession, ...] = ()
    """Sessions whose end was news in the last hour."""
    energy: Energy | None = None
    """``None`` before the first API response, and once the last one is too old."""
    ere_estimate: EreEstimate | None = None
    """The same; also ``None`` where ``/sessions`` does not give it."""
    ere_position: ErePosition | None = None
    """The same."""
    ere_price: ErePrice | None = None
    """The same; of the public feed alone."""
    public: bool = False
    """Whether this is no account, but the public price feed."""

    @property
    def tried(self) -> bool:
        """Return whether each endpoint has been asked."""
        return all(health.up is not None for health in self.endpoints)


def live_chargers(chargers: Iterable[Charger], book: Book, tags: Tags) -> tuple[LiveCharger, ...]:
    """Return the chargers of the last API response that have a label, with what the ledger adds to them."""
    return tuple(_live_charger(charger, book, tags) for charger in chargers if charger.id in book.labels)


def ended_sessions(sessions: Iterable[StoredSession], book: Book, tags: Tags) -> tuple[EndedSession, ...]:
    """Return the sessions of the book whose charger has a label."""
    return tuple(
        EndedSession(
            book.labels[session.charger_id], session, tags.shown(session.id_tag), tags.vehicle(session.id_tag)
        )
        for session in sessions
        if session.charger_id in book.labels
    )


def _live_charger(charger: Charger, book: Book, tags: Tags) -> LiveCharger:
    tag = None
    if charger.session is not None:
        tag = charger.session.id_tag or book.id_tags.get(charger.session.id)
    meter, has_meter = book.meters.get(charger.id), charger.meter_wh is not None or charger.meter_ahead
    believed_at_seconds = charger.meter_at_seconds
    if meter is not None and (charger.meter_ahead or (believed_at_seconds and meter.doubted_wh is not None)):
        believed_at_seconds = meter.at_seconds
    return LiveCharger(
        label=book.labels[charger.id],
        charger=charger,
        power_watts=_power_watts(charger, book),
        meter_wh=book.marks.get(("meter_wh", charger.id), charger.meter_wh) if has_meter else None,
        meter_at_seconds=believed_at_seconds,
        id_tag=tags.shown(tag),
        vehicle=tags.vehicle(tag),
    )


def _power_watts(charger: Charger, book: Book) -> float | None:
    """Return 0 for a charger that does not charge, else the power by its meter or by the session's energy."""
    if not charger.charging:
        return None if charger.charging is None else 0.0
    meter = book.meters.get(charger.id)
    if meter is None:
        return None
    if meter.session_id is not None:
        shown = charger.session is not None and charger.session.id == meter.session_id
    else:
        shown = charger.meter_ahead or (charger.meter_wh is not None and charger.meter_at_seconds is not None)
    return meter.power_watts if shown else None
