"""Tiles with energy, credits and their worth, of spans and of months."""

from grafana_foundation_sdk.builders import common, stat
from grafana_foundation_sdk.models.common import (
    BigValueColorMode,
    BigValueGraphMode,
    BigValueTextMode,
    VizOrientation,
)

from boards import parts, queries
from boards.colours import CHARGING, CREDITS
from boards.words import Words


def charged(t: Words, since: str) -> stat.Panel:
    """Return what the chargers have done since the beginning of a span; Grafana writes the span beside the title.

    Three figures are side by side, each the sum over the accounts.

    Args:
        t: chooses the texts.
        since: the span in Grafana's words, such as ``now/d``.
    """
    energy, earned = (
        f"sum by (account) ({queries.over_range(total)})"
        for total in ("joulo_total_kwh", "joulo_ere_credits_total")
    )
    kwh, number, worth = t("Energy", "Energie"), t("Credits", "ERE's"), t("Worth about", "Waard, ongeveer")
    return (
        stat.Panel()
        .title(t("Charged", "Geladen"))
        .description(
            t(
                "Energy charged and ERE credits earned in the span beside the title, in your time zone. Where"
                " Prometheus has no data from the beginning of the span, it counts from its first. The worth is"
                " an estimate, no payment: the credits, times the price of Joulo's own estimate, less its fee."
                " Credits are sold later, for the price of that day; Joulo may give no price here.",
                "Geladen energie en verdiende ERE's in de periode naast de titel, in je eigen tijdzone. Heeft"
                " Prometheus geen gegevens van het begin van de periode, dan telt het vanaf de eerste. De waarde"
                " is een schatting, geen uitbetaling: de ERE's, maal de prijs waarmee Joulo zelf schat, min de"
                " vergoeding van Joulo. ERE's worden later verkocht, voor de prijs van dan; soms geeft Joulo hier"
                " geen prijs.",
            )
        )
        .time_from(since)
        .span(12)
        .height(4)
        .with_target(parts.column("kwh", energy))
        .with_target(parts.column("credits", earned))
        .with_target(parts.column("price", queries.worth_of_a_credit()))
        .transformations(
            [
                parts.transformation("merge"),
                parts.calculated("worth", "credits", "*", "price"),
                parts.renamed(
                    {"Value #kwh": kwh, "Value #credits": number, "Value #worth": worth}, ["Time", "Value #price"]
                ),
            ]
        )
        .reduce_options(parts.reduced("sum"))
        .override_by_name(kwh, parts.properties(unit=parts.KWH, decimals=1, color=parts.fixed(CHARGING)))
        .override_by_name(number, parts.properties(decimals=1, color=parts.fixed(CREDITS)))
        .override_by_name(worth, parts.properties(unit=parts.EURO, decimals=2, color=parts.fixed(CREDITS)))
        .orientation(VizOrientation.VERTICAL)
        .color_mode(BigValueColorMode.VALUE)
        .graph_mode(BigValueGraphMode.NONE)
        .text_mode(BigValueTextMode.VALUE_AND_NAME)
        .text(common.VizTextDisplayOptions().title_size(14).value_size(20))  # else as small as fits all three
        .no_value(parts.NOTHING)
    )
