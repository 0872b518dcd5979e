"""Exceptions of the exporter, one family.

Each class has a ``reason``: a short word from a closed set, fit for a metric label.
Messages are one line, carry no secret, and say what a person can do.
"""

from typing import ClassVar


class JouloExporterError(Exception):
    """Base of all errors that the exporter raises on purpose."""

    reason: ClassVar[str] = "error"


class ConfigError(JouloExporterError):
    """The configuration cannot be used; the message names the file, the key and the remedy."""

    reason = "config"


class LedgerError(JouloExporterError):
    """The ledger cannot be read or written just now."""

    reason = "ledger"


class LedgerDamagedError(LedgerError):
    """The ledger's file is no usable database."""

    reason = "ledger_damaged"


class LedgerVersionError(LedgerError):
    """A newer version has written the ledger's file."""

    reason = "ledger_version"


class LedgerLockedError(LedgerError):
    """Another process holds the storage path."""

    reason = "ledger_locked"


class ApiError(JouloExporterError):
    """A request to the Joulo API got no usable API response."""

    reason = "api"

    def __init__(self, message: str, *, status: int | None = None, retry_after_s: float | None = None) -> None:
        """Keep the HTTP status, if an API response arrived at all, and the seconds of ``Retry-After``."""
        super().__init__(message)
        self.status = status
        self.retry_after_s = retry_after_s

    @property
    def code(self) -> str:
        """Return the ``code`` label of ``joulo_api_requests_total``: the status, else the reason."""
        return self.reason if self.status is None else str(self.status)


class ApiConnectionError(ApiError):
    """No connection: name not found, refused, reset, TLS failed."""

    reason = "connection"


class ApiTimeoutError(ApiError):
    """No complete API response within the timeout."""

    reason = "timeout"


class ApiResponseError(ApiError):
    """An API response that differs from the documentation."""

    reason = "invalid"


class ApiStatusError(ApiError):
    """An API response with an HTTP status other than 200."""

    reason = "status"


class ApiAuthenticationError(ApiStatusError):
    """401: the token is wrong, revoked or rotated."""

    reason = "unauthorized"


class ApiScopeError(ApiStatusError):
    """403: the token may not read this endpoint; others may still work."""

    reason = "forbidden"


class ApiNotFoundError(ApiStatusError):
    """404: the URL is wrong, or the endpoint does not exist."""

    reason = "not_found"


class ApiThrottledError(ApiStatusError):
    """429: asked too often; ``retry_after_s`` is the pause, if the API sent ``Retry-After``."""

    reason = "throttled"


class ApiServerError(ApiStatusError):
    """5xx: the API or a gateway in front of it failed; temporary."""

    reason = "server"
