"""What a scraper wants, from ``Accept`` and ``Accept-Encoding``; pure functions of the headers' text.

Rules: RFC 9110, sections 12.4.2 (weights), 12.5.1 (``Accept``) and 12.5.3 (``Accept-Encoding``). Read
leniently, because a scrape must be answered: a malformed piece is ignored, and there is no 406.
"""

from __future__ import annotations

import re
from enum import Enum
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

_MAX_CHARACTERS = 8192
"""What is read of a header; no scraper comes near, and the work for a hostile one stays bounded."""

_KEPT = 16
"""Headers whose meaning is remembered: a scraper sends the same one each time."""

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
# Wider than the RFC's grammar: old Java clients send "q=.2".
_WEIGHT = re.compile(r"0?\.[0-9]+|0\.?|1(?:\.0*)?")
_ESCAPED = re.compile(r"\\(.)")


class Format(Enum):
    """An exposition format: its media type, and the one version of it that exists here."""

    TEXT = ("text/plain", "0.0.4")
    OPENMETRICS = ("application/openmetrics-text", "1.0.0")

    @property
    def media_type(self) -> str:
        """Return the media type without parameters."""
        return self.value[0]

    @property
    def version(self) -> str:
        """Return the version of the format."""
        return self.value[1]

    @property
    def content_type(self) -> str:
        """Return the whole ``Content-Type``, spelled as Prometheus' own libraries spell it."""
        return f"{self.media_type}; version={self.version}; charset=utf-8"


class _Piece(NamedTuple):
    """One element of a header's list, such as ``text/plain;version=0.0.4;q=0.5``."""

    name: str
    """In lower case."""
    parameters: dict[str, str]
    """Without ``q``; names in lower case."""
    weight: float


class _Match(NamedTuple):
    """How well a piece fits a format; the greater of two is the better one."""

    weight: float
    specificity: int
    order: int
    """Minus the piece's position: the earlier is the greater."""


@lru_cache(maxsize=_KEPT)
def choose_format(accept: str | None) -> Format:
    """Return the format for an ``Accept`` header, ``None`` being no header.

    Each format has the weight of the most specific media range that covers it. The greater weight wins,
    then the more specific range, then the earlier one. Where nothing decides, or nothing is acceptable,
    it is 0.0.4. A ``version`` other than ours is another format; all other parameters are ignored
    (``escaping``, ``charset`` and whatever comes).
    """
    pieces = tuple(_pieces(accept or ""))
    text = _best_match(Format.TEXT, pieces)
    openmetrics = _best_match(Format.OPENMETRICS, pieces)
    if openmetrics is None or openmetrics.weight == 0:
        return Format.TEXT
    return Format.OPENMETRICS if text is None or openmetrics > text else Format.TEXT


@lru_cache(maxsize=_KEPT)
def accepts_gzip(accept_encoding: str | None) -> bool:
    """Return whether gzip is acceptable and not less wanted than plain bytes.

    No header means plain bytes: the RFC would allow gzip then, but such a client may not know it.
    """
    weights: dict[str, float] = {}
    for piece in _pieces(accept_encoding or ""):
        weights.setdefault(piece.name, piece.weight)
    gzip = next((weights[name] for name in ("gzip", "x-gzip", "*") if name in weights), 0.0)
    return gzip > 0 and gzip >= weights.get("identity", 0.0)


def _best_match(format_: Format, pieces: tuple[_Piece, ...]) -> _Match | None:
    """Return the match of the most specific pieces; of several equally specific ones, of the heaviest."""
    matches = [
        _Match(piece.weight, specificity, -position)
        for position, piece in enumerate(pieces)
        if (specificity := _specificity(piece, format_)) is not None
    ]
    return max(matches, key=lambda match: (match.specificity, match), default=None)


def _specificity(piece: _Piece, format_: Format) -> int | None:
    """Return how narrowly the piece names the format; ``None`` when it does not cover it."""
    version = piece.parameters.get("version")
    if piece.name == format_.media_type:
        if version is None:
            return 2
        return 3 if version == format_.version else None
    if piece.name == format_.media_type.split("/")[0] + "/*":
        return 1
    return 0 if piece.name == "*/*" else None


def _pieces(header: str) -> Iterator[_Piece]:
    """Yield the well-formed elements of a header's list."""
    for text in _split(_bounded(header), ","):
        name, *parameters = (part.strip(" \t") for part in _split(text, ";"))
        read = dict[str, str]()
        if all(_read_parameter(parameter, read) for parameter in parameters if parameter):
            weight = read.pop("q", "1")
            if _is_name(name) and _WEIGHT.fullmatch(weight):
                yield _Piece(name.lower(), read, float(weight))


def _bounded(header: str) -> str:
    """Return the header without what is too long; the piece that the cut went through goes too."""
    if len(header) <= _MAX_CHARACTERS:
        return header
    return header[:_MAX_CHARACTERS].rpartition(",")[0]


def _split(text: str, separator: str) -> list[str]:
    """Split at separators outside quoted strings, in one pass."""
    if '"' not in text:
        return text.split(separator)
    parts, start, quoted, escaped = list[str](), 0, False, False
    for position, character in enumerate(text):
        if escaped:
            escaped = False
        elif quoted and character == "\\":
            escaped = True
        elif character == '"':
            quoted = not quoted
        elif character == separator and not quoted:
            parts.append(text[start:position])
            start = position + 1
    return [*parts, text[start:]]


def _read_parameter(text: str, into: dict[str, str]) -> bool:
    """Add a parameter such as ``version="1.0.0"``, the first of a name; return whether it is well-formed."""
    name, _, value = (part.strip(" \t") for part in text.partition("="))
    if len(value) > 1 and value[0] == value[-1] == '"':
        value = _ESCAPED.sub(r"\1", value[1:-1])
    elif not _TOKEN.fullmatch(value):
        return False
    into.setdefault(name.lower(), value)
    return _TOKEN.fullmatch(name) is not None


def _is_name(text: str) -> bool:
    """Return whether it is a token (a coding) or two with a slash between them (a media range)."""
    return all(_TOKEN.fullmatch(part) for part in text.split("/", 1))
