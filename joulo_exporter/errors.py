"""Exceptions of the exporter, one family.

Each class has a ``reason``: a short word from a closed set, fit for a metric label.
Messages are one line, carry no secret, and say what a person can do.
"""

from __future__ import annotations

from typing import ClassVar


class JouloExporterError(Exception):
    """Base of all errors that the exporter raises on purpose."""

    reason: ClassVar[str] = "error"

    def __init_subclass__(cls, *, reason: str = "error") -> None:
        """Take the reason of a class of errors."""
        cls.reason = reason


# Configuration ---------------------------------------------------------------------------------


class ConfigError(JouloExporterError, reason="config"):
    """The configuration cannot be used; the message names the file, the key and the remedy."""


# Ledger ----------------------------------------------------------------------------------------


class LedgerError(JouloExporterError, reason="ledger"):
    """The ledger cannot be read or written just now."""


class LedgerDamagedError(LedgerError, reason="ledger_damaged"):
    """The ledger's file is no usable database."""


class LedgerVersionError(LedgerError, reason="ledger_version"):
    """A newer version has written the ledger's file."""


class LedgerLockedError(LedgerError, reason="ledger_locked"):
    """Another process holds the storage path."""


# API -------------------------------------------------------------------------------------------


class ApiError(JouloExporterError, reason="api"):
    """A request to the Joulo API has no usable API response."""

    def __init__(self, message: str, *, status: int | None = None, retry_after_s: float | None = None) -> None:
        """Keep the HTTP status, if an API response arrived at all, and the seconds of ``Retry-After``."""
        super().__init__(message)
        self.status = status
        self.retry_after_s = retry_after_s

    @property
    def code(self) -> str:
        """Return the ``code`` label of ``joulo_api_requests_total``: the status, else the reason."""
        return self.reason if self.status is None else str(self.status)


class ApiConnectionError(ApiError, reason="connection"):
    """No connection: name not found, refused, reset, TLS failed."""


class ApiTimeoutError(ApiError, reason="timeout"):
    """No complete API response within the timeout."""


class ApiResponseError(ApiError, reason="invalid"):
    """An API response that differs from the documentation."""


class ApiStatusError(ApiError, reason="status"):
    """An API response with another HTTP status than 200."""


class ApiAuthenticationError(ApiStatusError, reason="unauthorized"):
    """401: the token is wrong, revoked or rotated."""


class ApiScopeError(ApiStatusError, reason="forbidden"):
    """403: the token may not read this endpoint; others may still work."""


class ApiNotFoundError(ApiStatusError, reason="not_found"):
    """404: the URL is wrong, or the endpoint does not exist."""


class ApiThrottledError(ApiStatusError, reason="throttled"):
    """429: asked too often; ``retry_after_s`` is the pause, if the API sent ``Retry-After``."""


class ApiServerError(ApiStatusError, reason="server"):
    """5xx: the API or a gateway in front of it failed; temporary."""
