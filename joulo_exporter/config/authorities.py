"""Certificates of one's own, in the place of those of the system: ``api.ca_file``."""

from __future__ import annotations

import re
import ssl
import stat
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from joulo_exporter.config.faults import Where

LARGEST_BYTES = 4 * 1024 * 1024
"""The bundle of a whole Linux distribution has about 250 KiB."""

_CERTIFICATE = re.compile(rb"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Authorities:
    """Who may vouch for the API; two are equal when the same certificates come from the same file."""

    path: Path
    pem: str = field(repr=False)
    """The certificates alone: what else stands in the file, such as a key, is not kept."""
    context: ssl.SSLContext = field(compare=False, repr=False)
    """For connections to the API and to a proxy; always verifies certificate and host name."""


def read_authorities(where: Where, path: Path) -> Authorities:
    """Return the certificates of a PEM file, and them alone, as ``tls_config.ca_file`` of Prometheus means it.

    A certificate in the file is trusted as it is, also one that is not the root of its chain.

    Raises:
        ConfigError: the file cannot be read, or has no usable certificate in it.
    """
    pem = "\n".join(block.decode("ascii", "ignore") for block in _CERTIFICATE.findall(_content(where, path)))
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


def _content(where: Where, path: Path) -> bytes:
    try:
        # A pipe would block.
        if not stat.S_ISREG(path.stat().st_mode):
            raise where.fault(f"{path} is not a regular file; name a file with certificates in PEM")
        with path.open("rb") as file:
            content = file.read(LARGEST_BYTES + 1)
    except FileNotFoundError:
        raise where.fault(f"the file {path} does not exist; create it, or correct the path") from None
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or "not a path"
        raise where.fault(f"the file {path} cannot be read ({why}); let the exporter's user read it") from None
    if not content.strip():
        raise where.fault(f"the file {path} is empty; write the CA's certificate there, in PEM")
    if len(content) > LARGEST_BYTES:
        raise where.fault(f"the file {path} is larger than 4 MiB; is it really a bundle of certificates?")
    return content
