"""Metrics of the account's books: totals and last sessions from the ledger, and what ``/energy`` states."""

from __future__ import annotations

from typing import TYPE_CHECKING

from joulo_exporter.collector.family import ENERGY, LEDGER, Family, Labels, of_hundredths, present

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from joulo_exporter.ledger import Totals
    from joulo_exporter.models import Energy, Month
    from joulo_exporter.snapshot import EndedSession, Snapshot

_STATED = ("energy", "book.marks")
_LAST = "From the ledger; final once /sessions lists the end."


def _per_charger(value: Callable[[Totals], float]) -> Callable[[Snapshot], Iterable[tuple[Labels, float]]]:
    def samples(snapshot: Snapshot) -> Iterable[tuple[Labels, float]]:
        if snapshot.book is not None:
            for charger_id, totals in snapshot.book.chargers.items():
                yield (snapshot.book.labels[charger_id],), value(totals)

    return samples


def _per_vehicle(value: Callable[[Totals], float]) -> Callable[[Snapshot], Iterable[tuple[Labels, float]]]:
    def samples(snapshot: Snapshot) -> Iterable[tuple[Labels, float]]:
        if snapshot.book is not None:
            for vehicle, totals in snapshot.book.vehicles.items():
                yield (vehicle,), value(totals)

    return samples


def _last(value: Callable[[EndedSession], float | None]) -> Callable[[Snapshot], Iterable[tuple[Labels, float]]]:
    def samples(snapshot: Snapshot) -> Iterable[tuple[Labels, float]]:
        return present([((last.label,), value(last)) for last in snapshot.last_sessions])

    return samples


def _last_info(snapshot: Snapshot) -> Iterable[tuple[Labels, float]]:
    for last in snapshot.last_sessions:
        yield (last.label, last.session_id, last.id_tag, last.vehicle), 1.0


def _history_complete(snapshot: Snapshot) -> Iterable[tuple[Labels, float]]:
    if snapshot.book is not None:
        yield (), float(snapshot.book.complete)


def _stated(
    series: str, given: Mapping[str, Callable[[Energy], int | None]], *, divisor: int = 1
) -> Callable[[Snapshot], Iterable[tuple[Labels, float]]]:
    """Return a mapping of a counter that ``/energy`` states, with the value that the ledger holds.

    Args:
        series: name of the marks in the ledger.
        given: by scope, what the answer gives; an empty scope is no label.
        divisor: what the marks are divided by.
    """

    def samples(snapshot: Snapshot) -> Iterable[tuple[Labels, float]]:
        if snapshot.book is None or snapshot.energy is None:
            return
        for scope, value in given.items():
            stated = value(snapshot.energy)
            if stated is not None:  # else an old mark would pass for something that the API still says
                yield ((scope,) if scope else ()), snapshot.book.marks.get((series, scope), stated) / divisor

    return samples


def _months(
    **values: Callable[[Month], float | None],
) -> Callable[[Snapshot], Iterable[tuple[Labels, float]]]:
    def samples(snapshot: Snapshot) -> Iterable[tuple[Labels, float]]:
        for month in snapshot.energy.months if snapshot.energy else ():
            yield from present(((month.month, scope), value(month)) for scope, value in values.items())

    return samples


def _month_credits(snapshot: Snapshot) -> Iterable[tuple[Labels, float]]:
    months = snapshot.energy.months if snapshot.energy else ()
    return present(((month.month,), of_hundredths(month.credits_hundredths)) for month in months)


