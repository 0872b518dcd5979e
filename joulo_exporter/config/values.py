"""Rules of single values: switches, durations, URLs, names, paths and prices.

Each function returns the value of a text, or raises ``ValueError`` with a predicate and the remedy ("has no unit;
write …"), without the text, which can be a secret in the wrong place.
"""

import contextlib
import ipaddress
import re
import unicodedata
from collections.abc import Callable, Mapping
from datetime import date
from decimal import Decimal
from urllib.parse import SplitResult, unquote, urlsplit

from msgspec import Meta

from joulo_exporter.config.files import Secret
from joulo_exporter.models.charger import UNKNOWN_VEHICLE


def like(example: str, read: Callable[[str], object] = str) -> Meta:
    """Return an example for messages, and the function that reads a text."""
    return Meta(examples=[example], extra={"read": read})


NOTHING = ("", "~", "null", "Null", "NULL")
"""Texts of a key without a value."""

_POWER = re.compile(r"([0-9]{1,5}(?:\.[0-9]{1,3})?) ?(?:kW)?", re.ASCII)


def switch(text: str) -> bool:
    """Return a boolean of YAML 1.1, in small letters or capitals."""
    true = text.lower() in ("true", "yes", "on", "y")
    if not true and text.lower() not in ("false", "no", "off", "n"):
        raise ValueError("must be true or false; write one of them")
    return true


def whole_number(text: str) -> int:
    """Return a number of things."""
    if not re.fullmatch("[0-9]{1,9}", text):
        raise ValueError("must be a whole number; write one such as 10")
    return int(text)


def one_of(example: str, values: Mapping[str, object] | tuple[str, ...]) -> Meta:
    """Return an example for messages, and the function that reads one of these words, or its value."""

    def read(text: str) -> object:
        if text not in values:
            raise ValueError(f"must be one of {', '.join(values)}; correct it")
        return text if isinstance(values, tuple) else values[text]

    return like(example, read)


def power_kw(text: str) -> float:
    """Return kilowatts that are written as a number, or with the unit: ``50``, ``50kW``."""
    match = _POWER.fullmatch(text)
    if match is None or float(match[1]) == 0:
        raise ValueError("is no power above 0; write kilowatts, such as 50 or 50kW")
    return float(match[1])


_DAY_MS = 24 * 60 * 60 * 1000
_UNITS_MS = {"y": 365 * _DAY_MS, "w": 7 * _DAY_MS, "d": _DAY_MS, "h": 3_600_000, "m": 60_000, "s": 1000, "ms": 1}
# The grammar of model.ParseDuration in prometheus/common: whole numbers, each unit at most once, from the longest
# to the shortest.
_DURATION = re.compile("".join(f"(?:([0-9]{{1,20}}){unit})?" for unit in _UNITS_MS))
_EXAMPLES = "such as 90s, 10m, 1h30m or 7d"

_LONGEST_MS = (2**63 - 1) // 1_000_000
"""About 292 years: Prometheus keeps durations as 64-bit nanoseconds."""


def duration(text: str) -> float:
    """Return the seconds of a duration that is longer than 0."""
    match = _DURATION.fullmatch("0s" if text == "0" else text)
    counts = map(int, match.groups(default="0")) if text and match else ()
    milliseconds = sum(count * factor for count, factor in zip(counts, _UNITS_MS.values(), strict=False))
    if not text or match is None or milliseconds > _LONGEST_MS:
        raise ValueError(
            f"is not a duration; write one {_EXAMPLES}: whole numbers with units y w d h m s ms, in that order"
        )
    if milliseconds == 0:
        raise ValueError(f"must be longer than 0; write a duration {_EXAMPLES}")
    return milliseconds / 1000


DEFAULT_API_URL = "https://api.joulo.nl/functions/v1/api"

HOST_NAME = re.compile(
    r"(?=.{1,253}$)(?!(?:.*\.)?[0-9]+\.?$)(?:[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}\w)?(?:\.|$))+", re.ASCII
)
"""Labels of 1 to 63 characters: with any other, Python's look-up raises ``UnicodeError``. A name whose last label
is a number is a mistyped IPv4 address (RFC 1123, section 2.1)."""


def is_loopback(url: str) -> bool:
    """Tell whether a URL's host is this machine: ``localhost``, 127.0.0.0/8 or ``::1``."""
    try:
        host = urlsplit(url).hostname or ""
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def api_url(url: str) -> str:
    """Return the API's base URL without a trailing slash, if it is safe to send a token there."""
    parts = _split(url)
    if parts is None:
        raise ValueError(f"is not the URL of an API; write one such as {DEFAULT_API_URL}")
    if "@" in parts.netloc:
        raise ValueError("has a user or a password in it; the token goes into accounts")
    if parts.scheme == "http" and not is_loopback(url):
        raise ValueError(
            "is plain http, and a token travels over https only; write https:// (http: loopback only)"
        )
    return url.rstrip("/")


