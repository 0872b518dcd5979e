"""Client of the Joulo API: its endpoints, and the one function through which every request goes.

The paths are those of the vendor's developer pages. Every failure is raised as one of our own errors.
"""

import asyncio
import re
import time
from codecs import BOM_UTF8
from collections.abc import Callable, Mapping
from dataclasses import KW_ONLY, dataclass
from http import HTTPStatus
from typing import Any

import aiohttp

from joulo_exporter import __version__
from joulo_exporter.api.failures import (
    TRANSPORT_ERRORS,
    LostConnectionError,
    status_failure,
    timeout_failure,
    transport_failure,
)
from joulo_exporter.config.files import Secret, compared
from joulo_exporter.config.schema import ApiConfig
from joulo_exporter.errors import ApiError, ApiResponseError
from joulo_exporter.models.charger import Charger, parse_chargers
from joulo_exporter.models.ere import ErePosition, ErePrice, parse_ere_position, parse_ere_price
from joulo_exporter.models.session import Energy, EreEstimate, parse_energy, parse_sessions
from joulo_exporter.models.wire import ApiResponse, Fields, Plausibility, read_response


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One endpoint of the API, and how its API responses are read."""

    name: str
    """The ``endpoint`` label of metrics, and the key in the configuration."""
    path: str
    """Follows the API's base URL."""
    parse: Callable[[Fields], Any]
    """Makes the content of an API response from its fields; raises ``ApiResponseError``."""
    kept: Any
    """Type of the part of an API response that the ledger keeps, to serve it after a restart."""
    public: bool = False
    """Whether it is always asked without a token."""


_NAME = re.compile(rb'("(?:(?:charger_)?nickname|name|slug)"\s*:\s*)("(?:[^"\\]|\\.)*+")')
"""JSON names of fields whose text a person has chosen, and that text."""

CHARGERS = Endpoint("chargers", "/chargers", parse_chargers, kept=tuple[Charger, ...])
SESSIONS = Endpoint("sessions", "/sessions", parse_sessions, kept=EreEstimate | None)
ENERGY = Endpoint("energy", "/energy", parse_energy, kept=Energy)
ERE_POSITION = Endpoint("ere_position", "/ere-position", parse_ere_position, kept=ErePosition)
ERE_PRICE = Endpoint("ere_price", "/ere-price", parse_ere_price, kept=ErePrice, public=True)

OPTIONAL_ENDPOINTS = (ERE_POSITION, ERE_PRICE)
"""Endpoints that the API may lack, or refuse to a token; snapshots hold their content under their names."""

BODY_LIMIT_BYTES = 8 * 1024 * 1024
"""Limit of a decompressed body; a full page of 100 sessions has about 40 KiB."""

_HEADERS = {"Accept": "application/json", "User-Agent": f"joulo-exporter/{__version__}"}
_ERROR_BODY_LIMIT_BYTES = 64 * 1024
_CHUNK_BYTES = 64 * 1024
# Shorter than the keep-alive time of common servers (5 s), so that a connection which the server is about to close
# is not used again: a request lost on it would not be repeated. Long enough for the endpoints of one account at
# the start, and for many accounts at any time.
_KEEPALIVE_S = 3.0


async def _send_once(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    """Send a request a single time: a middleware of aiohttp's client.

    When a connection breaks before the response, aiohttp (3.14, ``ClientSession._request``) sends a ``GET`` once
    more by itself, since RFC 9110 allows that. The throttle would not know of the second request. After a
    ``LostConnectionError``, aiohttp sends nothing again.
    """
    try:
        return await handler(request)
    except aiohttp.ClientConnectorError:  # there was no connection; nothing was sent, nor will be
        raise
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        lost = error
    raise LostConnectionError(lost)


def open_session() -> aiohttp.ClientSession:
    """Open the connection pool that all clients share; the caller closes it.

    It keeps no cookies, takes no proxy or password from the environment, sends each request once and no more,
    and has no timeouts of its own: each request has its client's. Who asks bounds how many are sent at once.
    """
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=_KEEPALIVE_S),
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=None),
        trust_env=False,
        middlewares=(_send_once,),
    )


