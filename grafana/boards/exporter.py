"""The dashboard to open when something is off: is the data fresh, does the API answer, how is the process?"""

from grafana_foundation_sdk.builders import common, heatmap, stat, table, timeseries
from grafana_foundation_sdk.models import dashboard as model
from grafana_foundation_sdk.models.common import BigValueColorMode, BigValueTextMode, GraphDrawStyle, StackingMode
from grafana_foundation_sdk.models.heatmap import HeatmapColorMode
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

from boards import parts
from boards.colours import ATTENTION, CHARGING, ENDPOINTS, WRONG
from boards.frame import frame
from boards.queries import ACCOUNTS, endpoint_value, of_exporter
from boards.words import Words

_WINDOW = "30m"
"""Holds three requests of the slowest frequent endpoint, and many scrapes: no gaps, whatever the range."""
_BUCKETS = f"joulo_api_request_duration_seconds_bucket{{{ACCOUNTS}}}"


def exporter(t: Words) -> model.Dashboard:
    """Return the dashboard in a language."""
    api = (_freshness(t), _requests(t), _latency(t), _latency_spread(t), _not_understood(t))
    return frame(
        t,
        "joulo-exporter",
        since="now-6h",
        variables=("account",),
        rows={
            t("Now", "Nu"): (*_verdicts(t), _versions(t), _endpoints(t)),
            t("API of Joulo", "API van Joulo"): api,
            t("Process", "Proces"): (  # one series an instance
                _process(t, "memory", "process_resident_memory_bytes", "bytes"),
                _process(t, "processor", "rate(process_cpu_seconds_total[10m])", "percentunit"),
                _process(t, "descriptors", "process_open_fds", "none"),
                _process(t, "scrapes", "scrape_duration_seconds", "s"),
            ),
        },
    ).build()


# The exporter's state now


def _verdicts(t: Words) -> list[stat.Panel]:
    """Return panels that say whether all is well."""
    up = "min(up and on (job, instance) last_over_time(joulo_exporter_build_info[1h]))"
    reloaded = "min(joulo_exporter_config_last_reload_successful)"
    persistent, complete = (
        f"min({metric}{{{ACCOUNTS}}})" for metric in ("joulo_ledger_persistent", "joulo_history_complete")
    )
    return [
        _verdict(t, "scraped", "up", up, t("Reached", "Bereikt"), t("Down", "Onbereikbaar")),
        _verdict(
            t, "configuration", "reload", reloaded, t("In force", "Van kracht"), t("Faulty file", "Fout bestand")
        ),
        _verdict(
            t, "ledger", "ledger", persistent, t("On disk", "Op schijf"), t("In memory only", "Alleen in geheugen")
        ),
        _verdict(
            t, "history", "history", complete, t("Complete", "Compleet"), t("Still reading", "Nog aan het lezen")
        ),
    ]


def _verdict(t: Words, name: str, legend: str, expression: str, fine: str, faulty: str) -> stat.Panel:
    """Return a panel that says a word for 1, and another for 0."""
    return (
        parts.tile(t, name, 5, 4, BigValueTextMode.VALUE)
        .with_target(parts.at_once(expression, legend))
        .mappings([parts.yes_no(fine, faulty)])
        .thresholds(parts.idle())
        .color_mode(BigValueColorMode.BACKGROUND_SOLID)
        .no_value(t("No data", "Geen gegevens"))
    )


def _versions(t: Words) -> stat.Panel:
    return (
        parts.tile(t, "versions", 4, 4, BigValueTextMode.NAME)
        .with_target(parts.at_once("count by (version) (joulo_exporter_build_info)", "{{version}}"))
        .color_scheme(parts.one_colour(CHARGING))
        .color_mode(BigValueColorMode.NONE)
        .no_value(t("No data", "Geen gegevens"))
    )


def _endpoints(t: Words) -> table.Panel:
    """Return the state of each endpoint of each account."""
    succeeded = endpoint_value("joulo_last_refresh_timestamp_seconds")
    interval = endpoint_value("joulo_refresh_interval_seconds")
    refresh, success = t("Last refresh", "Laatste verversing"), t("Last success", "Laatste succes")
    every, following = t("Interval", "Interval"), t("Next refresh", "Volgende verversing")
    overdue = parts.properties(
        unit="dthms",
        mappings=[
            parts.below(-60, t("Overdue", "Te laat"), WRONG),
            parts.below(1, t("Now", "Nu"), CHARGING, at_least=-60),
        ],
        thresholds={"mode": "absolute", "steps": [{"value": None, "color": CHARGING}]},
        custom_cellOptions={"type": "color-text"},
    )
    outcome = parts.coloured_words(parts.yes_no(t("Succeeded", "Gelukt"), t("Failed", "Mislukt")))
    return (
        parts.rows(
            t.on(table.Panel(), "endpoints").span(24).height(8),
            {
                "account": t("Account", "Account"),
                "endpoint": t("Endpoint", "Eindpunt"),
                "Value #up": refresh,
                "Value #age": success,
                "Value #interval": every,
                "Value #next": following,
            },
            {
                "up": endpoint_value("joulo_up"),
                "age": f"{succeeded} * 1000",
                "interval": interval,
                "next": f"{succeeded} + {interval} - time()",
            },
            order=parts.transformation("sortBy", sort=[{"field": following}]),
        )
        .override_by_name(refresh, outcome)
        .override_by_name(success, parts.ago())
        .override_by_name(every, parts.properties(unit="dthms"))
        .override_by_name(following, overdue)
        .min_width(parts.NARROWEST_COLUMN)
        .no_value(parts.NOTHING)
    )


