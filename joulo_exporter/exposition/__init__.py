"""Exposition of ``/metrics``: see ``docs/performance.md`` for how and why."""

from joulo_exporter.exposition.exposition import Exposition

__all__ = ["Exposition"]
