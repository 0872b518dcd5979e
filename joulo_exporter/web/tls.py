"""TLS: settings become an ``ssl.SSLContext``, and each connection takes the one in force when it begins."""

from __future__ import annotations

import contextlib
import ipaddress
import logging
import os
import platform
import re
import ssl
import sys
import tempfile
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Self, cast

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_logger = logging.getLogger(__name__)

CIPHERS: Mapping[str, str] = MappingProxyType(
    {
        "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256": "ECDHE-ECDSA-AES128-GCM-SHA256",
        "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384": "ECDHE-ECDSA-AES256-GCM-SHA384",
        "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256": "ECDHE-RSA-AES128-GCM-SHA256",
        "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384": "ECDHE-RSA-AES256-GCM-SHA384",
        "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256": "ECDHE-ECDSA-CHACHA20-POLY1305",
        "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256": "ECDHE-RSA-CHACHA20-POLY1305",
        "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA": "ECDHE-ECDSA-AES128-SHA",
        "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA": "ECDHE-ECDSA-AES256-SHA",
        "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA": "ECDHE-RSA-AES128-SHA",
        "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA": "ECDHE-RSA-AES256-SHA",
        "TLS_RSA_WITH_AES_128_GCM_SHA256": "AES128-GCM-SHA256",
        "TLS_RSA_WITH_AES_256_GCM_SHA384": "AES256-GCM-SHA384",
        "TLS_RSA_WITH_AES_128_CBC_SHA": "AES128-SHA",
        "TLS_RSA_WITH_AES_256_CBC_SHA": "AES256-SHA",
        "TLS_AES_128_GCM_SHA256": "TLS_AES_128_GCM_SHA256",
        "TLS_AES_256_GCM_SHA384": "TLS_AES_256_GCM_SHA384",
        "TLS_CHACHA20_POLY1305_SHA256": "TLS_CHACHA20_POLY1305_SHA256",
    }
)
"""OpenSSL's names of ciphers by Go's: those that its ``tls.CipherSuites`` has ever listed."""

CURVES: Mapping[str, str] = MappingProxyType(
    {"CurveP256": "prime256v1", "CurveP384": "secp384r1", "CurveP521": "secp521r1", "X25519": "X25519"}
)
"""OpenSSL's names of curves by Go's."""

_CERTIFICATE = re.compile(rb"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)
_KEY = re.compile(rb"-----BEGIN ([A-Z0-9]+ )*PRIVATE KEY-----")
_TLS13_PREFIXES = ("TLS_AES_", "TLS_CHACHA20_")


@dataclass(frozen=True, slots=True)
class TlsSettings:
    """How the server speaks TLS."""

    certificate: bytes
    """PEM: the server's certificate, and the chain up to the authority."""
    key: bytes = field(repr=False)
    """PEM, not encrypted."""
    client_ca: bytes | None = None
    """PEM: who signs the certificates of clients; ``None`` for the authorities that this machine trusts."""
    client_auth: ssl.VerifyMode = ssl.CERT_NONE
    client_allowed_sans: frozenset[str] | None = None
    """Names, one of which a client's certificate must have; ``None`` for any."""
    minimum: ssl.TLSVersion = ssl.TLSVersion.TLSv1_2
    maximum: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3
    ciphers: tuple[str, ...] = ()
    """OpenSSL's names, for TLS 1.2; none for OpenSSL's choice."""
    curve: str | None = None
    """OpenSSL's name of the only curve for the key exchange; ``None`` for OpenSSL's choice."""
    prefer_server_ciphers: bool = True


class TlsFaultError(Exception):
    """Certificates, keys or settings that cannot be used.

    Args:
        part: the field of ``TlsSettings`` at fault.
        text: what is wrong with it and what to do, as a predicate.
    """

    def __init__(self, part: str, text: str) -> None:
        super().__init__(text)
        self.part = part


class CurrentContext(ssl.SSLContext):
    """A context that gives each new connection to the one in ``current``.

    Certificates, authorities and versions change together that way, between two connections.
    asyncio's servers call ``wrap_bio`` once for each connection.
    """

    current: ssl.SSLContext

    def __new__(cls, current: ssl.SSLContext) -> Self:
        """Return a context that stands for ``current``."""
        context = super().__new__(cls, ssl.PROTOCOL_TLS_SERVER)
        context.current = current
        return context

    def wrap_bio(
        self,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        server_side: bool = False,  # noqa: FBT001, FBT002  the signature is Python's
        server_hostname: str | bytes | None = None,
        session: ssl.SSLSession | None = None,
    ) -> ssl.SSLObject:
        """Begin a connection with the context of the moment."""
        return self.current.wrap_bio(incoming, outgoing, server_side, server_hostname, session)


def make_tls_context(settings: TlsSettings) -> ssl.SSLContext:
    """Return the context for settings.

    Raises:
        TlsFaultError: OpenSSL does not take them.
    """
    context = _ServerContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version, context.maximum_version = settings.minimum, settings.maximum
    if not settings.prefer_server_ciphers:
        context.options &= ~ssl.OP_CIPHER_SERVER_PREFERENCE
    _set_ciphers(context, settings)
    _set_curve(context, settings)
    _load_certificate(context, settings)
    _expect_clients(context, settings)
    return context


class _ServerContext(ssl.SSLContext):
    """A context that knows which names the certificates of clients must have."""

    allowed_sans: frozenset[str] | None = None


class _NamedClient(ssl.SSLObject):
    """A connection that ends in its handshake when the client's certificate has none of the allowed names."""

    def do_handshake(self) -> None:
        super().do_handshake()
        context = self.context
        allowed = context.allowed_sans if isinstance(context, _ServerContext) else None
        if allowed is not None and not allowed & _names(self):
            _logger.debug("a client's certificate has none of client_allowed_sans")
            raise ssl.SSLCertVerificationError("the client's certificate has none of the allowed names")


def _names(connection: ssl.SSLObject) -> frozenset[str]:
    """Return the names of the client's certificate: DNS, e-mail, IP and URI, as Go writes them."""
    names = cast("tuple[tuple[str, str], ...]", (connection.getpeercert() or {}).get("subjectAltName", ()))
    return frozenset(_plain(kind, name) for kind, name in names if kind in _KINDS)


_KINDS = ("DNS", "email", "IP Address", "URI")


def _plain(kind: str, name: str) -> str:
    """Return an IP address in its short form; OpenSSL writes IPv6 in full."""
    if kind != "IP Address":
        return name
    with contextlib.suppress(ValueError):
        return str(ipaddress.ip_address(name.strip()))
    return name


def _set_ciphers(context: ssl.SSLContext, settings: TlsSettings) -> None:
    """Hold TLS 1.2 to the ciphers; those of TLS 1.3 are all good, and fixed, as in Go."""
    if not settings.ciphers:
        return
    older = [name for name in settings.ciphers if not name.startswith(_TLS13_PREFIXES)]
    try:
        if older:
            context.set_ciphers(":".join(older))
        elif settings.maximum < ssl.TLSVersion.TLSv1_3:
            raise TlsFaultError("ciphers", "lists no cipher of TLS 1.2, the most that max_version allows; add one")
        else:
            context.minimum_version = ssl.TLSVersion.TLSv1_3
    except ssl.SSLError:
        raise TlsFaultError("ciphers", "lists no cipher that OpenSSL offers here; remove the key") from None


def _set_curve(context: ssl.SSLContext, settings: TlsSettings) -> None:
    if settings.curve is None:
        return
    try:
        context.set_ecdh_curve(settings.curve)
    except (ssl.SSLError, ValueError):
        # Before 3.11.4 Python sets curves through OpenSSL's EC_KEY, which has no X25519 (python/cpython#103242).
        raise TlsFaultError(
            "curve",
            f"lists a curve that Python {platform.python_version()} with {ssl.OPENSSL_VERSION} cannot be held to; "
            "list another, remove the key to allow all that OpenSSL has, or use a newer Python",
        ) from None


def _load_certificate(context: ssl.SSLContext, settings: TlsSettings) -> None:
    if not _CERTIFICATE.search(settings.certificate):
        swapped = "; it has a private key: are the two swapped?" if _KEY.search(settings.certificate) else ""
        raise TlsFaultError("certificate", f"has no certificate in PEM (-----BEGIN CERTIFICATE-----){swapped}")
    if not _KEY.search(settings.key):
        raise TlsFaultError("key", "has no private key in PEM (-----BEGIN PRIVATE KEY-----); write the server's")
    # By itself first: of a pair OpenSSL does not say which of the two it cannot read.
    _trust(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), settings.certificate, "certificate")
    try:
        with _as_file(settings.certificate) as certificate, _as_file(settings.key) as key:
            context.load_cert_chain(certificate, key, password=_no_password)
    except ssl.SSLError as error:
        raise _pair_fault(error) from None


