"""Builders that the panels have in common: kinds of panels, queries, colours, columns of tables."""

from collections.abc import Mapping, Sequence
from typing import Any

from grafana_foundation_sdk.builders import barchart, common, dashboard, prometheus, stat, table, timeseries
from grafana_foundation_sdk.models import dashboard as model
from grafana_foundation_sdk.models.common import (
    BigValueGraphMode,
    BigValueTextMode,
    LegendDisplayMode,
    LegendPlacement,
    SortOrder,
    TooltipDisplayMode,
    VisibilityMode,
)
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

Properties = list[model.DynamicConfigValue]


# Panels: the name is that of their texts, the width in columns of 24, the height in Grafana's rows.


def tile(t: Words, name: str, width: int, height: int, text: BigValueTextMode) -> stat.Panel:
    """Return a panel of a few large figures or words."""
    return (
        t.on(stat.Panel(), name)
        .span(width)
        .height(height)
        .text_mode(text)
        .graph_mode(BigValueGraphMode.NONE)
        .reduce_options(reduced("lastNotNull"))
    )


def curves(
    t: Words, name: str, width: int, height: int, *calculations: str, from_zero: bool = True
) -> timeseries.Panel:
    """Return a panel of courses; with calculations its legend is a table of them."""
    panel = t.on(timeseries.Panel(), name).span(width).height(height).interval("1m")
    if from_zero:
        panel.min(0)
    return panel.legend(legend(*calculations)).tooltip(all_in_tooltip())


def bars(t: Words, name: str, width: int, height: int) -> barchart.Panel:
    """Return a panel of bars side by side."""
    return (
        t.on(barchart.Panel(), name)
        .span(width)
        .height(height)
        .decimals(0)
        .min(0)
        .show_value(VisibilityMode.NEVER)  # on a phone they would lie over each other
        .fill_opacity(85)
        .line_width(0)
        .legend(legend())
        .tooltip(all_in_tooltip())
    )


def rows(
    panel: table.Panel,
    names: Mapping[str, str],
    asked: Mapping[str, str],
    *changes: model.DataTransformerConfig,
    order: model.DataTransformerConfig | None = None,
    hidden: Sequence[str] = (),
) -> table.Panel:
    """Ask for the columns of a table; rows with the same labels are one.

    Args:
        panel: the table.
        names: columns that are shown, in this order, with their headings.
        asked: PromQL by reference; its column is ``Value #`` and the reference.
        changes: transformations of the merged rows, which can use columns that are not shown.
        order: sorts the rows.
        hidden: labels that are not shown.
    """
    unnamed = [field for ref in asked if (field := f"Value #{ref}") not in names]
    for ref, expression in asked.items():
        panel.with_target(column(ref, expression))
    shown = renamed(names, ["Time", *unnamed, *hidden])
    return panel.transformations([transformation("merge"), *changes, shown, *([order] if order else ())])


# Queries


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


# Looks


def one_colour(colour: str) -> dashboard.FieldColor:
    """Return the scheme that has one colour for all."""
    return dashboard.FieldColor().mode(model.FieldColorModeId.FIXED).fixed_color(colour)


def idle() -> dashboard.ThresholdsConfig:
    """Return thresholds that leave the colours to the words for values."""
    return dashboard.ThresholdsConfig().mode(model.ThresholdsMode.ABSOLUTE).steps([model.Threshold(None, IDLE)])


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
    charging = (t("Charging", "Laadt"), CHARGING)
    idle, offline = (t("Idle", "Vrij"), IDLE), (t("Offline", "Offline"), ATTENTION)
    return values({"2": charging, "1": charging, "0": idle, "-1": offline})


def below(limit: float, text: str, colour: str, *, at_least: float | None = None) -> dict[str, Any]:
    """Return a word and a colour for values up to a limit."""
    result = {"text": text, "color": colour, "index": 0 if at_least is None else 1}
    return {"type": "range", "options": {"from": at_least, "to": limit, "result": result}}


def yes_no(yes: str, no: str, colour_of_no: str = WRONG) -> model.ValueMap:
    """Return the words for 1, which is as it should be, and 0."""
    return values({"1": (yes, CHARGING), "0": (no, colour_of_no)})


def legend(*calculations: str) -> common.VizLegendOptions:
    """Return a legend; with calculations a table of them."""
    mode = LegendDisplayMode.TABLE if calculations else LegendDisplayMode.LIST
    options = common.VizLegendOptions().show_legend(True).display_mode(mode)
    return options.placement(LegendPlacement.BOTTOM).calcs(list(calculations))


def reduced(calculation: str) -> common.ReduceDataOptions:
    """Return how a series becomes one value."""
    return common.ReduceDataOptions().calcs([calculation]).values(False)


def all_in_tooltip() -> common.VizTooltipOptions:
    """Return a tooltip of all series, the greatest first."""
    return common.VizTooltipOptions().mode(TooltipDisplayMode.MULTI).sort(SortOrder.DESCENDING)


# Transformations


def transformation(identity: str, **options: Any) -> model.DataTransformerConfig:  # noqa: ANN401  (JSON)
    """Return a transformation by its id in Grafana."""
    return model.DataTransformerConfig(id_val=identity, options=options)


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


def ordered(field: str, *, descending: bool = False) -> model.DataTransformerConfig:
    """Return what sorts a table by a column."""
    return transformation("sortBy", sort=[{"field": field, "desc": descending}])


# Properties of overrides, such as those of a column


def properties(**options: Any) -> Properties:  # noqa: ANN401  (JSON)
    """Return properties; in names of the ``custom`` ones an underscore stands for the dot."""
    return [
        model.DynamicConfigValue(id_val=name.replace("custom_", "custom."), value=value)
        for name, value in options.items()
    ]


def figures(unit: str, decimals: int, least_width: int = NARROW) -> Properties:
    """Return the properties of a column of figures; no number, such as a mean of nothing, is a dash."""
    nothing = {"type": "special", "options": {"match": "null+nan", "result": {"text": NOTHING, "index": 0}}}
    return properties(unit=unit, decimals=decimals, custom_minWidth=least_width, mappings=[nothing])


def ago() -> Properties:
    """Return the properties of a column of moments: how long ago they were."""
    return properties(unit="dateTimeFromNow", custom_minWidth=TIME_COLUMN)


def coloured_words(words: model.ValueMap) -> Properties:
    """Return the properties of a column of words for values."""
    return properties(mappings=[words], custom_cellOptions={"type": "color-text"})


def vehicle_names(t: Words) -> Properties:
    """Return the properties of a column of vehicles: the word for those without a name."""
    result = {"text": t("unknown", "onbekend"), "index": 0}
    return properties(mappings=[{"type": "regex", "options": {"pattern": "/^unknown$/", "result": result}}])


def fixed(colour: str) -> dict[str, str]:
    """Return the value of the property ``color`` for one colour."""
    return {"mode": "fixed", "fixedColor": colour}
