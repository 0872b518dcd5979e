"""The dashboard to open when something is off: is the data fresh, does the API answer, how is the process?"""

from grafana_foundation_sdk.builders import dashboard
from grafana_foundation_sdk.models import dashboard as model

from boards.exporter_api import failing_records, freshness, latency, latency_spread, requests
from boards.exporter_process import process
from boards.exporter_state import endpoints, verdicts, versions
from boards.frame import account_variable, frame
from boards.words import Language, words_in

UID = "joulo-exporter"


def exporter(language: Language) -> model.Dashboard:
    """Return the dashboard in a language."""
    t = words_in(language)
    now = (*verdicts(t), versions(t), endpoints(t))
    api = (freshness(t), requests(t), latency(t), latency_spread(t), failing_records(t))
    board = frame(
        language,
        t,
        uid=UID,
        title=t("Joulo: exporter", "Joulo: exporter"),
        description=t(
            "Whether the exporter works, whether its data is fresh, and how the API answers.",
            "Of de exporter werkt, of de gegevens vers zijn, en hoe de API antwoordt.",
        ),
        since="now-6h",
    ).with_variable(account_variable(t))
    for title, panels in (
        (t("Now", "Nu"), now),
        (t("API of Joulo", "API van Joulo"), api),
        (t("Process", "Proces"), process(t)),
    ):
        board.with_row(dashboard.Row(title))
        for panel in panels:
            board.with_panel(panel)
    return board.build()
