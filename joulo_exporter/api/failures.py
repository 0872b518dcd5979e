"""Errors of requests to the API: the meaning of each status and transport fault, and the remedy.

The meanings of statuses are those of the vendor's page on errors; gateways in front of the API add their own.
"""

import os
import re
import ssl
from collections.abc import Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from urllib.parse import urlsplit

import aiohttp
import msgspec
from aiohttp.http_exceptions import HttpProcessingError

from joulo_exporter.config.files import Secret, compared
from joulo_exporter.config.schema import ApiConfig
from joulo_exporter.errors import ApiConnectionError, ApiError, ApiRefusalError, ApiResponseError, ApiTimeoutError
from joulo_exporter.models.wire import is_web_page

TRANSPORT_ERRORS = (aiohttp.ClientError, HttpProcessingError, OSError)
"""Exceptions of a request that fails, apart from ``TimeoutError``."""

_REFUSALS = (401, 403, 404)

_MEANINGS = {
    401: "the API refuses the token: it is wrong, revoked or rotated, or quotes or blanks were copied with it; "
    "make a new one on joulo.nl",
    403: "the token may not read this, though other endpoints may work; give it the scope, or use another token",
    404: "there is no such endpoint; check api.url",
    407: "the proxy wants a user and password in api.proxy_url",
    429: "the API was asked too often, and will be left alone for a while; if this stays, look for other users of "
    "the same token",
}
_MEANINGS_BY_HUNDRED = {
    3: "a redirect, which is not followed because the token would travel with it; check api.url",
    5: "the API, or a gateway in front of it, is out of order; it will be asked again",
}
_OTHER_STATUS = "where 200 was expected; check api.url, and whether there is a newer exporter"

# The API's own, those of gateways in front of it, and the scope that a token of OAuth2 lacks.
_TEXT_KEYS = ("error", "message", "msg", "required_scope")
_READ_LENGTH = 1000
_SHOWN_LENGTH = 80
_TELLTALE_LENGTH = 8
_SECONDS = re.compile(r"\d+(\.\d+)?", re.ASCII)


def status_failure(
    status: int, *, path: str, body: bytes, headers: Mapping[str, str], now_s: float, token: Secret | None
) -> ApiError:
    """Return the error for an API response with a status other than 200.

    The body, as far as it could be read, need not be JSON; ``Retry-After`` is the only header used. The token must
    not get into the message, even if the API repeats it. ``now_s`` is wall time in Unix seconds.
    """
    retry_after_s = retry_after_seconds(headers.get("Retry-After"), now_s)
    # With a web page, these come from a gateway (a challenge, a deployment) and say nothing about the token.
    if status in (*_REFUSALS, HTTPStatus.TOO_MANY_REQUESTS) and is_web_page(body):
        meaning = "with a web page, from a proxy or gateway in between; check api.url and the network"
        return ApiError(f"{path}: {status} {meaning}", status=status, retry_after_s=retry_after_s)
    kind = ApiRefusalError if status in _REFUSALS else ApiError
    meaning = _MEANINGS.get(status) or _MEANINGS_BY_HUNDRED.get(status // 100, _OTHER_STATUS)
    hint = safe_hint(body, token)
    suffix = f"; it says: {hint}" if hint else ""
    return kind(f"{path}: {status}, {meaning}{suffix}", status=status, retry_after_s=retry_after_s)


def timeout_failure(api: ApiConfig) -> ApiTimeoutError:
    """Return the error for a response that was not complete in time."""
    said = f"no complete response from {urlsplit(api.url).hostname} within {api.timeout_s:g} s"
    return ApiTimeoutError(f"{said}; check the network, or raise api.timeout")


class LostConnectionError(aiohttp.ClientConnectionError):
    """A connection broke before the response; the argument is the error that broke it."""


def transport_failure(error: Exception, api: ApiConfig) -> ApiError:
    """Return our error for one of ``TRANSPORT_ERRORS``, without anything of the request itself."""
    host = urlsplit(api.url).hostname
    if isinstance(error, LostConnectionError):
        (error,) = error.args
    if isinstance(error, aiohttp.ClientHttpProxyError):
        return ApiConnectionError(
            f"the proxy refuses the connection ({error.status}); "
            "check api.proxy_url, and the user and password in it"
        )
    if isinstance(error, aiohttp.ClientResponseError | HttpProcessingError):
        return ApiResponseError(f"the response of {host} is no valid HTTP; check api.url")
    if isinstance(error, aiohttp.ClientPayloadError):
        return ApiResponseError(f"the response of {host} is cut off, or broken on its way")
    return ApiConnectionError(_connection_message(error, host, api))


def retry_after_seconds(header: str | None, now_s: float) -> float | None:
    """Return for how many seconds after ``now_s`` (Unix time) not to ask; 0 for a date that has passed.

    ``None`` where the header is missing or says nothing usable.
    """
    text = (header or "").strip()
    if _SECONDS.fullmatch(text):
        return float(text)
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, TypeError, OverflowError):
        return None
    # The oldest of the three formats that RFC 9110 has us accept names no zone, and means UTC.
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(0.0, moment.timestamp() - now_s)


