"""The one door to the Joulo API: every request leaves here, and every failure comes back as our own error."""

from __future__ import annotations

import asyncio
import time
from codecs import BOM_UTF8
from http import HTTPStatus
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urlsplit

import aiohttp

from joulo_exporter import __version__
from joulo_exporter.api.status import status_failure
from joulo_exporter.api.transport import (
    TRANSPORT_ERRORS,
    send_once,
    timeout_failure,
    transport_failure,
)
from joulo_exporter.errors import ApiError, ApiResponseError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from joulo_exporter.api.endpoint import Endpoint
    from joulo_exporter.api.unknown import UnknownFields
    from joulo_exporter.config.schema import ApiConfig
    from joulo_exporter.config.tokens import Secret

Parsed = TypeVar("Parsed")

BODY_LIMIT_BYTES = 8 * 1024 * 1024
"""Decompressed; a full page of 100 sessions has about 40 KiB."""

_HEADERS = {"Accept": "application/json", "User-Agent": f"joulo-exporter/{__version__}"}
_ERROR_BODY_LIMIT_BYTES = 64 * 1024
_CHUNK_BYTES = 64 * 1024
# Shorter than the patience of common servers (5 s), so that a connection that the other side is just giving up
# is not used again: what is lost on it is not sent once more. Enough for the endpoints of one account at the
# start, and for many accounts at any time.
_KEEPALIVE_S = 3.0


def open_session(*, connection_limit: int) -> aiohttp.ClientSession:
    """Open the connection pool that all clients share; the caller closes it.

    It keeps no cookies, takes no proxy or password from the environment, sends each request once and no more,
    and has no timeouts of its own: each request has its client's.

    Args:
        connection_limit: connections at the same time, all clients together; requests beyond it wait, within
            their timeout. At least 1.
    """
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=connection_limit, keepalive_timeout=_KEEPALIVE_S),
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=None),
        trust_env=False,
        middlewares=(send_once,),
    )


class JouloClient:
    """Asks the API with the token of one account.

    Args:
        session: the connection pool, as ``open_session`` makes it; it stays the caller's.
        api: where the API is; the proxy on the way, and who may vouch for either; and the timeout for all of a
            request: waiting for a free connection, connecting, body and decoding.
        token: sent with each request as ``Authorization: Bearer …``, and kept nowhere else; ``None`` for a
            client of public endpoints, to which no token is ever sent.
        clock: wall time in Unix seconds, against which a date in ``Retry-After`` counts.
        unknown: takes note of fields that nobody here knows.
    """

    def __init__(
        self,
        session: aiohttp.ClientSession,
        api: ApiConfig,
        *,
        token: Secret | None,
        clock: Callable[[], float] = time.time,
        unknown: UnknownFields | None = None,
    ) -> None:
        self._session = session
        self._api = api
        self._base_url = api.url.rstrip("/")
        self._host = urlsplit(api.url).hostname or "the API"
        self._token = token
        self._clock = clock
        self._unknown = unknown

    async def fetch(self, endpoint: Endpoint[Parsed], params: Mapping[str, str] | None = None) -> Parsed:
        """Ask for ``endpoint`` once, and read the answer.

        Args:
            endpoint: what to ask for.
            params: the query, such as ``{"limit": "100"}``; never a secret.

        Raises:
            ApiConnectionError: no connection to the API or the proxy.
            ApiTimeoutError: no complete answer in time.
            ApiStatusError: any other status than 200, in a class of its own where that helps.
            ApiResponseError: the answer is not what the API documents, or larger than ``BODY_LIMIT_BYTES``.
        """
        loop = asyncio.get_running_loop()
        deadline_s = loop.time() + self._api.timeout_s
        # A byte order mark may be passed over instead of being an error (RFC 8259, section 8.1).
        body = (await self._body(endpoint, params, deadline_s)).removeprefix(BOM_UTF8)
        parsed = _parsed(endpoint, body)
        if self._unknown is not None:
            self._unknown.look(endpoint, body)
        if loop.time() > deadline_s:  # decoding holds the loop, so that no timer can interrupt it
            raise timeout_failure(self._host, self._api.timeout_s)
        return parsed

    async def _body(
        self, endpoint: Endpoint[object], params: Mapping[str, str] | None, deadline_s: float
    ) -> bytes:
        failure: ApiError
        try:
            async with asyncio.timeout_at(deadline_s):
                response = await self._get(endpoint, params)
                if response.status == HTTPStatus.OK:
                    async with response:
                        return await _read(response, BODY_LIMIT_BYTES)
            async with response:
                raise await self._status_failure(endpoint.path, response, deadline_s)
        except TimeoutError:
            failure = timeout_failure(self._host, self._api.timeout_s)
        except TRANSPORT_ERRORS as error:
            failure = transport_failure(error, self._host, self._api)
        # Outside of the handler, so that no context hangs on it: aiohttp's errors hold the request with its
        # headers, or the proxy with its password.
        raise failure

    async def _get(self, endpoint: Endpoint[object], params: Mapping[str, str] | None) -> aiohttp.ClientResponse:
        headers = _HEADERS
        if self._token is not None and not endpoint.public:
            headers = {**_HEADERS, "Authorization": f"Bearer {self._token.reveal()}"}
        return await self._session.get(
            self._base_url + endpoint.path,
            params=params,
            headers=headers,
            allow_redirects=False,
            proxy=self._api.proxy_url.reveal() if self._api.proxy_url else None,
            ssl=self._api.authorities.context if self._api.authorities else True,
        )

    async def _status_failure(self, path: str, response: aiohttp.ClientResponse, deadline_s: float) -> ApiError:
        """Return the error for a status; its body is welcome, but the status counts without it too."""
        try:
            async with asyncio.timeout_at(deadline_s):
                body = await _read(response, _ERROR_BODY_LIMIT_BYTES)
        except (TimeoutError, ApiResponseError, *TRANSPORT_ERRORS):
            body = b""
        return status_failure(
            response.status,
            path=path,
            body=body,
            headers=response.headers,
            now_s=self._clock(),
            token=self._token,
        )


async def _read(response: aiohttp.ClientResponse, limit_bytes: int) -> bytes:
    """Read the decompressed body, as it arrives, so that one without end is noticed at the limit."""
    body = bytearray()
    async for chunk in response.content.iter_chunked(_CHUNK_BYTES):
        body += chunk
        if len(body) > limit_bytes:
            raise ApiResponseError(
                f"the answer is larger than {limit_bytes // 2**20} MiB, far more than an account has"
            )
    return bytes(body)


def _parsed(endpoint: Endpoint[Parsed], body: bytes) -> Parsed:
    # The body decides, not its content type: gateways send either with the other's.
    if body[:64].lstrip().startswith(b"<"):
        raise ApiResponseError(
            "a web page came instead of the API's answer, from a proxy or gateway in between; "
            "check api.url and the network"
        )
    return endpoint.parse(body)
