"""The dashboard for home: what happens now, and what it adds up to."""

from grafana_foundation_sdk.builders import common, stat, statetimeline, table, timeseries
from grafana_foundation_sdk.models import dashboard as model
from grafana_foundation_sdk.models.common import (
    BigValueColorMode,
    BigValueTextMode,
    LineInterpolation,
    VisibilityMode,
    VizOrientation,
)

from boards import parts, queries, totals
from boards.colours import ATTENTION, CHARGING, CREDITS
from boards.frame import frame
from boards.words import Words

_ROWS_OF_TIMELINE = 15  # more chargers are turned over page by page


def charging(t: Words) -> model.Dashboard:
    """Return the dashboard in a language."""
    history = (_timeline(t), totals.energy_per_day(t), totals.vehicles(t, 10, 9), _power(t), _meters(t))
    return frame(
        t,
        "joulo-charging",
        since="now-6d/d",  # whole days, or the first bar would be cut off
        variables=("account", "charger"),
        rows={
            t("Now", "Nu"): (
                _state(t),
                _charged(t, "now/d"),
                _charged(t, "now/M"),
                _in_progress(t),
                _last_sessions(t),
            ),
            t("History", "Verloop"): history,
            t("Longer spans", "Langere perioden"): (
                _charged(t, "now/w"),
                _charged(t, "now/y"),
                totals.months_by_year(t),
            ),
        },
    ).build()


def _state(t: Words) -> stat.Panel:
    return (
        parts.tile(t, "state", 24, 5, BigValueTextMode.VALUE_AND_NAME)
        .with_target(parts.at_once(queries.state()))
        .mappings([parts.states(t)])
        .thresholds(parts.idle())
        .color_mode(BigValueColorMode.BACKGROUND_SOLID)
        .no_value(t("No fresh data", "Geen verse gegevens"))
    )


def _charged(t: Words, since: str) -> stat.Panel:
    """Return what the chargers have done since the beginning of a span; Grafana writes the span beside the title.

    Three figures are side by side, each the sum over the accounts.

    Args:
        t: chooses the texts.
        since: the span in Grafana's words, such as ``now/d``.
    """
    energy, earned = (
        f"sum by (account) ({queries.over_range(total)})"
        for total in ("joulo_total_kwh", "joulo_ere_credits_total")
    )
    kwh, number, worth = t("Energy", "Energie"), t("Credits", "ERE's"), t("Worth about", "Waard, ongeveer")
    names = {"Value #kwh": kwh, "Value #credits": number, "Value #worth": worth}
    return (
        parts.tile(t, "charged", 12, 4, BigValueTextMode.VALUE_AND_NAME)
        .time_from(since)
        .with_target(parts.column("kwh", energy))
        .with_target(parts.column("credits", earned))
        .with_target(parts.column("price", queries.worth_of_a_credit()))
        .transformations(
            [
                parts.transformation("merge"),
                parts.calculated("worth", "credits", "*", "price"),
                parts.renamed(names, ["Time", "Value #price"]),
            ]
        )
        .reduce_options(parts.reduced("sum"))
        .override_by_name(kwh, parts.properties(unit=parts.KWH, decimals=1, color=parts.fixed(CHARGING)))
        .override_by_name(number, parts.properties(decimals=1, color=parts.fixed(CREDITS)))
        .override_by_name(worth, parts.properties(unit=parts.EURO, decimals=2, color=parts.fixed(CREDITS)))
        .orientation(VizOrientation.VERTICAL)
        .color_mode(BigValueColorMode.VALUE)
        .text(common.VizTextDisplayOptions().title_size(14).value_size(20))  # else as small as fits all three
        .no_value(parts.NOTHING)
    )


def _of_chargers(t: Words, name: str, height: int) -> table.Panel:
    return (
        t.on(table.Panel(), name).span(12).height(height).min_width(parts.NARROWEST_COLUMN).no_value(parts.NOTHING)
    )


