"""The web configuration, in the format that all Prometheus exporters share: TLS, basic authentication, headers.

Source of the format: prometheus/exporter-toolkit, ``docs/web-configuration.md`` and ``web/tls_config.go``.
"""

from joulo_exporter.web_config.guard import WebGuard
from joulo_exporter.web_config.loading import WebConfig, load_web_config

__all__ = ["WebConfig", "WebGuard", "load_web_config"]
