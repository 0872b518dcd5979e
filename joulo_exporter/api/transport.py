"""What it means, and what to do, when no usable answer comes through the network."""

from __future__ import annotations

import os
import ssl
from typing import TYPE_CHECKING

import aiohttp
from aiohttp.http_exceptions import HttpProcessingError

from joulo_exporter.errors import ApiConnectionError, ApiError, ApiResponseError, ApiTimeoutError

if TYPE_CHECKING:
    from joulo_exporter.config.records import ApiConfig

TRANSPORT_ERRORS = (aiohttp.ClientError, HttpProcessingError, OSError)
"""What a request raises when it fails, apart from ``TimeoutError``."""

_DETAIL_LENGTH = 80

# X509_V_ERR_… of OpenSSL's x509_vfy.h: host name and IP address mismatch; not yet valid, and expired; no issuer
# (2, 20), self-signed (18, 19), no issuer of the first one (21).
_OTHER_NAME = (62, 64)
_OUT_OF_DATE = (9, 10)
_UNKNOWN_ISSUER = (2, 18, 19, 20, 21)


def timeout_failure(host: str, timeout_s: float) -> ApiTimeoutError:
    """Return the error for an answer that was not complete in time."""
    return ApiTimeoutError(
        f"no complete answer from {host} within {timeout_s:g} s; check the network, or raise api.timeout"
    )


class LostConnectionError(aiohttp.ClientConnectionError):
    """A connection broke before an answer came; an error that aiohttp does not answer with a second request."""

    def __init__(self, lost: Exception) -> None:
        """Keep what aiohttp raised."""
        super().__init__()
        self.lost = lost


async def send_once(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    """Send a request a single time: a middleware of aiohttp's client.

    When a connection breaks before the answer, aiohttp (3.14, ``ClientSession._request``) sends a ``GET`` once
    more by itself, since RFC 9110 allows that. The throttle would not know of the second request.

    Raises:
        LostConnectionError: the connection broke.
    """
    try:
        return await handler(request)
    except aiohttp.ClientConnectorError:  # there was no connection; nothing was sent, nor will be
        raise
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        lost = error
    raise LostConnectionError(lost)


def transport_failure(error: Exception, host: str, api: ApiConfig) -> ApiError:
    """Return our error for one of ``TRANSPORT_ERRORS``; nothing of the request itself gets into it.

    Args:
        error: what aiohttp or the operating system raised.
        host: the API's.
        api: how it was tried to reach it.
    """
    if isinstance(error, LostConnectionError):
        error = error.lost
    if isinstance(error, aiohttp.ClientHttpProxyError):
        return _proxy_refusal(error.status)
    if isinstance(error, aiohttp.ClientResponseError | HttpProcessingError):
        return ApiResponseError(f"what {host} answers is not HTTP as it should be; check api.url")
    if isinstance(error, aiohttp.ClientPayloadError):
        return ApiResponseError(f"the answer of {host} is cut off, or broken on its way")
    return ApiConnectionError(_connection_message(error, host, api))


def _proxy_refusal(status: int) -> ApiConnectionError:
    return ApiConnectionError(
        f"the proxy does not connect us ({status}); check api.proxy_url, and the user and password in it"
    )


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
        return f"{who} broke the connection before it answered ({_detail(error)}); if this stays, check {key}"
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
            f"{certificate}, or one that vouches for it, is out of date ({detail}); "
            "have it renewed, or set this machine's clock"
        )
    if api.authorities is not None and code not in _UNKNOWN_ISSUER:
        return (
            f"{certificate}, or one that vouches for it, is refused ({detail}); "
            f"have it made anew without that fault, or check {key}"
        )
    if api.authorities is not None:
        return (
            f"{certificate} is not trusted ({detail}): none in api.ca_file vouches for it, "
            f"and only those count; correct that file, or check {key}"
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