def _connection_message(error: Exception, host: str | None, api: ApiConfig) -> str:
    # If a proxy's name cannot be looked up, the error is no ClientProxyConnectionError, but has the proxy's host.
    to_proxy = isinstance(error, aiohttp.ClientProxyConnectionError) or (
        api.proxy_url is not None and getattr(error, "host", host) != host
    )
    who, key = ("the proxy", "api.proxy_url") if to_proxy else (host, "api.url")
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return (
            f"the certificate of {who} is not trusted ({_detail(error.certificate_error)}); check {key}, this "
            "machine's clock and CA certificates; if a CA of your own has signed it, name its file in api.ca_file"
        )
    detail = _detail(error)
    if isinstance(error, aiohttp.ClientSSLError | ssl.SSLError):
        return f"no TLS with {who} ({detail}); check {key}, and what stands in between"
    if isinstance(error, aiohttp.ClientConnectorError):
        return f"no connection to {who} ({detail}); check {key}, the network, its DNS and firewalls"
    if api.proxy_url is not None:
        who, key = f"{host}, or the proxy,", "api.proxy_url"
    return f"{who} broke the connection before it responded ({detail}); if this stays, check {key}"


def _detail(error: Exception) -> str:
    """Return the reason alone: whole messages of aiohttp can hold URLs."""
    if isinstance(error, aiohttp.ClientConnectorError):
        error = error.os_error  # aiohttp's own TLS errors are ssl.SSLError by name, without its attributes
    detail: str | None
    if isinstance(error, ssl.SSLError):  # OpenSSL sets these two, each where it applies
        detail = getattr(error, "verify_message", None) or getattr(error, "reason", None)
    elif isinstance(error, OSError) and error.errno and error.errno > 0:
        detail = os.strerror(error.errno)
    else:
        detail = getattr(error, "strerror", None)
    return " ".join((detail or type(error).__name__).split())[:_SHOWN_LENGTH]


def safe_hint(body: bytes, token: Secret | None) -> str | None:
    """Return at most 80 characters of what the API says; ``None`` when it repeats any part of the token."""
    try:
        said = msgspec.json.decode(body, type=dict[str, object])
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        return None
    texts = (said.get(key) for key in _TEXT_KEYS)
    text = ": ".join(text for text in texts if isinstance(text, str) and text.strip())[:_READ_LENGTH]
    if _gives_away(text, token):
        return None
    printable = "".join(character if character.isprintable() else " " for character in text)
    return " ".join(printable.split())[:_SHOWN_LENGTH] or None


def _gives_away(text: str, token: Secret | None) -> bool:
    """Return whether any eight characters of the token stand in the text, in whatever case and spacing."""
    if token is None:
        return False
    shown, hidden = compared(text.encode()), compared(token.reveal().encode())
    length = min(_TELLTALE_LENGTH, len(hidden))
    return any(hidden[start : start + length] in shown for start in range(len(hidden) - length + 1))
