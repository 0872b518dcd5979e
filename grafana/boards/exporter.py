"""The dashboard to open when something is off: is the data fresh, does the API answer, how is the process?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from grafana_foundation_sdk.builders import dashboard

from boards.exporter_api import failing_records, freshness, latency, latency_spread, requests
from boards.exporter_process import memory, open_files, processor, scrapes
from boards.exporter_state import configuration, endpoints, exporters, history, ledger, versions
from boards.frame import account_variable, frame
from boards.words import Language, words_in

if TYPE_CHECKING:
    from grafana_foundation_sdk.models import dashboard as model

UID = "joulo-exporter"


def exporter(language: Language) -> model.Dashboard:
    """Return the dashboard in a language."""
    t = words_in(language)
    return (
        frame(
            language,
            t,
            uid=UID,
            title=t("Joulo: exporter", "Joulo: exporter"),
            description=t(
                "Whether the exporter works, whether its data is fresh, and how the API answers.",
                "Of de exporter werkt, of de gegevens vers zijn, en hoe de API antwoordt.",
            ),
            since="now-6h",
        )
        .with_variable(account_variable(t))
        .with_row(dashboard.Row(t("Now", "Nu")))
        .with_panel(exporters(t))
        .with_panel(configuration(t))
        .with_panel(ledger(t))
        .with_panel(history(t))
        .with_panel(versions(t))
        .with_panel(endpoints(t))
        .with_row(dashboard.Row(t("API of Joulo", "API van Joulo")))
        .with_panel(freshness(t))
        .with_panel(requests(t))
        .with_panel(latency(t))
        .with_panel(latency_spread(t))
        .with_panel(failing_records(t))
        .with_row(dashboard.Row(t("Process", "Proces")))
        .with_panel(memory(t))
        .with_panel(processor(t))
        .with_panel(open_files(t))
        .with_panel(scrapes(t))
        .build()
    )
