"""PromQL for data that changes every 1 to 15 minutes, and that several Prometheus targets may hold.

Three rules hold in all of it:

- ``max by (account, charger)`` takes away ``instance`` and ``job``: after a move of the exporter, or with two of
  them, the same charger is there twice, with the same figures. Nothing is added up before that.
- The totals never fall, so what was charged in a span is the difference of its two ends. ``rate()`` and
  ``increase()`` would extrapolate, which makes kilowatt-hours that nobody charged.
- Ends of spans are those of the viewer's calendar: Grafana moves the span (``now/d``) and its steps of a day
  by the viewer's time zone; PromQL itself knows only UTC.
"""

from __future__ import annotations

CHARGERS = 'account=~"$account", charger=~"$charger"'
ACCOUNTS = 'account=~"$account"'

_BY_CHARGER = "max by (account, charger)"
_RANGE = "${__range_ms}ms"  # to the millisecond: a figure of a second before midnight is one of the day before
# A sample after the end of the range: within a day of it, or on a day of the ten years after that day. Not on a
# day of the ten years after the range: VictoriaMetrics looks a whole day back from each, into the range.
_LATER = (
    "count(last_over_time(joulo_total_kwh[1d:5m] offset -86760s))"
    " or count(last_over_time(joulo_total_kwh[3650d:1d] offset -315446760s))"
)


def latest(metric: str, more: str = "") -> str:
    """Return a metric of each charger as it is now, once for each charger."""
    return f"{_BY_CHARGER} ({metric}{{{CHARGERS}{more and ', ' + more}}})"


def last_session(metric: str) -> str:
    """Return a metric of each charger's last session, once for each charger.

    A backfill has a sample each hour while nothing changes. So one of the hour before stands in for a missing one,
    unless another session has become the last one in that hour: figures of two sessions never mix.
    """
    start = f"joulo_last_session_start_timestamp_seconds{{{CHARGERS}}}[1h]"
    the_same = f"{_BY_CHARGER} (max_over_time({start})) == min by (account, charger) (min_over_time({start}))"
    hour = f"{_BY_CHARGER} (last_over_time({metric}{{{CHARGERS}}}[1h]))"
    return f"({latest(metric)} or {hour} and on (account, charger) ({the_same}))"


def state() -> str:
    """Return the state of each charger: 1 charging, 0 idle, -1 offline."""
    offline = latest("joulo_charger_status", 'status=~"offline|unavailable"')
    return f"({latest('joulo_charging')} == 1) or -({offline} == 1) or {latest('joulo_charging')}"


def state_in_place() -> str:
    """Return the state of each charger, those that charge not before the others: a tile stays where it is.

    Elements come in the order of the left side.
    """
    every = f"0 * {latest('joulo_charging')} or 0 * {latest('joulo_charger_status')}"
    return f"({every}) + on (account, charger) ({state()})"


def highest_per_step(metric: str) -> str:
    """Return the highest value of a metric in the step that begins at each point; the last step ends now.

    Where a step has no sample of its own, the last one before it holds.
    """
    series = f"{metric}{{{CHARGERS}}}"
    return f"{_BY_CHARGER} (max_over_time({series}[$__interval] offset -$__interval) or {series})"


def in_progress(metric: str) -> str:
    """Return a metric of the chargers that have a session in progress."""
    return f"{latest(metric)} and on (account, charger) {latest('joulo_session_start_timestamp_seconds')}"


def so_far(counter: str, by: str, selector: str, step: str, times: str = "") -> str:
    """Return how far a total has risen since the beginning of the panel's span, which must end now.

    The figure at the beginning is the last one of the hour before. Where Prometheus has none (the exporter is new,
    or was down), it is the first one of the span: some energy may be missing then, and none is made up.

    Grafana ignores a panel's own span while the dashboard shows the past. Energy of another span under the title
    "Today" would be wrong; so there is no figure unless the span ends now, which is when there is nothing later,
    and begins at a quarter of an hour, as days do in every time zone.

    Args:
        counter: the metric, which never falls.
        by: the labels that tell its series apart, besides the account.
        selector: which of them are wanted.
        step: how close to look where the beginning is missing; the longer the span, the coarser.
        times: what a rise is worth, by account.
    """
    series = f"{counter}{{{selector}}}"
    each = f"max by (account, {by})"
    begin = f"{each} (last_over_time({series}[1h] offset {_RANGE}))"
    first = f"min by (account, {by}) (min_over_time({series}[{_RANGE}:{step}]))"
    now = f"{each} (last_over_time({series}[1h]))"
    whole = "vector(time() - $__range_ms / 1000 + 1) % 900 < 2"
    risen = (
        f"clamp_min({now} - ({begin} or {first}), 0)"  # less than before: of an exporter without the old ledger
    )
    if times:
        risen = f"({risen}) * on (account) group_left () ({times})"
    return f"sum({risen}) and on () {whole} unless on () ({_LATER})"


def worth_of_a_credit() -> str:
    """Return the euros that Joulo's own estimate takes for a credit, after its fee, by account."""
    price, fee = (
        f"max by (account) (last_over_time({metric}{{{ACCOUNTS}}}[1h]))"
        for metric in ("joulo_ere_estimate_price_euros", "joulo_ere_estimate_fee_ratio")
    )
    return f"{price} * (1 - {fee})"


def per_step(counter: str, by: str, selector: str, look: str) -> str:
    """Return how far a total rises in the step that begins at each point: a bar stands at the day it is about.

    Args:
        counter: the metric, which never falls.
        by: the labels that tell its series apart, besides the account.
        selector: which of them are wanted.
        look: how close to look inside of a step.
    """
    series = f"{counter}{{{selector}}}"
    inside = f"{series}[$__interval:{look}] offset -$__interval"
    each = f"max by (account, {by})"
    begin = f"{each} (last_over_time({series}[1h]))"
    first = f"min by (account, {by}) (min_over_time({inside}))"
    return f"clamp_min({each} (max_over_time({inside})) - ({begin} or {first}), 0)"


def over_range(counter: str, by: str, selector: str) -> str:
    """Return how far a total has risen over the dashboard's whole range, for each of its series."""
    series = f"{counter}{{{selector}}}"
    each = f"max by (account, {by})"
    begin = f"{each} (last_over_time({series}[1h] offset {_RANGE}))"
    first = f"min by (account, {by}) (min_over_time({series}[{_RANGE}:1h]))"
    return f"clamp_min({each} (last_over_time({series}[1h])) - ({begin} or {first}), 0)"


def endpoint_value(metric: str) -> str:
    """Return a metric of each endpoint of each account, once for each."""
    return f"max by (account, endpoint) ({metric}{{{ACCOUNTS}}})"


def of_exporter(metric: str) -> str:
    """Return a metric of processes for the exporters only, whatever Prometheus calls their job."""
    return f"{metric} and on (job, instance) joulo_exporter_build_info"
