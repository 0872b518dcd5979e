"""Exposition of ``/metrics``: see ``docs/performance.md`` for how and why."""

from joulo_exporter.exposition.exposition import Body, Exposition

__all__ = ["Body", "Exposition"]
