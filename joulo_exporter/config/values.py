"""Types and rules of single values: durations, URLs, names and paths.

Each ``…_fault`` function returns a predicate with the remedy ("has no unit; write …"), without the value, which
can be a secret in the wrong place; ``None`` means that nothing is wrong.
"""

from __future__ import annotations

import ipaddress
import re
import unicodedata
from typing import Self
from urllib.parse import SplitResult, urlsplit

from joulo_exporter.models.charger import UNKNOWN_VEHICLE


class Text(str):
    """A value that is not empty, without blanks around it."""

    __slots__ = ()


class Switch(int):
    """``true`` or ``false``, in small letters or capitals."""

    EXAMPLE = "true"

    def __new__(cls, text: str) -> Self:
        """Read the word."""
        if text.lower() not in ("true", "false"):
            raise ValueError("must be true or false; write one of them")
        return super().__new__(cls, text.lower() == "true")


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
_UNITS_MS = {"y": 365 * _DAY_MS, "w": 7 * _DAY_MS, "d": _DAY_MS, "h": 3_600_000, "m": 60_000, "s": 1000, "ms": 1}
# The grammar of model.ParseDuration in prometheus/common: whole numbers, each unit at most once, from the longest
# to the shortest.
_DURATION = re.compile("".join(f"(?:([0-9]{{1,20}}){unit})?" for unit in _UNITS_MS))
_EXAMPLES = "such as 90s, 10m, 1h30m or 7d"

_LONGEST_MS = (2**63 - 1) // 1_000_000
"""About 292 years: Prometheus keeps durations as 64-bit nanoseconds."""
_LONGEST_TIMEOUT_S = 300.0


class Duration(float):
    """Seconds, more than none, that the file writes as Prometheus does: ``90s``, ``10m``, ``1h30m``, ``7d``."""

    EXAMPLE = "10m"

    def __new__(cls, value: str | float) -> Self:
        """Read the text of a duration; a number is seconds."""
        seconds = parse_duration(value) if isinstance(value, str) else value
        if seconds <= 0:
            raise ValueError(f"must be longer than 0; write a duration {_EXAMPLES}")
        return super().__new__(cls, seconds)


def parse_duration(text: str) -> float:
    """Return the seconds of a duration; ``0`` needs no unit, as in Prometheus.

    Raises:
        ValueError: it is not a duration; the message is a predicate ("has no unit; ...") without the text.
    """
    match = _DURATION.fullmatch("0s" if text == "0" else text)
    counts = map(int, match.groups(default="0")) if text and match else ()
    milliseconds = sum(count * factor for count, factor in zip(counts, _UNITS_MS.values(), strict=False))
    if not text or match is None or milliseconds > _LONGEST_MS:
        raise ValueError(
            f"is not a duration; write one {_EXAMPLES}: whole numbers with units y w d h m s ms, in that order"
        )
    return milliseconds / 1000


def timeout_fault(text: str) -> str | None:
    """Return why a duration cannot be a timeout."""
    return "is longer than 5m; write 5m or less" if parse_duration(text) > _LONGEST_TIMEOUT_S else None


def format_duration(seconds: float) -> str:
    """Return a duration of 0 or more, to the millisecond, as Prometheus prints it.

    Years and weeks are used only where nothing remains below them: ``90d`` reads easier than ``12w6d``.
    """
    rest = round(seconds * 1000)
    parts = []
    for unit, factor in _UNITS_MS.items():
        if unit in ("y", "w") and rest % factor:
            continue
        count, rest = divmod(rest, factor)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts) or "0s"


# URLs ---------------------------------------------------------------------------------------

DEFAULT_API_URL = "https://api.joulo.nl/functions/v1/api"

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


def proxy_url_fault(url: str) -> str | None:
    """Return why a URL cannot be a proxy's."""
    parts = _split(url)
    if parts is None or parts.path not in ("", "/") or "?" in url or "#" in url:
        return "is not the URL of a proxy; write one such as http://proxy.example:3128"
    return None


def _split(url: str) -> SplitResult | None:
    # urlsplit drops line ends and reads a backslash as part of the host, where HTTP clients see its end.
    if not re.fullmatch(r"[\x21-\x5b\x5d-\x7e]+", url):
        return None
    try:
        parts = urlsplit(url)
        host, bracketed = parts.hostname or "", "[" in parts.netloc
        known = ipaddress.IPv6Address(host).scope_id is None if bracketed else _HOST_NAME.fullmatch(host)
        usable = known and parts.scheme in ("http", "https") and parts.port != 0
    except ValueError:
        return None
    return parts if usable else None


# Names and paths ----------------------------------------------------------------------------

_LONGEST_NAME = 128
_UNPRINTED = frozenset({"Cc", "Cs", "Zl", "Zp"})  # control, surrogates, line and paragraph separators

# A name of a file with neither folder nor suffix, and as long as a token or in the shape of one.
_TOKEN_AS_PATH = re.compile(r"(?i:bearer\s).*|joulo_[^/]*\d[^/]*|(?:joulo_|eyJ)[^/]{16,}|[^/.\s]{32,}")
# Capitals only: a token that was pasted here by mistake has small letters, and would be shown as a name.
_VARIABLE = re.compile(r"[A-Z_][A-Z0-9_]{0,63}")


def is_printed(text: str) -> bool:
    """Tell whether a text is free of control characters, line ends and halves of surrogate pairs."""
    return not any(unicodedata.category(char) in _UNPRINTED for char in text)


def printed_fault(text: str) -> str | None:
    """Return why a text cannot stand in a line."""
    return None if is_printed(text) else "has a line end or another control character in it; remove it"


def name_fault(name: str) -> str | None:
    """Return why a text cannot be a label's value."""
    too_long = f"is longer than {_LONGEST_NAME} characters; shorten it"
    return too_long if len(name) > _LONGEST_NAME else printed_fault(name)


def vehicle_fault(name: str) -> str | None:
    """Return why a text cannot be the name of a vehicle."""
    reserved = f"{UNKNOWN_VEHICLE} is the vehicle of tags that are not listed; choose another name"
    return reserved if name == UNKNOWN_VEHICLE else name_fault(name)


def variable_fault(name: str) -> str | None:
    """Return why a text cannot be the name of an environment variable, without showing it."""
    if _VARIABLE.fullmatch(name):
        return None
    return (
        "must be the name of an environment variable, in capitals, such as JOULO_TOKEN; "
        "the token itself goes into that variable"
    )


def path_fault(path: str) -> str | None:
    """Return why a text cannot be the path of a file, without showing it."""
    if _TOKEN_AS_PATH.fullmatch(path):
        return (
            "must be the path of a file, and this looks like a token; write the token into a file (a file of "
            "such a name is ./NAME)"
        )
    return printed_fault(path)
