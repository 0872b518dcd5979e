"""Metric families of the value of an account's ERE credits, and of the market price.

All are gauges: forecasts and even realized figures move both ways as the vendor corrects them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from joulo_exporter.metrics.family import Family, Samples, present

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from joulo_exporter.models.ere import ErePosition, ErePositionQuarter, ErePrice
    from joulo_exporter.models.session import EreEstimate
    from joulo_exporter.snapshot import Snapshot

_POSITION = "From /ere-position, cached for at most its refresh interval; absent once it is stale."
_ESTIMATE = "From /sessions, cached for at most its refresh interval; absent where not given, or stale."
_MARKET = "From the public price feed, cached for at most its refresh interval; absent once it is stale."


def _by_key(figures: Callable[[ErePosition], Mapping[str, float]]) -> Callable[[Snapshot], Samples]:
    def samples(snapshot: Snapshot) -> Samples:
        if snapshot.ere_position is not None:
            for key, value in figures(snapshot.ere_position).items():
                yield (key,), value

    return samples


def _single(value: Callable[[ErePosition], float | None]) -> Callable[[Snapshot], Samples]:
    def samples(snapshot: Snapshot) -> Samples:
        if snapshot.ere_position is not None:
            yield from present([((), value(snapshot.ere_position))])

    return samples


def _quarterly(value: Callable[[ErePositionQuarter], float | None]) -> Callable[[Snapshot], Samples]:
    def samples(snapshot: Snapshot) -> Samples:
        if snapshot.ere_position is not None:
            quarters = snapshot.ere_position.quarters
            yield from present(((quarter.quarter,), value(quarter)) for quarter in quarters)

    return samples


def _quarterly_by_key(
    figures: Callable[[ErePositionQuarter], Mapping[str, float]],
) -> Callable[[Snapshot], Samples]:
    def samples(snapshot: Snapshot) -> Samples:
        for quarter in snapshot.ere_position.quarters if snapshot.ere_position is not None else ():
            for key, value in figures(quarter).items():
                yield (quarter.quarter, key), value

    return samples


def _estimate(value: Callable[[EreEstimate], float | None]) -> Callable[[Snapshot], Samples]:
    def samples(snapshot: Snapshot) -> Samples:
        if snapshot.ere_estimate is not None:
            yield from present([((), value(snapshot.ere_estimate))])

    return samples


def _market(value: Callable[[ErePrice], float | None]) -> Callable[[Snapshot], Samples]:
    def samples(snapshot: Snapshot) -> Samples:
        if snapshot.ere_price is not None:
            yield from present([((), value(snapshot.ere_price))])

    return samples


def _forecast_info(snapshot: Snapshot) -> Samples:
    position = snapshot.ere_position
    if position is None:
        return
    given = (position.forecast_confidence, position.forecast_projected, position.compliance_year)
    if given != (None, None, None):
        confidence, projected, year = given
        yield (confidence or "", _truth(projected), "" if year is None else str(year)), 1.0


def _truth(value: bool | None) -> str:  # noqa: FBT001 -- it is data, not a switch
    return "" if value is None else str(value).lower()


FAMILIES = (
    Family(
        "joulo_ere_estimate_price_euros",
        "gauge",
        f"Price per ERE credit in Joulo's estimate of a session's worth, before its fee. {_ESTIMATE}",
        (),
        _estimate(lambda estimate: estimate.price_euros),
    ),
    Family(
        "joulo_ere_estimate_fee_ratio",
        "gauge",
        f"Share that Joulo keeps in its estimate of a session's worth, 0-1. {_ESTIMATE}",
        (),
        _estimate(lambda estimate: estimate.fee_ratio),
    ),
    Family(
        "joulo_ere_position_euros",
        "gauge",
        f"Proceeds of sold ERE credits, after Joulo's fee. {_POSITION}",
        ("bucket",),
        _by_key(lambda position: position.euros),
    ),
    Family(
        "joulo_ere_position_credits",
        "gauge",
        f"ERE credits by the state of their sale. {_POSITION}",
        ("bucket",),
        _by_key(lambda position: position.credits),
    ),
    Family(
        "joulo_ere_position_price_euros",
        "gauge",
        f"Price per ERE credit that was sold. {_POSITION}",
        ("bucket",),
        _by_key(lambda position: position.price_euros),
    ),
    Family(
        "joulo_ere_forecast_euros",
        "gauge",
        f"Joulo's forecast of proceeds, after its fee. {_POSITION}",
        ("horizon",),
        _by_key(lambda position: position.forecast_euros),
    ),
    Family(
        "joulo_ere_forecast_credits",
        "gauge",
        "ERE credits not sold yet: ytd_unsold of the year so far, rest_of_year those that Joulo still expects. "
        f"{_POSITION}",
        ("horizon",),
        _by_key(lambda position: position.forecast_credits),
    ),
    Family(
        "joulo_ere_forecast_info",
        "gauge",
        f"The forecast's confidence, whether it is projected, and its year; always 1. {_POSITION}",
        ("confidence", "projected", "compliance_year"),
        _forecast_info,
    ),
    Family(
        "joulo_ere_forecast_history_days",
        "gauge",
        f"Days of history on which the forecast rests. {_POSITION}",
        (),
        _single(lambda position: position.forecast_history_days),
    ),
    Family(
        "joulo_ere_fee_ratio",
        "gauge",
        f"Share of the proceeds that Joulo keeps, 0-1. {_POSITION}",
        (),
        _single(lambda position: position.fee_ratio),
    ),
    Family(
        "joulo_ere_realized_price_euros",
        "gauge",
        f"Mean price per ERE credit that has been sold. {_POSITION}",
        (),
        _single(lambda position: position.realized_price_euros),
    ),
    Family(
        "joulo_ere_indicative_price_euros",
        "gauge",
        f"Price per unsold ERE credit in the forecast. {_POSITION}",
        (),
        _single(lambda position: position.indicative_price_euros),
    ),
    Family(
        "joulo_ere_quarter_credits",
        "gauge",
        f"ERE credits of a quarter. {_POSITION}",
        ("quarter", "state"),
        _quarterly_by_key(lambda quarter: quarter.credits),
    ),
    Family(
        "joulo_ere_quarter_price_euros",
        "gauge",
        f"Price per ERE credit of a quarter. {_POSITION}",
        ("quarter",),
        _quarterly(lambda quarter: quarter.price_euros),
    ),
    Family(
        "joulo_ere_quarter_realized_euros",
        "gauge",
        f"Proceeds of a quarter's sold ERE credits, after Joulo's fee. {_POSITION}",
        ("quarter", "status"),
        _quarterly_by_key(lambda quarter: quarter.realized_euros),
    ),
    Family(
        "joulo_ere_quarter_final",
        "gauge",
        f"1 if the quarter is settled, else 0. {_POSITION}",
        ("quarter",),
        _quarterly(lambda quarter: quarter.final),
    ),
    Family(
        "joulo_ere_market_price_euros",
        "gauge",
        f"Market price of one ERE credit. {_MARKET}",
        (),
        _market(lambda price: price.euros),
    ),
    Family(
        "joulo_ere_market_price_timestamp_seconds",
        "gauge",
        f"Time of the market price's update, Unix time. {_MARKET}",
        (),
        _market(lambda price: price.at_seconds),
    ),
)
