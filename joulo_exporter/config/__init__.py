"""The configuration: frozen records from a YAML file and the environment, with secrets that do not show."""

from joulo_exporter.config.authorities import Authorities
from joulo_exporter.config.durations import format_duration, parse_duration
from joulo_exporter.config.limits import COLLECTORS, INTERVALS, DurationRule
from joulo_exporter.config.loading import DEFAULT_STORAGE_PATH, load_config
from joulo_exporter.config.records import AccountConfig, ApiConfig, Config, HistoryConfig
from joulo_exporter.config.secret import Secret
from joulo_exporter.config.tokens import (
    TokenSource,
    token_fault,
    token_from_environment,
    token_from_file,
    token_from_value,
)
from joulo_exporter.config.urls import DEFAULT_API_URL, is_loopback

__all__ = [
    "COLLECTORS",
    "DEFAULT_API_URL",
    "DEFAULT_STORAGE_PATH",
    "INTERVALS",
    "AccountConfig",
    "ApiConfig",
    "Authorities",
    "Config",
    "DurationRule",
    "HistoryConfig",
    "Secret",
    "TokenSource",
    "format_duration",
    "is_loopback",
    "load_config",
    "parse_duration",
    "token_fault",
    "token_from_environment",
    "token_from_file",
    "token_from_value",
]
