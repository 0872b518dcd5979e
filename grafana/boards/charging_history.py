"""Panels on the course of charging."""

from grafana_foundation_sdk.builders import common, statetimeline, table, timeseries
from grafana_foundation_sdk.models.common import (
    BarAlignment,
    GraphDrawStyle,
    LineInterpolation,
    StackingMode,
    VisibilityMode,
)

from boards import parts, queries
from boards.colours import ATTENTION, CHARGING, IDLE
from boards.words import Words

_ROWS_OF_TIMELINE = 15  # more chargers are turned over page by page


def timeline(t: Words) -> statetimeline.Panel:
    """Return when each charger charged."""
    return (
        statetimeline.Panel()
        .title(t("When each charger charged", "Wanneer elk laadpunt laadde"))
        .description(
            t(
                "Charging or not, over time. A gap: the exporter did not run, or Joulo did not answer for long.",
                "Laden of niet, in de tijd. Een gat: de exporter draaide niet, of Joulo gaf lang geen antwoord.",
            )
        )
        .span(24)
        .height(8)
        .interval("1m")
        .with_target(parts.over_time(queries.highest_per_step("joulo_charging")))
        .mappings([parts.states(t)])
        .thresholds(parts.steps(IDLE))
        .show_value(VisibilityMode.NEVER)
        .merge_values(True)  # noqa: FBT003  (the SDK's signature)
        .row_height(0.8)
        .per_page(_ROWS_OF_TIMELINE)
        .line_width(0)
        .fill_opacity(85)
        .legend(parts.legend())
        .tooltip(parts.all_in_tooltip())
    )


def energy_per_day(t: Words) -> timeseries.Panel:
    """Return the energy of each day."""
    return (
        _per_day(t, "joulo_total_kwh")
        .title(t("Energy per day", "Energie per dag"))
        .description(
            t("Energy of each day in your time zone.", "Energie van elke dag in je eigen tijdzone.")
            + _about_days(t)
        )
        .unit(parts.KWH)
        .span(14)
        .height(9)
    )


def credits_per_day(t: Words) -> timeseries.Panel:
    """Return the credits of each day."""
    return (
        _per_day(t, "joulo_ere_credits_total")
        .title(t("Credits per day", "ERE's per dag"))
        .description(
            t(
                "ERE credits that came on each day in your time zone: Joulo calculates them some time after the"
                " end of a session.",
                "ERE's die op elke dag in je eigen tijdzone binnenkwamen: Joulo berekent ze enige tijd na het"
                " einde van een laadbeurt.",
            )
            + _about_days(t)
        )
        .span(12)
        .height(9)
    )


def _about_days(t: Words) -> str:
    return t(
        " The bar stands at the beginning of its day. Today's is as far as it has come. Days before a change of"
        " the clock begin and end an hour off.",
        " De staaf staat aan het begin van de dag. Die van vandaag is tot nu toe. Dagen voor het verzetten van de"
        " klok zijn een uur verschoven.",
    )


def _per_day(t: Words, counter: str) -> timeseries.Panel:
    return (
        timeseries.Panel()
        .decimals(1)
        .min(0)
        .interval("1d")
        .with_target(parts.over_time(queries.per_step(counter)))
        .draw_style(GraphDrawStyle.BARS)
        .bar_alignment(BarAlignment.AFTER)
        .bar_width_factor(0.9)
        .fill_opacity(80)
        .line_width(0)
        .stacking(common.StackingConfig().mode(StackingMode.NORMAL).group("A"))
        .legend(parts.legend("sum"))
        .tooltip(parts.all_in_tooltip())
        .no_value(t("No data in this range", "Geen gegevens in dit bereik"))
    )


def power(t: Words) -> timeseries.Panel:
    """Return the power of each charger."""
    return (
        timeseries.Panel()
        .title(t("Power", "Vermogen"))
        .description(
            t(
                "Mean power between the two latest readings of the meter while charging. Joulo reads it every"
                " quarter of an hour, so it lags. In a long range: the highest of each step.",
                "Gemiddeld vermogen tussen de twee laatste meterstanden tijdens het laden. Joulo leest elk"
                " kwartier, dus het loopt achter. In een lang bereik: het hoogste van elke stap.",
            )
        )
        .unit("watt")
        .min(0)
        .span(12)
        .height(8)
        .interval("1m")
        .with_target(parts.over_time(queries.highest_per_step("joulo_charger_power_watts")))
        .line_interpolation(LineInterpolation.STEP_AFTER)
        .fill_opacity(15)
        .legend(parts.legend())
        .tooltip(parts.all_in_tooltip())
    )


def meters(t: Words) -> table.Panel:
    """Return the reading of each meter."""
    nickname = (
        "max by (account, charger, nickname, connection_type) (joulo_charger_info{" + queries.CHARGERS + "})"
    )
    names = {
        "account": t("Account", "Account"),
        "charger": t("Charger", "Laadpunt"),
        "nickname": t("Name", "Naam"),
        "Value #reading": t("Meter reading", "Meterstand"),
        "Value #read": t("Read", "Gelezen"),
        "Value #mid": t("MID-certified", "MID-gekeurd"),
    }
    return (
        table.Panel()
        .title(t("Meters", "Meters"))
        .description(
            t(
                "The meter reading of each charger. Only energy of a MID-certified meter earns ERE credits.",
                "De meterstand van elk laadpunt. Alleen energie van een MID-gekeurde meter levert ERE's op.",
            )
        )
        .span(12)
        .height(8)
        .with_target(parts.column("reading", queries.latest("joulo_charger_meter_kwh_total")))
        .with_target(parts.column("read", f"{queries.latest('joulo_charger_meter_timestamp_seconds')} * 1000"))
        .with_target(parts.column("mid", queries.latest("joulo_charger_mid_certified")))
        .with_target(parts.column("info", nickname))
        .transformations(
            [
                *parts.columns(names, hidden=["Value #info", "connection_type"]),
                parts.ordered(names["charger"]),
            ]
        )
        .override_by_name(
            names["Value #reading"], parts.properties(unit=parts.KWH, decimals=1, custom_minWidth=110)
        )
        .override_by_name(
            names["Value #read"], parts.properties(unit="dateTimeFromNow", custom_minWidth=parts.TIME_COLUMN)
        )
        .override_by_name(
            names["Value #mid"],
            parts.properties(
                mappings=[parts.values({"1": (t("Yes", "Ja"), CHARGING), "0": (t("No", "Nee"), ATTENTION)})],
                custom_cellOptions={"type": "color-text"},
            ),
        )
        .min_width(parts.NARROWEST_COLUMN)
        .no_value(parts.NOTHING)
    )
