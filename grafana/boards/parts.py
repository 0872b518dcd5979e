"""What the panels have in common: queries, colours, tables, the frame of a dashboard."""

from collections.abc import Mapping, Sequence
from typing import Any

from grafana_foundation_sdk.builders import common, dashboard, prometheus
from grafana_foundation_sdk.models import dashboard as model
from grafana_foundation_sdk.models.common import LegendDisplayMode, LegendPlacement, SortOrder, TooltipDisplayMode
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

from boards.colours import ATTENTION, CHARGING, IDLE, WRONG
from boards.words import Words

DATASOURCE = model.DataSourceRef(type_val="prometheus", uid="${datasource}")
KWH = "suffix:kWh"
"""kWh whatever the size: Grafana's own unit would show Wh and MWh, which nobody finds on a bill."""
NARROWEST_COLUMN = 90
"""Width of a table's columns in pixels, at least: the first four fit on a phone."""
NARROW = 72
"""Pixels that a figure needs in a column; Grafana's own least width would hide columns."""
TIME_COLUMN = 135
"""Width that "a few seconds ago" takes, or a date with its time."""
HOURS = "suffix:h"
"""Hours in any language: Grafana's own unit would write them out in English."""
EURO = "currencyEUR"
NOTHING = "–"  # noqa: RUF001  (a dash is what stands for nothing in a table)
CHARGER_LEGEND = "{{account}} {{charger}}"


def over_time(expression: str, legend: str = CHARGER_LEGEND, ref: str = "A") -> prometheus.Dataquery:
    """Return a query of a course."""
    return prometheus.Dataquery().datasource(DATASOURCE).expr(expression).legend_format(legend).range().ref_id(ref)


def at_once(expression: str, legend: str = CHARGER_LEGEND, ref: str = "A") -> prometheus.Dataquery:
    """Return a query of the values at the end of the range."""
    return (
        prometheus.Dataquery().datasource(DATASOURCE).expr(expression).legend_format(legend).instant().ref_id(ref)
    )


def column(ref: str, expression: str) -> prometheus.Dataquery:
    """Return a query for a column of a table; its values get the name ``Value #`` and the reference."""
    return at_once(expression, "", ref).format(PromQueryFormat.TABLE)


def one_colour(colour: str) -> dashboard.FieldColor:
    """Return the scheme that has one colour for all."""
    return dashboard.FieldColor().mode(model.FieldColorModeId.FIXED).fixed_color(colour)


def steps(first: str, *above: tuple[float, str]) -> dashboard.ThresholdsConfig:
    """Return thresholds: a colour, and others from some value on."""
    levels = [model.Threshold(None, first), *(model.Threshold(value, colour) for value, colour in above)]
    return dashboard.ThresholdsConfig().mode(model.ThresholdsMode.ABSOLUTE).steps(levels)


def values(texts: Mapping[str, tuple[str, str]]) -> model.ValueMap:
    """Return words and colours for values."""
    return model.ValueMap(
        {
            value: model.ValueMappingResult(text=text, color=colour, index=index)
            for index, (value, (text, colour)) in enumerate(texts.items())
        }
    )


def states(t: Words) -> model.ValueMap:
    """Return the words for what ``queries.state`` gives."""
    return values(
        {
            "2": (t("Charging", "Laadt"), CHARGING),
            "1": (t("Charging", "Laadt"), CHARGING),
            "0": (t("Idle", "Vrij"), IDLE),
            "-1": (t("Offline", "Offline"), ATTENTION),
        }
    )


def below(limit: float, text: str, colour: str, *, at_least: float | None = None) -> dict[str, Any]:
    """Return a word and a colour for values up to a limit."""
    result = {"text": text, "color": colour, "index": 0 if at_least is None else 1}
    return {"type": "range", "options": {"from": at_least, "to": limit, "result": result}}


def vehicle_names(t: Words) -> list[model.DynamicConfigValue]:
    """Return the properties of a column of vehicles: the word for those without a name."""
    result = {"text": t("unknown", "onbekend"), "index": 0}
    unknown = {"type": "regex", "options": {"pattern": "/^unknown$/", "result": result}}
    return properties(mappings=[unknown])


