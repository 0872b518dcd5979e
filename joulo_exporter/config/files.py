"""Files that the configuration names, and the place of a fault: the one line that says file, key and remedy."""

from __future__ import annotations

import difflib
import hashlib
import ssl
import stat
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import msgspec

from joulo_exporter.errors import ConfigError

Fingerprint = tuple[int, ...]
Value = TypeVar("Value")

_LARGEST_BUNDLE_BYTES = 4 * 1024 * 1024
"""The bundle of a whole Linux distribution has about 250 KiB."""


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
        return ConfigError(
            one_line(f"{self.source}: {self.key}: {text}" if self.key else f"{self.source}: {text}")
        )

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
    """Return the first bytes of a regular file that a key names; it should hold ``content``: ``the token``.

    Raises:
        ConfigError: there is no such file, or it cannot be read.
    """
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
    """Certificates of ``api.ca_file``; two are equal when the content of the file is."""

    digest: bytes
    context: ssl.SSLContext = field(compare=False)
    """For connections to the API and to a proxy; always verifies certificate and host name."""


def read_authorities(where: Where, path: Path) -> Authorities:
    """Return the certificates of a PEM file, and them alone, as ``tls_config.ca_file`` of Prometheus means it.

    A certificate in the file is trusted as it is, also one that is not the root of its chain.

    Raises:
        ConfigError: the file cannot be read, or has no certificate, or a damaged one.
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
