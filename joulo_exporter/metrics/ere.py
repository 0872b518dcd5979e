"""Metric families of the value of an account's ERE credits, and of the market price.

All are gauges: forecasts and even realized figures move both ways as the vendor corrects them.
"""

from collections.abc import Iterable

from joulo_exporter.metrics.family import Labelled, Labels, parts_of, unlabelled
from joulo_exporter.models.ere import ErePosition
from joulo_exporter.snapshot import Snapshot

_POSITION_HELP = "From /ere-position, cached for at most its refresh interval; absent once it is stale."
_ESTIMATE_HELP = "From /sessions, cached for at most its refresh interval; absent where not given, or stale."
_MARKET_HELP = "From the public price feed, cached for at most its refresh interval; absent once it is stale."


def _position(snapshot: Snapshot) -> ErePosition | None:
    return snapshot.ere_position


def _forecasts(snapshot: Snapshot) -> Iterable[tuple[Labels, None]]:
    position = snapshot.ere_position
    if position is not None:
        confidence, projected, year = (
            "" if given is None else str(given)
            for given in (position.forecast_confidence, position.forecast_projected, position.compliance_year)
        )
        if confidence or projected or year:
            yield (confidence, projected.lower(), year), None


_POSITION = unlabelled(_position)
_ESTIMATE = unlabelled(lambda snapshot: snapshot.ere_estimate)
_MARKET = unlabelled(lambda snapshot: snapshot.ere_price)
_QUARTER = parts_of(_position, "quarter", lambda position: {each.quarter: each for each in position.quarters})

FAMILIES = (
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
    parts_of(_position, "bucket", lambda position: position.euros).gauge(
        "joulo_ere_position_euros",
        f"Proceeds of sold ERE credits, after Joulo's fee. {_POSITION_HELP}",
        float,
    ),
    parts_of(_position, "bucket", lambda position: position.credits).gauge(
        "joulo_ere_position_credits",
        f"ERE credits by the state of their sale. {_POSITION_HELP}",
        float,
    ),
    parts_of(_position, "bucket", lambda position: position.price_euros).gauge(
        "joulo_ere_position_price_euros",
        f"Price per ERE credit that was sold. {_POSITION_HELP}",
        float,
    ),
    parts_of(_position, "horizon", lambda position: position.forecast_euros).gauge(
        "joulo_ere_forecast_euros",
        f"Joulo's forecast of proceeds, after its fee. {_POSITION_HELP}",
        float,
    ),
    parts_of(_position, "horizon", lambda position: position.forecast_credits).gauge(
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
