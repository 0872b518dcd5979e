"""The months side by side: panels of the dashboard of sessions."""

from grafana_foundation_sdk.builders import barchart, table
from grafana_foundation_sdk.models.common import VisibilityMode

from boards import parts, queries
from boards.colours import CHARGING, CREDITS
from boards.words import Words


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


def by_year(t: Words) -> barchart.Panel:
    """Return the panel that has each month beside the same one of other years."""
    kwh = _month("joulo_month_kwh", 'scope="all", ')
    year = f'label_replace({kwh}, "year", "$1", "month", "(.+)-.+")'
    month = t("Month", "Maand")
    names = t("Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec", "jan feb mrt apr mei jun jul aug sep okt nov dec")
    words = {f"{number:02}": {"text": name} for number, name in enumerate(names.split(), start=1)}
    return (
        barchart.Panel()
        .title(t("Months of this year and the last, in kWh", "Maanden van dit jaar en vorig jaar, in kWh"))
        .description(
            t(
                "Energy of each month beside that of the same month of other years, as Joulo counts it for the"
                " whole account, also from before Prometheus was there. The latest month is not over. The figures"
                " are on the dashboard of sessions.",
                "Energie van elke maand naast die van dezelfde maand in andere jaren, zoals Joulo ze telt voor het"
                " hele account, ook van voordat Prometheus er was. De laatste maand is nog niet om. De cijfers"
                " staan op het dashboard van de laadbeurten.",
            )
        )
        .decimals(0)
        .min(0)
        .span(24)
        .height(9)
        .with_target(parts.column("kwh", f'label_replace({year}, "month", "$1", "month", ".+-(.+)")'))
        .transformations(
            [
                parts.ordered("year"),
                parts.transformation("groupingToMatrix", columnField="year", rowField="month", valueField="Value"),
                parts.renamed({"month\\year": month}),
                parts.ordered(month),
            ]
        )
        .x_field(month)
        .override_by_name(month, parts.properties(unit="string", mappings=[{"type": "value", "options": words}]))
        .show_value(VisibilityMode.NEVER)  # on a phone they would lie over each other
        .group_width(0.75)
        .bar_width(0.95)
        .fill_opacity(85)
        .line_width(0)
        .legend(parts.legend())
        .tooltip(parts.all_in_tooltip())
        .no_value(t("No fresh data", "Geen verse gegevens"))
    )


def figures(t: Words) -> table.Panel:
    """Return the table."""
    month, energy, size = t("Month", "Maand"), t("Energy", "Energie"), t("kWh/session", "kWh/beurt")
    earned, count, share = t("Credits", "ERE's"), t("Sessions", "Beurten"), t("For ERE", "Voor ERE")
    names = {
        "month": month,
        "Value #kwh": energy,
        "Value #share": share,
        "Value #credits": earned,
        "Value #sessions": count,
        "Value #size": size,
    }
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
        .span(10)
        .height(10)
        .with_target(parts.column("kwh", _month("joulo_month_kwh", 'scope="all", ')))
        .with_target(parts.column("eligible", _month("joulo_month_kwh", 'scope="ere", ')))
        .with_target(parts.column("credits", _month("joulo_month_ere_credits")))
        .with_target(parts.column("sessions", _month("joulo_month_sessions", 'scope="all", ')))
        .transformations(
            [
                parts.transformation("merge"),
                parts.calculated("share", "eligible", "/", "kwh"),
                parts.calculated("size", "kwh", "/", "sessions"),
                parts.renamed(names, ["Time", "Value #eligible"]),
                parts.ordered(month, descending=True),
            ]
        )
        .override_by_name(month, parts.properties(custom_minWidth=parts.NARROW))
        .override_by_name(energy, parts.figures(parts.KWH, 1, parts.NARROWEST_COLUMN))
        .override_by_name(share, parts.figures("percentunit", 0))
        .override_by_name(earned, parts.figures("none", 1))
        .override_by_name(count, parts.figures("none", 0))
        .override_by_name(size, parts.figures(parts.KWH, 1))
        .no_value(t("No fresh data", "Geen verse gegevens"))
    )
