"""Metric families of accounting: totals per charger and vehicle, per account and month, and the value of credits.

Totals are from the ledger and ``/energy``. The value of ERE credits, and their market price, are gauges: forecasts
and even realized figures move both ways as the vendor corrects them.
"""

from collections.abc import Callable, Iterable, Mapping

from joulo_exporter.ledger import Book, HeldTotals
from joulo_exporter.metrics.family import ENERGY, LEDGER, Labelled, Labels, of_hundredths, unlabelled
from joulo_exporter.models.session import Figures
from joulo_exporter.snapshot import Snapshot


def _by_label(book: Book) -> Mapping[str, HeldTotals]:
    return {book.labels[charger_id]: totals for charger_id, totals in book.chargers.items()}


def _kwh(figures: Figures) -> Mapping[str, int | None]:
    return {"ere": figures.kwh_hundredths, "all": figures.kwh_all_hundredths}


def _sessions(figures: Figures) -> Mapping[str, int | None]:
    return {"ere": figures.sessions, "all": figures.sessions_all}


def _stated(
    labels: Labels, series: str, figures: Callable[[Figures], Mapping[str, int | None]]
) -> Labelled[float]:
    """Return the maker of a counter from ``/energy``, held at its high-water marks, with or without a scope."""

    def items(snapshot: Snapshot) -> Iterable[tuple[Labels, float]]:
        if snapshot.book is not None and snapshot.energy is not None:
            for scope, stated in figures(snapshot.energy).items():
                if stated is not None:  # without this an old mark would outlive the field in the API response
                    yield (scope,) if scope else (), snapshot.book.marks.get((series, scope), stated)

    return Labelled(labels, items)


_BOOK = unlabelled(lambda snapshot: snapshot.book)
_ELIGIBLE = unlabelled(
    lambda snapshot: snapshot.book if snapshot.book and snapshot.book.history.eligibility_known else None
)
_VEHICLE, _ELIGIBLE_VEHICLE = (each.by("vehicle", lambda book: book.vehicles) for each in (_BOOK, _ELIGIBLE))
_CHARGER, _ELIGIBLE_CHARGER = (each.by("charger", _by_label) for each in (_BOOK, _ELIGIBLE))
_MONTH = unlabelled(lambda snapshot: snapshot.energy).by(
    "month", lambda energy: {month.month: month for month in energy.months}
)

CHARGER_TOTALS = (
    _CHARGER.gauge(
        "joulo_total_kwh",
        f"All energy ever charged in kWh, the session in progress included. {LEDGER}",
        lambda totals: totals.held.kwh_hundredths / 100,
    ),
    _ELIGIBLE_CHARGER.counter(
        "joulo_eligible_kwh_total",
        f"Energy in kWh of sessions that count for ERE; absent while the API does not say it. {LEDGER}",
        lambda totals: totals.held.eligible_kwh_hundredths / 100,
    ),
    _CHARGER.counter(
        "joulo_ere_credits_total",
        f"All ERE credits earned. {LEDGER}",
        lambda totals: totals.held.credits_hundredths / 100,
    ),
    _CHARGER.counter(
        "joulo_sessions_total",
        f"Finished sessions. {LEDGER}",
        lambda totals: totals.held.sessions,
    ),
    _CHARGER.counter(
        "joulo_session_seconds_total",
        f"Duration of all finished sessions. {LEDGER}",
        lambda totals: totals.held.duration_ms / 1000,
    ),
    _CHARGER.gauge(
        "joulo_total_excess_kwh",
        "Energy in kWh by which joulo_total_kwh is held above the sum of all sessions; 0 where it is not.",
        lambda totals: totals.excess.kwh_hundredths / 100,
    ),
    _CHARGER.gauge(
        "joulo_ere_credits_excess",
        "Credits by which joulo_ere_credits_total is held above the sum of all sessions; 0 where it is not.",
        lambda totals: totals.excess.credits_hundredths / 100,
    ),
)

