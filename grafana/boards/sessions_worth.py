"""What the ERE credits are worth: the panels of the optional collectors."""

from grafana_foundation_sdk.builders import dashboard, stat, table, timeseries
from grafana_foundation_sdk.models.common import (
    BigValueColorMode,
    BigValueGraphMode,
    BigValueTextMode,
    LineInterpolation,
)

from boards import parts, queries
from boards.colours import ATTENTION, CHARGING, CREDITS, IDLE
from boards.words import Words

_FIRST_ID = 101  # panels in a collapsed row are not numbered with the others


def row(t: Words) -> dashboard.Row:
    """Return the collapsed row with its panels."""
    panels = (_proceeds(t), _forecast(t), _prices(t), _quarters(t))
    made = dashboard.Row(t("What it is worth", "Wat het waard is"))
    for number, panel in enumerate(panels, start=_FIRST_ID):
        made.with_panel(panel.id(number))  # type: ignore[attr-defined]
    return made


def _switch_on(t: Words, collector: str = "ere_position") -> str:
    return t(
        f"No figures: they need the collector {collector} to be on",
        f"Geen cijfers: daarvoor moet de collector {collector} aan staan",
    )


def _by_quarter(metric: str, more: str = "") -> str:
    return f"sum by (quarter) (max by (account, quarter) ({metric}{{{queries.ACCOUNTS}{more}}}))"


def _euros(t: Words, metric: str, label: str, words: dict[str, tuple[str, str]]) -> stat.Panel:
    panel = (
        stat.Panel()
        .unit(parts.EURO)
        .decimals(2)
        .span(12)
        .height(4)
        .color_mode(BigValueColorMode.VALUE)
        .graph_mode(BigValueGraphMode.NONE)
        .text_mode(BigValueTextMode.VALUE_AND_NAME)
        .reduce_options(parts.reduced())
        .no_value(_switch_on(t))
    )
    for ref, (value, (text, colour)) in zip("ABC", words.items(), strict=True):
        chosen = f', {label}="{value}"'
        panel.with_target(
            parts.at_once(f"sum(max by (account) ({metric}{{{queries.ACCOUNTS}{chosen}}}))", text, ref)
        )
        panel.override_by_name(text, parts.properties(color=parts.fixed(colour)))
    return panel


def _proceeds(t: Words) -> stat.Panel:
    words = {
        "paid": (t("Paid out", "Uitbetaald"), CHARGING),
        "payable": (t("To be paid", "Nog uit te betalen"), CREDITS),
        "reserved": (t("Promised to a buyer", "Toegezegd aan koper"), IDLE),
    }
    return (
        _euros(t, "joulo_ere_position_euros", "bucket", words)
        .title(t("Proceeds this year", "Opbrengst dit jaar"))
        .description(
            t(
                "Net proceeds of the credits sold of the compliance year, after Joulo's fee. They are corrected,"
                " also down.",
                "Netto-opbrengst van de verkochte ERE's van het nalevingsjaar, na de vergoeding van Joulo. Ze"
                " worden gecorrigeerd, ook omlaag.",
            )
        )
    )


def _forecast(t: Words) -> stat.Panel:
    words = {
        "ytd_expected": (t("Year so far", "Jaar tot nu"), CHARGING),
        "rest_of_year": (t("Rest of the year", "Rest van het jaar"), IDLE),
        "total_expected": (t("Whole year", "Hele jaar"), CREDITS),
    }
    return (
        _euros(t, "joulo_ere_forecast_euros", "horizon", words)
        .title(t("Joulo's forecast", "Verwachting van Joulo"))
        .description(
            t(
                "What Joulo expects of the compliance year, net. It is a forecast of Joulo's, not a promise.",
                "Wat Joulo van het nalevingsjaar verwacht, netto. Het is een verwachting van Joulo, geen"
                " toezegging.",
            )
        )
    )


