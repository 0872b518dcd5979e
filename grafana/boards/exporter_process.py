"""Panels on the process, which has no account: one series an instance."""

from grafana_foundation_sdk.builders import timeseries

from boards import parts
from boards.queries import of_exporter
from boards.words import Words


def process(t: Words) -> list[timeseries.Panel]:
    """Return the panels of each exporter: memory, processor, open files, and how long scrapes take."""
    return [
        _course("process_resident_memory_bytes", "bytes")
        .title(t("Memory", "Geheugen"))
        .description(t("Resident memory of each exporter.", "Geheugen in gebruik door elke exporter.")),
        _course("rate(process_cpu_seconds_total[10m])", "percentunit")
        .title(t("Processor", "Processor"))
        .description(
            t("Share of one core, mean over ten minutes.", "Deel van één kern, gemiddeld over tien minuten.")
        ),
        _course("process_open_fds", "none")
        .title(t("Open files and connections", "Open bestanden en verbindingen"))
        .description(
            t(
                "File descriptors of each exporter. A number that only grows is a fault of ours.",
                "Bestandsdescriptors van elke exporter. Een getal dat alleen groeit is een fout van ons.",
            )
        ),
        _course("scrape_duration_seconds", "s")
        .title(t("Duration of scrapes", "Duur van het ophalen"))
        .description(
            t("As Prometheus measures it, network included.", "Zoals Prometheus die meet, inclusief het netwerk.")
        ),
    ]


def _course(metric: str, unit: str) -> timeseries.Panel:
    return (
        timeseries.Panel()
        .unit(unit)
        .min(0)
        .span(6)
        .height(7)
        .interval("1m")
        .with_target(parts.over_time(of_exporter(metric), "{{instance}}"))
        .fill_opacity(10)
        .legend(parts.legend())
        .tooltip(parts.all_in_tooltip())
    )
