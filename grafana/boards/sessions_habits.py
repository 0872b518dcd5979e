"""When people charge: panels of the dashboard of sessions."""

from grafana_foundation_sdk.builders import barchart
from grafana_foundation_sdk.models.common import VisibilityMode

from boards import parts, queries
from boards.colours import CHARGING
from boards.words import Words

# An hour each for more than a year. Grafana rounds a step down by up to a third, and Prometheus refuses more than
# 11,000 points.
_MOST_STEPS = 7_300


def hours_of_the_day(t: Words) -> barchart.Panel:
    """Return the panel of the energy by hour of the day."""
    return (
        _rhythm(t, "HH:[00]")
        .title(t("Hours of the day", "Uren van de dag"))
        .description(
            t(
                "In which hour of the day how much was charged in the dashboard's range, in your time zone:"
                " 07:00 is the hour that begins then.",
                "In welk uur van de dag hoeveel er werd geladen in het bereik van het dashboard, in je eigen"
                " tijdzone: 07:00 is het uur dat dan begint.",
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


def _rhythm(t: Words, form: str) -> barchart.Panel:
    """Return bars of the energy by a form of the time, one of moment.js whose texts sort by time."""
    energy = t("Energy", "Energie")
    summed = {
        "Time": {"operation": "groupby", "aggregations": []},
        energy: {"operation": "aggregate", "aggregations": ["sum"]},
    }
    return (
        barchart.Panel()
        .unit(parts.KWH)
        .decimals(0)
        .min(0)
        .height(8)
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
        .show_value(VisibilityMode.NEVER)
        .bar_width(0.9)
        .fill_opacity(85)
        .line_width(0)
        .color_scheme(parts.one_colour(CHARGING))
        .legend(parts.legend())
        .tooltip(parts.all_in_tooltip())
        .no_value(t("No data in this range", "Geen gegevens in dit bereik"))
    )
