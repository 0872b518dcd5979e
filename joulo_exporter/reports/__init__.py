"""Reports on the ledger: sessions, RFID tags, and the history for Prometheus. They read, and change nothing."""

from joulo_exporter.reports.backfill import Backfill, backfill
from joulo_exporter.reports.completeness import completeness_lines
from joulo_exporter.reports.evcc import evcc_yaml
from joulo_exporter.reports.formats import FORMATS
from joulo_exporter.reports.moments import parse_from, parse_to
from joulo_exporter.reports.rows import Selection, refuse_unknown, rows_of
from joulo_exporter.reports.tags import tag_table, tags_of

__all__ = [
    "FORMATS",
    "Backfill",
    "Selection",
    "backfill",
    "completeness_lines",
    "evcc_yaml",
    "parse_from",
    "parse_to",
    "refuse_unknown",
    "rows_of",
    "tag_table",
    "tags_of",
]
