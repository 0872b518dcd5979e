"""The frame of a dashboard: variables, links between the dashboards, range, time zone."""

from grafana_foundation_sdk.builders import dashboard
from grafana_foundation_sdk.models import dashboard as model

from boards.parts import DATASOURCE
from boards.queries import ACCOUNTS
from boards.words import Language, Words

_REFRESH = "1m"  # the exporter asks for news once a minute


def frame(
    language: Language, t: Words, *, uid: str, title: str, description: str, since: str
) -> dashboard.Dashboard:
    """Return an empty dashboard.

    Args:
        language: of the set; dashboards of one language link to each other.
        t: chooses the texts.
        uid: of the English one.
        title: in the language.
        description: in the language.
        since: the default range's beginning.
    """
    suffix = "" if language is Language.ENGLISH else f"-{language.value}"
    return (
        dashboard.Dashboard(title)
        .uid(uid + suffix)
        .description(description)
        .tags(["joulo", f"joulo-{language.value}"])
        .time(since, "now")
        .timezone("browser")
        .refresh(_REFRESH)
        .tooltip(model.DashboardCursorSync.CROSSHAIR)
        .readonly()
        .link(_links(language))
        .with_variable(
            dashboard.DatasourceVariable("datasource").label(t("Data source", "Databron")).type("prometheus")
        )
    )


def account_variable(t: Words) -> dashboard.QueryVariable:
    """Return the choice of accounts; an account without a name, which has no label, is in "All"."""
    return _choice("account", t("Account", "Account"), "label_values(joulo_up, account)")


def charger_variable(t: Words) -> dashboard.QueryVariable:
    """Return the choice of chargers, also of those that are not linked any more, and during the first import."""
    series = f'{{__name__=~"joulo_total_kwh|joulo_charging", {ACCOUNTS}}}'
    return _choice("charger", t("Charger", "Laadpunt"), f"label_values({series}, charger)")


def vehicle_variable(t: Words) -> dashboard.QueryVariable:
    """Return the choice of vehicles."""
    query = f"label_values(joulo_vehicle_kwh_total{{{ACCOUNTS}}}, vehicle)"
    return _choice("vehicle", t("Vehicle", "Auto"), query)


def price_variable(t: Words) -> dashboard.TextBoxVariable:
    """Return the box for the price that the viewer pays."""
    label = t("Price of a kWh, such as 0.25", "Prijs van een kWh, zoals 0.25")
    price = model.VariableOption(selected=True, text="0.25", value="0.25")
    return dashboard.TextBoxVariable("price").label(label).default_value("0.25").current(price).options([price])


def _choice(name: str, label: str, query: str) -> dashboard.QueryVariable:
    return (
        dashboard.QueryVariable(name)
        .label(label)
        .datasource(DATASOURCE)
        .query(query)
        .refresh(model.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(model.VariableSort.ALPHABETICAL_CASE_INSENSITIVE_ASC)
        .multi(True)  # noqa: FBT003  (the SDK's signature)
        .include_all(True)  # noqa: FBT003
        .all_value(".*")
        .current(model.VariableOption(selected=True, text=["All"], value=["$__all"]))
    )


def _links(language: Language) -> dashboard.DashboardLink:
    return (
        dashboard.DashboardLink("Joulo")
        .type(model.DashboardLinkType.DASHBOARDS)
        .tags([f"joulo-{language.value}"])
        .include_vars(True)  # noqa: FBT003  (the SDK's signature)
        .keep_time(False)  # noqa: FBT003  (each has the range that suits it)
    )
