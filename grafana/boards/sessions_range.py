"""What chargers and vehicles did in the dashboard's range: panels of the dashboard of sessions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from grafana_foundation_sdk.builders import common, table, timeseries
from grafana_foundation_sdk.models.common import StackingMode, VisibilityMode

from boards import parts, queries
from boards.sessions_months import NARROW

if TYPE_CHECKING:
    from boards.words import Words


def growth(t: Words) -> timeseries.Panel:
    """Return the panel of the credits earned."""
    series = f"joulo_ere_credits_total{{{queries.CHARGERS}}}"
    each = "max by (account, charger)"
    reached = f"last_over_time({series}[1h] offset -$__interval)"  # by the end of a step: the last one ends now
    begin = f"{each} (last_over_time({series}[1h] @ start()))"
    first = f"min by (account, charger) (min_over_time({series}[${{__range_ms}}ms:1h] @ end()))"
    return (
        timeseries.Panel()
        .title(t("Growth of the credits", "Groei van de ERE's"))
        .description(
            t(
                "ERE credits that each charger has earned since the beginning of the range, one above the other."
                " Joulo calculates them some time after"
                " the end of a session. Where Prometheus has no data from the beginning, it counts from its"
                " first.",
                "ERE's die elk laadpunt sinds het begin van het bereik verdiende, op elkaar gestapeld. Joulo"
                " berekent ze enige tijd na het einde van een"
                " laadbeurt. Heeft Prometheus geen gegevens van het begin, dan telt het vanaf de eerste.",
            )
        )
        .datasource(parts.DATASOURCE)
        .unit("none")
        .decimals(1)
        .min(0)
        .span(24)
        .height(10)
        .interval("5m")
        .with_target(parts.over_time(f"clamp_min({each} ({reached}) - ({begin} or {first}), 0)"))
        .fill_opacity(40)
        .line_width(1)
        .show_points(VisibilityMode.NEVER)
        .stacking(common.StackingConfig().mode(StackingMode.NORMAL).group("A"))
        .legend(parts.legend("lastNotNull"))
        .tooltip(parts.all_in_tooltip())
        .no_value(t("No data in this range", "Geen gegevens in dit bereik"))
    )


def chargers(t: Words) -> table.Panel:
    """Return the table of the chargers."""
    kwh, credits_earned, count, seconds = (
        queries.over_range(counter, "charger", queries.CHARGERS)
        for counter in (
            "joulo_total_kwh",
            "joulo_ere_credits_total",
            "joulo_sessions_total",
            "joulo_session_seconds_total",
        )
    )
    shown = {"kwh": kwh, "credits": credits_earned, "sessions": count, "yield": f"{credits_earned} / ({kwh} > 0)"}
    shown |= {"size": f"{kwh} / ({count} > 0)", "length": f"{seconds} / 3600 / ({count} > 0)"}
    names = {"account": "Account", "charger": t("Charger", "Laadpunt")} | _columns(t)
    names["Value #length"] = t("Mean length", "Duur/beurt")
    names["Value #share"] = t("For ERE, ever", "Voor ERE, ooit")  # not of the range: it may begin within it
    shown["share"] = f"{queries.latest('joulo_eligible_kwh_total')} / ({queries.latest('joulo_total_kwh')} > 0)"
    return _table(t, shown, names).title(t("Chargers", "Laadpunten")).description(
        t(
            "What each charger did in the dashboard's range, and the mean of its sessions that ended in it. No"
            " credits per kWh: its meter is not"
            " MID-certified, or Joulo has not calculated yet. For ERE, ever: the share of all its energy in"
            " sessions that count for ERE.",
            "Wat elk laadpunt deed in het bereik van het dashboard, en het gemiddelde van de laadbeurten die"
            " erin eindigden. Geen ERE's per kWh: de meter"
            " is niet MID-gekeurd, of Joulo heeft nog niet gerekend. Voor ERE, ooit: het deel van alle energie in"
            " laadbeurten die voor ERE tellen.",
        )
    ).span(13)  # fmt: skip


def vehicles(t: Words) -> table.Panel:
    """Return the table of the vehicles."""
    kwh, credits_earned, count = (
        f"sum by (vehicle) ({queries.over_range(counter, 'vehicle', queries.ACCOUNTS)})"
        for counter in (
            "joulo_vehicle_kwh_total",
            "joulo_vehicle_ere_credits_total",
            "joulo_vehicle_sessions_total",
        )
    )
    shown = {"kwh": kwh, "credits": credits_earned, "sessions": count, "yield": f"{credits_earned} / ({kwh} > 0)"}
    shown |= {"size": f"{kwh} / ({count} > 0)"}
    names = {"vehicle": t("Vehicle", "Auto")} | _columns(t)
    return _table(t, shown, names).title(t("Vehicles", "Auto's")).description(
        t(
            'The same for each vehicle, at all chargers of the accounts. "unknown": a tag that the configuration'
            ' gives to no vehicle, or none.',
            'Hetzelfde voor elke auto, aan alle laadpunten van de accounts. "onbekend": een laadpas die de'
            ' configuratie aan geen auto geeft, of geen laadpas.',
        )
    ).span(11)  # fmt: skip


def _columns(t: Words) -> dict[str, str]:
    return {
        "Value #kwh": t("Energy", "Energie"),
        "Value #credits": t("Credits", "ERE's"),
        "Value #yield": t("Per kWh", "Per kWh"),
        "Value #sessions": t("Sessions", "Beurten"),
        "Value #size": t("kWh/session", "kWh/beurt"),
    }


def _table(t: Words, shown: dict[str, str], names: dict[str, str]) -> table.Panel:
    panel = (
        table.Panel()
        .datasource(parts.DATASOURCE)
        .unit("none")
        .height(8)
        .min_width(parts.NARROWEST_COLUMN)
        .no_value(t("Nothing charged", "Niets geladen"))
    )
    for ref, expression in shown.items():
        panel.with_target(parts.column(ref, expression))
    panel.transformations([*parts.columns(names), parts.ordered(names["Value #kwh"], descending=True)])
    for ref, unit, decimals, width in (
        ("kwh", parts.KWH, 1, parts.NARROWEST_COLUMN),
        ("credits", "none", 1, NARROW),
        ("yield", "none", 2, NARROW),
        ("sessions", "none", 0, NARROW),
        ("size", parts.KWH, 1, NARROW),
    ):
        panel.override_by_name(
            names[f"Value #{ref}"], parts.properties(unit=unit, decimals=decimals, custom_minWidth=width)
        )
    if "share" in shown:
        panel.override_by_name(
            names["Value #share"], parts.properties(unit="percentunit", decimals=0, custom_minWidth=NARROW)
        )
    if "length" in shown:
        panel.override_by_name(
            names["Value #length"], parts.properties(unit=parts.HOURS, decimals=1, custom_minWidth=NARROW)
        )
    if "vehicle" in names:
        panel.override_by_name(names["vehicle"], parts.vehicle_names(t))
    return panel
