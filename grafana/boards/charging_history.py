"""Panels on the course of charging."""

from __future__ import annotations

from typing import TYPE_CHECKING

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

_ROWS_OF_TIMELINE = 15  # more chargers are turned over page by page

if TYPE_CHECKING:
    from boards.words import Words


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
        .datasource(parts.DATASOURCE)
        .unit("none")
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
        timeseries.Panel()
        .title(t("Energy per day", "Energie per dag"))
        .description(
            t(
                "Energy of each day in your time zone; the bar stands at the beginning of its day. Today's is"
                " as far as it has come. Days before a change of the clock begin and end an hour off.",
                "Energie van elke dag in je eigen tijdzone; de staaf staat aan het begin van de dag. Die van"
                " vandaag is tot nu toe. Dagen voor het verzetten van de klok zijn een uur verschoven.",
            )
        )
        .datasource(parts.DATASOURCE)
        .unit(parts.KWH)
        .decimals(1)
        .min(0)
        .span(14)
        .height(9)
        .interval("1d")
        .with_target(parts.over_time(queries.per_step("joulo_total_kwh", "charger", queries.CHARGERS, "5m")))
        .draw_style(GraphDrawStyle.BARS)
        .bar_alignment(BarAlignment.AFTER)
        .bar_width_factor(0.9)
        .fill_opacity(80)
        .line_width(0)
        .stacking(common.StackingConfig().mode(StackingMode.NORMAL).group("A"))
        .legend(parts.legend("sum"))
        .tooltip(parts.all_in_tooltip())
    )


def vehicles(t: Words) -> table.Panel:
    """Return what each vehicle charged."""

    def counted(metric: str) -> str:
        return queries.over_range(metric, "vehicle", queries.ACCOUNTS)

    energy = f"sum by (vehicle) ({counted('joulo_vehicle_kwh_total')})"
    names = {
        "vehicle": t("Vehicle", "Auto"),
        "Value #share": t("Share", "Aandeel"),
        "Value #kwh": t("Energy", "Energie"),
        "Value #credits": t("Credits", "ERE's"),
        "Value #sessions": t("Sessions", "Laadbeurten"),
    }
    return (
        table.Panel()
        .title(t("Vehicles", "Auto's"))
        .description(
            t(
                "What each vehicle charged in the dashboard's range, at all chargers of the accounts."
                ' "unknown": a tag that the configuration gives to no'
                " vehicle, or none.",
                "Wat elke auto laadde in het bereik van het dashboard, aan alle laadpunten van de accounts."
                ' "onbekend": een laadpas die de configuratie aan geen'
                " auto geeft, of geen laadpas.",
            )
        )
        .datasource(parts.DATASOURCE)
        .unit("none")
        .span(10)
        .height(9)
        .with_target(parts.column("share", f"{energy} / on () group_left () (sum({energy}) > 0)"))
        .with_target(parts.column("kwh", energy))
        .with_target(parts.column("credits", f"sum by (vehicle) ({counted('joulo_vehicle_ere_credits_total')})"))
        .with_target(parts.column("sessions", f"sum by (vehicle) ({counted('joulo_vehicle_sessions_total')})"))
        .transformations(
            [
                *parts.columns(names),
                parts.transformation("sortBy", sort=[{"field": names["Value #kwh"], "desc": True}]),
            ]
        )
        .override_by_name(names["vehicle"], parts.vehicle_names(t))
        .override_by_name(
            names["Value #share"],
            parts.properties(
                unit="percentunit",
                decimals=0,
                min=0,
                max=1,
                color=parts.fixed(CHARGING),
                custom_cellOptions={"type": "gauge", "mode": "basic", "valueDisplayMode": "text"},
            ),
        )
        .override_by_name(names["Value #kwh"], parts.properties(unit=parts.KWH, decimals=1))
        .override_by_name(names["Value #credits"], parts.properties(unit="none", decimals=1))
        .override_by_name(names["Value #sessions"], parts.properties(unit="none", decimals=0))
        .min_width(parts.NARROWEST_COLUMN)
        .no_value(parts.NOTHING)
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
        .datasource(parts.DATASOURCE)
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
        .datasource(parts.DATASOURCE)
        .unit("none")
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
