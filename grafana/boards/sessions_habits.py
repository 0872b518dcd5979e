"""What sessions are like, and when people charge: panels of the dashboard of sessions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from grafana_foundation_sdk.builders import barchart, timeseries
from grafana_foundation_sdk.models.common import GraphDrawStyle, VisibilityMode

from boards import parts, queries
from boards.colours import CHARGING, IDLE

if TYPE_CHECKING:
    from boards.words import Words

# An hour each for more than a year. Grafana rounds a step down by up to a third, and Prometheus refuses more than
# 11,000 points.
_MOST_STEPS = 7_300


def sizes(t: Words) -> timeseries.Panel:
    """Return the panel of the energy of each session."""
    kwh = "joulo_last_session_kwh"
    return (
        _dots(t, queries.last_session(kwh), f"({_risen('joulo_total_kwh')})")
        .title(t("Energy of each session", "Energie van elke laadbeurt"))
        .description(_about_dots(t))
        .unit(parts.KWH)
    )


def lengths(t: Words) -> timeseries.Panel:
    """Return the panel of the length of each session."""
    start, end = (
        queries.last_session(f"joulo_last_session_{edge}_timestamp_seconds") for edge in ("start", "end")
    )
    return (
        _dots(t, f"({end} - {start}) / 3600", f"({_risen('joulo_session_seconds_total')}) / 3600")
        .title(t("Length of each session", "Duur van elke laadbeurt"))
        .description(_about_dots(t))
        .unit(parts.HOURS)
    )


def hours_of_the_day(t: Words) -> barchart.Panel:
    """Return the panel of the energy by hour of the day."""
    return (
        _rhythm(t, "HH:[00]")
        .title(t("Hours of the day", "Uren van de dag"))
        .description(
            t(
                "In which hour of the day how much was charged in the dashboard's range, in your time zone:"
                " 07:00 is the hour that begins then. Energy of an hour before which"
                " Prometheus has a gap is not counted.",
                "In welk uur van de dag hoeveel er werd geladen in het bereik van het dashboard, in je eigen"
                " tijdzone: 07:00 is het uur dat dan begint. Energie van een uur"
                " waarvoor Prometheus een gat heeft, telt niet mee.",
            )
        )
        .span(14)
    )


def days_of_the_week(t: Words) -> barchart.Panel:
    """Return the panel of the energy by day of the week."""
    days = t("Mon Tue Wed Thu Fri Sat Sun", "ma di wo do vr za zo").split()
    words = {str(number): {"text": day, "index": number} for number, day in enumerate(days, start=1)}
    return (
        _rhythm(t, "E")
        .title(t("Days of the week", "Dagen van de week"))
        .description(
            t(
                "On which day of the week how much was charged in the dashboard's range, in your time zone.",
                "Op welke dag van de week hoeveel er werd geladen in het bereik van het dashboard, in je eigen"
                " tijdzone.",
            )
        )
        .span(10)
        .override_by_name("Time", parts.properties(mappings=[{"type": "value", "options": words}]))
    )


def _about_dots(t: Words) -> str:
    return t(
        "One dot for each session, where its end became known; of sessions that end within one step of the graph"
        " the last. The line is the"
        " mean of all sessions of the 30 days before.",
        "Een stip voor elke laadbeurt, waar het einde bekend werd; van beurten die binnen een stap van de"
        " grafiek eindigen de laatste. De lijn is het"
        " gemiddelde van alle laadbeurten van de 30 dagen ervoor.",
    )


def _dots(t: Words, figure: str, sums: str) -> timeseries.Panel:
    """Return a graph of a figure of the last session, where that became another one.

    The start tells sessions apart: the end of one can be corrected. After a gap of more than a day nobody knows
    which sessions are new, so none is that ended more than a day before the step.
    """
    start, end = (f"joulo_last_session_{edge}_timestamp_seconds" for edge in ("start", "end"))
    before = f"max by (account, charger) (last_over_time({start}{{{queries.CHARGERS}}}[1d] offset $__interval))"
    new = f"{figure} unless on (account, charger) ({queries.last_session(start)} == {before})"
    recent = f"{queries.last_session(end)} > time() - $__interval_ms / 1000 - 86400"
    mean = t("mean of 30 days", "gemiddelde van 30 dagen")
    return (
        timeseries.Panel()
        .datasource(parts.DATASOURCE)
        .min(0)
        .decimals(1)
        .span(12)
        .height(9)
        .interval("15m")
        .with_target(parts.over_time(f"({new}) and on (account, charger) ({recent})"))
        .with_target(parts.over_time(f"sum{sums} / (sum({_risen('joulo_sessions_total')}) > 0)", mean, "B"))
        .draw_style(GraphDrawStyle.POINTS)
        .point_size(7)
        .override_by_name(
            mean,
            parts.properties(
                custom_drawStyle="line",
                custom_lineWidth=2,
                custom_showPoints="never",
                custom_lineStyle={"fill": "dash", "dash": [8, 6]},
                color=parts.fixed(IDLE),
            ),
        )
        .legend(parts.legend())
        .tooltip(parts.all_in_tooltip())
        .no_value(t("No session in this range", "Geen laadbeurt in dit bereik"))
    )


def _risen(counter: str) -> str:
    """Return how far a total of each charger has risen in 30 days."""
    series = f"last_over_time({counter}{{{queries.CHARGERS}}}[1h]"
    return f"max by (account, charger) ({series})) - max by (account, charger) ({series} offset 30d))"


def _rhythm(t: Words, form: str) -> barchart.Panel:
    """Return bars of the energy by a form of the time, one of moment.js whose texts sort by time."""
    energy = t("Energy", "Energie")
    series = f"last_over_time(joulo_total_kwh{{{queries.CHARGERS}}}[$__interval]"
    hourly = f"max by (account, charger) ({series} offset -$__interval)) - max by (account, charger) ({series}))"
    summed = {
        "Time": {"operation": "groupby", "aggregations": []},
        energy: {"operation": "aggregate", "aggregations": ["sum"]},
    }
    return (
        barchart.Panel()
        .datasource(parts.DATASOURCE)
        .unit(parts.KWH)
        .decimals(0)
        .min(0)
        .height(8)
        .interval("1h")
        .max_data_points(_MOST_STEPS)
        .with_target(parts.over_time(f"sum(clamp_min({hourly}, 0))", energy))
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
        .show_value(VisibilityMode.NEVER)
        .bar_width(0.9)
        .fill_opacity(85)
        .line_width(0)
        .color_scheme(parts.one_colour(CHARGING))
        .legend(parts.legend())
        .tooltip(parts.all_in_tooltip())
        .no_value(t("No data in this range", "Geen gegevens in dit bereik"))
    )
