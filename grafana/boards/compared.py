"""Tables that compare chargers and vehicles over the dashboard's range."""

from grafana_foundation_sdk.builders import table
from grafana_foundation_sdk.models import dashboard as model

from boards import parts, queries
from boards.words import Words


def chargers(t: Words) -> table.Panel:
    """Return the table of the chargers."""
    length = t("Mean length", "Duur/beurt")
    share = t("For ERE, ever", "Voor ERE, ooit")  # not of the range: the counter may begin within it
    return (
        _table(
            t,
            {"account": "Account", "charger": t("Charger", "Laadpunt")},
            {
                "kwh": queries.over_range("joulo_total_kwh"),
                "credits": queries.over_range("joulo_ere_credits_total"),
                "sessions": f"{queries.over_range('joulo_sessions_total')} > 0",
                "hours": f"({queries.over_range('joulo_session_seconds_total')}) / 3600",
                "share": f"{queries.latest('joulo_eligible_kwh_total')} / {queries.latest('joulo_total_kwh')}",
            },
            {"Value #length": length, "Value #share": share},
            parts.calculated("length", "hours", "/", "sessions"),
        )
        .title(t("Chargers", "Laadpunten"))
        .description(
            t(
                "What each charger did in the dashboard's range, and the mean of its sessions that ended in it. No"
                " credits per kWh: its meter is not MID-certified, or Joulo has not calculated yet. For ERE, ever:"
                " the share of all its energy in sessions that count for ERE.",
                "Wat elk laadpunt deed in het bereik van het dashboard, en het gemiddelde van de laadbeurten die"
                " erin eindigden. Geen ERE's per kWh: de meter is niet MID-gekeurd, of Joulo heeft nog niet"
                " gerekend. Voor ERE, ooit: het deel van alle energie in laadbeurten die voor ERE tellen.",
            )
        )
        .override_by_name(length, parts.figures(parts.HOURS, 1))
        .override_by_name(share, parts.figures("percentunit", 0))
    )


def vehicles(t: Words) -> table.Panel:
    """Return the table of the vehicles."""
    kwh, earned, count = (
        f"sum by (vehicle) ({queries.over_range(f'joulo_vehicle_{total}_total', 'vehicle')})"
        for total in ("kwh", "ere_credits", "sessions")
    )
    nobody = parts.kept(
        "exclude",
        **{
            "vehicle": {"id": "regex", "options": {"value": "^unknown$"}},
            "Value #kwh": {"id": "lower", "options": {"value": 0.05}},
        },
    )
    vehicle = t("Vehicle", "Auto")
    return (
        _table(
            t,
            {"vehicle": vehicle},
            {"kwh": kwh, "credits": earned, "sessions": f"{count} > 0"},
            {},
            nobody,
        )
        .title(t("Vehicles", "Auto's"))
        .description(
            t(
                "What each vehicle charged in the dashboard's range, at all chargers of the accounts."
                ' "unknown": a tag that the configuration gives to no vehicle, or none.',
                "Wat elke auto laadde in het bereik van het dashboard, aan alle laadpunten van de accounts."
                ' "onbekend": een laadpas die de configuratie aan geen auto geeft, of geen laadpas.',
            )
        )
        .override_by_name(vehicle, parts.vehicle_names(t))
    )


def _table(
    t: Words,
    labels: dict[str, str],
    asked: dict[str, str],
    more: dict[str, str],
    *changes: model.DataTransformerConfig,
) -> table.Panel:
    """Return a table of energy, credits and sessions, and of their ratios.

    Args:
        t: chooses the texts.
        labels: columns of labels, with their names.
        asked: PromQL by reference.
        more: columns after the usual ones, with their names.
        changes: transformations of the merged rows.
    """
    names = {
        "Value #kwh": t("Energy", "Energie"),
        "Value #credits": t("Credits", "ERE's"),
        "Value #yield": t("Per kWh", "Per kWh"),
        "Value #sessions": t("Sessions", "Beurten"),
        "Value #size": t("kWh/session", "kWh/beurt"),
    } | more
    hidden = ["Time", *(f"Value #{ref}" for ref in asked if f"Value #{ref}" not in names)]
    panel = (
        table.Panel()
        .height(8)
        .min_width(parts.NARROWEST_COLUMN)
        .no_value(t("Nothing charged", "Niets geladen"))
        .transformations(
            [
                parts.transformation("merge"),
                *changes,
                parts.calculated("yield", "credits", "/", "kwh"),
                parts.calculated("size", "kwh", "/", "sessions"),
                parts.renamed(labels | names, hidden),
                parts.ordered(names["Value #kwh"], descending=True),
            ]
        )
    )
    for ref, expression in asked.items():
        panel.with_target(parts.column(ref, expression))
    return (
        panel.override_by_name(names["Value #kwh"], parts.figures(parts.KWH, 1, parts.NARROWEST_COLUMN))
        .override_by_name(names["Value #credits"], parts.figures("none", 1))
        .override_by_name(names["Value #sessions"], parts.figures("none", 0))
        .override_by_name(names["Value #yield"], parts.figures("none", 2))
        .override_by_name(names["Value #size"], parts.figures(parts.KWH, 1))
    )
