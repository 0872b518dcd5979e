"""Ways to a token, and what can be wrong with one."""

from __future__ import annotations

import re
import stat
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from joulo_exporter.config.faults import Where, is_printed, one_line
from joulo_exporter.config.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

LONGEST_TOKEN = 8192
"""Characters; servers refuse longer header lines."""

_QUOTES = "\"'`\u2018\u2019\u201c\u201d"

# What is found in the place of a token, the first that fits; each a predicate with its remedy.
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


def token_fault(text: str) -> str | None:
    """Return what is wrong with a token as a predicate with the remedy ("is empty; ..."), without the token.

    A prefix is not demanded: OAuth2 access tokens have none. ``None`` means that nothing is wrong.
    """
    if len(text) > LONGEST_TOKEN:
        return f"is longer than {LONGEST_TOKEN} characters; is it really a token?"
    return next((fault for pattern, fault in _FAULTS if pattern.fullmatch(text)), None)


def path_fault(text: str) -> str | None:
    """Return what makes a text unfit for the path of a file, without showing it; ``None`` when nothing does."""
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
    """One way to a token, which is read when it is needed: files change and variables are set late.

    Two sources are equal when they lead to the same place, wherever in the configuration they stand.
    """

    kind: Literal["file", "env", "value"]
    where: Where = field(compare=False)
    """The key that names this source."""
    shown: str
    """Text for people, without the secret."""
    path: Path | None
    """The file to watch for a new token; ``None`` for the other kinds."""
    value: Secret | None
    """The token where it stands in the configuration itself."""
    # A function and not the environment: a repr of that would show every variable in it.
    _text: Callable[[], str] = field(repr=False, compare=False)

    def describe(self) -> str:
        """Return where the token comes from, for people: ``file /run/secrets/joulo``."""
        return self.shown

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
    return TokenSource("file", where, one_line(f"file {path}"), path, None, lambda: _file_text(where, path))


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


def _file_text(where: Where, path: Path) -> str:
    try:
        # A pipe would block, and would be empty at the next reading.
        if not stat.S_ISREG(path.stat().st_mode):
            raise where.fault(f"{path} is not a regular file; name a file that holds the token")
        with path.open("rb") as file:
            content = file.read(4 * LONGEST_TOKEN)
    except FileNotFoundError:
        raise where.fault(f"the file {path} does not exist; create it, or correct the path") from None
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or "not a path"
        raise where.fault(f"the file {path} cannot be read ({why}); let the exporter's user read it") from None
    return content.decode("utf-8", "replace")
