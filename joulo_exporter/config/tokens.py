"""Tokens: secrets that do not show, the places that they come from, and their faults."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, NoReturn

from joulo_exporter.config.files import Where, one_line, read_file
from joulo_exporter.config.values import is_printed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

LONGEST_TOKEN = 8192
"""Characters; servers refuse longer header lines."""

_QUOTES = "\"'`\u2018\u2019\u201c\u201d"

# Texts in the place of a token, the first that fits, each with a predicate and its remedy.
_FAULTS = (
    (re.compile(r""), "is empty; put the API token there"),
    (re.compile(rf"[{_QUOTES}].*|.*[{_QUOTES}]", re.DOTALL), "has quotes around it; remove them"),
    (re.compile(r"\s*(?:authorization\s*:.*|bearer(?:[\s:].*)?)", re.DOTALL | re.IGNORECASE),
     "begins with Bearer; leave that word out, the exporter adds it"),
    (re.compile(r"\s*(?:export\s+)?JOULO_TOKEN\s*=.*", re.DOTALL),
     "begins with the name of a variable; leave the name and the = out"),
    (re.compile(r"(?=[\x20-\x7e\s]*\Z).*\s.*", re.DOTALL | re.ASCII),
     "has blanks or line ends in or around it; write the token alone, on one line"),
    (re.compile(r".*[^\x21-\x7e].*", re.DOTALL),
     "has a control character, or one outside ASCII, in it; copy the token again, as plain text"),
)  # fmt: skip

# A name of a file with neither folder nor suffix, and as long as a token or in the shape of one.
_TOKEN_AS_PATH = re.compile(r"(?i:bearer\s).*|joulo_[^/]*\d[^/]*|(?:joulo_|eyJ)[^/]{16,}|[^/.\s]{32,}")


class Secret:
    """A token, or a URL with a password in it, whose text only ``reveal`` shows.

    ``repr``, ``str`` and formatting give ``<secret>``; pickling fails, since a pickle is text for anybody.
    Two secrets are equal when their texts are.
    """

    __slots__ = ("_text",)
    _text: str

    def __init__(self, text: str) -> None:
        object.__setattr__(self, "_text", text)

    def reveal(self) -> str:
        """Return the text itself: for an HTTP header, never for a message."""
        return self._text

    def __repr__(self) -> str:
        return "<secret>"

    def __format__(self, format_spec: str) -> str:
        return format(repr(self), format_spec)

    def __eq__(self, other: object) -> bool:
        return self._text == other._text if isinstance(other, Secret) else NotImplemented

    def __hash__(self) -> int:
        return hash((Secret, self._text))

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError("a secret cannot be changed")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError("a secret cannot be changed")

    def __copy__(self) -> Secret:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Secret:
        return self

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("a secret cannot be pickled")


def token_fault(text: str) -> str | None:
    """Return the fault of a token as a predicate with the remedy ("is empty; ..."), without the token.

    A prefix is not demanded: OAuth2 access tokens have none. ``None`` means that nothing is wrong.
    """
    if len(text) > LONGEST_TOKEN:
        return f"is longer than {LONGEST_TOKEN} characters; is it really a token?"
    return next((fault for pattern, fault in _FAULTS if pattern.fullmatch(text)), None)


def path_fault(text: str) -> str | None:
    """Return why a text cannot be the path of a file, without showing it; ``None`` when it can."""
    if not is_printed(text):
        return "has a line end or another control character in it; write the path of a file"
    if _TOKEN_AS_PATH.fullmatch(text):
        return (
            "must be the path of a file, and this looks like a token; write the token into a file (a file of "
            "such a name is ./NAME)"
        )
    return None


@dataclass(frozen=True, slots=True)
class TokenSource:
    """A place that holds a token; it is read when it is needed: files change and variables are set late.

    Two sources are equal when they lead to the same place, wherever in the configuration they stand.
    """

    kind: Literal["file", "env", "value"]
    where: Where = field(compare=False)
    """The key that names this source."""
    shown: str
    """The place, for people, without the secret: ``file /run/secrets/joulo``."""
    path: Path | None
    """The file to watch for a new token; ``None`` for the other kinds."""
    value: Secret | None
    """The token where it stands in the configuration itself."""
    # A function and not the environment: a repr of that would show every variable in it.
    _text: Callable[[], str] = field(repr=False, compare=False)

    def read(self) -> Secret:
        """Return the token as it is now, without one line end after it.

        Raises:
            ConfigError: there is none, or it cannot be one; the message names the place and the remedy.
        """
        text = self._text()
        token = text.removesuffix("\n").removesuffix("\r") if text.endswith("\n") else text
        fault = token_fault(token)
        if fault is not None:
            subject = "the token" if self.kind == "value" else f"the token in {self.shown}"
            raise self.where.fault(f"{subject} {fault}")
        return Secret(token)


def token_from_file(where: Where, path: Path) -> TokenSource:
    """Return the source that reads a file."""

    def text() -> str:
        return read_file(where, path, 4 * LONGEST_TOKEN, "the token").decode("utf-8", "replace")

    return TokenSource("file", where, one_line(f"file {path}"), path, None, text)


def token_from_environment(where: Where, name: str, environ: Mapping[str, str]) -> TokenSource:
    """Return the source that reads an environment variable."""
    shown = f"environment variable {name}"

    def text() -> str:
        if name not in environ:
            raise where.fault(f"the {shown} is not set; set it to the API token")
        return environ[name]

    return TokenSource("env", where, shown, None, None, text)


def token_from_value(where: Where, value: Secret) -> TokenSource:
    """Return the source whose token stands in the configuration file."""
    return TokenSource("value", where, one_line(f"token in {where.source}"), None, value, value.reveal)
