"""The series of a backfill: which there are, their sessions, and the values that the exporter serves now."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from joulo_exporter.metrics import FAMILIES
from joulo_exporter.models.tag import UNKNOWN_VEHICLE, normal_tag
from joulo_exporter.reports import curve
from joulo_exporter.reports.curve import Charge, Finish, Kind, last_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from joulo_exporter.ledger import Totals
    from joulo_exporter.ledger.reader import LedgerReader, RecordedSession
    from joulo_exporter.metrics import Family
    from joulo_exporter.reports.curve import Quantity
    from joulo_exporter.snapshot import Tags

_QUANTITIES: dict[str, Quantity] = {
    "joulo_charging": curve.CHARGING,
    "joulo_session_kwh": curve.SESSION_KWH,
    "joulo_total_kwh": curve.TOTAL_KWH,
    "joulo_ere_credits_total": curve.TOTAL_CREDITS,
    "joulo_sessions_total": curve.FINISHED_SESSIONS,
    "joulo_session_seconds_total": curve.FINISHED_SECONDS,
    "joulo_last_session_kwh": curve.LAST_KWH,
    "joulo_last_session_ere_credits": curve.LAST_CREDITS,
    "joulo_last_session_start_timestamp_seconds": curve.LAST_START,
    "joulo_last_session_end_timestamp_seconds": curve.LAST_END,
    "joulo_vehicle_kwh_total": curve.TOTAL_KWH,
    "joulo_vehicle_ere_credits_total": curve.TOTAL_CREDITS,
    "joulo_vehicle_sessions_total": curve.FINISHED_SESSIONS,
}

HISTORIES: tuple[tuple[Family, Quantity], ...] = tuple(
    (family, _QUANTITIES[family.name]) for family in FAMILIES if family.name in _QUANTITIES
)
"""The metrics that have a history, in the order in which they are served."""


class Series(msgspec.Struct, frozen=True):
    """One series of a metric."""

    labels: dict[str, str]
    charges: Callable[[], Iterator[Charge]]
    """Its sessions, by their start; each time anew."""
    served: int | None
    """What the exporter serves of it now; ``None`` if it serves no such series."""
    ends: bool
    """Whether the series ends with its last session: the charger is not linked any more."""


class AccountHistory:
    """The series of one account.

    Args:
        reader: the ledger.
        account: its name.
        tags: the configuration's vehicles.
        now_ms: the present; nothing is later.
    """

    def __init__(self, reader: LedgerReader, account: str, tags: Tags, now_ms: int) -> None:
        self._reader = reader
        self._account = account
        self._tags = tags
        self._now_ms = now_ms
        self._chargers, self._vehicles = reader.held_totals(account, tags.vehicles)
        self._charger_labels = reader.labels(account)
        self._live = {charger.id: charger for charger in reader.last_chargers(account)}
        self._last = {
            charger_id: last_of(self._charger_charges(charger_id)) for charger_id in self._charger_labels
        }

    @property
    def unlabelled(self) -> list[str]:
        """Return the ids of chargers that have sessions and no label yet."""
        return sorted(self._chargers.keys() - self._charger_labels.keys())

    def series(self, family: Family, quantity: Quantity) -> Iterator[Series]:
        """Yield the series of a metric, with the labels that the exporter gives them."""
        account = {"account": self._account} if self._account else {}
        if family.labels == ("vehicle",):
            for vehicle, totals in sorted(self._vehicles.items()):
                yield Series(
                    labels={"vehicle": vehicle} | account,
                    charges=lambda vehicle=vehicle: self._vehicle_charges(vehicle),  # type: ignore[misc]
                    served=_served_total(totals, quantity),
                    ends=False,
                )
            return
        for charger_id, label in sorted(self._charger_labels.items(), key=lambda item: item[1]):
            yield Series(
                labels={"charger": label} | account,
                charges=lambda charger_id=charger_id: self._charger_charges(charger_id),  # type: ignore[misc]
                served=self._served_now(charger_id, quantity),
                ends=quantity.kind is Kind.MOMENT and charger_id not in self._live,
            )

    def _charger_charges(self, charger_id: str) -> Iterator[Charge]:
        return map(self._charge, self._reader.sessions(self._account, charger_id=charger_id))

    def _vehicle_charges(self, vehicle: str) -> Iterator[Charge]:
        for session in self._reader.sessions(self._account):
            if self._vehicle(session) == vehicle:
                yield self._charge(session)

    def _vehicle(self, session: RecordedSession) -> str | None:
        """Return the vehicle that has the session's energy; none has it until a tag or the end decides."""
        if session.id_tag:
            return self._tags.vehicles.get(normal_tag(session.id_tag), UNKNOWN_VEHICLE)
        return None if session.ended_at_seconds is None else UNKNOWN_VEHICLE

    def _charge(self, session: RecordedSession) -> Charge:
        start_ms = min(_milliseconds(session.began_seconds), self._now_ms)
        end_ms = self._now_ms
        for end_seconds in (session.ended_at_seconds, session.next_start_seconds):
            if end_seconds is not None:
                end_ms = min(end_ms, _milliseconds(end_seconds))
        return Charge(
            start_ms=start_ms,
            end_ms=max(start_ms, end_ms),
            kwh_hundredths=session.kwh_hundredths or 0,
            credits_hundredths=session.credits_hundredths or 0,
            finish=_finish(session),
        )

    def _served_now(self, charger_id: str, quantity: Quantity) -> int | None:
        if quantity.kind is Kind.SUM:
            return _served_total(self._chargers[charger_id], quantity)
        if quantity.kind is Kind.LAST:
            last = self._last[charger_id]
            return None if last is None else quantity.after(last)
        charger = self._live.get(charger_id)
        if charger is None:
            return None
        if quantity is curve.CHARGING:
            return None if charger.charging is None else int(charger.charging)
        return 0 if charger.session is None else charger.session.kwh_hundredths


def _served_total(totals: Totals, quantity: Quantity) -> int:
    if quantity is curve.TOTAL_KWH:
        return totals.kwh_hundredths
    if quantity is curve.TOTAL_CREDITS:
        return totals.credits_hundredths
    return totals.duration_ms if quantity is curve.FINISHED_SECONDS else totals.sessions


def _finish(session: RecordedSession) -> Finish | None:
    started_seconds, ended_seconds = session.started_at_seconds, session.ended_at_seconds
    if ended_seconds is None:
        return None
    duration_seconds = 0.0 if started_seconds is None else ended_seconds - started_seconds
    return Finish(
        ended_ns=_nanoseconds(ended_seconds),
        started_ns=None if started_seconds is None else _nanoseconds(started_seconds),
        duration_ms=max(0, _milliseconds(duration_seconds)),
        kwh_hundredths=session.kwh_hundredths,
        credits_hundredths=session.credits_hundredths,
    )


def _milliseconds(seconds: float) -> int:
    return round(seconds * 1000)


def _nanoseconds(seconds: float) -> int:
    # Times 10**9 at once, a float of today would lose digits.
    return int(seconds) * 10**9 + round(seconds % 1 * 10**9)