def proxy_url(url: str) -> Secret:
    """Return the URL of a proxy; a secret, since a password can stand in it."""
    parts = _split(url)
    if parts is None or parts.path not in ("", "/"):
        raise ValueError("is not the URL of a proxy; write one such as http://proxy.example:3128")
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    if ":" in user or max(user + password, default="") > "\xff":  # which aiohttp cannot send
        raise ValueError("has a colon in its user, or a character outside Latin-1 in either; choose others")
    return Secret(url)


def _split(url: str) -> SplitResult | None:
    """Return the parts of an http or https URL without query and fragment; ``None`` for any other text."""
    # urlsplit drops line ends and reads a backslash as part of the host, where HTTP clients end it.
    if not re.fullmatch(r"[!\x22$->@-\[\]-~]+", url):
        return None
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        if "[" in parts.netloc:
            known: object = ipaddress.IPv6Address(host).scope_id is None
        else:
            known = HOST_NAME.fullmatch(host) or ipaddress.IPv4Address(host)
        usable = known and parts.scheme in ("http", "https") and parts.port != 0
    except ValueError:
        return None
    return parts if usable else None


_LONGEST_NAME = 128
_UNPRINTED = frozenset({"Cc", "Cs", "Zl", "Zp"})  # control, surrogates, line and paragraph separators

# A file name with neither folder nor suffix that is as long as a token, or looks like one.
_TOKEN_AS_PATH = re.compile(r"(?i:bearer\s).*|joulo_[^/]*\d[^/]*|(?:joulo_|eyJ)[^/]{16,}|[^/.\s]{32,}")
# Capitals only: a token that was pasted here by mistake has small letters, and would be shown as a name.
_VARIABLE = re.compile(r"[A-Z_][A-Z0-9_]{0,63}")


def printed(text: str) -> str:
    """Return a text that can stand in a line."""
    if any(unicodedata.category(char) in _UNPRINTED for char in text):
        raise ValueError("has a line end or another control character in it; remove it")
    return text


def name(text: str) -> str:
    """Return the value of a label."""
    if len(text) > _LONGEST_NAME:
        raise ValueError(f"is longer than {_LONGEST_NAME} characters; shorten it")
    return printed(text)


def vehicle(text: str) -> str:
    """Return the name of a vehicle."""
    if text == UNKNOWN_VEHICLE:
        raise ValueError(f"{UNKNOWN_VEHICLE} is the vehicle of tags that are not listed; choose another name")
    return name(text)


def variable(text: str) -> str:
    """Return the name of an environment variable."""
    if not _VARIABLE.fullmatch(text):
        raise ValueError(
            "must be the name of an environment variable, in capitals, such as JOULO_TOKEN; "
            "the token itself goes into that variable"
        )
    return text


def whole_path(text: str) -> str:
    """Return a path that does not begin with ``~``.

    Shells do not replace it after the ``=`` of a flag, and nothing does in a file: a folder of that name would be
    made, and whoever deletes it from a shell can delete a home.
    """
    if text == "~" or text.startswith("~/"):
        raise ValueError("begins with ~, which stands for no folder here; write the whole path")
    return text


def folder(text: str) -> str:
    """Return the path of a folder."""
    return printed(whole_path(text))


def path(text: str) -> str:
    """Return the path of a file."""
    if _TOKEN_AS_PATH.fullmatch(text):
        raise ValueError(
            "must be the path of a file, and this looks like a token; write the token into a file (a file of "
            "such a name is ./NAME)"
        )
    return printed(whole_path(text))


_PRICE = re.compile(r"[0-9]{1,3}(?:\.[0-9]{1,6})?", re.ASCII)
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)
_HIGHEST_EURO = 5
"""No home pays as many euros for a kWh; a price in cents is above it."""


def price(text: str) -> Decimal:
    """Return a price in euros a kWh."""
    if not _PRICE.fullmatch(text):
        raise ValueError("is not a price; write euros a kWh with a decimal point, such as 0.2534")
    if Decimal(text) > _HIGHEST_EURO:
        raise ValueError(f"is more than {_HIGHEST_EURO} euros a kWh; write euros, not cents, such as 0.2534")
    return Decimal(text)


def day(text: str) -> date:
    """Return a day."""
    with contextlib.suppress(ValueError):  # there is no such day, as with 2026-02-30
        if _DAY.fullmatch(text):
            return date.fromisoformat(text)
    raise ValueError("is not a day; write one such as 2026-01-01")
