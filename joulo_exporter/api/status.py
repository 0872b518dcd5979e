"""What each HTTP status of the API means, and what to do about it.

The meanings are those of the vendor's page on errors; gateways in front of the API add their own.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

import msgspec

from joulo_exporter.api.hint import safe_hint, safe_host, safe_scope
from joulo_exporter.api.retry_after import retry_after_seconds
from joulo_exporter.errors import (
    ApiAuthenticationError,
    ApiNotFoundError,
    ApiScopeError,
    ApiServerError,
    ApiStatusError,
    ApiThrottledError,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from joulo_exporter.config.tokens import Secret

_CLASSES: dict[int, type[ApiStatusError]] = {
    HTTPStatus.UNAUTHORIZED: ApiAuthenticationError,
    HTTPStatus.NOT_FOUND: ApiNotFoundError,
    HTTPStatus.TOO_MANY_REQUESTS: ApiThrottledError,
}

_MEANINGS: dict[int, str] = {
    HTTPStatus.UNAUTHORIZED: "the API refuses the token: it is wrong, revoked or rotated, or quotes or "
    "blanks were copied with it; make a new one on joulo.nl",
    HTTPStatus.NOT_FOUND: "there is no such endpoint; check api.url",
    HTTPStatus.METHOD_NOT_ALLOWED: "there is no such endpoint for reading; check api.url",
    HTTPStatus.PROXY_AUTHENTICATION_REQUIRED: "the proxy wants a user and password in api.proxy_url",
    HTTPStatus.CONFLICT: "the API cannot answer just now; it will be asked again",
    HTTPStatus.TOO_MANY_REQUESTS: "the API was asked too often, and will be left alone for a while; "
    "if this stays, look for other users of the same token",
}


def status_failure(
    status: int, *, path: str, body: bytes, headers: Mapping[str, str], now_s: float, token: Secret | None
) -> ApiStatusError:
    """Return the error for an answer with another status than 200.

    Args:
        status: the HTTP status.
        path: what was asked for.
        body: of the answer, as far as it could be read; need not be JSON.
        headers: of the answer; ``Retry-After`` and ``Location`` count.
        now_s: wall time in Unix seconds.
        token: what must not get into the message, even if the API repeats it.
    """
    said = _said(body)
    hint = safe_hint(said, token)
    suffix = f"; it says: {hint}" if hint else ""
    retry_after_s = retry_after_seconds(headers.get("Retry-After"), now_s)
    if status == HTTPStatus.FORBIDDEN:
        scope = safe_scope(said.get("required_scope"), token)
        message = f"{path}: {status}, {_missing_scope(scope)}{suffix}"
        return ApiScopeError(message, status=status, retry_after_s=retry_after_s, required_scope=scope)
    meaning = _redirect(headers.get("Location"), token) if _is_redirect(status) else _meaning(status)
    message = f"{path}: {status}, {meaning}{suffix}"
    return _class(status)(message, status=status, retry_after_s=retry_after_s)


def _class(status: int) -> type[ApiStatusError]:
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return ApiServerError
    return _CLASSES.get(status, ApiStatusError)


def _meaning(status: int) -> str:
    if status in _MEANINGS:
        return _MEANINGS[status]
    if status < HTTPStatus.MULTIPLE_CHOICES:
        return "where 200 with a body was expected; check api.url"
    if status < HTTPStatus.INTERNAL_SERVER_ERROR:
        return "the API refuses the request; check api.url, and whether there is a newer exporter"
    return "the API, or a gateway in front of it, is out of order; it will be asked again"


def _is_redirect(status: int) -> bool:
    return HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST


def _redirect(location: str | None, token: Secret | None) -> str:
    host = safe_host(location, token)
    target = f" to {host}" if host else ""
    return f"a redirect{target}, which is not followed because the token would travel with it; check api.url"


def _missing_scope(scope: str | None) -> str:
    if scope is None:
        return "the token may not read this; give it the permission, or use another token"
    return f"the token may not read this; give it the scope {scope}, or use another token"


def _said(body: bytes) -> dict[str, object]:
    """Return the JSON object of an error's body; an empty one where there is none."""
    try:
        said = msgspec.json.decode(body)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        return {}
    return said if isinstance(said, dict) else {}
