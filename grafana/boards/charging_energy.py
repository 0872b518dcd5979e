"""Panels on the energy and the credits of the day, week, month and year."""

from __future__ import annotations

from typing import TYPE_CHECKING

from grafana_foundation_sdk.builders import stat
from grafana_foundation_sdk.models.common import BigValueColorMode, BigValueGraphMode

from boards import parts, queries
from boards.colours import CHARGING, CREDITS

if TYPE_CHECKING:
    from boards.words import Words


def _so_far(t: Words, span: str) -> stat.Panel:
    return (
        stat.Panel()
        .datasource(parts.DATASOURCE)
        .span(6)
        .height(3)
        .time_from(span)
        .hide_time_override(True)  # noqa: FBT003  (the SDK's signature)
        .decimals(1)
        .color_mode(BigValueColorMode.VALUE)
        .graph_mode(BigValueGraphMode.NONE)
        .reduce_options(parts.reduced())
        .no_value(t("no figure", "geen cijfer"))
    )


def _since(t: Words, what: str, period: str) -> str:
    return t(
        f"{what} {period} so far, in your time zone. Where Prometheus has no data from the beginning of the"
        " period, it counts from its"
        " first. Shown only while the dashboard's range ends now.",
        f"{what} {period} tot nu toe, in je eigen tijdzone. Heeft Prometheus geen gegevens van het begin van de"
        " periode, dan telt het vanaf de"
        " eerste. Alleen te zien als het bereik van het dashboard nu eindigt.",
    )


def energy_so_far(t: Words, span: str, step: str, period: str) -> stat.Panel:
    """Return the energy of a period of the calendar until now."""
    return (
        _so_far(t, span)
        .title(t(f"Charged {period}", f"Geladen {period}"))
        .description(_since(t, t("Energy charged", "Geladen energie"), period))
        .unit(parts.KWH)
        .with_target(
            parts.at_once(
                queries.so_far("joulo_total_kwh", "charger", queries.CHARGERS, step), t("energy", "energie")
            )
        )
        .color_scheme(parts.one_colour(CHARGING))
    )


def credits_so_far(t: Words, span: str, step: str, period: str) -> stat.Panel:
    """Return the credits of a period of the calendar until now."""
    return (
        _so_far(t, span)
        .title(t(f"Credits {period}", f"ERE's {period}"))
        .description(_since(t, t("ERE credits earned", "Verdiende ERE's"), period))
        .unit("none")
        .with_target(
            parts.at_once(
                queries.so_far("joulo_ere_credits_total", "charger", queries.CHARGERS, step), t("credits", "ERE's")
            )
        )
        .color_scheme(parts.one_colour(CREDITS))
    )


def worth_so_far(t: Words, span: str, step: str, period: str) -> stat.Panel:
    """Return the estimated worth of the credits of a period of the calendar until now."""
    return (
        _so_far(t, span)
        .span(12)
        .title(t(f"Worth about {period}", f"Ongeveer waard {period}"))
        .description(
            t(
                f"An estimate, no payment: the credits of {period}, times the price of Joulo's own estimate,"
                " less its fee. Credits are sold later, for the price of that day; Joulo may give no price here.",
                f"Een schatting, geen uitbetaling: de ERE's van {period}, maal de prijs waarmee Joulo zelf schat,"
                " min de vergoeding van Joulo. ERE's worden later verkocht, voor de prijs van dan; soms geeft"
                " Joulo hier geen prijs.",
            )
        )
        .unit("currencyEUR")
        .decimals(2)
        .with_target(
            parts.at_once(
                queries.so_far(
                    "joulo_ere_credits_total", "charger", queries.CHARGERS, step, queries.worth_of_a_credit()
                ),
                t("estimate", "schatting"),
            )
        )
        .color_scheme(parts.one_colour(CREDITS))
    )
