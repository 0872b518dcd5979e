"""Files that the configuration names, and the place of a fault: the one line that says file, key and remedy."""

from __future__ import annotations

import difflib
import re
import ssl
import stat
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import msgspec

from joulo_exporter.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

Fingerprint = tuple[int, ...]

_LARGEST_BUNDLE_BYTES = 4 * 1024 * 1024
"""The bundle of a whole Linux distribution has about 250 KiB."""
_CERTIFICATE = re.compile(rb"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)


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
        return ConfigError(one_line(f"{self}: {text}"))

    def require(self, fault: str | None) -> None:
        """Raise the error of a fault, if there is one.

        Raises:
            ConfigError: ``fault`` is not ``None``.
        """
        if fault is not None:
            raise self.fault(fault)

    def __str__(self) -> str:
        return f"{self.source}: {self.key}" if self.key else self.source


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
    """Return the first bytes of a regular file that a key names.

    Args:
        where: the key.
        path: the file.
        most_bytes: how many bytes to read at most.
        content: what the file should hold, for the remedy: ``the token``.

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
    """Certificates of ``api.ca_file``; two are equal when the same certificates come from the same file."""

    path: Path
    pem: str = field(repr=False)
    """The certificates alone: other content of the file, such as a key, is not kept."""
    context: ssl.SSLContext = field(compare=False, repr=False)
    """For connections to the API and to a proxy; always verifies certificate and host name."""


def read_authorities(where: Where, path: Path) -> Authorities:
    """Return the certificates of a PEM file, and them alone, as ``tls_config.ca_file`` of Prometheus means it.

    A certificate in the file is trusted as it is, also one that is not the root of its chain.

    Raises:
        ConfigError: the file cannot be read, or has no usable certificate in it.
    """
    content = read_file(where, path, _LARGEST_BUNDLE_BYTES + 1, "certificates in PEM")
    if not content.strip():
        raise where.fault(f"the file {path} is empty; write the CA's certificate there, in PEM")
    if len(content) > _LARGEST_BUNDLE_BYTES:
        raise where.fault(f"the file {path} is larger than 4 MiB; is it really a bundle of certificates?")
    pem = "\n".join(block.decode("ascii", "ignore") for block in _CERTIFICATE.findall(content))
    if not pem:
        raise where.fault(f"there is no certificate in {path}; write PEM there, from -----BEGIN CERTIFICATE-----")
    try:
        context = ssl.create_default_context(cadata=pem)
    except (ssl.SSLError, ValueError):
        raise where.fault(f"a certificate in {path} is damaged; copy the PEM file again, as plain text") from None
    # As in Go, and as Python does by itself from 3.13 on.
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    # Python's default from 3.13 on, which refuses a CA without keyUsage, as a plain `openssl req -x509` makes it,
    # and a server's certificate without authority key identifier. Who names a CA here has decided to trust it;
    # the signature, the dates and the host name are verified all the same.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return Authorities(path, pem, context)
