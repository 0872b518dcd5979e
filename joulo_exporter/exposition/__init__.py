"""The bytes of /metrics, kept ready: see ``docs/performance.md`` for how and why."""

from joulo_exporter.exposition.answer import Answer
from joulo_exporter.exposition.exposition import Exposition
from joulo_exporter.exposition.work import Work

__all__ = ["Answer", "Exposition", "Work"]
