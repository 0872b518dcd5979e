"""TLS: settings become an ``ssl.SSLContext``."""

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
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from joulo_exporter.config.files import Where

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
class Pem:
    """Certificates or a key in PEM, and the key of the configuration that they come from."""

    where: Where
    content: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class TlsSettings:
    """Settings of TLS for the server."""

    where: Where
    """The section of the configuration."""
    certificate: Pem
    """The server's certificate, and the chain up to the authority."""
    key: Pem
    """Not encrypted."""
    client_ca: Pem | None = None
    """Authorities that sign the certificates of clients; ``None`` for the authorities that this machine trusts."""
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


def make_tls_context(settings: TlsSettings) -> ssl.SSLContext:
    """Return the context for settings.

    Raises:
        ConfigError: OpenSSL does not take them.
    """
    context = _ServerContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version, context.maximum_version = settings.minimum, settings.maximum
    if not settings.prefer_server_ciphers:
        context.options &= ~ssl.OP_CIPHER_SERVER_PREFERENCE
    _set_ciphers(context, settings)
    _set_curve(context, settings)
    _load_certificate(context, settings.certificate, settings.key)
    if settings.client_auth is not ssl.CERT_NONE:
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
    older = [name for name in settings.ciphers if not name.startswith(_TLS13_PREFIXES)]
    where = settings.where.child("cipher_suites")
    if older:
        try:
            context.set_ciphers(":".join(older))
        except ssl.SSLError:
            raise where.fault("lists no cipher that OpenSSL offers here; remove the key") from None
    elif settings.ciphers:
        if settings.maximum < ssl.TLSVersion.TLSv1_3:
            raise where.fault("lists no cipher of TLS 1.2, the most that max_version allows; add one")
        context.minimum_version = ssl.TLSVersion.TLSv1_3


def _set_curve(context: ssl.SSLContext, settings: TlsSettings) -> None:
    if settings.curve is None:
        return
    try:
        context.set_ecdh_curve(settings.curve)
    except (ssl.SSLError, ValueError):
        # Before 3.11.4 Python sets curves through OpenSSL's EC_KEY, which has no X25519 (python/cpython#103242).
        raise settings.where.child("curve_preferences").fault(
            f"lists a curve that Python {platform.python_version()} with {ssl.OPENSSL_VERSION} cannot be held to; "
            "list another, remove the key to allow all that OpenSSL has, or use a newer Python",
        ) from None


def _load_certificate(context: ssl.SSLContext, certificate: Pem, key: Pem) -> None:
    # By itself first: of a pair OpenSSL does not say which of the two it cannot read.
    _trust(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), certificate)
    if not _KEY.search(key.content):
        raise key.where.fault("has no private key in PEM (-----BEGIN PRIVATE KEY-----); write the server's")

    def no_password() -> str:
        raise key.where.fault("is encrypted; decrypt it, as with openssl pkey -in KEY -out PLAIN_KEY")

    try:
        with _as_file(certificate.content) as certificate_file, _as_file(key.content) as key_file:
            context.load_cert_chain(certificate_file, key_file, password=no_password)
    except ssl.SSLError as error:
        reason = (error.reason or "not readable").lower().replace("_", " ")
    else:
        return
    if "mismatch" in reason:
        raise key.where.fault("does not belong to the certificate; write the two that belong together")
    if "too small" in reason or "too weak" in reason:
        raise certificate.where.fault(f"is too weak for OpenSSL ({reason}); make one with a stronger key or hash")
    raise key.where.fault(f"cannot be used ({reason}); look at it with openssl pkey")


def _expect_clients(context: _ServerContext, settings: TlsSettings) -> None:
    context.verify_mode = settings.client_auth
    # Go trusts whatever certificate is listed, also one that another authority has signed.
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    if settings.client_ca is None:
        context.load_default_certs(ssl.Purpose.CLIENT_AUTH)
    else:
        _trust(context, settings.client_ca)
    context.allowed_sans = settings.client_allowed_sans
    context.sslobject_class = _NamedClient


def _trust(context: ssl.SSLContext, pem: Pem) -> None:
    found = _CERTIFICATE.findall(pem.content)
    if not found:
        swapped = "; it has a private key: are the two swapped?" if _KEY.search(pem.content) else ""
        raise pem.where.fault(f"has no certificate in PEM (-----BEGIN CERTIFICATE-----){swapped}")
    try:
        context.load_verify_locations(cadata=b"\n".join(found).decode("ascii"))
    except (ssl.SSLError, ValueError):
        raise pem.where.fault("has a certificate that cannot be read; look at it with openssl x509") from None


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
