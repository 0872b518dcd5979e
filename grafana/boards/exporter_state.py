"""Panels on the exporter's state now."""

from grafana_foundation_sdk.builders import prometheus, stat, table
from grafana_foundation_sdk.models.common import BigValueColorMode, BigValueGraphMode, BigValueTextMode

from boards import parts
from boards.colours import CHARGING, IDLE, WRONG
from boards.queries import ACCOUNTS, endpoint_value
from boards.words import Words


def verdicts(t: Words) -> list[stat.Panel]:
    """Return panels that say whether all is well: with scrapes, the configuration, the ledger, the history."""
    return [
        _verdict(
            t,
            t("Reached", "Bereikt"),
            t("Down", "Onbereikbaar"),
            parts.at_once("min(up and on (job, instance) last_over_time(joulo_exporter_build_info[1h]))", "up"),
        )
        .title(t("Scraped by Prometheus", "Opgehaald door Prometheus"))
        .description(
            t(
                "Whether Prometheus reached every exporter that it reached within the last hour.",
                "Of Prometheus elke exporter bereikt die het in het laatste uur bereikte.",
            )
        ),
        _verdict(
            t,
            t("In force", "Van kracht"),
            t("Faulty file", "Fout bestand"),
            parts.at_once("min(joulo_exporter_config_last_reload_successful)", "reload"),
        )
        .title(t("Configuration", "Configuratie"))
        .description(
            t(
                "Whether the last reload succeeded. A faulty file changes nothing; the log says what is wrong.",
                "Of de laatste herlading slaagde. Een fout bestand verandert niets; het log zegt wat er mis is.",
            )
        ),
        _verdict(
            t,
            t("On disk", "Op schijf"),
            t("In memory only", "Alleen in geheugen"),
            parts.at_once(f"min(joulo_ledger_persistent{{{ACCOUNTS}}})", "ledger"),
        )
        .title(t("Ledger", "Register"))
        .description(
            t(
                "In memory only: the folder of the ledger cannot be written. A restart reads the whole history"
                " again.",
                "Alleen in geheugen: in de map van het register kan niet worden geschreven. Een herstart leest"
                " de hele geschiedenis opnieuw.",
            )
        ),
        _verdict(
            t,
            t("Complete", "Compleet"),
            t("Still reading", "Nog aan het lezen"),
            parts.at_once(f"min(joulo_history_complete{{{ACCOUNTS}}})", "history"),
        )
        .title(t("History of sessions", "Geschiedenis van laadbeurten"))
        .description(
            t(
                "Whether all sessions of all accounts are in the ledger. The totals of an account appear once"
                " its history is complete.",
                "Of alle laadbeurten van alle accounts in het register staan. De totalen van een account"
                " verschijnen als de geschiedenis compleet is.",
            )
        ),
    ]


def _verdict(t: Words, fine: str, faulty: str, query: prometheus.Dataquery) -> stat.Panel:
    """Return a panel that says a word for 1, and another for 0."""
    return (
        stat.Panel()
        .span(5)
        .height(4)
        .with_target(query)
        .mappings([parts.yes_no(fine, faulty)])
        .thresholds(parts.steps(IDLE))
        .color_mode(BigValueColorMode.BACKGROUND_SOLID)
        .graph_mode(BigValueGraphMode.NONE)
        .text_mode(BigValueTextMode.VALUE)
        .reduce_options(parts.reduced())
        .no_value(t("No data", "Geen gegevens"))
    )


def versions(t: Words) -> stat.Panel:
    """Return which versions run."""
    return (
        stat.Panel()
        .title(t("Version", "Versie"))
        .description(
            t(
                "Versions that run, and how many exporters run each.",
                "Versies die draaien, en op hoeveel exporters.",
            )
        )
        .span(4)
        .height(4)
        .with_target(parts.at_once("count by (version) (joulo_exporter_build_info)", "{{version}}"))
        .color_scheme(parts.one_colour(CHARGING))
        .color_mode(BigValueColorMode.NONE)
        .graph_mode(BigValueGraphMode.NONE)
        .text_mode(BigValueTextMode.NAME)
        .reduce_options(parts.reduced())
        .no_value(t("No data", "Geen gegevens"))
    )


def endpoints(t: Words) -> table.Panel:
    """Return the state of each endpoint of each account."""
    succeeded = endpoint_value("joulo_last_refresh_timestamp_seconds")
    interval = endpoint_value("joulo_refresh_interval_seconds")
    names = {
        "account": t("Account", "Account"),
        "endpoint": t("Endpoint", "Eindpunt"),
        "Value #up": t("Last refresh", "Laatste verversing"),
        "Value #age": t("Last success", "Laatste succes"),
        "Value #interval": t("Interval", "Interval"),
        "Value #next": t("Next refresh", "Volgende verversing"),
    }
    overdue = parts.properties(
        unit="dthms",
        mappings=[
            parts.below(-60, t("Overdue", "Te laat"), WRONG),
            parts.below(1, t("Now", "Nu"), CHARGING, at_least=-60),
        ],
        thresholds={"mode": "absolute", "steps": [{"value": None, "color": CHARGING}]},
        custom_cellOptions={"type": "color-text"},
    )
    return (
        table.Panel()
        .title(t("Endpoints", "Eindpunten"))
        .description(
            t(
                "Every endpoint of every account; those that wait longest come first. The next refresh is"
                " counted from the last success: after"
                " failures the exporter waits longer than the interval, and it obeys what the API asks for.",
                "Elk eindpunt van elk account; wat het langst wacht staat bovenaan. De volgende verversing telt"
                " vanaf het laatste succes: na mislukkingen"
                " wacht de exporter langer dan het interval, en hij doet wat de API vraagt.",
            )
        )
        .span(24)
        .height(8)
        .with_target(parts.column("up", endpoint_value("joulo_up")))
        .with_target(parts.column("age", f"{succeeded} * 1000"))
        .with_target(parts.column("interval", interval))
        .with_target(parts.column("next", f"{succeeded} + {interval} - time()"))
        .transformations(
            [*parts.columns(names), parts.transformation("sortBy", sort=[{"field": names["Value #next"]}])]
        )
        .override_by_name(
            names["Value #up"],
            parts.properties(
                mappings=[parts.yes_no(t("Succeeded", "Gelukt"), t("Failed", "Mislukt"))],
                custom_cellOptions={"type": "color-text"},
            ),
        )
        .override_by_name(
            names["Value #age"], parts.properties(unit="dateTimeFromNow", custom_minWidth=parts.TIME_COLUMN)
        )
        .override_by_name(names["Value #interval"], parts.properties(unit="dthms"))
        .override_by_name(names["Value #next"], overdue)
        .min_width(parts.NARROWEST_COLUMN)
        .no_value(parts.NOTHING)
    )
