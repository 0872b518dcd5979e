"""Totals of energy and credits: by day, by month, and of chargers and vehicles side by side."""

from grafana_foundation_sdk.builders import barchart, common, table, timeseries
from grafana_foundation_sdk.models import dashboard as model
from grafana_foundation_sdk.models.common import BarAlignment, GraphDrawStyle, StackingMode

from boards import parts, queries
from boards.colours import CHARGING, CREDITS
from boards.words import Words

_EVERY = 'scope="all", '


def energy_per_day(t: Words) -> timeseries.Panel:
    """Return the energy of each day."""
    return _per_day(t, "energy_per_day", 14, "joulo_total_kwh").unit(parts.KWH)


def credits_per_day(t: Words) -> timeseries.Panel:
    """Return the credits of each day."""
    return _per_day(t, "credits_per_day", 12, "joulo_ere_credits_total")


def _per_day(t: Words, name: str, width: int, counter: str) -> timeseries.Panel:
    return (
        parts.curves(t, name, width, 9, "sum")
        .decimals(1)
        .interval("1d")
        .with_target(parts.over_time(queries.per_step(counter)))
        .draw_style(GraphDrawStyle.BARS)
        .bar_alignment(BarAlignment.AFTER)
        .bar_width_factor(0.9)
        .fill_opacity(80)
        .line_width(0)
        .stacking(common.StackingConfig().mode(StackingMode.NORMAL).group("A"))
        .no_value(t("No data in this range", "Geen gegevens in dit bereik"))
    )


def _month(metric: str, scope: str = "") -> str:
    """Return a figure of each month, over all accounts."""
    return f"sum by (month) (max by (account, month) ({metric}{{{scope}{queries.ACCOUNTS}}}))"


def _bars_of_months(t: Words, name: str, width: int, height: int) -> barchart.Panel:
    panel = parts.bars(t, name, width, height).group_width(0.75).bar_width(0.95)
    return panel.no_value(t("No fresh data", "Geen verse gegevens"))


def months(t: Words) -> barchart.Panel:
    """Return the months as bars."""
    month, energy, earned = t("Month", "Maand"), t("Energy", "Energie"), t("ERE credits", "ERE's")
    names = {"month": month, "Value #kwh": energy, "Value #credits": earned}
    of_credits = parts.properties(
        unit="none", color=parts.fixed(CREDITS), custom_axisPlacement="right", custom_axisLabel=earned
    )
    return (
        _bars_of_months(t, "months", 14, 10)
        .unit(parts.KWH)
        .with_target(parts.column("kwh", _month("joulo_month_kwh", _EVERY)))
        .with_target(parts.column("credits", _month("joulo_month_ere_credits")))
        .transformations([parts.transformation("merge"), parts.renamed(names, ["Time"]), parts.ordered(month)])
        .x_field(month)
        .x_tick_label_spacing(60)
        .override_by_name(energy, parts.properties(color=parts.fixed(CHARGING)))
        .override_by_name(earned, of_credits)
    )


def months_by_year(t: Words) -> barchart.Panel:
    """Return each month beside the same one of other years."""
    kwh = _month("joulo_month_kwh", _EVERY)
    year = f'label_replace({kwh}, "year", "$1", "month", "(.+)-.+")'
    month = t("Month", "Maand")
    names = t("Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec", "jan feb mrt apr mei jun jul aug sep okt nov dec")
    words = {f"{number:02}": {"text": name} for number, name in enumerate(names.split(), start=1)}
    return (
        _bars_of_months(t, "months_by_year", 24, 9)
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
    )


def figures_of_months(t: Words) -> table.Panel:
    """Return the months as a table."""
    month, energy, size = t("Month", "Maand"), t("Energy", "Energie"), t("kWh/session", "kWh/beurt")
    earned, count, share = t("Credits", "ERE's"), t("Sessions", "Beurten"), t("For ERE", "Voor ERE")
    return (
        parts.rows(
            t.on(table.Panel(), "figures_of_months").span(10).height(10),
            {
                "month": month,
                "Value #kwh": energy,
                "Value #share": share,
                "Value #credits": earned,
                "Value #sessions": count,
                "Value #size": size,
            },
            {
                "kwh": _month("joulo_month_kwh", _EVERY),
                "eligible": _month("joulo_month_kwh", 'scope="ere", '),
                "credits": _month("joulo_month_ere_credits"),
                "sessions": _month("joulo_month_sessions", _EVERY),
            },
            parts.calculated("share", "eligible", "/", "kwh"),
            parts.calculated("size", "kwh", "/", "sessions"),
            order=parts.ordered(month, descending=True),
        )
        .override_by_name(month, parts.properties(custom_minWidth=parts.NARROW))
        .override_by_name(energy, parts.figures(parts.KWH, 1, parts.NARROWEST_COLUMN))
        .override_by_name(share, parts.figures("percentunit", 0))
        .override_by_name(earned, parts.figures("none", 1))
        .override_by_name(count, parts.figures("none", 0))
        .override_by_name(size, parts.figures(parts.KWH, 1))
        .no_value(t("No fresh data", "Geen verse gegevens"))
    )


