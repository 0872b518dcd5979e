"""The dashboard for home: what happens now, and what it adds up to."""

from grafana_foundation_sdk.builders import dashboard
from grafana_foundation_sdk.models import dashboard as model

from boards.charging_energy import charged
from boards.charging_history import energy_per_day, meters, power, timeline
from boards.charging_now import last_sessions, sessions_in_progress, state
from boards.compared import vehicles
from boards.frame import account_variable, charger_variable, frame
from boards.sessions_months import by_year
from boards.words import Language, words_in

UID = "joulo-charging"


def charging(language: Language) -> model.Dashboard:
    """Return the dashboard in a language."""
    t = words_in(language)
    return (
        frame(
            language,
            t,
            uid=UID,
            title=t("Joulo: charging", "Joulo: laden"),
            description=t(
                "Chargers, the session in progress, the last one, and energy and ERE credits of day, week,"
                " month and year.",
                "Laadpunten, de lopende laadbeurt, de vorige, en energie en ERE's van dag, week, maand en jaar.",
            ),
            since="now-6d/d",  # whole days, or the first bar would be cut off
        )
        .with_variable(account_variable(t))
        .with_variable(charger_variable(t))
        .with_row(dashboard.Row(t("Now", "Nu")))
        .with_panel(state(t))
        .with_panel(charged(t, "now/d"))
        .with_panel(charged(t, "now/M"))
        .with_panel(sessions_in_progress(t))
        .with_panel(last_sessions(t))
        .with_row(dashboard.Row(t("History", "Verloop")))
        .with_panel(timeline(t))
        .with_panel(energy_per_day(t))
        .with_panel(vehicles(t).span(10).height(9))
        .with_panel(power(t))
        .with_panel(meters(t))
        .with_row(dashboard.Row(t("Longer spans", "Langere perioden")))
        .with_panel(charged(t, "now/w"))
        .with_panel(charged(t, "now/y"))
        .with_panel(by_year(t))
        .build()
    )
