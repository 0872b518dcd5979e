"""Metric families of totals: per charger and vehicle from the ledger, per account and month from ``/energy``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from joulo_exporter.metrics.family import ENERGY, LEDGER, Family, Samples, of_hundredths, present

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from joulo_exporter.ledger import Totals
    from joulo_exporter.models.energy import Energy, Month
    from joulo_exporter.snapshot import Snapshot


def _per_charger(
    value: Callable[[Totals], float], *, of: Literal["chargers", "charger_excess"] = "chargers"
) -> Callable[[Snapshot], Samples]:
    def samples(snapshot: Snapshot) -> Samples:
        if snapshot.book is not None:
            for charger_id, totals in getattr(snapshot.book, of).items():
                yield (snapshot.book.labels[charger_id],), value(totals)

    return samples


def _per_vehicle(
    value: Callable[[Totals], float], *, of: Literal["vehicles", "vehicle_excess"] = "vehicles"
) -> Callable[[Snapshot], Samples]:
    def samples(snapshot: Snapshot) -> Samples:
        if snapshot.book is not None:
            for vehicle, totals in getattr(snapshot.book, of).items():
                yield (vehicle,), value(totals)

    return samples


def _if_eligibility_is_known(samples: Callable[[Snapshot], Samples]) -> Callable[[Snapshot], Samples]:
    return lambda snapshot: samples(snapshot) if snapshot.book and snapshot.book.eligibility_known else ()


def _history_complete(snapshot: Snapshot) -> Samples:
    if snapshot.book is not None:
        yield (), float(snapshot.book.complete)


def _unreadable(snapshot: Snapshot) -> Samples:
    if snapshot.book is not None:
        yield (), float(snapshot.book.unreadable)


def _stated(
    series: str, given: Mapping[str, Callable[[Energy], int | None]], *, divisor: int = 1
) -> Callable[[Snapshot], Samples]:
    """Return the samples of a counter that ``/energy`` gives, held at its high-water mark in the ledger.

    Args:
        series: name of the high-water marks in the ledger.
        given: the value in the API response by scope; an empty scope is no label.
        divisor: units of the value and its mark in one unit of the metric.
    """

    def samples(snapshot: Snapshot) -> Samples:
        if snapshot.book is None or snapshot.energy is None:
            return
        for scope, value in given.items():
            stated = value(snapshot.energy)
            if stated is not None:  # without this an old mark would outlive the field in the API response
                yield ((scope,) if scope else ()), snapshot.book.marks.get((series, scope), stated) / divisor

    return samples


def _months(
    **values: Callable[[Month], float | None],
) -> Callable[[Snapshot], Samples]:
    def samples(snapshot: Snapshot) -> Samples:
        for month in snapshot.energy.months if snapshot.energy else ():
            yield from present(((month.month, scope), value(month)) for scope, value in values.items())

    return samples


def _month_credits(snapshot: Snapshot) -> Samples:
    months = snapshot.energy.months if snapshot.energy else ()
    return present(((month.month,), of_hundredths(month.credits_hundredths)) for month in months)


CHARGER_TOTALS = (
    Family(
        "joulo_total_kwh",
        "gauge",
        f"All energy ever charged in kWh, the session in progress included. {LEDGER}",
        ("charger",),
        _per_charger(lambda totals: totals.kwh_hundredths / 100),
    ),
    Family(
        "joulo_eligible_kwh_total",
        "counter",
        f"Energy in kWh of sessions that count for ERE; absent while the API does not say it. {LEDGER}",
        ("charger",),
        _if_eligibility_is_known(_per_charger(lambda totals: totals.eligible_kwh_hundredths / 100)),
    ),
    Family(
        "joulo_ere_credits_total",
        "counter",
        f"All ERE credits earned. {LEDGER}",
        ("charger",),
        _per_charger(lambda totals: totals.credits_hundredths / 100),
    ),
    Family(
        "joulo_sessions_total",
        "counter",
        f"Finished sessions. {LEDGER}",
        ("charger",),
        _per_charger(lambda totals: totals.sessions),
    ),
    Family(
        "joulo_session_seconds_total",
        "counter",
        f"Duration of all finished sessions. {LEDGER}",
        ("charger",),
        _per_charger(lambda totals: totals.duration_ms / 1000),
    ),
    Family(
        "joulo_total_excess_kwh",
        "gauge",
        "Energy in kWh by which joulo_total_kwh is held above the sum of all sessions; 0 where it is not.",
        ("charger",),
        _per_charger(lambda totals: totals.kwh_hundredths / 100, of="charger_excess"),
    ),
    Family(
        "joulo_ere_credits_excess",
        "gauge",
        "Credits by which joulo_ere_credits_total is held above the sum of all sessions; 0 where it is not.",
        ("charger",),
        _per_charger(lambda totals: totals.credits_hundredths / 100, of="charger_excess"),
    ),
)

VEHICLE_TOTALS = (
    Family(
        "joulo_vehicle_kwh_total",
        "counter",
        f"All energy ever charged by the vehicle in kWh. {LEDGER}",
        ("vehicle",),
        _per_vehicle(lambda totals: totals.kwh_hundredths / 100),
    ),
    Family(
        "joulo_vehicle_eligible_kwh_total",
        "counter",
        "Energy in kWh of the vehicle's sessions that count for ERE; absent while the API does not say it. "
        f"{LEDGER}",
        ("vehicle",),
        _if_eligibility_is_known(_per_vehicle(lambda totals: totals.eligible_kwh_hundredths / 100)),
    ),
    Family(
        "joulo_vehicle_ere_credits_total",
        "counter",
        f"All ERE credits earned with the vehicle. {LEDGER}",
        ("vehicle",),
        _per_vehicle(lambda totals: totals.credits_hundredths / 100),
    ),
    Family(
        "joulo_vehicle_sessions_total",
        "counter",
        f"Finished sessions of the vehicle. {LEDGER}",
        ("vehicle",),
        _per_vehicle(lambda totals: totals.sessions),
    ),
    Family(
        "joulo_vehicle_excess_kwh",
        "gauge",
        "Energy in kWh by which joulo_vehicle_kwh_total is held above the sum of its sessions; 0 where it is not.",
        ("vehicle",),
        _per_vehicle(lambda totals: totals.kwh_hundredths / 100, of="vehicle_excess"),
    ),
    Family(
        "joulo_history_complete",
        "gauge",
        "1 once the whole history is in the ledger, but for sessions that cannot be read; totals per charger and "
        "vehicle appear only then.",
        (),
        _history_complete,
    ),
    Family(
        "joulo_history_unreadable_sessions",
        "gauge",
        "Sessions of the history that cannot be used: without an id, or finished without energy.",
        (),
        _unreadable,
    ),
)

ACCOUNT_TOTALS = (
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
    ),
    Family(
        "joulo_account_ere_credits_total",
        "counter",
        f"ERE credits of the whole account. {ENERGY}",
        (),
        _stated("account_credits", {"": lambda energy: energy.credits_hundredths}, divisor=100),
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
    ),
    Family(
        "joulo_month_sessions",
        "gauge",
        f"Sessions of a month of the whole account. {ENERGY}",
        ("month", "scope"),
        _months(ere=lambda month: month.sessions, all=lambda month: month.sessions_all),
    ),
    Family(
        "joulo_month_ere_credits",
        "gauge",
        f"ERE credits of a month of the whole account. {ENERGY}",
        ("month",),
        _month_credits,
    ),
)
