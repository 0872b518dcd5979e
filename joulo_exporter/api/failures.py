"""Errors of requests to the API: the meaning of each status and transport fault, and the remedy.

The meanings of statuses are those of the vendor's page on errors; gateways in front of the API add their own.
"""

import os
import re
import ssl
import sys
from codecs import BOM_UTF8
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from urllib.parse import urlsplit

import aiohttp
import msgspec
from aiohttp.http_exceptions import HttpProcessingError

from joulo_exporter.config.files import Secret
from joulo_exporter.config.schema import ApiConfig
from joulo_exporter.errors import (
    ApiAuthenticationError,
    ApiConnectionError,
    ApiError,
    ApiNotFoundError,
    ApiResponseError,
    ApiScopeError,
    ApiServerError,
    ApiStatusError,
    ApiThrottledError,
    ApiTimeoutError,
)

TRANSPORT_ERRORS = (aiohttp.ClientError, HttpProcessingError, OSError)
"""Exceptions of a request that fails, apart from ``TimeoutError``."""

# With a web page as body these come from a gateway: its challenge, or a deployment. They say nothing of the token.
_CLASSES: dict[int, type[ApiStatusError]] = {
    HTTPStatus.UNAUTHORIZED: ApiAuthenticationError,
    HTTPStatus.FORBIDDEN: ApiScopeError,
    HTTPStatus.NOT_FOUND: ApiNotFoundError,
    HTTPStatus.TOO_MANY_REQUESTS: ApiThrottledError,
}

_MEANINGS: dict[int, str] = {
    HTTPStatus.UNAUTHORIZED: "the API refuses the token: it is wrong, revoked or rotated, or quotes or "
    "blanks were copied with it; make a new one on joulo.nl",
    HTTPStatus.FORBIDDEN: "the token may not read this; give it the permission, or use another token",
    HTTPStatus.NOT_FOUND: "there is no such endpoint; check api.url",
    HTTPStatus.METHOD_NOT_ALLOWED: "there is no such endpoint for reading; check api.url",
    HTTPStatus.PROXY_AUTHENTICATION_REQUIRED: "the proxy wants a user and password in api.proxy_url",
    HTTPStatus.CONFLICT: "the API is busy; it will be asked again",
    HTTPStatus.TOO_MANY_REQUESTS: "the API was asked too often, and will be left alone for a while; "
    "if this stays, look for other users of the same token",
}

# X509_V_ERR_… of OpenSSL's x509_vfy.h: host name and IP address mismatch; not yet valid, and expired; no issuer
# (2, 20), self-signed (18, 19), no issuer of the first one (21).
_OTHER_NAME = (62, 64)
_OUT_OF_DATE = (9, 10)
_UNKNOWN_ISSUER = (2, 18, 19, 20, 21)
_TEXT_KEYS = ("error", "message", "msg")  # the API's own, and those of gateways in front of it
_READ_LENGTH = 1000
_HINT_LENGTH = 80
_TELLTALE_LENGTH = 8
_NOT_COMPARED = re.compile(r"[\W_]+")
_SCOPE = re.compile(r"[A-Za-z0-9_.:/-]{1,40}")
_HOST = re.compile(r"[A-Za-z0-9_.:-]{1,80}")
_DETAIL_LENGTH = 80
_SECONDS = re.compile(r"\d+(\.\d+)?", re.ASCII)


def status_failure(
    status: int, *, path: str, body: bytes, headers: Mapping[str, str], now_s: float, token: Secret | None
) -> ApiStatusError:
    """Return the error for an API response with another status than 200.

    The body, as far as it could be read, need not be JSON; of the headers ``Retry-After`` and ``Location`` count.
    The token must not get into the message, even if the API repeats it. ``now_s`` is wall time in Unix seconds.
    """
    retry_after_s = retry_after_seconds(headers.get("Retry-After"), now_s)
    if status in _CLASSES and is_web_page(body):
        message = (
            f"{path}: {status} with a web page, from a proxy or gateway in between; check api.url and the network"
        )
        return ApiStatusError(message, status=status, retry_after_s=retry_after_s)
    said = _said(body)
    kind, meaning = _CLASSES.get(status, ApiStatusError), _MEANINGS.get(status)
    if status == HTTPStatus.FORBIDDEN and (scope := safe_scope(said.get("required_scope"), token)):
        meaning = f"the token may not read this; give it the scope {scope}, or use another token"
    elif status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        kind = ApiServerError
        meaning = "the API, or a gateway in front of it, is out of order; it will be asked again"
    elif HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST:
        host = _safe_host(headers.get("Location"), token)
        target = f" to {host}" if host else ""
        meaning = (
            f"a redirect{target}, which is not followed because the token would travel with it; check api.url"
        )
    elif meaning is None and status < HTTPStatus.MULTIPLE_CHOICES:
        meaning = "where 200 with a body was expected; check api.url"
    elif meaning is None:
        meaning = "the API refuses the request; check api.url, and whether there is a newer exporter"
    hint = safe_hint(said, token)
    suffix = f"; it says: {hint}" if hint else ""
    return kind(f"{path}: {status}, {meaning}{suffix}", status=status, retry_after_s=retry_after_s)


def timeout_failure(host: str, timeout_s: float) -> ApiTimeoutError:
    """Return the error for a response that was not complete in time."""
    return ApiTimeoutError(
        f"no complete response from {host} within {timeout_s:g} s; check the network, or raise api.timeout"
    )


class LostConnectionError(aiohttp.ClientConnectionError):
    """A connection broke before the response; aiohttp sends no second request after this error."""

    def __init__(self, lost: Exception) -> None:
        """Keep what aiohttp raised."""
        super().__init__()
        self.lost = lost


