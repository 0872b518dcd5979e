"""Metric families of accounting: totals per charger and vehicle, per account and month, and the value of credits.

Totals are from the ledger and ``/energy``. The value of ERE credits, and their market price, are gauges: forecasts
and even realized figures move both ways as the vendor corrects them.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from joulo_exporter.ledger.book import Book, HeldTotals
from joulo_exporter.metrics.family import ENERGY, LEDGER, Labelled, Labels, of_hundredths, unlabelled
from joulo_exporter.models.session import Figures
from joulo_exporter.snapshot import Snapshot


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

    return Labelled(labels, items, ENERGY)


def _by_label(book: Book) -> Mapping[str, HeldTotals]:
    return {book.labels[charger_id]: totals for charger_id, totals in book.chargers.items()}


_BOOK = unlabelled(lambda snapshot: snapshot.book)
_LEDGER = replace(_BOOK, source=LEDGER)
_ELIGIBLE = _LEDGER.of(lambda book: book if book.history.eligibility_known else None)
_VEHICLE, _ELIGIBLE_VEHICLE = (each.by("vehicle", lambda book: book.vehicles) for each in (_LEDGER, _ELIGIBLE))
_CHARGER, _ELIGIBLE_CHARGER = (each.by("charger", _by_label) for each in (_LEDGER, _ELIGIBLE))
_VEHICLE_EXCESS, _CHARGER_EXCESS = (replace(each, source="") for each in (_VEHICLE, _CHARGER))
_MONTH = unlabelled(lambda snapshot: snapshot.energy, ENERGY).by(
    "month", lambda energy: {month.month: month for month in energy.months}
)

CHARGER_TOTALS = (
    _CHARGER.of(lambda totals: totals.held.kwh_hundredths / 100).gauge(
        "joulo_total_kwh", "All energy ever charged in kWh, the session in progress included."
    ),
    _ELIGIBLE_CHARGER.of(lambda totals: totals.held.eligible_kwh_hundredths / 100).counter(
        "joulo_eligible_kwh_total",
        "Energy in kWh of sessions that count for ERE; absent while the API does not say it.",
    ),
    _CHARGER.of(lambda totals: totals.held.credits_hundredths / 100).counter(
        "joulo_ere_credits_total", "All ERE credits earned."
    ),
    _CHARGER.of(lambda totals: totals.held.sessions).counter("joulo_sessions_total", "Finished sessions."),
    _CHARGER.of(lambda totals: totals.held.duration_ms / 1000).counter(
        "joulo_session_seconds_total", "Duration of all finished sessions."
    ),
    _CHARGER_EXCESS.of(lambda totals: totals.excess.kwh_hundredths / 100).gauge(
        "joulo_total_excess_kwh",
        "Energy in kWh by which joulo_total_kwh is held above the sum of all sessions; 0 where it is not.",
    ),
    _CHARGER_EXCESS.of(lambda totals: totals.excess.credits_hundredths / 100).gauge(
        "joulo_ere_credits_excess",
        "Credits by which joulo_ere_credits_total is held above the sum of all sessions; 0 where it is not.",
    ),
)

VEHICLE_TOTALS = (
    _VEHICLE.of(lambda totals: totals.held.kwh_hundredths / 100).counter(
        "joulo_vehicle_kwh_total", "All energy ever charged by the vehicle in kWh."
    ),
    _ELIGIBLE_VEHICLE.of(lambda totals: totals.held.eligible_kwh_hundredths / 100).counter(
        "joulo_vehicle_eligible_kwh_total",
        "Energy in kWh of the vehicle's sessions that count for ERE; absent while the API does not say it.",
    ),
    _VEHICLE.of(lambda totals: totals.held.credits_hundredths / 100).counter(
        "joulo_vehicle_ere_credits_total", "All ERE credits earned with the vehicle."
    ),
    _VEHICLE.of(lambda totals: totals.held.sessions).counter(
        "joulo_vehicle_sessions_total", "Finished sessions of the vehicle."
    ),
    _VEHICLE_EXCESS.of(lambda totals: totals.excess.kwh_hundredths / 100).gauge(
        "joulo_vehicle_excess_kwh",
        "Energy in kWh by which joulo_vehicle_kwh_total is held above the sum of its sessions; 0 where it is not.",
    ),
    _BOOK.of(lambda book: book.history.complete).gauge(
        "joulo_history_complete",
        "1 once the whole history is in the ledger, but for sessions that cannot be read; totals per charger and "
        "vehicle appear only then.",
    ),
    _BOOK.of(lambda book: book.history.unreadable).gauge(
        "joulo_history_unreadable_sessions",
        "Sessions of the history that cannot be used: without an id, or finished without energy.",
    ),
)

ACCOUNT_TOTALS = (
    _stated(("scope",), "account_kwh", _kwh)
    .of(of_hundredths)
    .counter(
        "joulo_account_kwh_total", "Energy of the whole account in kWh; scope ere counts what is eligible for ERE."
    ),
    _stated((), "account_credits", lambda figures: {"": figures.credits_hundredths})
    .of(of_hundredths)
    .counter("joulo_account_ere_credits_total", "ERE credits of the whole account."),
    _stated(("scope",), "account_sessions", _sessions).counter(
        "joulo_account_sessions_total", "Sessions of the whole account; scope ere counts what is eligible for ERE."
    ),
    _MONTH.by("scope", _kwh)
    .of(of_hundredths)
    .gauge("joulo_month_kwh", "Energy of a month of the whole account in kWh."),
    _MONTH.by("scope", _sessions).gauge("joulo_month_sessions", "Sessions of a month of the whole account."),
    _MONTH.of(lambda month: of_hundredths(month.credits_hundredths)).gauge(
        "joulo_month_ere_credits", "ERE credits of a month of the whole account."
    ),
)

# ERE credits and their value -----------------------------------------------------------------------

_POSITION_SOURCE = "From /ere-position, cached for at most its refresh interval; absent once it is stale."
_ESTIMATE_SOURCE = "From /sessions, cached for at most its refresh interval; absent where not given, or stale."
_MARKET_SOURCE = "From the public price feed, cached for at most its refresh interval; absent once it is stale."


def _forecasts(snapshot: Snapshot) -> Iterable[tuple[Labels, int]]:
    position = snapshot.ere_position
    if position is not None:
        confidence, projected, year = (
            "" if given is None else str(given)
            for given in (position.forecast_confidence, position.forecast_projected, position.compliance_year)
        )
        if confidence or projected or year:
            yield (confidence, projected.lower(), year), 1


_POSITION = unlabelled(lambda snapshot: snapshot.ere_position, _POSITION_SOURCE)
_ESTIMATE = unlabelled(lambda snapshot: snapshot.ere_estimate, _ESTIMATE_SOURCE)
_MARKET = unlabelled(lambda snapshot: snapshot.ere_price, _MARKET_SOURCE)
_QUARTER = _POSITION.by("quarter", lambda position: {each.quarter: each for each in position.quarters})

ERE = (
    _ESTIMATE.of(lambda estimate: estimate.price_euros).gauge(
        "joulo_ere_estimate_price_euros",
        "Price per ERE credit in Joulo's estimate of a session's worth, before its fee.",
    ),
    _ESTIMATE.of(lambda estimate: estimate.fee_ratio).gauge(
        "joulo_ere_estimate_fee_ratio", "Share that Joulo keeps in its estimate of a session's worth, 0-1."
    ),
    _POSITION.by("bucket", lambda position: position.euros).gauge(
        "joulo_ere_position_euros", "Proceeds of sold ERE credits, after Joulo's fee."
    ),
    _POSITION.by("bucket", lambda position: position.credits).gauge(
        "joulo_ere_position_credits", "ERE credits by the state of their sale."
    ),
    _POSITION.by("bucket", lambda position: position.price_euros).gauge(
        "joulo_ere_position_price_euros", "Price per ERE credit that was sold."
    ),
    _POSITION.by("horizon", lambda position: position.forecast_euros).gauge(
        "joulo_ere_forecast_euros", "Joulo's forecast of proceeds, after its fee."
    ),
    _POSITION.by("horizon", lambda position: position.forecast_credits).gauge(
        "joulo_ere_forecast_credits",
        "ERE credits not sold yet: ytd_unsold of the year so far, rest_of_year those that Joulo still expects.",
    ),
    Labelled(("confidence", "projected", "compliance_year"), _forecasts, _POSITION_SOURCE).gauge(
        "joulo_ere_forecast_info", "The forecast's confidence, whether it is projected, and its year; always 1."
    ),
    _POSITION.of(lambda position: position.forecast_history_days).gauge(
        "joulo_ere_forecast_history_days", "Days of history on which the forecast rests."
    ),
    _POSITION.of(lambda position: position.fee_ratio).gauge(
        "joulo_ere_fee_ratio", "Share of the proceeds that Joulo keeps, 0-1."
    ),
    _POSITION.of(lambda position: position.realized_price_euros).gauge(
        "joulo_ere_realized_price_euros", "Mean price per ERE credit that has been sold."
    ),
    _POSITION.of(lambda position: position.indicative_price_euros).gauge(
        "joulo_ere_indicative_price_euros", "Price per unsold ERE credit in the forecast."
    ),
    _QUARTER.by("state", lambda quarter: quarter.credits).gauge(
        "joulo_ere_quarter_credits", "ERE credits of a quarter."
    ),
    _QUARTER.of(lambda quarter: quarter.price_euros).gauge(
        "joulo_ere_quarter_price_euros", "Price per ERE credit of a quarter."
    ),
    _QUARTER.by("status", lambda quarter: quarter.realized_euros).gauge(
        "joulo_ere_quarter_realized_euros", "Proceeds of a quarter's sold ERE credits, after Joulo's fee."
    ),
    _QUARTER.of(lambda quarter: quarter.final).gauge(
        "joulo_ere_quarter_final", "1 if the quarter is settled, else 0."
    ),
    _MARKET.of(lambda price: price.euros).gauge("joulo_ere_market_price_euros", "Market price of one ERE credit."),
    _MARKET.of(lambda price: price.at_seconds).gauge(
        "joulo_ere_market_price_timestamp_seconds", "Time of the market price's update, Unix time."
    ),
)
