"""Errors of requests to the API: the meaning of each status and transport fault, and the remedy.

The meanings of statuses are those of the vendor's page on errors; gateways in front of the API add their own.
"""

import os
import re
import ssl
import sys
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
from joulo_exporter.errors import (
    ApiConnectionError,
    ApiError,
    ApiRefusalError,
    ApiResponseError,
    ApiTimeoutError,
)
from joulo_exporter.models.wire import is_web_page

TRANSPORT_ERRORS = (aiohttp.ClientError, HttpProcessingError, OSError)
"""Exceptions of a request that fails, apart from ``TimeoutError``."""

_REFUSALS = (401, 403, 404)

_MEANINGS = {
    401: "the API refuses the token: it is wrong, revoked or rotated, or quotes or blanks were copied with it; "
    "make a new one on joulo.nl",
    403: "the token may not read this; give it the permission, or use another token",
    404: "there is no such endpoint; check api.url",
    407: "the proxy wants a user and password in api.proxy_url",
    429: "the API was asked too often, and will be left alone for a while; if this stays, look for other users of "
    "the same token",
}
_OTHER_STATUS = "where 200 was expected; check api.url, and whether there is a newer exporter"

# X509_V_ERR_… of OpenSSL's x509_vfy.h: host name and IP address mismatch; not yet valid, and expired; no issuer
# (2, 20), self-signed (18, 19), no issuer of the first one (21).
_OTHER_NAME = (62, 64)
_OUT_OF_DATE = (9, 10)
_UNKNOWN_ISSUER = (2, 18, 19, 20, 21)
_TEXT_KEYS = ("error", "message", "msg")  # the API's own, and those of gateways in front of it
_READ_LENGTH = 1000
_SHOWN_LENGTH = 80
_TELLTALE_LENGTH = 8
_SCOPE = re.compile(r"[A-Za-z0-9_.:/-]{1,40}")
_HOST = re.compile(r"[A-Za-z0-9_.:-]{1,80}")
_SECONDS = re.compile(r"\d+(\.\d+)?", re.ASCII)


def status_failure(
    status: int, *, path: str, body: bytes, headers: Mapping[str, str], now_s: float, token: Secret | None
) -> ApiError:
    """Return the error for an API response with a status other than 200.

    The body, as far as it could be read, need not be JSON; ``Retry-After`` and ``Location`` are the headers used.
    The token must not get into the message, even if the API repeats it. ``now_s`` is wall time in Unix seconds.
    """
    retry_after_s = retry_after_seconds(headers.get("Retry-After"), now_s)
    # With a web page, these come from a gateway (a challenge, a deployment) and say nothing about the token.
    if status in (*_REFUSALS, HTTPStatus.TOO_MANY_REQUESTS) and is_web_page(body):
        meaning = "with a web page, from a proxy or gateway in between; check api.url and the network"
        return ApiError(f"{path}: {status} {meaning}", status=status, retry_after_s=retry_after_s)
    said = _said(body)
    kind = ApiRefusalError if status in _REFUSALS else ApiError
    meaning = _MEANINGS.get(status, _OTHER_STATUS)
    if status == HTTPStatus.FORBIDDEN and (scope := _safe(said.get("required_scope"), _SCOPE, token)):
        meaning = f"the token may not read this; give it the scope {scope}, or use another token"
    elif status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        meaning = "the API, or a gateway in front of it, is out of order; it will be asked again"
    elif HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST:
        host = _safe(_host(headers.get("Location")), _HOST, token)
        target = f" to {host}" if host else ""
        meaning = (
            f"a redirect{target}, which is not followed because the token would travel with it; check api.url"
        )
    hint = safe_hint(said, token)
    suffix = f"; it says: {hint}" if hint else ""
    return kind(f"{path}: {status}, {meaning}{suffix}", status=status, retry_after_s=retry_after_s)


def timeout_failure(api: ApiConfig) -> ApiTimeoutError:
    """Return the error for a response that was not complete in time."""
    said = f"no complete response from {_host(api.url)} within {api.timeout_s:g} s"
    return ApiTimeoutError(f"{said}; check the network, or raise api.timeout")


class LostConnectionError(aiohttp.ClientConnectionError):
    """A connection broke before the response; the argument is the error that broke it."""


