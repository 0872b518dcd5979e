"""URLs of the API and of a proxy: what may carry a token."""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import SplitResult, urlsplit

_ALLOWED = re.compile(r"[\x21-\x7e]+")
_HOST_NAME = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9._-]*[A-Za-z0-9_])?\.?")

DEFAULT_API_URL = "https://api.joulo.nl/functions/v1/api"
DEFAULT_ERE_PRICE_URL = "https://joulo.nl/api/ere-price"


def is_loopback(url: str) -> bool:
    """Tell whether a URL's host is this machine: ``localhost``, 127.0.0.0/8 or ``::1``."""
    try:
        host = urlsplit(url).hostname or ""
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def api_url_fault(url: str) -> str | None:
    """Return what forbids a URL as the API's, with the remedy, as a predicate; ``None`` if nothing does."""
    parts = _split(url)
    if parts is None:
        return f"is not an http or https URL; write one such as {DEFAULT_API_URL}"
    if "@" in parts.netloc:
        return "has a user or a password in it; the token goes into accounts"
    if "?" in url or "#" in url:
        return f"has a query or a fragment; write the base alone, such as {DEFAULT_API_URL}"
    if parts.scheme == "http" and not is_loopback(url):
        return "is plain http, and a token travels over https only; write https:// (http: loopback only)"
    return None


def ere_price_url(api_url: str) -> str:
    """Return where the public price feed is: next to an API on this machine, a simulator; else at the vendor's."""
    if not is_loopback(api_url):
        return DEFAULT_ERE_PRICE_URL
    parts = urlsplit(api_url)
    return f"{parts.scheme}://{parts.netloc}{urlsplit(DEFAULT_ERE_PRICE_URL).path}"


def ere_price_url_fault(url: str) -> str | None:
    """Return what forbids a URL as the price feed's, as a predicate; ``None`` if nothing does."""
    if url == DEFAULT_ERE_PRICE_URL:
        return None
    if api_url_fault(url) is not None or not is_loopback(url) or not url.endswith("/ere-price"):
        return f"is no price feed on this machine, for tests; leave it out, and {DEFAULT_ERE_PRICE_URL} is asked"
    return None


def proxy_url_fault(url: str) -> str | None:
    """Return what forbids a URL as a proxy's, without showing it: there can be a password in it."""
    parts = _split(url)
    if parts is None or parts.path not in ("", "/") or "?" in url or "#" in url:
        return "is not the URL of a proxy; write one such as http://proxy.example:3128"
    return None


def _split(url: str) -> SplitResult | None:
    # urlsplit drops line ends and reads a backslash as part of the host, where HTTP clients see its end.
    if not _ALLOWED.fullmatch(url) or "\\" in url:
        return None
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and parts.port != 0 and _has_host(parts)
    except ValueError:
        return None
    return parts if usable else None


def _has_host(parts: SplitResult) -> bool:
    host = parts.hostname or ""
    if "[" in parts.netloc:
        return "%" not in host and bool(ipaddress.IPv6Address(host).exploded)
    return _HOST_NAME.fullmatch(host) is not None