def _in_progress(t: Words) -> table.Panel:
    vehicle, kwh, power, start = (
        t("Vehicle", "Auto"),
        t("Energy", "Energie"),
        t("Power", "Vermogen"),
        t("Since", "Sinds"),
    )
    return (
        parts.rows(
            _of_chargers(t, "in_progress", 6),
            {
                "account": t("Account", "Account"),
                "charger": t("Charger", "Laadpunt"),
                "Value #kwh": kwh,
                "Value #power": power,
                "Value #start": start,
                "vehicle": vehicle,
            },
            {
                "state": queries.state(),  # a row for each charger, whether it charges or not
                "kwh": queries.in_progress("joulo_session_kwh"),
                "power": queries.in_progress("joulo_charger_power_watts"),
                "start": f"{queries.latest('joulo_session_start_timestamp_seconds')} * 1000",
                "vehicle": queries.latest("joulo_session_info", by="vehicle"),
            },
        )
        .override_by_name(kwh, parts.properties(unit=parts.KWH, decimals=2))
        .override_by_name(power, parts.properties(unit="watt", decimals=1))
        .override_by_name(start, parts.ago())
        .override_by_name(vehicle, parts.vehicle_names(t))
    )


def _last_sessions(t: Words) -> table.Panel:
    start, end = (queries.latest(f"joulo_last_session_{edge}_timestamp_seconds") for edge in ("start", "end"))
    kwh, earned, vehicle = t("Energy", "Energie"), t("Credits", "ERE's"), t("Vehicle", "Auto")
    ended, duration = t("Ended", "Einde"), t("Duration", "Duur")
    return (
        parts.rows(
            _of_chargers(t, "last_sessions", 6),
            {
                "account": t("Account", "Account"),
                "charger": t("Charger", "Laadpunt"),
                "Value #kwh": kwh,
                "Value #credits": earned,
                "Value #end": ended,
                "Value #duration": duration,
                "vehicle": vehicle,
            },
            {
                "kwh": queries.latest("joulo_last_session_kwh"),
                "credits": queries.latest("joulo_last_session_ere_credits"),
                "duration": f"{end} - {start}",
                "end": f"{end} * 1000",
                "vehicle": queries.latest("joulo_last_session_info", by="vehicle"),
            },
            order=parts.ordered(ended, descending=True),
        )
        .override_by_name(kwh, parts.properties(unit=parts.KWH, decimals=2))
        .override_by_name(earned, parts.properties(unit="none", decimals=2))
        .override_by_name(duration, parts.properties(unit="dthms"))
        .override_by_name(ended, parts.ago())
        .override_by_name(vehicle, parts.vehicle_names(t))
    )


def _timeline(t: Words) -> statetimeline.Panel:
    return (
        t.on(statetimeline.Panel(), "timeline")
        .span(24)
        .height(8)
        .interval("1m")
        .with_target(parts.over_time(queries.highest_per_step("joulo_charging")))
        .mappings([parts.states(t)])
        .thresholds(parts.idle())
        .show_value(VisibilityMode.NEVER)
        .merge_values(True)
        .row_height(0.8)
        .per_page(_ROWS_OF_TIMELINE)
        .line_width(0)
        .fill_opacity(85)
        .legend(parts.legend())
        .tooltip(parts.all_in_tooltip())
    )


def _power(t: Words) -> timeseries.Panel:
    return (
        parts.curves(t, "power", 12, 8)
        .unit("watt")
        .with_target(parts.over_time(queries.highest_per_step("joulo_charger_power_watts")))
        .line_interpolation(LineInterpolation.STEP_AFTER)
        .fill_opacity(15)
    )


def _meters(t: Words) -> table.Panel:
    reading, read, mid = t("Meter reading", "Meterstand"), t("Read", "Gelezen"), t("MID-certified", "MID-gekeurd")
    charger = t("Charger", "Laadpunt")
    certified = parts.yes_no(t("Yes", "Ja"), t("No", "Nee"), ATTENTION)
    return (
        parts.rows(
            _of_chargers(t, "meters", 8),
            {
                "account": t("Account", "Account"),
                "charger": charger,
                "nickname": t("Name", "Naam"),
                "Value #reading": reading,
                "Value #read": read,
                "Value #mid": mid,
            },
            {
                "reading": queries.latest("joulo_charger_meter_kwh_total"),
                "read": f"{queries.latest('joulo_charger_meter_timestamp_seconds')} * 1000",
                "mid": queries.latest("joulo_charger_mid_certified"),
                "info": queries.latest("joulo_charger_info", by="nickname, connection_type"),
            },
            order=parts.ordered(charger),
            hidden=["connection_type"],
        )
        .override_by_name(reading, parts.properties(unit=parts.KWH, decimals=1, custom_minWidth=110))
        .override_by_name(read, parts.ago())
        .override_by_name(mid, parts.coloured_words(certified))
    )
