"""Tokens: secrets that do not show, the places that they come from, and their faults."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

from joulo_exporter.config.files import Where, one_line, read_file

LONGEST_TOKEN = 8192
"""Characters; servers refuse longer header lines."""

_TOKEN = re.compile(r"[\x21-\x7e]+")
# Around a token, or before it, in texts that were copied with too much.
_TOO_MUCH = re.compile(
    r"[\"'`\u2018\u2019\u201c\u201d].*|.*[\"'`\u2018\u2019\u201c\u201d]|(?:authorization\s*:|bearer[\s:]).*|bearer"
    r"|(?:export\s+)?JOULO_TOKEN\s*=.*",
    re.DOTALL | re.IGNORECASE,
)


class Secret:
    """A token, or a URL with a password in it, whose text only ``reveal`` shows.

    ``repr``, ``str`` and formatting give ``<secret>``; copying and pickling fail, since a pickle is text for
    anybody. Two secrets are equal when their texts are.
    """

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """Return the text itself: for an HTTP header, never for a message."""
        return self._text

    def __repr__(self) -> str:
        return "<secret>"

    def __eq__(self, other: object) -> bool:
        return self._text == other._text if isinstance(other, Secret) else NotImplemented

    def __hash__(self) -> int:
        return hash((Secret, self._text))

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("a secret cannot be pickled")


def token_fault(text: str) -> str | None:
    """Return the fault of a token as a predicate with the remedy ("is empty; ..."), without the token.

    A prefix is not demanded: OAuth2 access tokens have none. ``None`` means that nothing is wrong.
    """
    if not text:
        return "is empty; put the API token there"
    if len(text) > LONGEST_TOKEN:
        return f"is longer than {LONGEST_TOKEN} characters; is it really a token?"
    if _TOO_MUCH.fullmatch(text.strip()):
        return "has quotes, the word Bearer or the name of a variable around it; write the token alone"
    if not _TOKEN.fullmatch(text):
        return "has blanks, line ends or characters outside ASCII in it; write the token alone, on one line"
    return None


@dataclass(frozen=True, slots=True)
class TokenSource:
    """A place that holds a token; it is read when it is needed: files change and variables are set late.

    Two sources are equal when they lead to the same place, wherever in the configuration they stand.
    """

    where: Where = field(compare=False)
    """The key that names this source."""
    path: Path | None = None
    """The file that holds the token, to be watched for a new one."""
    variable: str | None = None
    """The name of the environment variable that holds the token."""
    # A function and not the environment: a repr of that would show every variable in it.
    read_variable: Callable[[], str | None] = field(default=lambda: None, repr=False, compare=False)
    value: Secret | None = None
    """The token where it stands in the configuration itself."""

    @property
    def shown(self) -> str:
        """Return the place, for people, without the secret: ``file /run/secrets/joulo``."""
        if self.path is not None:
            return one_line(f"file {self.path}")
        return (
            f"environment variable {self.variable}" if self.variable else one_line(f"token in {self.where.source}")
        )

    def read(self) -> Secret:
        """Return the token as it is now, without one line end after it.

        Raises:
            ConfigError: there is none, or it cannot be one; the message names the place and the remedy.
        """
        if self.path is not None:
            text = read_file(self.where, self.path, 4 * LONGEST_TOKEN, "the token").decode("utf-8", "replace")
        elif self.value is not None:
            text = self.value.reveal()
        else:
            text = self.read_variable() or ""
        token = text.removesuffix("\n").removesuffix("\r") if text.endswith("\n") else text
        fault = token_fault(token)
        if fault is not None:
            raise self.where.fault(f"the token {fault}" if self.value else f"the token in {self.shown} {fault}")
        return Secret(token)