def _no_password() -> str:
    raise TlsFaultError("key", "is encrypted; decrypt it, as with openssl pkey -in KEY -out PLAIN_KEY")


def _pair_fault(error: ssl.SSLError) -> TlsFaultError:
    reason = error.reason or "not readable"
    if "MISMATCH" in reason:
        return TlsFaultError("key", "does not belong to the certificate; write the two that belong together")
    if "TOO_SMALL" in reason or "TOO_WEAK" in reason:
        weak = reason.lower().replace("_", " ")
        return TlsFaultError(
            "certificate", f"is too weak for OpenSSL ({weak}); make one with a stronger key or hash"
        )
    return TlsFaultError(
        "key", f"cannot be used ({reason.lower().replace('_', ' ')}); look at it with openssl pkey"
    )


def _expect_clients(context: _ServerContext, settings: TlsSettings) -> None:
    context.verify_mode = settings.client_auth
    if settings.client_auth is ssl.CERT_NONE:
        return
    # Go trusts whatever certificate is listed, also one that another authority has signed.
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    if settings.client_ca is None:
        context.load_default_certs(ssl.Purpose.CLIENT_AUTH)
    else:
        if not _CERTIFICATE.search(settings.client_ca):
            raise TlsFaultError(
                "client_ca", "has no certificate in PEM; write that of the authority that signs the clients'"
            )
        _trust(context, settings.client_ca, "client_ca")
    context.allowed_sans = settings.client_allowed_sans
    context.sslobject_class = _NamedClient


def _trust(context: ssl.SSLContext, certificates: bytes, part: str) -> None:
    found = _CERTIFICATE.findall(certificates)
    try:
        context.load_verify_locations(cadata=b"\n".join(found).decode("ascii"))
    except (ssl.SSLError, ValueError):
        raise TlsFaultError(part, "has a certificate that cannot be read; look at it with openssl x509") from None


@contextlib.contextmanager
def _as_file(content: bytes) -> Iterator[str]:
    """Yield the name of a file with this content, for OpenSSL: in memory, so that no key gets onto a disk."""
    if sys.platform == "linux":
        with os.fdopen(os.memfd_create("pem"), "wb") as file:
            file.write(content)
            file.flush()
            yield f"/proc/self/fd/{file.fileno()}"
    else:
        with tempfile.NamedTemporaryFile() as file:  # readable by its owner alone
            file.write(content)
            file.flush()
            yield file.name