FAMILIES = (
    Family(
        "joulo_total_kwh",
        "gauge",
        f"All energy ever charged in kWh, the session in progress included. {LEDGER}",
        ("charger",),
        _per_charger(lambda totals: totals.kwh_hundredths / 100),
        ("book.chargers.kwh_hundredths", "book.labels"),
    ),
    Family(
        "joulo_ere_credits_total",
        "counter",
        f"All ERE credits earned. {LEDGER}",
        ("charger",),
        _per_charger(lambda totals: totals.credits_hundredths / 100),
        ("book.chargers.credits_hundredths", "book.labels"),
    ),
    Family(
        "joulo_sessions_total",
        "counter",
        f"Finished sessions. {LEDGER}",
        ("charger",),
        _per_charger(lambda totals: totals.sessions),
        ("book.chargers.sessions", "book.labels"),
    ),
    Family(
        "joulo_session_seconds_total",
        "counter",
        f"Duration of all finished sessions. {LEDGER}",
        ("charger",),
        _per_charger(lambda totals: totals.duration_ms / 1000),
        ("book.chargers.duration_ms", "book.labels"),
    ),
    Family(
        "joulo_last_session_kwh",
        "gauge",
        f"Energy of the last finished session in kWh. {_LAST}",
        ("charger",),
        _last(lambda last: of_hundredths(last.kwh_hundredths)),
        ("last_sessions",),
    ),
    Family(
        "joulo_last_session_ere_credits",
        "gauge",
        f"ERE credits of the last finished session; absent until the API has calculated them. {_LAST}",
        ("charger",),
        _last(lambda last: of_hundredths(last.credits_hundredths)),
        ("last_sessions",),
    ),
    Family(
        "joulo_last_session_start_timestamp_seconds",
        "gauge",
        f"Start of the last finished session, Unix time. {_LAST}",
        ("charger",),
        _last(lambda last: last.started_at_seconds),
        ("last_sessions",),
    ),
    Family(
        "joulo_last_session_end_timestamp_seconds",
        "gauge",
        f"End of the last finished session, Unix time. {_LAST}",
        ("charger",),
        _last(lambda last: last.ended_at_seconds),
        ("last_sessions",),
    ),
    Family(
        "joulo_last_session_info",
        "gauge",
        f"The last finished session, always 1; id_tag is the RFID tag. {_LAST}",
        ("charger", "session_id", "id_tag", "vehicle"),
        _last_info,
        ("last_sessions",),
    ),
    Family(
        "joulo_vehicle_kwh_total",
        "counter",
        f"All energy ever charged by the vehicle in kWh. {LEDGER}",
        ("vehicle",),
        _per_vehicle(lambda totals: totals.kwh_hundredths / 100),
        ("book.vehicles.kwh_hundredths",),
    ),
    Family(
        "joulo_vehicle_ere_credits_total",
        "counter",
        f"All ERE credits earned with the vehicle. {LEDGER}",
        ("vehicle",),
        _per_vehicle(lambda totals: totals.credits_hundredths / 100),
        ("book.vehicles.credits_hundredths",),
    ),
    Family(
        "joulo_vehicle_sessions_total",
        "counter",
        f"Finished sessions of the vehicle. {LEDGER}",
        ("vehicle",),
        _per_vehicle(lambda totals: totals.sessions),
        ("book.vehicles.sessions",),
    ),
    Family(
        "joulo_history_complete",
        "gauge",
        "1 once the whole history is in the ledger; totals per charger and vehicle appear only then.",
        (),
        _history_complete,
        ("book.complete",),
    ),
    Family(
        "joulo_account_kwh_total",
        "counter",
        f"Energy of the whole account in kWh; scope ere counts what is eligible for ERE. {ENERGY}",
        ("scope",),
        _stated(
            "account_kwh",
            {"ere": lambda energy: energy.kwh_hundredths, "all": lambda energy: energy.kwh_all_hundredths},
            divisor=100,
        ),
        _STATED,
    ),
    Family(
        "joulo_account_ere_credits_total",
        "counter",
        f"ERE credits of the whole account. {ENERGY}",
        (),
        _stated("account_credits", {"": lambda energy: energy.credits_hundredths}, divisor=100),
        _STATED,
    ),
    Family(
        "joulo_account_sessions_total",
        "counter",
        f"Sessions of the whole account; scope ere counts what is eligible for ERE. {ENERGY}",
        ("scope",),
        _stated(
            "account_sessions",
            {"ere": lambda energy: energy.sessions, "all": lambda energy: energy.sessions_all},
        ),
        _STATED,
    ),
    Family(
        "joulo_month_kwh",
        "gauge",
        f"Energy of a month of the whole account in kWh. {ENERGY}",
        ("month", "scope"),
        _months(
            ere=lambda month: of_hundredths(month.kwh_hundredths),
            all=lambda month: of_hundredths(month.kwh_all_hundredths),
        ),
        ("energy",),
    ),
    Family(
        "joulo_month_sessions",
        "gauge",
        f"Sessions of a month of the whole account. {ENERGY}",
        ("month", "scope"),
        _months(ere=lambda month: month.sessions, all=lambda month: month.sessions_all),
        ("energy",),
    ),
    Family(
        "joulo_month_ere_credits",
        "gauge",
        f"ERE credits of a month of the whole account. {ENERGY}",
        ("month",),
        _month_credits,
        ("energy",),
    ),
)