VEHICLE_TOTALS = (
    _VEHICLE.counter(
        "joulo_vehicle_kwh_total",
        f"All energy ever charged by the vehicle in kWh. {LEDGER}",
        lambda totals: totals.held.kwh_hundredths / 100,
    ),
    _ELIGIBLE_VEHICLE.counter(
        "joulo_vehicle_eligible_kwh_total",
        "Energy in kWh of the vehicle's sessions that count for ERE; absent while the API does not say it. "
        f"{LEDGER}",
        lambda totals: totals.held.eligible_kwh_hundredths / 100,
    ),
    _VEHICLE.counter(
        "joulo_vehicle_ere_credits_total",
        f"All ERE credits earned with the vehicle. {LEDGER}",
        lambda totals: totals.held.credits_hundredths / 100,
    ),
    _VEHICLE.counter(
        "joulo_vehicle_sessions_total",
        f"Finished sessions of the vehicle. {LEDGER}",
        lambda totals: totals.held.sessions,
    ),
    _VEHICLE.gauge(
        "joulo_vehicle_excess_kwh",
        "Energy in kWh by which joulo_vehicle_kwh_total is held above the sum of its sessions; 0 where it is not.",
        lambda totals: totals.excess.kwh_hundredths / 100,
    ),
    _BOOK.gauge(
        "joulo_history_complete",
        "1 once the whole history is in the ledger, but for sessions that cannot be read; totals per charger and "
        "vehicle appear only then.",
        lambda book: book.history.complete,
    ),
    _BOOK.gauge(
        "joulo_history_unreadable_sessions",
        "Sessions of the history that cannot be used: without an id, or finished without energy.",
        lambda book: book.history.unreadable,
    ),
)

ACCOUNT_TOTALS = (
    _stated(("scope",), "account_kwh", _kwh).counter(
        "joulo_account_kwh_total",
        f"Energy of the whole account in kWh; scope ere counts what is eligible for ERE. {ENERGY}",
        of_hundredths,
    ),
    _stated((), "account_credits", lambda figures: {"": figures.credits_hundredths}).counter(
        "joulo_account_ere_credits_total",
        f"ERE credits of the whole account. {ENERGY}",
        of_hundredths,
    ),
    _stated(("scope",), "account_sessions", _sessions).counter(
        "joulo_account_sessions_total",
        f"Sessions of the whole account; scope ere counts what is eligible for ERE. {ENERGY}",
        float,
    ),
    _MONTH.by("scope", _kwh).gauge(
        "joulo_month_kwh",
        f"Energy of a month of the whole account in kWh. {ENERGY}",
        of_hundredths,
    ),
    _MONTH.by("scope", _sessions).gauge(
        "joulo_month_sessions",
        f"Sessions of a month of the whole account. {ENERGY}",
        lambda sessions: sessions,
    ),
    _MONTH.gauge(
        "joulo_month_ere_credits",
        f"ERE credits of a month of the whole account. {ENERGY}",
        lambda month: of_hundredths(month.credits_hundredths),
    ),
)

# ERE credits and their value -----------------------------------------------------------------------

_POSITION_HELP = "From /ere-position, cached for at most its refresh interval; absent once it is stale."
_ESTIMATE_HELP = "From /sessions, cached for at most its refresh interval; absent where not given, or stale."
_MARKET_HELP = "From the public price feed, cached for at most its refresh interval; absent once it is stale."


def _forecasts(snapshot: Snapshot) -> Iterable[tuple[Labels, None]]:
    position = snapshot.ere_position
    if position is not None:
        confidence, projected, year = (
            "" if given is None else str(given)
            for given in (position.forecast_confidence, position.forecast_projected, position.compliance_year)
        )
        if confidence or projected or year:
            yield (confidence, projected.lower(), year), None


_POSITION = unlabelled(lambda snapshot: snapshot.ere_position)
_ESTIMATE = unlabelled(lambda snapshot: snapshot.ere_estimate)
_MARKET = unlabelled(lambda snapshot: snapshot.ere_price)
_QUARTER = _POSITION.by("quarter", lambda position: {each.quarter: each for each in position.quarters})