# The API's responses


def _coloured(panel: timeseries.Panel) -> timeseries.Panel:
    """Give each endpoint the same colour in every panel, told apart by colour-blind people too."""
    for endpoint, colour in ENDPOINTS.items():
        panel.override_by_regexp(f"/{endpoint}( |$)/", parts.properties(color=parts.fixed(colour)))
    return panel


def _freshness(t: Words) -> timeseries.Panel:
    age = f"max by (endpoint) (time() - {endpoint_value('joulo_last_refresh_timestamp_seconds')})"
    panel = parts.curves(t, "freshness", 12, 8).unit("dthms").fill_opacity(0)
    return _coloured(panel.with_target(parts.over_time(age, "{{endpoint}}")))


def _requests(t: Words) -> timeseries.Panel:
    counted = f"max by (account, endpoint, code) (rate(joulo_api_requests_total{{{ACCOUNTS}}}[{_WINDOW}]))"
    return (
        parts.curves(t, "requests", 12, 8)
        .decimals(0)
        .with_target(parts.over_time(f"3600 * sum by (code) ({counted})", "{{code}}"))
        .color_scheme(parts.one_colour(WRONG))
        .override_by_name("200", parts.properties(color=parts.fixed(CHARGING)))
        .override_by_name("429", parts.properties(color=parts.fixed(ATTENTION)))
        .stacking(common.StackingConfig().mode(StackingMode.NORMAL).group("A"))
        .fill_opacity(40)
    )


def _latency(t: Words) -> timeseries.Panel:
    panel = parts.curves(t, "latency", 12, 8).unit("s").interval("5m").fill_opacity(0)
    counted = f"sum by (le, endpoint) (max by (account, endpoint, le) (rate({_BUCKETS}[2h])))"
    for ref, share, name in (("A", 0.5, t("median", "mediaan")), ("B", 0.95, "95 %")):
        expression = f"histogram_quantile({share}, {counted})"
        panel.with_target(parts.over_time(expression, f"{{{{endpoint}}}} {name}", ref))
    dashed = {"fill": "dash", "dash": [8, 6]}
    return _coloured(panel).override_by_regexp("/ 95 %$/", parts.properties(custom_lineStyle=dashed))


def _latency_spread(t: Words) -> heatmap.Panel:
    expression = f"sum by (le) (max by (account, endpoint, le) (increase({_BUCKETS}[$__interval])))"
    return (
        t.on(heatmap.Panel(), "latency_spread")
        .span(12)
        .height(8)
        .interval("5m")
        .with_target(parts.over_time(expression, "{{le}}").format(PromQueryFormat.HEATMAP))
        .color(heatmap.HeatmapColorOptions().mode(HeatmapColorMode.SCHEME).scheme("Blues").steps(32))
        .show_legend()
        .y_axis(heatmap.YAxisConfig().unit("s"))
    )


def _not_understood(t: Words) -> timeseries.Panel:
    """Return what in the API responses could not be read or is new."""
    malformed = endpoint_value("joulo_api_malformed_records_total")
    unknown = f"max by (endpoint) (joulo_api_unknown_fields{{{ACCOUNTS}}})"
    records = t("{{endpoint}}: malformed records", "{{endpoint}}: onleesbare records")
    fields = t("{{endpoint}}: unknown fields", "{{endpoint}}: onbekende velden")
    return (
        parts.curves(t, "not_understood", 24, 6)
        .decimals(0)
        .with_target(parts.over_time(f"sum by (endpoint) ({malformed})", records))
        .with_target(parts.over_time(unknown, fields, "B"))
        .axis_soft_max(5)  # nothing but zeros has an axis of small numbers
        .draw_style(GraphDrawStyle.LINE)
        .fill_opacity(0)
    )


# The process, which has no account


def _process(t: Words, name: str, metric: str, unit: str) -> timeseries.Panel:
    panel = parts.curves(t, name, 6, 7).unit(unit).fill_opacity(10)
    return panel.with_target(parts.over_time(of_exporter(metric), "{{instance}}"))
