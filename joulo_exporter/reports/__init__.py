"""Reports on the ledger: sessions, statements, RFID tags, the history. They read, and change nothing."""

from joulo_exporter.reports.backfill import Backfill, backfill
from joulo_exporter.reports.sessions import FORMATS, Selection, refuse_unknown, report, session_rows
from joulo_exporter.reports.statement import make_statement
from joulo_exporter.reports.statement_page import STATEMENT_FORMATS, language_of
from joulo_exporter.reports.tags import evcc_yaml, tag_table, tags_of
from joulo_exporter.reports.text import completeness_lines, parse_from, parse_to

__all__ = [
    "FORMATS",
    "STATEMENT_FORMATS",
    "Backfill",
    "Selection",
    "backfill",
    "completeness_lines",
    "evcc_yaml",
    "language_of",
    "make_statement",
    "parse_from",
    "parse_to",
    "refuse_unknown",
    "report",
    "session_rows",
    "tag_table",
    "tags_of",
]
