"""Sessions one by one: the table of them, and a graph of their energy."""

from grafana_foundation_sdk.builders import table, timeseries
from grafana_foundation_sdk.models.common import GraphDrawStyle

from boards import parts, queries
from boards.words import Words

_START = "joulo_last_session_start_timestamp_seconds"


def sessions(t: Words) -> table.Panel:
    """Return the table of the sessions.

    Rows are those of the query ``chosen``. A total has no label of a vehicle, so it is there with "All" alone, and
    with it a session of which no vehicle is known.
    """
    of_vehicle = f'{{{queries.ACCOUNTS}, vehicle=~"$vehicle"}}'
    earned = queries.of_sessions("max by (account, charger) (joulo_last_session_ere_credits)")
    price = "avg by (account) (joulo_ere_estimate_price_euros * (1 - joulo_ere_estimate_fee_ratio))"
    names = {
        "Value #start": t("Start", "Begin"),
        "Value #kwh": t("Energy", "Energie"),
        "account": "Account",
        "charger": t("Charger", "Laadpunt"),
        "vehicle": t("Vehicle", "Auto"),
        "Value #length": t("Duration", "Duur"),
        "Value #credits": t("Credits", "ERE's"),
        "Value #worth": t("Worth about", "Waard, ongeveer"),
        "Value #cost": t("Cost", "Kosten"),
    }
    asked = {
        "chosen": queries.of_sessions(
            f"group by (account, charger) (joulo_last_session_info{of_vehicle} or joulo_total_kwh{of_vehicle})"
        ),
        "start": f"1000 * {queries.of_sessions(_each(_START))}",
        "end": f"1000 * {queries.of_sessions(_each(_START.replace('start', 'end')))}",
        "kwh": queries.of_sessions(_each("joulo_last_session_kwh")),
        "credits": queries.of_sessions(_each("joulo_last_session_ere_credits")),
        "worth": f"{earned} * on (account) group_left {price}",
        "cost": f"$price * {queries.of_sessions(_each('joulo_last_session_kwh'))}",
        "vehicle": queries.of_sessions(
            f"topk by (account, charger) (1, joulo_last_session_info{{{queries.ACCOUNTS}}})", "(vehicle) "
        ),
    }
    panel = (
        table.Panel()
        .title(t("Sessions", "Laadbeurten"))
        .description(
            t(
                "Every session that ended in the dashboard's range, the latest first. The cost is at the price"
                " at the top of the dashboard. The worth of the credits is an estimate, no payment. For"
                " bookkeeping there is joulo-exporter statement.",
                "Elke laadbeurt die eindigde in het bereik van het dashboard, de laatste eerst. De kosten zijn die"
                " van de prijs boven aan het dashboard. De waarde van de ERE's is een schatting, geen uitbetaling."
                " Voor de boekhouding is er joulo-exporter statement.",
            )
        )
        .span(24)
        .height(11)
        .min_width(parts.NARROWEST_COLUMN)
        .transformations(
            [
                parts.transformation("merge"),
                parts.kept("include", **{"Value #chosen": {"id": "isNotNull", "options": {}}}),
                parts.calculated("length", "end", "-", "start"),
                parts.renamed(names, ["Time", "start", "Value #end", "Value #vehicle", "Value #chosen"]),
                parts.ordered(names["Value #start"], descending=True),
            ]
        )
        .override_by_name(
            names["Value #start"],
            parts.properties(unit="time:YYYY-MM-DD HH:mm", custom_minWidth=parts.TIME_COLUMN),
        )
        .override_by_name(names["vehicle"], parts.vehicle_names(t))
        .override_by_name(names["Value #kwh"], parts.figures(parts.KWH, 2, parts.NARROWEST_COLUMN))
        .override_by_name(names["Value #length"], parts.properties(unit="clockms", decimals=1))
        .override_by_name(names["Value #credits"], parts.figures("none", 2))
        .override_by_name(names["Value #worth"], parts.figures(parts.EURO, 2, parts.NARROWEST_COLUMN))
        .override_by_name(names["Value #cost"], parts.figures(parts.EURO, 2))
        .no_value(parts.NOTHING)
    )
    for ref, expression in asked.items():
        panel.with_target(parts.column(ref, expression))
    return panel


def _each(metric: str) -> str:
    return f"max by (account, charger) ({metric}{{{queries.ACCOUNTS}}})"


def sizes(t: Words) -> timeseries.Panel:
    """Return the graph of the energy of each session: of the last one, where that became another one."""
    return (
        timeseries.Panel()
        .title(t("Energy of each session", "Energie van elke laadbeurt"))
        .description(
            t(
                "One dot for each session, where its end became known; of sessions that end within one step of the"
                " graph the last.",
                "Een stip voor elke laadbeurt, waar het einde bekend werd; van laadbeurten die binnen een stap van"
                " de grafiek eindigen de laatste.",
            )
        )
        .unit(parts.KWH)
        .min(0)
        .decimals(1)
        .span(12)
        .height(9)
        .interval("15m")
        .with_target(parts.over_time(queries.new_session(queries.latest("joulo_last_session_kwh"))))
        .draw_style(GraphDrawStyle.POINTS)
        .point_size(7)
        .legend(parts.legend("mean", "max"))
        .tooltip(parts.all_in_tooltip())
        .no_value(t("No session in this range", "Geen laadbeurt in dit bereik"))
    )
