"""Prometheus exporter for Joulo's charging sessions and ERE credits."""

__version__ = "0.1.0"