def yes_no(yes: str, no: str) -> model.ValueMap:
    """Return the words for 1, which is as it should be, and 0."""
    return values({"1": (yes, CHARGING), "0": (no, WRONG)})


def legend(*calculations: str, placement: LegendPlacement = LegendPlacement.BOTTOM) -> common.VizLegendOptions:
    """Return a legend; with calculations a table of them."""
    mode = LegendDisplayMode.TABLE if calculations else LegendDisplayMode.LIST
    return (
        common.VizLegendOptions()
        .show_legend(True)  # noqa: FBT003  (the SDK's signature)
        .display_mode(mode)
        .placement(placement)
        .calcs(list(calculations))
    )


def all_in_tooltip() -> common.VizTooltipOptions:
    """Return a tooltip of all series, the greatest first."""
    return common.VizTooltipOptions().mode(TooltipDisplayMode.MULTI).sort(SortOrder.DESCENDING)


def reduced(calculation: str = "lastNotNull") -> common.ReduceDataOptions:
    """Return how a series becomes one value."""
    return common.ReduceDataOptions().calcs([calculation]).values(False)  # noqa: FBT003  (the SDK's signature)


def transformation(identity: str, **options: Any) -> model.DataTransformerConfig:  # noqa: ANN401  (JSON)
    """Return a transformation by its id in Grafana."""
    return model.DataTransformerConfig(id_val=identity, options=options)


def columns(names: Mapping[str, str], hidden: Sequence[str] = ()) -> list[model.DataTransformerConfig]:
    """Return what joins rows of queries with the same labels; the columns get these names and this order."""
    return [transformation("merge"), renamed(names, ("Time", *hidden))]


def renamed(names: Mapping[str, str], hidden: Sequence[str] = ()) -> model.DataTransformerConfig:
    """Return what gives columns these names and this order, and leaves out the hidden ones."""
    order = {name: index for index, name in enumerate(names)}
    excluded = dict.fromkeys(hidden, True)
    return transformation("organize", excludeByName=excluded, indexByName=order, renameByName=dict(names))


def calculated(ref: str, left: str, operator: str, right: str) -> model.DataTransformerConfig:
    """Return what adds a column that is calculated from those of two queries, as if it were of a query itself."""
    terms = {"left": f"Value #{left}", "operator": operator, "right": f"Value #{right}"}
    return transformation(
        "calculateField", mode="binary", alias=f"Value #{ref}", binary=terms, replaceFields=False
    )


def kept(how: str, **conditions: dict[str, Any]) -> model.DataTransformerConfig:
    """Return what keeps rows, or with ``exclude`` leaves out those, of which all conditions hold.

    Args:
        how: ``include`` or ``exclude``.
        conditions: a matcher of values, by the column.
    """
    filters = [{"fieldName": name, "config": config} for name, config in conditions.items()]
    return transformation("filterByValue", type=how, match="all", filters=filters)


def properties(**options: Any) -> list[model.DynamicConfigValue]:  # noqa: ANN401  (JSON)
    """Return properties of an override; in names of the ``custom`` ones an underscore stands for the dot."""
    return [
        model.DynamicConfigValue(id_val=name.replace("custom_", "custom."), value=value)
        for name, value in options.items()
    ]


def figures(unit: str, decimals: int, least_width: int = NARROW) -> list[model.DynamicConfigValue]:
    """Return the properties of a column of figures; no number, such as a mean of nothing, is a dash."""
    nothing = {"type": "special", "options": {"match": "null+nan", "result": {"text": NOTHING, "index": 0}}}
    return properties(unit=unit, decimals=decimals, custom_minWidth=least_width, mappings=[nothing])


def ordered(field: str, *, descending: bool = False) -> model.DataTransformerConfig:
    """Return what sorts a table by a column."""
    return transformation("sortBy", sort=[{"field": field, "desc": descending}])


def fixed(colour: str) -> dict[str, str]:
    """Return the value of the property ``color`` for one colour."""
    return {"mode": "fixed", "fixedColor": colour}
