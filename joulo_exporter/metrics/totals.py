"""Metric families of totals: per charger and vehicle from the ledger, per account and month from ``/energy``."""

from collections.abc import Callable, Iterable, Mapping

from joulo_exporter.ledger import Book, Totals
from joulo_exporter.metrics.family import ENERGY, LEDGER, Labelled, Labels, of_hundredths, unlabelled
from joulo_exporter.models.energy import Energy, Month
from joulo_exporter.snapshot import Snapshot

TotalsOf = Callable[[Snapshot], Iterable[tuple[Labels, Totals]]]


def _totals(totals_of: Callable[[Book], Mapping[str, Totals]]) -> TotalsOf:
    """Return the totals of the ledger by the value of a label."""

    def items(snapshot: Snapshot) -> Iterable[tuple[Labels, Totals]]:
        if snapshot.book is not None:
            for label, totals in totals_of(snapshot.book).items():
                yield (label,), totals

    return items


def _by_label(book: Book, by_id: Mapping[str, Totals]) -> Mapping[str, Totals]:
    return {book.labels[charger_id]: totals for charger_id, totals in by_id.items()}


def _stated(
    series: str, given: Mapping[Labels, Callable[[Energy], int | None]]
) -> Callable[[Snapshot], Iterable[tuple[Labels, float]]]:
    """Return the values of a counter that ``/energy`` gives, held at its high-water mark in the ledger.

    Args:
        series: name of the high-water marks in the ledger, which are kept by scope.
        given: the value in the API response by labels: a scope, or none.
    """

    def items(snapshot: Snapshot) -> Iterable[tuple[Labels, float]]:
        if snapshot.book is None or snapshot.energy is None:
            return
        for labels, value in given.items():
            stated = value(snapshot.energy)
            if stated is not None:  # without this an old mark would outlive the field in the API response
                yield labels, snapshot.book.marks.get((series, "".join(labels)), stated)

    return items


def _months(
    values: Mapping[Labels, Callable[[Month], int | None]],
) -> Callable[[Snapshot], Iterable[tuple[Labels, int | None]]]:
    """Return the values of each month of ``/energy`` by labels: a scope, or none."""

    def items(snapshot: Snapshot) -> Iterable[tuple[Labels, int | None]]:
        for month in snapshot.energy.months if snapshot.energy else ():
            for labels, value in values.items():
                yield (month.month, *labels), value(month)

    return items


_CHARGER = Labelled(("charger",), _totals(lambda book: _by_label(book, book.chargers)))
_ELIGIBLE_CHARGER = Labelled(
    ("charger",), _totals(lambda book: _by_label(book, book.chargers) if book.eligibility_known else {})
)
_CHARGER_EXCESS = Labelled(("charger",), _totals(lambda book: _by_label(book, book.charger_excess)))
_VEHICLE = Labelled(("vehicle",), _totals(lambda book: book.vehicles))
_ELIGIBLE_VEHICLE = Labelled(("vehicle",), _totals(lambda book: book.vehicles if book.eligibility_known else {}))
_VEHICLE_EXCESS = Labelled(("vehicle",), _totals(lambda book: book.vehicle_excess))
_ACCOUNT = unlabelled(lambda snapshot: snapshot.book)

CHARGER_TOTALS = (
    _CHARGER.gauge(
        "joulo_total_kwh",
        f"All energy ever charged in kWh, the session in progress included. {LEDGER}",
        lambda totals: totals.kwh_hundredths / 100,
    ),
    _ELIGIBLE_CHARGER.counter(
        "joulo_eligible_kwh_total",
        f"Energy in kWh of sessions that count for ERE; absent while the API does not say it. {LEDGER}",
        lambda totals: totals.eligible_kwh_hundredths / 100,
    ),
    _CHARGER.counter(
        "joulo_ere_credits_total",
        f"All ERE credits earned. {LEDGER}",
        lambda totals: totals.credits_hundredths / 100,
    ),
    _CHARGER.counter(
        "joulo_sessions_total",
        f"Finished sessions. {LEDGER}",
        lambda totals: totals.sessions,
    ),
    _CHARGER.counter(
        "joulo_session_seconds_total",
        f"Duration of all finished sessions. {LEDGER}",
        lambda totals: totals.duration_ms / 1000,
    ),
    _CHARGER_EXCESS.gauge(
        "joulo_total_excess_kwh",
        "Energy in kWh by which joulo_total_kwh is held above the sum of all sessions; 0 where it is not.",
        lambda totals: totals.kwh_hundredths / 100,
    ),
    _CHARGER_EXCESS.gauge(
        "joulo_ere_credits_excess",
        "Credits by which joulo_ere_credits_total is held above the sum of all sessions; 0 where it is not.",
        lambda totals: totals.credits_hundredths / 100,
    ),
)

