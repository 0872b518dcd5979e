"""The frame of a dashboard: variables, links between the dashboards, range, time zone, rows of panels."""

from collections.abc import Mapping, Sequence

from grafana_foundation_sdk.builders import dashboard
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models import dashboard as model

from boards.parts import DATASOURCE
from boards.queries import ACCOUNTS
from boards.words import Language, Words

_REFRESH = "1m"  # the exporter asks for news once a minute


def frame(
    t: Words,
    uid: str,
    since: str,
    variables: Sequence[str],
    rows: Mapping[str, Sequence[Builder[model.Panel]]],
) -> dashboard.Dashboard:
    """Return a dashboard.

    Args:
        t: chooses the texts; dashboards of one language link to each other.
        uid: of the English one.
        since: the default range's beginning.
        variables: names of the choices at the top.
        rows: panels by the title of their row.
    """
    suffix = "" if t.language is Language.ENGLISH else f"-{t.language.value}"
    board = (
        t.on(dashboard.Dashboard(""), uid)
        .uid(uid + suffix)
        .tags(["joulo", f"joulo-{t.language.value}"])
        .time(since, "now")
        .timezone("browser")
        .refresh(_REFRESH)
        .tooltip(model.DashboardCursorSync.CROSSHAIR)
        .readonly()
        .link(_links(t.language))
        .with_variable(
            dashboard.DatasourceVariable("datasource").label(t("Data source", "Databron")).type("prometheus")
        )
    )
    for name in variables:
        board.with_variable(_choice(t, name))
    for title, panels in rows.items():
        board.with_row(dashboard.Row(title))
        for panel in panels:
            board.with_panel(panel)
    return board


def price_variable(t: Words) -> dashboard.TextBoxVariable:
    """Return the box for the price that the viewer pays."""
    label = t("Price of a kWh, such as 0.25", "Prijs van een kWh, zoals 0.25")
    price = model.VariableOption(selected=True, text="0.25", value="0.25")
    return dashboard.TextBoxVariable("price").label(label).default_value("0.25").current(price).options([price])


def _choice(t: Words, name: str) -> dashboard.QueryVariable:
    """Return a choice of accounts, chargers or vehicles.

    An account without a name, which has no label, is in "All". Chargers are also those that are not linked any
    more, and those that are there during the first import.
    """
    label, series = {
        "account": (t("Account", "Account"), "joulo_up"),
        "charger": (
            t("Charger", "Laadpunt"),
            f'{{__name__=~"joulo_total_kwh|joulo_charging", {ACCOUNTS}}}',
        ),
        "vehicle": (t("Vehicle", "Auto"), f"joulo_vehicle_kwh_total{{{ACCOUNTS}}}"),
    }[name]
    return (
        dashboard.QueryVariable(name)
        .label(label)
        .datasource(DATASOURCE)
        .query(f"label_values({series}, {name})")
        .refresh(model.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(model.VariableSort.ALPHABETICAL_CASE_INSENSITIVE_ASC)
        .multi(True)
        .include_all(True)
        .all_value(".*")
        .current(model.VariableOption(selected=True, text=["All"], value=["$__all"]))
    )


def _links(language: Language) -> dashboard.DashboardLink:
    return (
        dashboard.DashboardLink("Joulo")
        .type(model.DashboardLinkType.DASHBOARDS)
        .tags([f"joulo-{language.value}"])
        .include_vars(True)
        .keep_time(False)  # each has the range that suits it
    )
