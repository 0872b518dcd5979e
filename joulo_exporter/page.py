"""What the page for people shows, taken from the snapshots: no token, no tag."""

from __future__ import annotations

from typing import TYPE_CHECKING

from joulo_exporter import __version__
from joulo_exporter.web import AccountRow, ChargerRow, EndpointRow, LandingPage

if TYPE_CHECKING:
    from collections.abc import Iterable

    from joulo_exporter.snapshot import LiveCharger, Snapshot


def landing_page(snapshots: Iterable[Snapshot], now_seconds: float, *, ledger_persistent: bool) -> LandingPage:
    """Return the page of this moment."""
    accounts: list[AccountRow] = []
    public: list[EndpointRow] = []
    for snapshot in snapshots:
        if snapshot.public:
            public += _endpoints(snapshot)
        else:
            accounts.append(_account(snapshot))
    return LandingPage(
        version=__version__,
        now_seconds=now_seconds,
        accounts=tuple(accounts),
        ledger_persistent=ledger_persistent,
        public=tuple(public),
    )


def _account(snapshot: Snapshot) -> AccountRow:
    book = snapshot.book
    return AccountRow(
        name=snapshot.account,
        chargers=_chargers(snapshot),
        endpoints=_endpoints(snapshot),
        history_complete=book.complete if book else False,
        history_sessions=book.sessions if book else 0,
        history_back_to_seconds=book.back_to_seconds if book else None,
    )


def _endpoints(snapshot: Snapshot) -> tuple[EndpointRow, ...]:
    return tuple(
        EndpointRow(
            endpoint=health.endpoint,
            up=health.up,
            last_success_seconds=health.succeeded_at_seconds,
            interval_s=health.interval_s,
            error=health.error,
        )
        for health in snapshot.endpoints
    )


def _chargers(snapshot: Snapshot) -> tuple[ChargerRow, ...]:
    """Return the chargers as they are now; when that is not known, those that have a label, by name only."""
    if snapshot.chargers is not None:
        return tuple(_charger(live) for live in snapshot.chargers)
    labels = snapshot.book.labels.values() if snapshot.book else ()
    return tuple(ChargerRow(label, None, None, charging=None, session_kwh_hundredths=None) for label in labels)


def _charger(live: LiveCharger) -> ChargerRow:
    session = live.charger.session
    return ChargerRow(
        label=live.label,
        nickname=live.charger.nickname,
        status=live.charger.status,
        charging=live.charger.charging,
        session_kwh_hundredths=session.kwh_hundredths if session else None,
    )
