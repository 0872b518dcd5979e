"""Types and rules of single values: texts, switches, durations, URLs and names.

Each ``…_fault`` function returns a predicate with the remedy ("has no unit; write …"), without the value, which
can be a secret in the wrong place; ``None`` means that nothing is wrong.
"""

from __future__ import annotations

import enum
import ipaddress
import math
import re
import unicodedata
from typing import Self
from urllib.parse import SplitResult, urlsplit

import msgspec


class Text(str):
    """A value that is not empty, without blanks around it."""

    __slots__ = ()


class Switch(enum.Enum):
    """``true`` or ``false``, in small letters or capitals."""

    ON = "true"
    OFF = "false"

    @classmethod
    def _missing_(cls, value: object) -> Switch | None:
        return next((each for each in cls if each.value == str(value).lower()), None)


_POWER = re.compile(r"([0-9]{1,5}(?:\.[0-9]{1,3})?) ?(?:kW)?", re.ASCII)


class Power(float):
    """Kilowatts that the file writes as a number, or with the unit: ``50``, ``50kW``."""

    EXAMPLE = "50kW"

    def __new__(cls, text: str) -> Self:
        """Read the text.

        Raises:
            ValueError: it is no such power, or 0; the message is a predicate without the text.
        """
        match = _POWER.fullmatch(text)
        if match is None or float(match[1]) == 0:
            raise ValueError("is no power above 0; write kilowatts, such as 50 or 50kW")
        return super().__new__(cls, match[1])


# Durations ----------------------------------------------------------------------------------

_DAY_MS = 24 * 60 * 60 * 1000
_UNITS_MS = (
    ("y", 365 * _DAY_MS),
    ("w", 7 * _DAY_MS),
    ("d", _DAY_MS),
    ("h", 60 * 60 * 1000),
    ("m", 60 * 1000),
    ("s", 1000),
    ("ms", 1),
)
# The grammar of model.ParseDuration in prometheus/common: whole numbers, each unit at most once, from the longest
# to the shortest.
_DURATION = re.compile("".join(f"(?:([0-9]+){unit})?" for unit, _ in _UNITS_MS))
_BARE_NUMBER = re.compile(r"[+-]?[0-9]+(?:\.[0-9]*)?")
_EXAMPLES = "such as 90s, 10m, 1h30m or 7d"

# Prometheus keeps durations as 64-bit nanoseconds: a longer one is refused here too.
_LONGEST_MS = (2**63 - 1) // 1_000_000
_LONGEST_TEXT = 64


class Duration(float):
    """Seconds that the file writes as Prometheus does: ``90s``, ``10m``, ``1h30m``, ``7d``."""

    EXAMPLE = "10m"


def parse_duration(text: str) -> float:
    """Return the seconds of a duration; ``0`` needs no unit, as in Prometheus.

    Raises:
        ValueError: it is not a duration; the message is a predicate ("has no unit; ...") without the text.
    """
    if text == "0":
        return 0.0
    if _BARE_NUMBER.fullmatch(text):
        raise ValueError(f"has no unit; write a duration {_EXAMPLES}")
    match = _DURATION.fullmatch(text) if text and len(text) <= _LONGEST_TEXT else None
    if match is None:
        raise ValueError(
            f"is not a duration; write one {_EXAMPLES}: whole numbers with units y w d h m s ms, in that order"
        )
    counts = map(int, match.groups(default="0"))
    milliseconds = sum(count * factor for count, (_, factor) in zip(counts, _UNITS_MS, strict=True))
    if milliseconds > _LONGEST_MS:
        raise ValueError("is longer than the 292 years that Prometheus can count; write a shorter duration")
    return milliseconds / 1000


def format_duration(seconds: float) -> str:
    """Return a duration, to the millisecond, as Prometheus prints it.

    Years and weeks are used only where nothing remains below them: ``90d`` reads easier than ``12w6d``.

    Args:
        seconds: not negative.
    """
    rest = round(seconds * 1000)
    parts = []
    for unit, factor in _UNITS_MS:
        if unit in ("y", "w") and rest % factor:
            continue
        count, rest = divmod(rest, factor)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts) or "0s"


class Bounds(msgspec.Struct, frozen=True):
    """Bounds of a duration, in seconds."""

    floor_s: float = 0.0
    """The shortest; 0 for anything longer than nothing. It does not bind an API on a loopback address."""
    ceiling_s: float = math.inf
    why: str = ""
    """Why there is a floor."""

    def fault(self, seconds: float, default_s: float, *, loopback: bool) -> str | None:
        """Return why a duration is out of bounds, with the remedy, as a predicate; ``None`` if it is not."""
        if seconds <= 0:
            return f"must be longer than 0; write for example {format_duration(default_s)}"
        if seconds < self.floor_s and not loopback:
            floor = format_duration(self.floor_s)
            return (
                f"is shorter than {floor}: {self.why}; write {floor} or more "
                "(only an API on a loopback address may be asked faster)"
            )
        if seconds > self.ceiling_s:
            ceiling = format_duration(self.ceiling_s)
            return f"is longer than {ceiling}; write {ceiling} or less"
        return None


# URLs ---------------------------------------------------------------------------------------

DEFAULT_API_URL = "https://api.joulo.nl/functions/v1/api"
DEFAULT_ERE_PRICE_URL = "https://joulo.nl/api/ere-price"

_URL_CHARACTERS = re.compile(r"[\x21-\x7e]+")
_HOST_NAME = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9._-]*[A-Za-z0-9_])?\.?")


def is_loopback(url: str) -> bool:
    """Tell whether a URL's host is this machine: ``localhost``, 127.0.0.0/8 or ``::1``."""
    try:
        host = urlsplit(url).hostname or ""
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def api_url_fault(url: str) -> str | None:
    """Return why a URL cannot be the API's: a token travels there."""
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
    """Return why a URL cannot be the price feed's."""
    if url == DEFAULT_ERE_PRICE_URL:
        return None
    if api_url_fault(url) is not None or not is_loopback(url) or not url.endswith("/ere-price"):
        return f"is no price feed on this machine, for tests; leave it out, and {DEFAULT_ERE_PRICE_URL} is asked"
    return None


def proxy_url_fault(url: str) -> str | None:
    """Return why a URL cannot be a proxy's."""
    parts = _split(url)
    if parts is None or parts.path not in ("", "/") or "?" in url or "#" in url:
        return "is not the URL of a proxy; write one such as http://proxy.example:3128"
    return None


def _split(url: str) -> SplitResult | None:
    # urlsplit drops line ends and reads a backslash as part of the host, where HTTP clients see its end.
    if not _URL_CHARACTERS.fullmatch(url) or "\\" in url:
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


# Names --------------------------------------------------------------------------------------

_LONGEST_NAME = 128
_UNPRINTED = frozenset({"Cc", "Cs", "Zl", "Zp"})  # control, surrogates, line and paragraph separators


def name_fault(name: str) -> str | None:
    """Return why a text cannot be a label's value."""
    if not name:
        return "is empty; give it a name"
    if len(name) > _LONGEST_NAME:
        return f"is longer than {_LONGEST_NAME} characters; shorten it"
    if not is_printed(name):
        return "has a line end or another control character in it; remove it"
    return None


def is_printed(text: str) -> bool:
    """Tell whether a text is free of control characters, line ends and halves of surrogate pairs."""
    return not any(unicodedata.category(char) in _UNPRINTED for char in text)
