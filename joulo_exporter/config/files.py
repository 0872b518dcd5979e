"""Places of faults in the configuration, and the files and tokens that it names.

A fault is one line that names file, key and remedy. A token is a secret that no message shows.
"""

from __future__ import annotations

import re
import ssl
import stat
import string
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import NoReturn, TypeVar

import msgspec

from joulo_exporter.errors import ConfigError

Value = TypeVar("Value")

_LARGEST_BYTES = 1024 * 1024
"""The bundle of a whole Linux distribution has about 250 KiB."""

_TOKEN = re.compile(r"[\x21-\x7e]{1,8192}")  # servers refuse longer header lines
# Text around a token, or before it, that was copied along with the token.
_TOO_MUCH = re.compile(
    r"[\"'`\u2018\u2019\u201c\u201d].*|.*[\"'`\u2018\u2019\u201c\u201d]|(?:authorization\s*:|bearer[\s:]).*|bearer"
    r"|(?:export\s+)?JOULO_TOKEN\s*=.*",
    re.DOTALL | re.IGNORECASE,
)


class Where(msgspec.Struct, frozen=True):
    """A place in the configuration: a file, or ``environment``, and the path of a key in it."""

    source: str
    key: str = ""

    def child(self, key: str) -> Where:
        """Return the place of a key below this one."""
        return Where(self.source, f"{self.key}.{key}" if self.key else key)

    def item(self, position: int) -> Where:
        """Return the place of an item of the list here, counted from 0."""
        return Where(self.source, f"{self.key}[{position}]")

    def fault(self, text: str) -> ConfigError:
        """Return the error ``SOURCE: KEY: text``, one line whatever the names of files are."""
        return ConfigError(one_line(": ".join(filter(None, (self.source, self.key, text)))))

    def read(self, parse: Callable[[str], Value], text: str) -> Value:
        """Return a text as a value; the ``ValueError`` that ``parse`` raises is a fault here."""
        try:
            return parse(text)
        except ValueError as error:
            raise self.fault(str(error)) from None


def one_line(text: str) -> str:
    """Return the text with everything that cannot be printed escaped."""
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)


def read_file(where: Where, path: Path, content: str) -> bytes:
    """Return the bytes of a regular file that a key names; messages call its content ``content``."""
    try:
        found = path.stat()
        # A pipe would block, and would be empty at the next reading.
        if not stat.S_ISREG(found.st_mode) or found.st_size > _LARGEST_BYTES:
            raise where.fault(f"{path} is not a regular file of at most 1 MiB; name a file that holds {content}")
        return path.read_bytes()
    except FileNotFoundError:
        raise where.fault(f"the file {path} does not exist; create it, or correct the path") from None
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or "not a path"
        raise where.fault(f"the file {path} cannot be read ({why}); let the exporter's user read it") from None


@lru_cache(maxsize=1)  # the context of an unchanged file stays the same, and so do the pollers that use it
def trusting(where: Where, pem: bytes) -> ssl.SSLContext:
    """Return a context that trusts these certificates alone, as with Prometheus' ``ca_file``."""
    # Not create_default_context: from Python 3.13 on it sets VERIFY_X509_STRICT, which refuses a CA without
    # keyUsage, as plain `openssl req -x509` makes it, and a server's certificate without authority key identifier.
    # Users who name a CA here choose to trust it; the signature, the dates and the host name are verified all the
    # same.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    trust(context, where, pem)
    return context


def trust(context: ssl.SSLContext, where: Where, pem: bytes) -> None:
    """Have a context trust certificates as they are, as in Go, even if they are not the roots of their chains."""
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    try:
        # A blank for an empty file, since an empty text is a fault of another kind.
        context.load_verify_locations(cadata=pem.decode("ascii", "ignore") or " ")
    except ssl.SSLError:
        raise where.fault(
            "has no certificate in it, or a damaged one; write PEM there, from -----BEGIN CERTIFICATE-----"
        ) from None


class Secret:
    """A token, or a URL with a password in it, whose text only ``reveal`` shows.

    Copying and pickling fail, since anybody can read a pickle. Two secrets are equal when their texts are.
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


_NOT_COMPARED = bytes(set(range(256)) - set((string.ascii_letters + string.digits).encode()))


def compared(text: bytes) -> bytes:
    """Return the ASCII letters and digits of a text, in small letters, in which a token is looked for.

    The slug of a nickname has other signs than the nickname, and an error can have any between the letters.
    """
    return text.lower().translate(None, _NOT_COMPARED)


def parse_token(text: str) -> Secret:
    """Return a token, by the rules of ``values``; no prefix is required: OAuth2 access tokens have none."""
    if not text:
        raise ValueError("is empty; put the API token there")
    if _TOO_MUCH.fullmatch(text.strip()):
        raise ValueError("has quotes, the word Bearer or the name of a variable around it; write the token alone")
    if not _TOKEN.fullmatch(text):
        raise ValueError(
            "has blanks, line ends, characters outside ASCII, or over 8192; write the token alone, on one line"
        )
    return Secret(text)


@dataclass(frozen=True, slots=True)
class TokenSource:
    """The place of a token: a file, which is read when needed since it changes, or a text.

    Two sources are equal when they lead to the same place, wherever the configuration names it.
    """

    where: Where = field(compare=False)
    """The key that names this source."""
    shown: str
    """The place, for people: ``file /run/secrets/joulo``."""
    path: Path | None = None
    value: Secret = field(default_factory=lambda: Secret(""))
    """The token, if it is in the variable or in the configuration itself."""

    def read(self) -> Secret:
        """Return the token as it is now, without one line end after it; a fault if it cannot be a token."""
        text = self.value.reveal()
        if self.path is not None:
            text = read_file(self.where, self.path, "the token").decode("utf-8", "replace")
        try:
            return parse_token(text.removesuffix("\n").removesuffix("\r") if text.endswith("\n") else text)
        except ValueError as error:
            raise self.where.fault(f"the token in {self.shown} {error}") from None
