"""Panels on what happens now."""

from grafana_foundation_sdk.builders import stat, table
from grafana_foundation_sdk.models.common import BigValueColorMode, BigValueGraphMode, BigValueTextMode

from boards import parts, queries
from boards.colours import IDLE
from boards.words import Words


def state(t: Words) -> stat.Panel:
    """Return whether each charger charges now."""
    return (
        stat.Panel()
        .title(t("Chargers", "Laadpunten"))
        .description(
            t(
                "Whether each charger charges now. Offline: Joulo has no contact with it. Empty: there is no"
                " fresh answer from Joulo; the dashboard"
                " of the exporter tells why.",
                "Of elk laadpunt nu laadt. Offline: Joulo heeft er geen contact mee. Leeg: er is geen vers"
                " antwoord van Joulo; het dashboard van de"
                " exporter zegt waarom.",
            )
        )
        .span(24)
        .height(5)
        .with_target(parts.at_once(queries.state()))
        .mappings([parts.states(t)])
        .thresholds(parts.steps(IDLE))
        .color_mode(BigValueColorMode.BACKGROUND_SOLID)
        .graph_mode(BigValueGraphMode.NONE)
        .text_mode(BigValueTextMode.VALUE_AND_NAME)
        .reduce_options(parts.reduced())
        .no_value(t("No fresh data", "Geen verse gegevens"))
    )


def sessions_in_progress(t: Words) -> table.Panel:
    """Return the session in progress of each charger."""
    vehicle = "max by (account, charger, vehicle) (joulo_session_info{" + queries.CHARGERS + "})"
    names = {
        "account": t("Account", "Account"),
        "charger": t("Charger", "Laadpunt"),
        "Value #kwh": t("Energy", "Energie"),
        "Value #power": t("Power", "Vermogen"),
        "Value #start": t("Since", "Sinds"),
        "vehicle": t("Vehicle", "Auto"),
    }
    return (
        table.Panel()
        .title(t("Session in progress", "Lopende laadbeurt"))
        .description(
            t(
                "The session in progress of each charger, if there is one. The power is the mean between the"
                " two latest readings of the meter, which Joulo takes every"
                " quarter of an hour.",
                "De lopende laadbeurt van elk laadpunt, als die er is. Het vermogen is het gemiddelde tussen de"
                " twee laatste meterstanden, die Joulo elk kwartier"
                " ophaalt.",
            )
        )
        .span(12)
        .height(6)
        .with_target(parts.column("state", queries.state()))  # a row for each charger, whether it charges or not
        .with_target(parts.column("kwh", queries.in_progress("joulo_session_kwh")))
        .with_target(parts.column("power", queries.in_progress("joulo_charger_power_watts")))
        .with_target(parts.column("start", f"{queries.latest('joulo_session_start_timestamp_seconds')} * 1000"))
        .with_target(parts.column("vehicle", vehicle))
        .transformations(parts.columns(names, hidden=["Value #state", "Value #vehicle"]))
        .override_by_name(names["Value #kwh"], parts.properties(unit=parts.KWH, decimals=2))
        .override_by_name(names["Value #power"], parts.properties(unit="watt", decimals=1))
        .override_by_name(
            names["Value #start"], parts.properties(unit="dateTimeFromNow", custom_minWidth=parts.TIME_COLUMN)
        )
        .override_by_name(names["vehicle"], parts.vehicle_names(t))
        .min_width(parts.NARROWEST_COLUMN)
        .no_value(parts.NOTHING)
    )


def last_sessions(t: Words) -> table.Panel:
    """Return the session of each charger that ended last."""
    vehicle = "max by (account, charger, vehicle) (joulo_last_session_info{" + queries.CHARGERS + "})"
    start, end = (queries.latest(f"joulo_last_session_{edge}_timestamp_seconds") for edge in ("start", "end"))
    names = {
        "account": t("Account", "Account"),
        "charger": t("Charger", "Laadpunt"),
        "Value #kwh": t("Energy", "Energie"),
        "Value #credits": t("Credits", "ERE's"),
        "Value #end": t("Ended", "Einde"),
        "Value #duration": t("Duration", "Duur"),
        "vehicle": t("Vehicle", "Auto"),
    }
    return (
        table.Panel()
        .title(t("Last session", "Laatste laadbeurt"))
        .description(
            t(
                "The session of each charger that ended last. Credits come a while after the end, when Joulo"
                " has calculated them.",
                "De laadbeurt van elk laadpunt die het laatst eindigde. ERE's komen enige tijd na het einde,"
                " als Joulo ze berekend heeft.",
            )
        )
        .span(12)
        .height(6)
        .with_target(parts.column("kwh", queries.latest("joulo_last_session_kwh")))
        .with_target(parts.column("credits", queries.latest("joulo_last_session_ere_credits")))
        .with_target(parts.column("duration", f"{end} - {start}"))
        .with_target(parts.column("end", f"{end} * 1000"))
        .with_target(parts.column("vehicle", vehicle))
        .transformations(
            [
                *parts.columns(names, hidden=["Value #vehicle"]),
                parts.ordered(names["Value #end"], descending=True),
            ]
        )
        .override_by_name(names["Value #kwh"], parts.properties(unit=parts.KWH, decimals=2))
        .override_by_name(names["Value #credits"], parts.properties(unit="none", decimals=2))
        .override_by_name(names["Value #duration"], parts.properties(unit="dthms"))
        .override_by_name(
            names["Value #end"], parts.properties(unit="dateTimeFromNow", custom_minWidth=parts.TIME_COLUMN)
        )
        .override_by_name(names["vehicle"], parts.vehicle_names(t))
        .min_width(parts.NARROWEST_COLUMN)
        .no_value(parts.NOTHING)
    )