VEHICLE_TOTALS = (
    _VEHICLE.counter(
        "joulo_vehicle_kwh_total",
        f"All energy ever charged by the vehicle in kWh. {LEDGER}",
        lambda totals: totals.kwh_hundredths / 100,
    ),
    _ELIGIBLE_VEHICLE.counter(
        "joulo_vehicle_eligible_kwh_total",
        "Energy in kWh of the vehicle's sessions that count for ERE; absent while the API does not say it. "
        f"{LEDGER}",
        lambda totals: totals.eligible_kwh_hundredths / 100,
    ),
    _VEHICLE.counter(
        "joulo_vehicle_ere_credits_total",
        f"All ERE credits earned with the vehicle. {LEDGER}",
        lambda totals: totals.credits_hundredths / 100,
    ),
    _VEHICLE.counter(
        "joulo_vehicle_sessions_total",
        f"Finished sessions of the vehicle. {LEDGER}",
        lambda totals: totals.sessions,
    ),
    _VEHICLE_EXCESS.gauge(
        "joulo_vehicle_excess_kwh",
        "Energy in kWh by which joulo_vehicle_kwh_total is held above the sum of its sessions; 0 where it is not.",
        lambda totals: totals.kwh_hundredths / 100,
    ),
    _ACCOUNT.gauge(
        "joulo_history_complete",
        "1 once the whole history is in the ledger, but for sessions that cannot be read; totals per charger and "
        "vehicle appear only then.",
        lambda book: book.complete,
    ),
    _ACCOUNT.gauge(
        "joulo_history_unreadable_sessions",
        "Sessions of the history that cannot be used: without an id, or finished without energy.",
        lambda book: book.unreadable,
    ),
)

ACCOUNT_TOTALS = (
    Labelled(
        ("scope",),
        _stated(
            "account_kwh",
            {("ere",): lambda energy: energy.kwh_hundredths, ("all",): lambda energy: energy.kwh_all_hundredths},
        ),
    ).counter(
        "joulo_account_kwh_total",
        f"Energy of the whole account in kWh; scope ere counts what is eligible for ERE. {ENERGY}",
        of_hundredths,
    ),
    Labelled((), _stated("account_credits", {(): lambda energy: energy.credits_hundredths})).counter(
        "joulo_account_ere_credits_total",
        f"ERE credits of the whole account. {ENERGY}",
        of_hundredths,
    ),
    Labelled(
        ("scope",),
        _stated(
            "account_sessions",
            {("ere",): lambda energy: energy.sessions, ("all",): lambda energy: energy.sessions_all},
        ),
    ).counter(
        "joulo_account_sessions_total",
        f"Sessions of the whole account; scope ere counts what is eligible for ERE. {ENERGY}",
        float,
    ),
    Labelled(
        ("month", "scope"),
        _months({("ere",): lambda month: month.kwh_hundredths, ("all",): lambda month: month.kwh_all_hundredths}),
    ).gauge(
        "joulo_month_kwh",
        f"Energy of a month of the whole account in kWh. {ENERGY}",
        of_hundredths,
    ),
    Labelled(
        ("month", "scope"),
        _months({("ere",): lambda month: month.sessions, ("all",): lambda month: month.sessions_all}),
    ).gauge(
        "joulo_month_sessions",
        f"Sessions of a month of the whole account. {ENERGY}",
        lambda sessions: sessions,
    ),
    Labelled(("month",), _months({(): lambda month: month.credits_hundredths})).gauge(
        "joulo_month_ere_credits",
        f"ERE credits of a month of the whole account. {ENERGY}",
        of_hundredths,
    ),
)
