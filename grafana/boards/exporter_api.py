"""Panels on how the API answers."""

from grafana_foundation_sdk.builders import common, heatmap, timeseries
from grafana_foundation_sdk.models.common import GraphDrawStyle, StackingMode
from grafana_foundation_sdk.models.heatmap import HeatmapColorMode
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

from boards import parts
from boards.colours import ATTENTION, CHARGING, ENDPOINTS, WRONG
from boards.queries import ACCOUNTS, endpoint_value
from boards.words import Words

_WINDOW = "30m"
"""Holds three requests of the slowest frequent endpoint, and many scrapes: no gaps, whatever the range."""
_BUCKETS = f"max by (account, endpoint, le) (rate(joulo_api_request_duration_seconds_bucket{{{ACCOUNTS}}}[2h]))"


def _coloured(panel: timeseries.Panel) -> timeseries.Panel:
    """Give each endpoint the same colour in every panel, told apart by colour-blind people too."""
    for endpoint, colour in ENDPOINTS.items():
        panel.override_by_regexp(f"/{endpoint}( |$)/", parts.properties(color=parts.fixed(colour)))
    return panel


def freshness(t: Words) -> timeseries.Panel:
    """Return the age of what each endpoint answered last."""
    return _coloured(
        timeseries.Panel()
        .title(t("Age of the data", "Ouderdom van de gegevens"))
        .description(
            t(
                "Time since the last success of each endpoint, the oldest of all accounts. Saw teeth as high as"
                " the interval are as it should be.",
                "Tijd sinds het laatste succes van elk eindpunt, de oudste van alle accounts. Zaagtanden zo"
                " hoog als het interval horen zo.",
            )
        )
        .unit("dthms")
        .min(0)
        .span(12)
        .height(8)
        .interval("1m")
        .with_target(
            parts.over_time(
                f"max by (endpoint) (time() - {endpoint_value('joulo_last_refresh_timestamp_seconds')})",
                "{{endpoint}}",
            )
        )
        .fill_opacity(0)
        .legend(parts.legend())
        .tooltip(parts.all_in_tooltip())
    )


def requests(t: Words) -> timeseries.Panel:
    """Return how many requests were answered how."""
    counted = f"max by (account, endpoint, code) (rate(joulo_api_requests_total{{{ACCOUNTS}}}[{_WINDOW}]))"
    return (
        timeseries.Panel()
        .title(t("Requests per hour by code", "Verzoeken per uur naar code"))
        .description(
            t(
                'Requests to the API by HTTP status, or "timeout", "connection", or "invalid" for an answer'
                " that cannot be read. Mean over half an hour.",
                'Verzoeken aan de API naar HTTP-status, of "timeout", "connection", of "invalid" voor een'
                " onleesbaar antwoord. Gemiddeld over een half uur.",
            )
        )
        .decimals(0)
        .min(0)
        .span(12)
        .height(8)
        .interval("1m")
        .with_target(parts.over_time(f"3600 * sum by (code) ({counted})", "{{code}}"))
        .color_scheme(parts.one_colour(WRONG))
        .override_by_name("200", parts.properties(color=parts.fixed(CHARGING)))
        .override_by_name("429", parts.properties(color=parts.fixed(ATTENTION)))
        .stacking(common.StackingConfig().mode(StackingMode.NORMAL).group("A"))
        .fill_opacity(40)
        .legend(parts.legend())
        .tooltip(parts.all_in_tooltip())
    )


def latency(t: Words) -> timeseries.Panel:
    """Return how long requests take."""
    panel = (
        timeseries.Panel()
        .title(t("Duration of requests", "Duur van verzoeken"))
        .description(
            t(
                "Median and 95th percentile of each endpoint over two hours, body and decoding included.",
                "Mediaan en 95e percentiel van elk eindpunt over twee uur, inclusief inhoud en ontleden.",
            )
        )
        .unit("s")
        .min(0)
        .span(12)
        .height(8)
        .interval("5m")
        .fill_opacity(0)
        .legend(parts.legend())
        .tooltip(parts.all_in_tooltip())
    )
    for ref, share, name in (("A", 0.5, t("median", "mediaan")), ("B", 0.95, "95 %")):
        expression = f"histogram_quantile({share}, sum by (le, endpoint) ({_BUCKETS}))"
        panel.with_target(parts.over_time(expression, f"{{{{endpoint}}}} {name}", ref))
    dashed = {"fill": "dash", "dash": [8, 6]}
    return _coloured(panel).override_by_regexp("/ 95 %$/", parts.properties(custom_lineStyle=dashed))


def latency_spread(t: Words) -> heatmap.Panel:
    """Return how the durations of requests are spread."""
    expression = (
        "sum by (le) (max by (account, endpoint, le) (increase(joulo_api_request_duration_seconds_bucket{"
        + ACCOUNTS
        + "}[$__interval])))"
    )
    return (
        heatmap.Panel()
        .title(t("Spread of durations", "Spreiding van de duur"))
        .description(
            t(
                "How many requests took how long, all endpoints together; the scale tells the colours.",
                "Hoeveel verzoeken hoe lang duurden, alle eindpunten samen; de schaal verklaart de kleuren.",
            )
        )
        .span(12)
        .height(8)
        .interval("5m")
        .with_target(parts.over_time(expression, "{{le}}").format(PromQueryFormat.HEATMAP))
        .color(heatmap.HeatmapColorOptions().mode(HeatmapColorMode.SCHEME).scheme("Blues").steps(32))
        .show_legend()
        .y_axis(heatmap.YAxisConfig().unit("s"))
    )


def failing_records(t: Words) -> timeseries.Panel:
    """Return what in the answers could not be read or is new."""
    malformed = f"max by (account, endpoint) (joulo_api_malformed_records_total{{{ACCOUNTS}}})"
    unknown = f"max by (endpoint) (joulo_api_unknown_fields{{{ACCOUNTS}}})"
    return (
        timeseries.Panel()
        .title(t("What the exporter does not understand", "Wat de exporter niet begrijpt"))
        .description(
            t(
                "Records that could not be read since the ledger began, and names of fields that this version"
                " does not know. The log of level debug names the fields.",
                "Records die niet gelezen konden worden sinds het begin van het register, en namen van velden"
                " die deze versie niet kent. Het log op niveau debug"
                " noemt de velden.",
            )
        )
        .decimals(0)
        .min(0)
        .span(24)
        .height(6)
        .interval("1m")
        .with_target(
            parts.over_time(
                f"sum by (endpoint) ({malformed})",
                t("{{endpoint}}: malformed records", "{{endpoint}}: onleesbare records"),
            )
        )
        .with_target(
            parts.over_time(unknown, t("{{endpoint}}: unknown fields", "{{endpoint}}: onbekende velden"), "B")
        )
        .axis_soft_max(5)  # nothing but zeros has an axis of small numbers
        .draw_style(GraphDrawStyle.LINE)
        .fill_opacity(0)
        .legend(parts.legend())
        .tooltip(parts.all_in_tooltip())
    )
