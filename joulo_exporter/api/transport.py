"""What it means, and what to do, when no usable answer comes through the network."""

from __future__ import annotations

import os
import ssl

import aiohttp
from aiohttp.http_exceptions import HttpProcessingError

from joulo_exporter.errors import ApiConnectionError, ApiError, ApiResponseError, ApiTimeoutError

TRANSPORT_ERRORS = (aiohttp.ClientError, HttpProcessingError, OSError)
"""What a request raises when it fails, apart from ``TimeoutError``."""

_DETAIL_LENGTH = 80


def timeout_failure(host: str, timeout_s: float) -> ApiTimeoutError:
    """Return the error for an answer that was not complete in time."""
    return ApiTimeoutError(
        f"no complete answer from {host} within {timeout_s:g} s; check the network, or raise api.timeout"
    )


def transport_failure(error: Exception, host: str, *, proxied: bool) -> ApiError:
    """Return our error for one of ``TRANSPORT_ERRORS``; nothing of the request itself gets into it.

    Args:
        error: what aiohttp or the operating system raised.
        host: the API's.
        proxied: whether the request went through a proxy.
    """
    if isinstance(error, aiohttp.ClientHttpProxyError):
        return _proxy_refusal(error.status)
    if isinstance(error, aiohttp.ClientResponseError | HttpProcessingError):
        return ApiResponseError(f"what {host} answers is not HTTP as it should be; check api.url")
    if isinstance(error, aiohttp.ClientPayloadError):
        return ApiResponseError(f"the answer of {host} is cut off, or broken on its way")
    return ApiConnectionError(_connection_message(error, host, proxied=proxied))


def _proxy_refusal(status: int) -> ApiConnectionError:
    return ApiConnectionError(
        f"the proxy does not connect us ({status}); check api.proxy_url, and the user and password in it"
    )


def _connection_message(error: Exception, host: str, *, proxied: bool) -> str:
    if isinstance(error, aiohttp.ClientSSLError | ssl.SSLError):
        return _tls_message(error, host)
    if not isinstance(error, aiohttp.ClientConnectorError):
        return f"{host} broke the connection before it answered ({_detail(error)}); if this stays, check api.url"
    # A proxy's name that cannot be looked up is no ClientProxyConnectionError, but has the proxy's host.
    if isinstance(error, aiohttp.ClientProxyConnectionError) or (proxied and error.host != host):
        return f"no connection to the proxy ({_detail(error)}); check api.proxy_url"
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return f"the name {host} cannot be looked up ({_detail(error)}); check api.url, the network and its DNS"
    return f"no connection to {host} ({_detail(error)}); check the network, a firewall and api.url"


def _tls_message(error: Exception, host: str) -> str:
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return (
            f"the certificate of {host} is not trusted ({_detail(error.certificate_error)}); "
            "check api.url, this machine's clock and its CA certificates"
        )
    return f"no TLS with {host} ({_detail(error)}); check api.url, and what stands in between"


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