def transport_failure(error: Exception, api: ApiConfig) -> ApiError:
    """Return our error for one of ``TRANSPORT_ERRORS``, without anything of the request itself."""
    host = _host(api.url)
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

    However large, the number is finite; ``None`` where the header is missing or says nothing usable.
    """
    text = (header or "").strip()
    if _SECONDS.fullmatch(text):
        return min(float(text), sys.float_info.max)
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, TypeError, OverflowError):
        return None
    # The oldest of the three formats that RFC 9110 has us accept names no zone, and means UTC.
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(0.0, moment.timestamp() - now_s)


def _said(body: bytes) -> dict[str, object]:
    """Return the JSON object of an error's body; an empty one where there is none."""
    try:
        said = msgspec.json.decode(body)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        return {}
    return said if isinstance(said, dict) else {}


def _connection_message(error: Exception, host: str | None, api: ApiConfig) -> str:
    # If a proxy's name cannot be looked up, the error is no ClientProxyConnectionError, but has the proxy's host.
    to_proxy = isinstance(error, aiohttp.ClientProxyConnectionError) or (
        api.proxy_url is not None and getattr(error, "host", host) != host
    )
    detail = _detail(error)
    if isinstance(error, aiohttp.ClientSSLError | ssl.SSLError):
        who, key = ("the proxy", "api.proxy_url") if to_proxy else (host, "api.url")
        if isinstance(error, aiohttp.ClientConnectorCertificateError):
            return _certificate_message(error.certificate_error, f"the certificate of {who}", key, api)
        return f"no TLS with {who} ({detail}); check {key}, and what stands in between"
    if not isinstance(error, aiohttp.ClientConnectorError):
        who, key = (f"{host}, or the proxy,", "api.proxy_url") if api.proxy_url else (host, "api.url")
        return f"{who} broke the connection before it responded ({detail}); if this stays, check {key}"
    if to_proxy:
        return f"no connection to the proxy ({detail}); check api.proxy_url"
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return f"the name {host} cannot be looked up ({detail}); check api.url, the network and its DNS"
    return f"no connection to {host} ({detail}); check the network, a firewall and api.url"


def _certificate_message(error: Exception, certificate: str, key: str, api: ApiConfig) -> str:
    code, detail = getattr(error, "verify_code", None), _detail(error)
    if code in _OTHER_NAME:
        return f"{certificate} is for another name; check {key}, and what stands in between"
    either = f"{certificate}, or that of its CA,"
    if code in _OUT_OF_DATE:
        return f"{either} is out of date ({detail}); have it renewed, or set this machine's clock"
    if api.authorities is None:
        return (
            f"{certificate} is not trusted ({detail}); if a CA of your own has made it, name that CA's file "
            f"in api.ca_file; else check {key}, and this machine's CA certificates"
        )
    if code in _UNKNOWN_ISSUER:
        return (
            f"{certificate} is not trusted ({detail}): no CA in api.ca_file has signed it, "
            f"and only those are trusted; correct that file, or check {key}"
        )
    return f"{either} is refused ({detail}); have it made anew without that fault, or check {key}"


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


def safe_hint(said: Mapping[str, object], token: Secret | None) -> str | None:
    """Return at most 80 characters of what the API says; ``None`` when it repeats any part of the token."""
    texts = (said.get(key) for key in _TEXT_KEYS)
    text = next((text for text in texts if isinstance(text, str) and text.strip()), "")[:_READ_LENGTH]
    if _gives_away(text, token):
        return None
    printable = "".join(character if character.isprintable() else " " for character in text)
    return " ".join(printable.split())[:_SHOWN_LENGTH] or None


def _safe(text: object, pattern: re.Pattern[str], token: Secret | None) -> str | None:
    """Return a text that matches the pattern and has no part of the token; ``None`` for any other text."""
    is_safe = isinstance(text, str) and pattern.fullmatch(text) and not _gives_away(text, token)
    return str(text) if is_safe else None


def _host(url: str | None) -> str | None:
    try:
        return urlsplit(url or "").hostname
    except ValueError:
        return None


def _gives_away(text: str, token: Secret | None) -> bool:
    """Return whether any eight characters of the token stand in the text, in whatever case and spacing."""
    if token is None:
        return False
    shown, hidden = compared(text.encode()), compared(token.reveal().encode())
    length = min(_TELLTALE_LENGTH, len(hidden))
    return any(hidden[start : start + length] in shown for start in range(len(hidden) - length + 1))