def _prices(t: Words) -> timeseries.Panel:
    market, realized, indicative = (
        t("market", "markt"),
        t("realized", "behaald"),
        t("forecast's", "van de verwachting"),
    )
    panel = (
        timeseries.Panel()
        .title(t("Price of a credit", "Prijs van een ERE"))
        .description(
            t(
                "The market's price, the mean price of what you have sold, and the price that Joulo's forecast"
                " takes for what is unsold. The market's is not"
                " what you get.",
                "De marktprijs, de gemiddelde prijs van wat je hebt verkocht, en de prijs waarmee de verwachting"
                " van Joulo voor het onverkochte rekent. De"
                " marktprijs is niet wat je krijgt.",
            )
        )
        .unit(parts.EURO)
        .decimals(3)
        .span(12)
        .height(8)
        .interval("5m")
        .line_interpolation(LineInterpolation.STEP_AFTER)
        .line_width(2)
        .legend(parts.legend("lastNotNull"))
        .tooltip(parts.all_in_tooltip())
        .no_value(_switch_on(t, "ere_price"))
        .with_target(
            parts.over_time(
                "max(last_over_time(joulo_ere_market_price_euros[$__interval] offset -$__interval))", market, "A"
            )
        )
        .override_by_name(market, parts.properties(color=parts.fixed(ATTENTION)))
    )
    for ref, name, metric, colour in (
        ("B", realized, "joulo_ere_realized_price_euros", CHARGING),
        ("C", indicative, "joulo_ere_indicative_price_euros", CREDITS),
    ):
        within = f"{metric}{{{queries.ACCOUNTS}}}[$__interval] offset -$__interval"
        panel.with_target(
            parts.over_time(f"max by (account) (last_over_time({within}))", f"{name} {{{{account}}}}", ref)
        )
        panel.override_by_regexp(f"/^{name}/", parts.properties(color=parts.fixed(colour)))
    return panel


def _quarters(t: Words) -> table.Panel:
    names = {
        "quarter": t("Quarter", "Kwartaal"),
        "Value #total": t("Credits", "ERE's"),
        "Value #sold": t("Sold", "Verkocht"),
        "Value #price": t("Price", "Prijs"),
        "Value #euros": t("Proceeds", "Opbrengst"),
        "Value #final": t("Settled", "Afgerekend"),
    }
    credits_of, euros = "joulo_ere_quarter_credits", "joulo_ere_quarter_realized_euros"
    by_quarter = f"max by (account, quarter, status) ({euros}{{{queries.ACCOUNTS}}})"
    price = f"max by (account, quarter) (joulo_ere_quarter_price_euros{{{queries.ACCOUNTS}}})"
    final = f"min by (quarter) (joulo_ere_quarter_final{{{queries.ACCOUNTS}}})"
    yes, no = t("Yes", "Ja"), t("Not yet", "Nog niet")
    return (
        table.Panel()
        .title(t("Quarters", "Kwartalen"))
        .description(
            t(
                "Credits of each quarter, what is sold of them, and what that brought, after Joulo's fee. The"
                " price is a mean over the accounts.",
                "ERE's van elk kwartaal, wat ervan verkocht is, en wat dat opbracht, na de vergoeding van Joulo."
                " De prijs is een gemiddelde over de accounts.",
            )
        )
        .decimals(1)
        .span(12)
        .height(8)
        .with_target(parts.column("total", _by_quarter(credits_of, ', state="total"')))
        .with_target(parts.column("sold", _by_quarter(credits_of, ', state="sold"')))
        .with_target(parts.column("price", f"avg by (quarter) ({price})"))
        .with_target(parts.column("euros", f"sum by (quarter) ({by_quarter})"))
        .with_target(parts.column("final", final))
        .transformations([*parts.columns(names), parts.ordered(names["quarter"], descending=True)])
        .override_by_name(names["Value #price"], parts.properties(unit=parts.EURO, decimals=3))
        .override_by_name(names["Value #euros"], parts.properties(unit=parts.EURO, decimals=2))
        .override_by_name(
            names["Value #final"],
            parts.properties(
                mappings=[parts.values({"1": (yes, CHARGING), "0": (no, IDLE)})],
                custom_cellOptions={"type": "color-text"},
            ),
        )
        .min_width(parts.NARROW)
        .no_value(_switch_on(t))
    )