def transport_failure(error: Exception, host: str, api: ApiConfig) -> ApiError:
    """Return our error for one of ``TRANSPORT_ERRORS``; nothing of the request itself gets into it."""
    if isinstance(error, LostConnectionError):
        error = error.lost
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


def is_web_page(body: bytes) -> bool:
    """Return whether a body is HTML; gateways send either content type with the other's body."""
    return body[:64].removeprefix(BOM_UTF8).lstrip().startswith(b"<")


def retry_after_seconds(header: str | None, now_s: float) -> float | None:
    """Return for how many seconds from now, in Unix seconds, to stay away; 0 for a date that has passed.

    However large, the number is finite; ``None`` where the header is missing or says nothing usable.
    """
    text = (header or "").strip()
    if _SECONDS.fullmatch(text):
        return min(float(text), sys.float_info.max)
    moment = _http_date(text)
    return None if moment is None else max(0.0, moment.timestamp() - now_s)


def _said(body: bytes) -> dict[str, object]:
    """Return the JSON object of an error's body; an empty one where there is none."""
    try:
        said = msgspec.json.decode(body)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        return {}
    return said if isinstance(said, dict) else {}


def _connection_message(error: Exception, host: str, api: ApiConfig) -> str:
    proxied = api.proxy_url is not None
    # A proxy's name that cannot be looked up is no ClientProxyConnectionError, but has the proxy's host.
    to_proxy = isinstance(error, aiohttp.ClientProxyConnectionError) or (
        proxied and getattr(error, "host", host) != host
    )
    if isinstance(error, aiohttp.ClientSSLError | ssl.SSLError):
        return _tls_message(
            error, "the proxy" if to_proxy else host, "api.proxy_url" if to_proxy else "api.url", api
        )
    if not isinstance(error, aiohttp.ClientConnectorError):
        who, key = (f"{host}, or the proxy,", "api.proxy_url") if proxied else (host, "api.url")
        return f"{who} broke the connection before it responded ({_detail(error)}); if this stays, check {key}"
    if to_proxy:
        return f"no connection to the proxy ({_detail(error)}); check api.proxy_url"
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return f"the name {host} cannot be looked up ({_detail(error)}); check api.url, the network and its DNS"
    return f"no connection to {host} ({_detail(error)}); check the network, a firewall and api.url"


def _tls_message(error: Exception, who: str, key: str, api: ApiConfig) -> str:
    if not isinstance(error, aiohttp.ClientConnectorCertificateError):
        return f"no TLS with {who} ({_detail(error)}); check {key}, and what stands in between"
    certificate = f"the certificate of {who}"
    code = getattr(error.certificate_error, "verify_code", None)
    detail = _detail(error.certificate_error)
    if code in _OTHER_NAME:
        return f"{certificate} is for another name; check {key}, and what stands in between"
    if code in _OUT_OF_DATE:
        return (
            f"{certificate}, or that of its CA, is out of date ({detail}); "
            "have it renewed, or set this machine's clock"
        )
    if api.authorities is not None and code not in _UNKNOWN_ISSUER:
        return (
            f"{certificate}, or that of its CA, is refused ({detail}); "
            f"have it made anew without that fault, or check {key}"
        )
    if api.authorities is not None:
        return (
            f"{certificate} is not trusted ({detail}): no CA in api.ca_file has signed it, "
            f"and only those are trusted; correct that file, or check {key}"
        )
    return (
        f"{certificate} is not trusted ({detail}); if a CA of your own has made it, name that CA's file "
        f"in api.ca_file; else check {key}, and this machine's CA certificates"
    )


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
    return " ".join((detail or type(error).__name__).split())[:_DETAIL_LENGTH]


def safe_hint(said: Mapping[str, object], token: Secret | None) -> str | None:
    """Return at most 80 characters of what the API says; ``None`` when it repeats any part of the token."""
    texts = (said.get(key) for key in _TEXT_KEYS)
    text = next((text for text in texts if isinstance(text, str) and text.strip()), "")[:_READ_LENGTH]
    if _gives_away(text, token):
        return None
    printable = "".join(character if character.isprintable() else " " for character in text)
    return " ".join(printable.split())[:_HINT_LENGTH] or None


def safe_scope(scope: object, token: Secret | None) -> str | None:
    """Return the scope that the API asks for, such as ``sessions:read``, if it looks like one."""
    if not isinstance(scope, str) or not _SCOPE.fullmatch(scope) or _gives_away(scope, token):
        return None
    return scope


def _safe_host(location: str | None, token: Secret | None) -> str | None:
    """Return the host of a ``Location``, without a user, a port, a path or a query; ``None`` if it has none."""
    try:
        host = urlsplit(location or "").hostname or ""
    except ValueError:
        return None
    return host if _HOST.fullmatch(host) and not _gives_away(host, token) else None


def _gives_away(text: str, token: Secret | None) -> bool:
    """Return whether any eight characters of the token stand in the text, in whatever case and spacing."""
    if token is None:
        return False
    shown, hidden = _compared(text), _compared(token.reveal())
    length = min(_TELLTALE_LENGTH, len(hidden))
    return any(hidden[start : start + length] in shown for start in range(len(hidden) - length + 1))


def _compared(text: str) -> str:
    return _NOT_COMPARED.sub("", text).casefold()


def _http_date(text: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, TypeError, OverflowError):
        return None
    # The oldest of the three formats that RFC 9110 has us accept names no zone, and means UTC.
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
