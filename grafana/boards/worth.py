"""What the ERE credits are worth: the panels of the optional collectors."""

from grafana_foundation_sdk.builders import dashboard, stat, table, timeseries
from grafana_foundation_sdk.models.common import BigValueColorMode, BigValueTextMode, LineInterpolation

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


def _euros(t: Words, name: str, metric: str, label: str, words: dict[str, tuple[str, str]]) -> stat.Panel:
    panel = (
        parts.tile(t, name, 12, 4, BigValueTextMode.VALUE_AND_NAME)
        .unit(parts.EURO)
        .decimals(2)
        .color_mode(BigValueColorMode.VALUE)
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
    return _euros(t, "proceeds", "joulo_ere_position_euros", "bucket", words)


def _forecast(t: Words) -> stat.Panel:
    words = {
        "ytd_expected": (t("Year so far", "Jaar tot nu"), CHARGING),
        "rest_of_year": (t("Rest of the year", "Rest van het jaar"), IDLE),
        "total_expected": (t("Whole year", "Hele jaar"), CREDITS),
    }
    return _euros(t, "forecast", "joulo_ere_forecast_euros", "horizon", words)


def _prices(t: Words) -> timeseries.Panel:
    market = t("market", "markt")
    now = "[$__interval] offset -$__interval"
    panel = (
        parts.curves(t, "prices", 12, 8, "lastNotNull", from_zero=False)
        .unit(parts.EURO)
        .decimals(3)
        .interval("5m")
        .line_interpolation(LineInterpolation.STEP_AFTER)
        .line_width(2)
        .no_value(_switch_on(t, "ere_price"))
        .with_target(parts.over_time(f"max(last_over_time(joulo_ere_market_price_euros{now}))", market, "A"))
        .override_by_name(market, parts.properties(color=parts.fixed(ATTENTION)))
    )
    for ref, name, metric, colour in (
        ("B", t("realized", "behaald"), "joulo_ere_realized_price_euros", CHARGING),
        ("C", t("forecast's", "van de verwachting"), "joulo_ere_indicative_price_euros", CREDITS),
    ):
        within = f"max by (account) (last_over_time({metric}{{{queries.ACCOUNTS}}}{now}))"
        panel.with_target(parts.over_time(within, f"{name} {{{{account}}}}", ref))
        panel.override_by_regexp(f"/^{name}/", parts.properties(color=parts.fixed(colour)))
    return panel


def _quarters(t: Words) -> table.Panel:
    quarter, price, euros = t("Quarter", "Kwartaal"), t("Price", "Prijs"), t("Proceeds", "Opbrengst")
    final = t("Settled", "Afgerekend")
    return (
        parts.rows(
            t.on(table.Panel(), "quarters").span(12).height(8),
            {
                "quarter": quarter,
                "Value #total": t("Credits", "ERE's"),
                "Value #sold": t("Sold", "Verkocht"),
                "Value #price": price,
                "Value #euros": euros,
                "Value #final": final,
            },
            {
                "total": f"sum by (quarter) ({_quarter('credits', state='total')})",
                "sold": f"sum by (quarter) ({_quarter('credits', state='sold')})",
                "price": f"avg by (quarter) ({_quarter('price_euros')})",
                "euros": f"sum by (quarter) ({_quarter('realized_euros', by=', status')})",
                "final": f"min by (quarter) (joulo_ere_quarter_final{{{queries.ACCOUNTS}}})",
            },
            order=parts.ordered(quarter, descending=True),
        )
        .decimals(1)
        .override_by_name(price, parts.properties(unit=parts.EURO, decimals=3))
        .override_by_name(euros, parts.properties(unit=parts.EURO, decimals=2))
        .override_by_name(
            final, parts.coloured_words(parts.yes_no(t("Yes", "Ja"), t("Not yet", "Nog niet"), IDLE))
        )
        .min_width(parts.NARROW)
        .no_value(_switch_on(t))
    )


def _quarter(metric: str, *, by: str = "", state: str = "") -> str:
    more = state and f', state="{state}"'
    return f"max by (account, quarter{by}) (joulo_ere_quarter_{metric}{{{queries.ACCOUNTS}{more}}})"