def chargers(t: Words) -> table.Panel:
    """Return the table of the chargers over the dashboard's range."""
    length = t("Mean length", "Duur/beurt")
    share = t("For ERE, ever", "Voor ERE, ooit")  # not of the range: the counter may begin within it
    return (
        _compared(
            t.on(table.Panel(), "compared_chargers").span(13).height(8),
            t,
            {"account": "Account", "charger": t("Charger", "Laadpunt")},
            {
                "kwh": queries.over_range("joulo_total_kwh"),
                "credits": queries.over_range("joulo_ere_credits_total"),
                "sessions": f"{queries.over_range('joulo_sessions_total')} > 0",
                "hours": f"({queries.over_range('joulo_session_seconds_total')}) / 3600",
                "share": f"{queries.latest('joulo_eligible_kwh_total')} / {queries.latest('joulo_total_kwh')}",
            },
            parts.calculated("length", "hours", "/", "sessions"),
            more={"Value #length": length, "Value #share": share},
        )
        .override_by_name(length, parts.figures(parts.HOURS, 1))
        .override_by_name(share, parts.figures("percentunit", 0))
    )


def vehicles(t: Words, width: int, height: int) -> table.Panel:
    """Return the table of the vehicles over the dashboard's range."""
    kwh, earned, count = (
        f"sum by (vehicle) ({queries.over_range(f'joulo_vehicle_{total}_total', 'vehicle')})"
        for total in ("kwh", "ere_credits", "sessions")
    )
    conditions = {
        "vehicle": {"id": "regex", "options": {"value": "^unknown$"}},
        "Value #kwh": {"id": "lower", "options": {"value": 0.05}},
    }
    vehicle = t("Vehicle", "Auto")
    panel = _compared(
        t.on(table.Panel(), "vehicles").span(width).height(height),
        t,
        {"vehicle": vehicle},
        {"kwh": kwh, "credits": earned, "sessions": f"{count} > 0"},
        parts.kept("exclude", **conditions),
    )
    return panel.override_by_name(vehicle, parts.vehicle_names(t))


def _compared(
    panel: table.Panel,
    t: Words,
    labels: dict[str, str],
    asked: dict[str, str],
    change: model.DataTransformerConfig,
    more: dict[str, str] | None = None,
) -> table.Panel:
    """Ask for energy, credits and sessions, and their ratios.

    Args:
        panel: the table.
        t: chooses the texts.
        labels: columns of labels, with their names.
        asked: PromQL by reference.
        change: transformation of the merged rows.
        more: columns after the usual ones, with their names.
    """
    energy, earned, each = t("Energy", "Energie"), t("Credits", "ERE's"), t("Per kWh", "Per kWh")
    count, size = t("Sessions", "Beurten"), t("kWh/session", "kWh/beurt")
    names = {
        "Value #kwh": energy,
        "Value #credits": earned,
        "Value #yield": each,
        "Value #sessions": count,
        "Value #size": size,
    }
    return (
        parts.rows(
            panel,
            labels | names | (more or {}),
            asked,
            change,
            parts.calculated("yield", "credits", "/", "kwh"),
            parts.calculated("size", "kwh", "/", "sessions"),
            order=parts.ordered(energy, descending=True),
        )
        .min_width(parts.NARROWEST_COLUMN)
        .no_value(t("Nothing charged", "Niets geladen"))
        .override_by_name(energy, parts.figures(parts.KWH, 1, parts.NARROWEST_COLUMN))
        .override_by_name(earned, parts.figures("none", 1))
        .override_by_name(count, parts.figures("none", 0))
        .override_by_name(each, parts.figures("none", 2))
        .override_by_name(size, parts.figures(parts.KWH, 1))
    )
