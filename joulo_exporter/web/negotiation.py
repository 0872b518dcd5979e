"""Format, compression and language of a response, from the headers of its request; pure functions of their text.

Rules: RFC 9110, sections 12.4.2 (weights), 12.5.1 (``Accept``), 12.5.3 (``Accept-Encoding``) and 12.5.4
(``Accept-Language``), applied leniently, because a scrape must succeed: a malformed piece is ignored, and there is
no 406. An empty text stands for a missing header.
"""

import contextlib
from collections.abc import Sequence
from functools import lru_cache

_TEXT = ("text/plain", "0.0.4")
_OPENMETRICS = ("application/openmetrics-text", "1.0.0")
"""Media type of an exposition format, and the one version of it that exists here."""

_Element = tuple[str, str | None, float]
"""Name, version and weight in a header's list, such as ``text/plain;version=0.0.4;q=0.5``, in lower case."""


def content_type(*, openmetrics: bool) -> str:
    """Return the whole ``Content-Type`` of a format, spelled as Prometheus' own libraries spell it."""
    media_type, version = _OPENMETRICS if openmetrics else _TEXT
    return f"{media_type}; version={version}; charset=utf-8"


@lru_cache(maxsize=16)  # a scraper sends the same header each time
def prefers_openmetrics(accept: str) -> bool:
    """Return whether an ``Accept`` header wants OpenMetrics 1.0 rather than text 0.0.4.

    Each format has the weight of the most specific media range that covers it. The greater weight wins, then the
    more specific range. Where nothing decides, or nothing is acceptable, the format is 0.0.4. A ``version`` other
    than ours is another format; all other parameters are ignored (``escaping``, ``charset`` and so on).
    """
    elements = _elements(accept)
    openmetrics = _rank(*_OPENMETRICS, elements)
    return openmetrics[0] > 0 and openmetrics > _rank(*_TEXT, elements)


@lru_cache(maxsize=16)
def accepts_gzip(accept_encoding: str) -> bool:
    """Return whether gzip is acceptable and wanted at least as much as plain bytes.

    No header means plain bytes: the RFC would allow gzip then, but such a client may not support it.
    """
    weights = {name: weight for name, _, weight in reversed(_elements(accept_encoding))}
    gzip = next((weights[name] for name in ("gzip", "x-gzip", "*") if name in weights), 0.0)
    return gzip > 0 and gzip >= weights.get("identity", 0.0)


def choose_language(accept_language: str, languages: tuple[str, ...]) -> str:
    """Return the language for an ``Accept-Language`` header.

    A language range such as ``nl-BE`` asks for its language, ``nl``. The greatest weight wins, then the earlier
    range; if none of the languages is asked for, the first of them is returned.
    """
    for name, _, weight in sorted(_elements(accept_language), key=lambda element: -element[2]):
        if weight > 0 and (language := name.partition("-")[0]) in languages:
            return language
    return languages[0]


def _rank(media_type: str, version: str, elements: Sequence[_Element]) -> tuple[float, int]:
    """Return the weight and the specificity of the element that covers the format most specifically.

    Of equally specific elements the one with the greatest weight counts; the weight is 0 if none covers it.
    """
    any_subtype = media_type.partition("/")[0] + "/*"
    ranges = [("*/*", None), (any_subtype, None), (media_type, None), (media_type, version)]
    covering = [
        (ranges.index((name, given)), weight) for name, given, weight in elements if (name, given) in ranges
    ]
    specificity, weight = max(covering, default=(0, 0.0))
    return weight, specificity


def _elements(header: str) -> Sequence[_Element]:
    """Return the elements of a header's list; no client sends a comma or a semicolon in quotes."""
    elements: list[_Element] = []
    for text in header.lower().split(","):
        name, *parts = [part.strip(" \t") for part in text.split(";")]
        pairs = [part.partition("=") for part in reversed(parts)]  # of several with one name the first counts
        parameters = {key.strip(" \t"): value.strip(' \t"') for key, _, value in pairs}
        with contextlib.suppress(ValueError):
            weight = float(parameters.get("q", "1"))
            if 0 <= weight <= 1:
                elements.append((name, parameters.get("version"), weight))
    return elements
