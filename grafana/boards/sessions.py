"""The dashboard of sessions and ERE credits: months, every session, chargers and vehicles, when people charge."""

from grafana_foundation_sdk.builders import barchart, dashboard, table, timeseries
from grafana_foundation_sdk.models import dashboard as model
from grafana_foundation_sdk.models.common import GraphDrawStyle

from boards import parts, queries, totals, worth
from boards.colours import CHARGING, IDLE
from boards.frame import frame, price_variable
from boards.words import Words

_START, _END = (f"joulo_last_session_{edge}_timestamp_seconds" for edge in ("start", "end"))
# An hour each for more than a year. Grafana rounds a step down by up to a third, and Prometheus refuses more than
# 11,000 points.
_MOST_STEPS = 7_300


def sessions(t: Words) -> model.Dashboard:
    """Return the dashboard in a language."""
    return (
        frame(
            t,
            "joulo-sessions",
            since="now-90d",
            variables=("account", "charger", "vehicle"),
            rows={
                t("Months", "Maanden"): (totals.months(t), totals.figures_of_months(t)),
                t("In the dashboard's range", "In het bereik van het dashboard"): (
                    _list(t),
                    totals.chargers(t),
                    totals.vehicles(t, 11, 8),
                    _sizes(t),
                    totals.credits_per_day(t),
                    _hours_of_the_day(t),
                    _days_of_the_week(t),
                ),
            },
        )
        .with_variable(price_variable(t))
        .annotation(_Marks(t("Session ended", "Laadbeurt geëindigd")))
        .with_row(worth.row(t))
        .build()
    )


class _EndsOfSessions(model.AnnotationQuery):
    """Marks at moments that a metric tells: the SDK lacks these fields of the Prometheus data source."""

    def to_json(self) -> dict[str, object]:
        """Return the JSON of the dashboard; Grafana wants milliseconds."""
        end = queries.latest(_END)
        # With a window: VictoriaMetrics looks back at @ start() by no more than a step otherwise.
        before = f"max by (account, charger) (last_over_time({_END}[1h] @ start()))"
        in_range = f"{end} * 1000 unless on (account, charger) {end} == {before}"
        step = "1m"
        return super().to_json() | {
            "target": {"expr": in_range, "interval": step, "refId": "Anno"},
            "expr": in_range,  # Grafana 11 and older take these two from here
            "step": step,
            "useValueForTime": True,
            "titleFormat": parts.CHARGER_LEGEND,
            "textFormat": self.name,
        }


class _Marks(dashboard.AnnotationQuery):
    def __init__(self, name: str) -> None:
        super().__init__()
        self._internal = _EndsOfSessions(name=name, datasource=parts.DATASOURCE, icon_color=IDLE, enable=False)


