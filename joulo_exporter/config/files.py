"""Places of faults in the configuration, and the files and tokens that it names.

A fault is one line that says file, key and remedy. A token is a secret that does not show.
"""

from __future__ import annotations

import difflib
import hashlib
import re
import ssl
import stat
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn, TypeVar

import msgspec

from joulo_exporter.errors import ConfigError

Fingerprint = tuple[int, ...]
Value = TypeVar("Value")

LONGEST_TOKEN = 8192
"""Characters; servers refuse longer header lines."""

_LARGEST_BUNDLE_BYTES = 4 * 1024 * 1024
"""The bundle of a whole Linux distribution has about 250 KiB."""

_TOKEN = re.compile(r"[\x21-\x7e]+")
# Around a token, or before it, in texts that were copied with too much.
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
            fault = str(error)
        raise self.fault(fault)  # outside of the handler: no error that may quote the text hangs on it


def one_line(text: str) -> str:
    """Return the text with everything that cannot be printed escaped."""
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)


def nearest(word: str, known: Iterable[str]) -> str | None:
    """Return the known word that a misspelt one is nearest to."""
    return next(iter(difflib.get_close_matches(word.lower(), known, n=1)), None)


def fingerprint(path: Path) -> Fingerprint | None:
    """Return numbers that differ after a change of the file, or of the one behind a link; ``None`` without one."""
    try:
        status = path.stat()
    except (OSError, ValueError):
        return None
    return (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


def read_file(where: Where, path: Path, most_bytes: int, content: str) -> bytes:
    """Return the first bytes of a regular file that a key names; it should hold ``content``: ``the token``."""
    try:
        # A pipe would block, and would be empty at the next reading.
        if not stat.S_ISREG(path.stat().st_mode):
            raise where.fault(f"{path} is not a regular file; name a file that holds {content}")
        with path.open("rb") as file:
            return file.read(most_bytes)
    except FileNotFoundError:
        raise where.fault(f"the file {path} does not exist; create it, or correct the path") from None
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or "not a path"
        raise where.fault(f"the file {path} cannot be read ({why}); let the exporter's user read it") from None


@dataclass(frozen=True, slots=True)
class Authorities:
    """Certificates of ``api.ca_file``, for the API and a proxy; two are equal when the content of the file is."""

    digest: bytes
    context: ssl.SSLContext = field(compare=False)


def read_authorities(where: Where, path: Path) -> Authorities:
    """Return the certificates of a PEM file, and them alone, as ``tls_config.ca_file`` of Prometheus means it.

    A certificate in the file is trusted as it is, also one that is not the root of its chain. A file that cannot
    be read, or has no certificate or a damaged one, is a ``ConfigError``.
    """
    content = read_file(where, path, _LARGEST_BUNDLE_BYTES, "certificates in PEM")
    try:
        # A blank for an empty file, which would mean the authorities of this machine.
        context = ssl.create_default_context(cadata=content.decode("ascii", "ignore") or " ")
    except (ssl.SSLError, ValueError):
        raise where.fault(
            f"{path} has no certificate in it, or a damaged one; write PEM there, from -----BEGIN CERTIFICATE-----"
        ) from None
    # As in Go, and as Python does by itself from 3.13 on.
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    # Python's default from 3.13 on, which refuses a CA without keyUsage, as a plain `openssl req -x509` makes it,
    # and a server's certificate without authority key identifier. Who names a CA here has decided to trust it;
    # the signature, the dates and the host name are verified all the same.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return Authorities(hashlib.sha256(content).digest(), context)


class Secret:
    """A token, or a URL with a password in it, whose text only ``reveal`` shows.

    Copying and pickling fail, since a pickle is text for anybody. Two secrets are equal when their texts are.
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
    """One of three places of a token; it is read when it is needed: files change and variables are set late.

    Two sources are equal when they lead to the same place, wherever in the configuration they stand.
    """

    where: Where = field(compare=False)
    """The key that names this source."""
    path: Path | None = None
    variable: str | None = None
    """The name of an environment variable."""
    # A function and not the environment: a repr or a pickle of that would show every variable in it.
    read_variable: Callable[[], str | None] = field(default=lambda: None, repr=False, compare=False)
    value: Secret | None = None
    """The token where it stands in the configuration itself."""

    @property
    def shown(self) -> str:
        """Return the place, for people, without the secret: ``file /run/secrets/joulo``."""
        if self.variable is not None:
            return f"environment variable {self.variable}"
        return one_line(f"file {self.path}" if self.path else f"token in {self.where.source}")

    def read(self) -> Secret:
        """Return the token as it is now, without one line end after it; a text that cannot be one is a fault."""
        if self.path is not None:
            text = read_file(self.where, self.path, 4 * LONGEST_TOKEN, "the token").decode("utf-8", "replace")
        else:
            text = self.value.reveal() if self.value else self.read_variable() or ""
        token = text.removesuffix("\n").removesuffix("\r") if text.endswith("\n") else text
        fault = token_fault(token)
        if fault is not None:
            raise self.where.fault(f"the token {fault}" if self.value else f"the token in {self.shown} {fault}")
        return Secret(token)
