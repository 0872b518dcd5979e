"""The configuration: frozen records from a YAML file and the environment, with secrets that do not show."""

from joulo_exporter.config.schema import (
    COLLECTORS,
    DEFAULT_STORAGE_PATH,
    PUBLIC_COLLECTORS,
    AccountConfig,
    ApiConfig,
    Config,
    HistoryConfig,
    load_config,
    of_shard,
)
from joulo_exporter.config.tokens import Secret, TokenSource
from joulo_exporter.config.values import DEFAULT_API_URL, Duration, format_duration, is_loopback, parse_duration

__all__ = [
    "COLLECTORS",
    "DEFAULT_API_URL",
    "DEFAULT_STORAGE_PATH",
    "PUBLIC_COLLECTORS",
    "AccountConfig",
    "ApiConfig",
    "Config",
    "Duration",
    "HistoryConfig",
    "Secret",
    "TokenSource",
    "format_duration",
    "is_loopback",
    "load_config",
    "of_shard",
    "parse_duration",
]
