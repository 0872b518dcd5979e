"""PromQL for data that changes every 1 to 15 minutes, and that several Prometheus targets may hold.

Four rules hold in all of it:

- ``max by (account, charger)`` takes away ``instance`` and ``job``: after a move of the exporter, or with two of
  them, the same charger is there twice, with the same figures. Nothing is added up before that.
- The totals never fall, so what was charged in a span is the difference of its two ends. ``rate()`` and
  ``increase()`` would extrapolate, which makes kilowatt-hours that nobody charged.
- Ends of spans are those of the viewer's calendar: Grafana moves the span (``now/d``) and its steps of a day
  by the viewer's time zone; PromQL itself knows only UTC.
- A query has at most 400 characters. Ratios of figures are calculated by Grafana.

A backfill has a sample each hour while nothing changes: ``[1h]`` finds it.
"""

CHARGERS = 'account=~"$account", charger=~"$charger"'
ACCOUNTS = 'account=~"$account"'

_RANGE = "${__range_ms}ms"  # PromQL refuses the 0s of the first moment of a day
_BY_CHARGER = "max by (account, charger)"
_START = "joulo_last_session_start_timestamp_seconds"


def latest(metric: str, more: str = "", by: str = "") -> str:
    """Return a metric of each charger as it is now, once for each charger.

    Args:
        metric: its name.
        more: matchers besides the chosen chargers.
        by: labels of the metric that are wanted too, for the columns of a table.
    """
    return f"max by (account, charger{by and ', ' + by}) ({metric}{{{CHARGERS}{more and ', ' + more}}})"


def state() -> str:
    """Return the state of each charger: 1 or 2 charging, 0 idle, -1 offline."""
    charging, offline = latest("joulo_charging"), latest("joulo_charger_status", 'status=~"offline|unavailable"')
    return f"2 * {charging} - ({offline} or 0 * {charging})"


def highest_per_step(metric: str) -> str:
    """Return the highest value of a metric in the step that begins at each point; the last step ends now.

    Where a step has no sample of its own, the last one before it holds.
    """
    series = f"{metric}{{{CHARGERS}}}"
    return f"{_BY_CHARGER} (max_over_time({series}[$__interval] offset -$__interval) or {series})"


def in_progress(metric: str) -> str:
    """Return a metric of the chargers that have a session in progress."""
    return f"{latest(metric)} and on (account, charger) {latest('joulo_session_start_timestamp_seconds')}"


def over_range(counter: str, by: str = "charger") -> str:
    """Return how far a total has risen over the panel's range, for each of its series.

    Where Prometheus has no sample of the beginning (it or the exporter is new, or was down), the first one of the
    range stands in for it: some energy may be missing then, and none is made up.

    Args:
        counter: the metric, which never falls.
        by: the label that tells its series apart, besides the account: ``charger`` or ``vehicle``.
    """
    series = f"{counter}{{{CHARGERS if by == 'charger' else ACCOUNTS}}}"
    end = f"max by (account, {by}) (last_over_time({series}[1h]))"
    begin = f"max by (account, {by}) ({series} offset {_RANGE})"
    return f"{end} - ({begin} or min by (account, {by}) (min_over_time({series}[{_RANGE}])))"


def per_step(counter: str) -> str:
    """Return how far a total of each charger rises in the step that begins at each point.

    A bar stands at the day that it is about. Where there is no sample of its beginning, it counts from its first.
    """
    series = f"{counter}{{{CHARGERS}}}"
    inside = f"{series}[$__interval] offset -$__interval"
    first = f"min by (account, charger) (min_over_time({inside}))"
    return f"{_BY_CHARGER} (max_over_time({inside})) - ({_BY_CHARGER} ({series}) or {first})"


def new_session(figure: str) -> str:
    """Return a figure of each charger's last session, at the steps in which another one has become the last.

    The start tells sessions apart: the end of one can be corrected.
    """
    before = f"{_BY_CHARGER} (last_over_time({_START}[1d] offset $__interval))"
    return f"{figure} and on (account, charger) {_BY_CHARGER} ({_START}) != {before}"


def of_sessions(figure: str, labels: str = "") -> str:
    """Return a figure of every session that was a charger's last one within the range, by charger and start.

    In steps of ten minutes: VictoriaMetrics refuses more than 100,000 of them, which are 694 days.

    Args:
        figure: of each charger's last session, of which account and charger make one series.
        labels: those of the figure that are wanted too, in parentheses.
    """
    starts = f'count_values by (account, charger) ("start", {_BY_CHARGER} ({_START}{{{CHARGERS}}}))'
    return f"last_over_time(({figure} * on (account, charger) group_right {labels}{starts})[$__range:10m])"


def worth_of_a_credit() -> str:
    """Return the euros that Joulo's own estimate takes for a credit, after its fee, by account."""
    price, fee = (
        f"max by (account) (last_over_time({metric}{{{ACCOUNTS}}}[1h]))"
        for metric in ("joulo_ere_estimate_price_euros", "joulo_ere_estimate_fee_ratio")
    )
    return f"{price} * (1 - {fee})"


def endpoint_value(metric: str) -> str:
    """Return a metric of each endpoint of each account, once for each."""
    return f"max by (account, endpoint) ({metric}{{{ACCOUNTS}}})"


def of_exporter(metric: str) -> str:
    """Return a metric of processes for the exporters only, whatever Prometheus calls their job."""
    return f"{metric} and on (job, instance) joulo_exporter_build_info"
