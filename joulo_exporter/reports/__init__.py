"""Reports on the ledger: sessions, RFID tags, and the history for Prometheus. They read, and change nothing."""

from joulo_exporter.reports.backfill import Backfill, backfill
from joulo_exporter.reports.sessions import FORMATS, Selection, refuse_unknown, session_rows
from joulo_exporter.reports.tags import evcc_yaml, tag_table, tags_of
from joulo_exporter.reports.text import completeness_lines, parse_from, parse_to

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
    "session_rows",
    "tag_table",
    "tags_of",
]
