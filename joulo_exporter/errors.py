"""Exceptions of the exporter, one family.

Messages are one line, carry no secret, and say what a person can do.
"""


class JouloExporterError(Exception):
    """Base of all errors that the exporter raises on purpose."""


class ConfigError(JouloExporterError):
    """The configuration cannot be used; the message names the file, the key and the remedy."""


class LedgerError(JouloExporterError):
    """The ledger cannot be read or written just now."""


class LedgerDamagedError(LedgerError):
    """The ledger's file is no usable database."""


class LedgerVersionError(LedgerError):
    """A newer version has written the ledger's file."""


class LedgerLockedError(LedgerError):
    """Another process holds the storage path."""


class ApiError(JouloExporterError):
    """A request to the Joulo API got no usable API response, by default since the HTTP status is not 200."""

    code: str
    """The ``code`` label of ``joulo_api_requests_total``: the HTTP status, or a word of the class."""

    def __init__(self, message: str, *, status: int | None = None, retry_after_s: float | None = None) -> None:
        """Keep the HTTP status, if an API response arrived at all, and the seconds of ``Retry-After``."""
        super().__init__(message)
        self.status = status
        self.retry_after_s = retry_after_s
        if status is not None:
            self.code = str(status)


class ApiConnectionError(ApiError):
    """No connection: name not found, refused, reset, TLS failed."""

    code = "connection"


class ApiTimeoutError(ApiError):
    """No complete API response within the timeout."""

    code = "timeout"


class ApiResponseError(ApiError):
    """An API response that differs from the documentation."""

    code = "invalid"


class ApiRefusalError(ApiError):
    """The API itself, not a gateway, refuses an endpoint to a token: waiting for a success is in vain.

    401: the token is wrong, revoked or rotated. 403: it may not read this endpoint; others may still work.
    404: the URL is wrong, or the endpoint does not exist.
    """
