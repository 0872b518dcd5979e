"""The dashboard of sessions and ERE credits: months, every session, chargers and vehicles, when people charge."""

from grafana_foundation_sdk.builders import dashboard
from grafana_foundation_sdk.models import dashboard as model

from boards import compared, parts, queries, sessions_habits, sessions_list, sessions_months, sessions_worth
from boards.charging_history import credits_per_day
from boards.colours import IDLE
from boards.frame import account_variable, charger_variable, frame, price_variable, vehicle_variable
from boards.words import Language, words_in

UID = "joulo-sessions"


class _EndsOfSessions(model.AnnotationQuery):
    """Marks at moments that a metric tells: the SDK lacks these fields of the Prometheus data source."""

    def to_json(self) -> dict[str, object]:
        """Return the JSON of the dashboard; Grafana wants milliseconds."""
        metric = "joulo_last_session_end_timestamp_seconds"
        end = queries.latest(metric)
        # With a window: VictoriaMetrics looks back at @ start() by no more than a step otherwise.
        before = f"max by (account, charger) (last_over_time({metric}[1h] @ start()))"
        in_range = f"{end} * 1000 unless on (account, charger) {end} == {before}"
        step = "1m"
        return super().to_json() | {
            "target": {"expr": in_range, "interval": step, "refId": "Anno"},
            "expr": in_range,  # Grafana 11 and older take these two from here
            "step": step,
            "useValueForTime": True,
            "titleFormat": parts.CHARGER_LEGEND,
            "textFormat": self.name,
        }


class _Marks(dashboard.AnnotationQuery):
    def __init__(self, name: str) -> None:
        super().__init__()
        self._internal = _EndsOfSessions(name=name, datasource=parts.DATASOURCE, icon_color=IDLE, enable=False)


def sessions(language: Language) -> model.Dashboard:
    """Return the dashboard in a language."""
    t = words_in(language)
    return (
        frame(
            language,
            t,
            uid=UID,
            title=t("Joulo: sessions and ERE", "Joulo: laadbeurten en ERE's"),
            description=t(
                "Months side by side, energy and ERE credits of chargers and vehicles, size and length of"
                " sessions, and when people charge.",
                "Maanden naast elkaar, energie en ERE's van laadpunten en auto's, grootte en duur van"
                " laadbeurten, en wanneer er geladen wordt.",
            ),
            since="now-90d",
        )
        .with_variable(account_variable(t))
        .with_variable(charger_variable(t))
        .with_variable(vehicle_variable(t))
        .with_variable(price_variable(t))
        .annotation(_Marks(t("Session ended", "Laadbeurt geëindigd")))
        .with_row(dashboard.Row(t("Months", "Maanden")))
        .with_panel(sessions_months.bars(t))
        .with_panel(sessions_months.figures(t))
        .with_row(dashboard.Row(t("In the dashboard's range", "In het bereik van het dashboard")))
        .with_panel(sessions_list.sessions(t))
        .with_panel(compared.chargers(t).span(13))
        .with_panel(compared.vehicles(t).span(11))
        .with_panel(sessions_list.sizes(t))
        .with_panel(credits_per_day(t))
        .with_panel(sessions_habits.hours_of_the_day(t))
        .with_panel(sessions_habits.days_of_the_week(t))
        .with_row(sessions_worth.row(t))
        .build()
    )