ERE = (
    _ESTIMATE.gauge(
        "joulo_ere_estimate_price_euros",
        f"Price per ERE credit in Joulo's estimate of a session's worth, before its fee. {_ESTIMATE_HELP}",
        lambda estimate: estimate.price_euros,
    ),
    _ESTIMATE.gauge(
        "joulo_ere_estimate_fee_ratio",
        f"Share that Joulo keeps in its estimate of a session's worth, 0-1. {_ESTIMATE_HELP}",
        lambda estimate: estimate.fee_ratio,
    ),
    _POSITION.by("bucket", lambda position: position.euros).gauge(
        "joulo_ere_position_euros",
        f"Proceeds of sold ERE credits, after Joulo's fee. {_POSITION_HELP}",
        float,
    ),
    _POSITION.by("bucket", lambda position: position.credits).gauge(
        "joulo_ere_position_credits",
        f"ERE credits by the state of their sale. {_POSITION_HELP}",
        float,
    ),
    _POSITION.by("bucket", lambda position: position.price_euros).gauge(
        "joulo_ere_position_price_euros",
        f"Price per ERE credit that was sold. {_POSITION_HELP}",
        float,
    ),
    _POSITION.by("horizon", lambda position: position.forecast_euros).gauge(
        "joulo_ere_forecast_euros",
        f"Joulo's forecast of proceeds, after its fee. {_POSITION_HELP}",
        float,
    ),
    _POSITION.by("horizon", lambda position: position.forecast_credits).gauge(
        "joulo_ere_forecast_credits",
        "ERE credits not sold yet: ytd_unsold of the year so far, rest_of_year those that Joulo still expects. "
        f"{_POSITION_HELP}",
        float,
    ),
    Labelled(("confidence", "projected", "compliance_year"), _forecasts).info(
        "joulo_ere_forecast_info",
        f"The forecast's confidence, whether it is projected, and its year; always 1. {_POSITION_HELP}",
    ),
    _POSITION.gauge(
        "joulo_ere_forecast_history_days",
        f"Days of history on which the forecast rests. {_POSITION_HELP}",
        lambda position: position.forecast_history_days,
    ),
    _POSITION.gauge(
        "joulo_ere_fee_ratio",
        f"Share of the proceeds that Joulo keeps, 0-1. {_POSITION_HELP}",
        lambda position: position.fee_ratio,
    ),
    _POSITION.gauge(
        "joulo_ere_realized_price_euros",
        f"Mean price per ERE credit that has been sold. {_POSITION_HELP}",
        lambda position: position.realized_price_euros,
    ),
    _POSITION.gauge(
        "joulo_ere_indicative_price_euros",
        f"Price per unsold ERE credit in the forecast. {_POSITION_HELP}",
        lambda position: position.indicative_price_euros,
    ),
    _QUARTER.by("state", lambda quarter: quarter.credits).gauge(
        "joulo_ere_quarter_credits",
        f"ERE credits of a quarter. {_POSITION_HELP}",
        float,
    ),
    _QUARTER.gauge(
        "joulo_ere_quarter_price_euros",
        f"Price per ERE credit of a quarter. {_POSITION_HELP}",
        lambda quarter: quarter.price_euros,
    ),
    _QUARTER.by("status", lambda quarter: quarter.realized_euros).gauge(
        "joulo_ere_quarter_realized_euros",
        f"Proceeds of a quarter's sold ERE credits, after Joulo's fee. {_POSITION_HELP}",
        float,
    ),
    _QUARTER.gauge(
        "joulo_ere_quarter_final",
        f"1 if the quarter is settled, else 0. {_POSITION_HELP}",
        lambda quarter: quarter.final,
    ),
    _MARKET.gauge(
        "joulo_ere_market_price_euros",
        f"Market price of one ERE credit. {_MARKET_HELP}",
        lambda price: price.euros,
    ),
    _MARKET.gauge(
        "joulo_ere_market_price_timestamp_seconds",
        f"Time of the market price's update, Unix time. {_MARKET_HELP}",
        lambda price: price.at_seconds,
    ),
)