def _list(t: Words) -> table.Panel:
    """Return the table of the sessions.

    Rows are those of the query ``chosen``. A total has no label of a vehicle, so it is there with "All" alone, and
    with it a session of which no vehicle is known.
    """
    of_vehicle = f'{{{queries.ACCOUNTS}, vehicle=~"$vehicle"}}'
    energy, earned = (queries.of_sessions(_each(f"joulo_last_session_{name}")) for name in ("kwh", "ere_credits"))
    unfiltered = queries.of_sessions("max by (account, charger) (joulo_last_session_ere_credits)")
    price = "avg by (account) (joulo_ere_estimate_price_euros * (1 - joulo_ere_estimate_fee_ratio))"
    names = {
        "Value #start": t("Start", "Begin"),
        "Value #kwh": t("Energy", "Energie"),
        "account": "Account",
        "charger": t("Charger", "Laadpunt"),
        "vehicle": t("Vehicle", "Auto"),
        "Value #length": t("Duration", "Duur"),
        "Value #credits": t("Credits", "ERE's"),
        "Value #worth": t("Worth about", "Waard, ongeveer"),
        "Value #cost": t("Cost", "Kosten"),
    }
    begin = parts.properties(unit="time:YYYY-MM-DD HH:mm", custom_minWidth=parts.TIME_COLUMN)
    return (
        parts.rows(
            t.on(table.Panel(), "sessions").span(24).height(11),
            names,
            {
                "chosen": queries.of_sessions(
                    "group by (account, charger) "
                    f"(joulo_last_session_info{of_vehicle} or joulo_total_kwh{of_vehicle})"
                ),
                "start": f"1000 * {queries.of_sessions(_each(_START))}",
                "end": f"1000 * {queries.of_sessions(_each(_END))}",
                "kwh": energy,
                "credits": earned,
                "worth": f"{unfiltered} * on (account) group_left {price}",
                "cost": f"$price * {energy}",
                "vehicle": queries.of_sessions(
                    f"topk by (account, charger) (1, joulo_last_session_info{{{queries.ACCOUNTS}}})", "(vehicle) "
                ),
            },
            parts.kept("include", **{"Value #chosen": {"id": "isNotNull", "options": {}}}),
            parts.calculated("length", "end", "-", "start"),
            order=parts.ordered(names["Value #start"], descending=True),
            hidden=["start"],
        )
        .min_width(parts.NARROWEST_COLUMN)
        .override_by_name(names["Value #start"], begin)
        .override_by_name(names["vehicle"], parts.vehicle_names(t))
        .override_by_name(names["Value #kwh"], parts.figures(parts.KWH, 2, parts.NARROWEST_COLUMN))
        .override_by_name(names["Value #length"], parts.properties(unit="clockms", decimals=1))
        .override_by_name(names["Value #credits"], parts.figures("none", 2))
        .override_by_name(names["Value #worth"], parts.figures(parts.EURO, 2, parts.NARROWEST_COLUMN))
        .override_by_name(names["Value #cost"], parts.figures(parts.EURO, 2))
        .no_value(parts.NOTHING)
    )


def _each(metric: str) -> str:
    return f"max by (account, charger) ({metric}{{{queries.ACCOUNTS}}})"


def _sizes(t: Words) -> timeseries.Panel:
    """Return the graph of the energy of each session: of the last one, where that became another one."""
    return (
        parts.curves(t, "sizes", 12, 9, "mean", "max")
        .unit(parts.KWH)
        .decimals(1)
        .interval("15m")
        .with_target(parts.over_time(queries.new_session(queries.latest("joulo_last_session_kwh"))))
        .draw_style(GraphDrawStyle.POINTS)
        .point_size(7)
        .no_value(t("No session in this range", "Geen laadbeurt in dit bereik"))
    )


def _hours_of_the_day(t: Words) -> barchart.Panel:
    return _rhythm(t, "hours", 14, "HH:[00]")


def _days_of_the_week(t: Words) -> barchart.Panel:
    days = t("Mon Tue Wed Thu Fri Sat Sun", "ma di wo do vr za zo").split()
    words = {str(number): {"text": day, "index": number} for number, day in enumerate(days, start=1)}
    mapped = parts.properties(mappings=[{"type": "value", "options": words}])
    return _rhythm(t, "days", 10, "E").override_by_name("Time", mapped)


def _rhythm(t: Words, name: str, width: int, form: str) -> barchart.Panel:
    """Return bars of the energy by a form of the time, one of moment.js whose texts sort by time."""
    energy = t("Energy", "Energie")
    summed = {
        "Time": {"operation": "groupby", "aggregations": []},
        energy: {"operation": "aggregate", "aggregations": ["sum"]},
    }
    return (
        parts.bars(t, name, width, 8)
        .unit(parts.KWH)
        .interval("1h")
        .max_data_points(_MOST_STEPS)
        .with_target(parts.over_time(f"sum({queries.per_step('joulo_total_kwh')})", energy))
        .transformations(
            [
                parts.transformation(
                    "formatTime", timeField="Time", outputFormat=form, useTimezone=True, timezone="browser"
                ),
                parts.transformation("groupBy", fields=summed),
                parts.transformation("organize", renameByName={f"{energy} (sum)": energy}),
                parts.ordered("Time"),
            ]
        )
        .x_field("Time")
        .override_by_name("Time", parts.properties(unit="string"))
        .x_tick_label_spacing(60)
        .bar_width(0.9)
        .color_scheme(parts.one_colour(CHARGING))
        .no_value(t("No data in this range", "Geen gegevens in dit bereik"))
    )
