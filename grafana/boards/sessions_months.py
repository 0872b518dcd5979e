"""The months side by side: panels of the dashboard of sessions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from grafana_foundation_sdk.builders import barchart, table
from grafana_foundation_sdk.models.common import VisibilityMode

from boards import parts, queries
from boards.colours import CHARGING, CREDITS

if TYPE_CHECKING:
    from boards.words import Words

NARROW = 72
"""Pixels that a figure needs in a column; Grafana's own least width would hide columns."""


def _month(metric: str, scope: str = "") -> str:
    """Return a figure of each month, over all accounts."""
    return f"sum by (month) (max by (account, month) ({metric}{{{scope}{queries.ACCOUNTS}}}))"


def bars(t: Words) -> barchart.Panel:
    """Return the panel of bars."""
    names = {
        "month": t("Month", "Maand"),
        "Value #kwh": t("Energy", "Energie"),
        "Value #credits": t("ERE credits", "ERE's"),
    }
    return (
        barchart.Panel()
        .title(t("Months side by side", "Maanden naast elkaar"))
        .description(
            t(
                "Energy and ERE credits of each month, as Joulo counts them for the whole account. The last"
                " month is not over.",
                "Energie en ERE's van elke maand, zoals Joulo ze telt voor het hele account. De laatste maand is"
                " nog niet om.",
            )
        )
        .datasource(parts.DATASOURCE)
        .unit(parts.KWH)
        .decimals(0)
        .min(0)
        .span(14)
        .height(10)
        .with_target(parts.column("kwh", _month("joulo_month_kwh", 'scope="all", ')))
        .with_target(parts.column("credits", _month("joulo_month_ere_credits")))
        .transformations([*parts.columns(names), parts.ordered(names["month"])])
        .x_field(names["month"])
        .x_tick_label_spacing(60)
        .show_value(VisibilityMode.NEVER)
        .group_width(0.75)
        .bar_width(0.95)
        .fill_opacity(85)
        .line_width(0)
        .override_by_name(names["Value #kwh"], parts.properties(color=parts.fixed(CHARGING)))
        .override_by_name(
            names["Value #credits"],
            parts.properties(
                unit="none",
                color=parts.fixed(CREDITS),
                custom_axisPlacement="right",
                custom_axisLabel=names["Value #credits"],
            ),
        )
        .legend(parts.legend())
        .tooltip(parts.all_in_tooltip())
        .no_value(t("No fresh data", "Geen verse gegevens"))
    )


def figures(t: Words) -> table.Panel:
    """Return the table."""
    energy, credits_earned = _month("joulo_month_kwh", 'scope="all", '), _month("joulo_month_ere_credits")
    names = {
        "month": t("Month", "Maand"),
        "Value #kwh": t("Energy", "Energie"),
        "Value #share": t("For ERE", "Voor ERE"),
        "Value #credits": t("ERE credits", "ERE's"),
        "Value #sessions": t("Sessions", "Laadbeurten"),
        "Value #size": t("kWh/session", "kWh/beurt"),
    }
    count = _month("joulo_month_sessions", 'scope="all", ')
    eligible = _month("joulo_month_kwh", 'scope="ere", ')
    return (
        table.Panel()
        .title(t("Figures of the months", "Cijfers van de maanden"))
        .description(
            t(
                'The latest month first. "For ERE" is the share of the energy that is eligible for ERE credits.',
                'De laatste maand eerst. "Voor ERE" is het deel van de energie dat voor ERE\'s in aanmerking'
                " komt.",
            )
        )
        .datasource(parts.DATASOURCE)
        .unit("none")
        .span(10)
        .height(10)
        .with_target(parts.column("kwh", energy))
        .with_target(parts.column("share", f"{eligible} / ({energy} > 0)"))
        .with_target(parts.column("credits", credits_earned))
        .with_target(parts.column("sessions", count))
        .with_target(parts.column("size", f"{energy} / ({count} > 0)"))
        .transformations([*parts.columns(names), parts.ordered(names["month"], descending=True)])
        .override_by_name(names["month"], parts.properties(custom_minWidth=NARROW))
        .override_by_name(
            names["Value #kwh"],
            parts.properties(unit=parts.KWH, decimals=1, custom_minWidth=parts.NARROWEST_COLUMN),
        )
        .override_by_name(
            names["Value #share"], parts.properties(unit="percentunit", decimals=0, custom_minWidth=NARROW)
        )
        .override_by_name(
            names["Value #credits"], parts.properties(unit="none", decimals=1, custom_minWidth=NARROW)
        )
        .override_by_name(
            names["Value #sessions"], parts.properties(unit="none", decimals=0, custom_minWidth=NARROW)
        )
        .override_by_name(
            names["Value #size"], parts.properties(unit=parts.KWH, decimals=1, custom_minWidth=NARROW)
        )
        .no_value(t("No fresh data", "Geen verse gegevens"))
    )
