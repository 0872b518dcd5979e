"""Metric families of totals: per charger and vehicle from the ledger, per account and month from ``/energy``."""

from collections.abc import Callable, Iterable, Mapping

from joulo_exporter.ledger import Book, Totals
from joulo_exporter.metrics.family import ENERGY, LEDGER, Labelled, Labels, of_hundredths, unlabelled
from joulo_exporter.models.energy import Figures
from joulo_exporter.snapshot import Snapshot

Figure = Callable[[Figures], int | None]

# Figures of the account and of its months, by scope; credits have none.
_KWH: Mapping[Labels, Figure] = {
    ("ere",): lambda figures: figures.kwh_hundredths,
    ("all",): lambda figures: figures.kwh_all_hundredths,
}
_SESSIONS: Mapping[Labels, Figure] = {
    ("ere",): lambda figures: figures.sessions,
    ("all",): lambda figures: figures.sessions_all,
}
_CREDITS: Mapping[Labels, Figure] = {(): lambda figures: figures.credits_hundredths}


def _totals(label: str, totals_of: Callable[[Book], Mapping[str, Totals]]) -> Labelled[Totals]:
    """Return the maker of families with totals of the ledger by the value of a label."""
    return Labelled(
        (label,),
        lambda snapshot: (
            [((value,), totals) for value, totals in totals_of(snapshot.book).items()]
            if snapshot.book is not None
            else ()
        ),
    )


def _of_chargers(totals_of: Callable[[Book], Mapping[str, Totals]]) -> Labelled[Totals]:
    return _totals("charger", lambda book: {book.labels[key]: each for key, each in totals_of(book).items()})


def _stated(labels: Labels, series: str, figures: Mapping[Labels, Figure]) -> Labelled[float]:
    """Return the maker of a counter that ``/energy`` gives, held at its high-water marks in the ledger."""

    def items(snapshot: Snapshot) -> Iterable[tuple[Labels, float]]:
        if snapshot.book is not None and snapshot.energy is not None:
            for scope, figure in figures.items():
                stated = figure(snapshot.energy)
                if stated is not None:  # without this an old mark would outlive the field in the API response
                    yield scope, snapshot.book.marks.get((series, "".join(scope)), stated)

    return Labelled(labels, items)


def _monthly(labels: Labels, figures: Mapping[Labels, Figure]) -> Labelled[int | None]:
    """Return the maker of a gauge of the months that ``/energy`` gives."""
    return Labelled(
        labels,
        lambda snapshot: [
            ((month.month, *scope), figure(month))
            for month in (snapshot.energy.months if snapshot.energy else ())
            for scope, figure in figures.items()
        ],
    )


_CHARGER = _of_chargers(lambda book: book.chargers)
_ELIGIBLE_CHARGER = _of_chargers(lambda book: book.chargers if book.eligibility_known else {})
_CHARGER_EXCESS = _of_chargers(lambda book: book.charger_excess)
_VEHICLE = _totals("vehicle", lambda book: book.vehicles)
_ELIGIBLE_VEHICLE = _totals("vehicle", lambda book: book.vehicles if book.eligibility_known else {})
_VEHICLE_EXCESS = _totals("vehicle", lambda book: book.vehicle_excess)
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
    _stated(("scope",), "account_kwh", _KWH).counter(
        "joulo_account_kwh_total",
        f"Energy of the whole account in kWh; scope ere counts what is eligible for ERE. {ENERGY}",
        of_hundredths,
    ),
    _stated((), "account_credits", _CREDITS).counter(
        "joulo_account_ere_credits_total",
        f"ERE credits of the whole account. {ENERGY}",
        of_hundredths,
    ),
    _stated(("scope",), "account_sessions", _SESSIONS).counter(
        "joulo_account_sessions_total",
        f"Sessions of the whole account; scope ere counts what is eligible for ERE. {ENERGY}",
        float,
    ),
    _monthly(("month", "scope"), _KWH).gauge(
        "joulo_month_kwh",
        f"Energy of a month of the whole account in kWh. {ENERGY}",
        of_hundredths,
    ),
    _monthly(("month", "scope"), _SESSIONS).gauge(
        "joulo_month_sessions",
        f"Sessions of a month of the whole account. {ENERGY}",
        lambda sessions: sessions,
    ),
    _monthly(("month",), _CREDITS).gauge(
        "joulo_month_ere_credits",
        f"ERE credits of a month of the whole account. {ENERGY}",
        of_hundredths,
    ),
)