@dataclass(eq=False, repr=False)
class JouloClient:
    """Client of the API with the token of one account."""

    session: aiohttp.ClientSession
    """The connection pool, as ``open_session`` makes it; it stays the caller's."""
    api: ApiConfig
    """URL, proxy and trusted certificates of the API, the timeout for a whole request (connecting, body
    and decoding), and the greatest power that is believed."""
    _: KW_ONLY
    token: Secret | None
    """Sent with each request as ``Authorization: Bearer …``, and kept nowhere else; ``None`` for a client of
    public endpoints, to which no token is ever sent."""
    clock: Callable[[], float] = time.time
    """Wall time in Unix seconds, for a date in ``Retry-After`` and the plausibility of moments."""

    async def fetch(self, endpoint: Endpoint, params: Mapping[str, str] | None = None) -> ApiResponse[Any]:
        """Ask for ``endpoint`` once, and read the API response; ``params`` is the query, never a secret.

        Raises:
            ApiConnectionError: no connection to the API or the proxy.
            ApiTimeoutError: no complete response in time.
            ApiError: a status other than 200, in a subclass of its own where that helps.
            ApiResponseError: the API response is not what the API documents, or larger than ``BODY_LIMIT_BYTES``.
        """
        loop = asyncio.get_running_loop()
        deadline_s = loop.time() + self.api.timeout_s
        body = self._without_token(await self._body(endpoint, params, deadline_s))
        response = read_response(body, Plausibility(self.clock(), self.api.max_power_kw), endpoint.parse)
        if loop.time() > deadline_s:  # decoding holds the loop, so that no timer can interrupt it
            raise timeout_failure(self.api)
        return response

    def _without_token(self, body: bytes) -> bytes:
        """Replace names that have the token in them: pasted into a nickname, it would be shown to everybody."""
        if self.token is None or (token := compared(self.token.reveal().encode())) not in compared(body):
            return body
        return _NAME.sub(lambda name: name[1] + b"null" if token in compared(name[2]) else name[0], body)

    async def _body(self, endpoint: Endpoint, params: Mapping[str, str] | None, deadline_s: float) -> bytes:
        response: aiohttp.ClientResponse | None = None
        failure: ApiError | None = None
        body, headers = b"", _HEADERS
        if self.token is not None and not endpoint.public:
            headers = {**_HEADERS, "Authorization": f"Bearer {self.token.reveal()}"}
        try:
            async with asyncio.timeout_at(deadline_s):
                response = await self.session.get(
                    self.api.url + endpoint.path,
                    params=params,
                    headers=headers,
                    allow_redirects=False,
                    proxy=self.api.proxy_url.reveal() if self.api.proxy_url else None,
                    ssl=self.api.authorities or True,
                )
                async with response:
                    body = await _read(response)
        except TimeoutError:
            failure = timeout_failure(self.api)
        except ApiResponseError as error:
            failure = error
        except TRANSPORT_ERRORS as error:
            failure = transport_failure(error, self.api)
        if response is not None and response.status != HTTPStatus.OK:  # reported even if its body was lost
            failure = status_failure(
                response.status,
                path=endpoint.path,
                body=body,
                headers=response.headers,
                now_s=self.clock(),
                token=self.token,
            )
        # Raised outside the handlers, so that it has no context: aiohttp's errors hold the request with its
        # headers, or the proxy with its password.
        if failure is not None:
            raise failure
        return body


async def _read(response: aiohttp.ClientResponse) -> bytes:
    """Read the decompressed body as it arrives, so that an endless one is noticed at the limit."""
    limit_bytes = BODY_LIMIT_BYTES if response.status == HTTPStatus.OK else _ERROR_BODY_LIMIT_BYTES
    body = bytearray()
    async for chunk in response.content.iter_chunked(_CHUNK_BYTES):
        body += chunk
        if len(body) > limit_bytes:
            raise ApiResponseError(
                f"the API response is larger than {limit_bytes // 2**20} MiB, far more than an account has"
            )
    # A byte order mark may be ignored instead of being an error (RFC 8259, section 8.1).
    return bytes(body).removeprefix(BOM_UTF8)
