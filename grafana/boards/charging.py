"""The dashboard for home: what happens now, and what it adds up to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from grafana_foundation_sdk.builders import dashboard

from boards.charging_energy import credits_so_far, energy_so_far, worth_so_far
from boards.charging_history import energy_per_day, meters, power, timeline, vehicles
from boards.charging_now import last_sessions, sessions_in_progress, state
from boards.frame import account_variable, charger_variable, frame
from boards.words import Language, words_in

if TYPE_CHECKING:
    from grafana_foundation_sdk.models import dashboard as model

UID = "joulo-charging"
_PERIODS = (  # of Grafana's calendar, and how close to look where the beginning is missing
    ("now/d", "5m", "today", "vandaag"),
    ("now/w", "5m", "this week", "deze week"),
    ("now/M", "15m", "this month", "deze maand"),
    ("now/y", "1h", "this year", "dit jaar"),
)


def charging(language: Language) -> model.Dashboard:
    """Return the dashboard in a language."""
    t = words_in(language)
    board = (
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
        .with_panel(sessions_in_progress(t))
        .with_panel(last_sessions(t))
        .with_row(dashboard.Row(t("Energy and ERE credits", "Energie en ERE's")))
    )
    for span, step, english, dutch in _PERIODS:
        board.with_panel(energy_so_far(t, span, step, t(english, dutch)))
    for span, step, english, dutch in _PERIODS:
        board.with_panel(credits_so_far(t, span, step, t(english, dutch)))
    for span, step, english, dutch in _PERIODS[2:]:  # credits of less may still be to come
        board.with_panel(worth_so_far(t, span, step, t(english, dutch)))
    return (
        board.with_row(dashboard.Row(t("History", "Verloop")))
        .with_panel(timeline(t))
        .with_panel(energy_per_day(t))
        .with_panel(vehicles(t))
        .with_panel(power(t))
        .with_panel(meters(t))
        .build()
    )
