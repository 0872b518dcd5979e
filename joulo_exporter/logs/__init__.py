"""Logging in the manner of Prometheus 3: one line for each event, ``logfmt`` or JSON.

Names, order, time and quoting are those of Go's ``log/slog`` as prometheus/common's ``promslog`` sets it
up: ``time=2026-06-01T12:00:00.000Z level=INFO source=poller.py:41 msg="..." key=value``.
"""

from joulo_exporter.logs.events import configure, event
from joulo_exporter.logs.failures import FailureLog, Notice
from joulo_exporter.logs.lines import FORMATS, LEVELS, Format, Level, error_text

__all__ = [
    "FORMATS",
    "LEVELS",
    "FailureLog",
    "Format",
    "Level",
    "Notice",
    "configure",
    "error_text",
    "event",
]
