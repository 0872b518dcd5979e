"""TLS: the section ``tls_server_config`` of the web configuration becomes an ``ssl.SSLContext``."""

import contextlib
import ipaddress
import os
import ssl
import sys
import tempfile
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from ssl import TLSVersion, VerifyMode
from typing import Annotated, NamedTuple, cast

from joulo_exporter.config.files import Where, read_file, trust
from joulo_exporter.config.schema import Switch, WebSection
from joulo_exporter.config.values import like, one_of

CIPHERS: Mapping[str, str] = {
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
"""OpenSSL's cipher names by Go's: all that Go's ``tls.CipherSuites`` has ever listed."""

_CURVES = {"CurveP256": "prime256v1", "CurveP384": "secp384r1", "CurveP521": "secp521r1", "X25519": "X25519"}
_VERSIONS = {"TLS13": TLSVersion.TLSv1_3, "TLS12": TLSVersion.TLSv1_2}
_CLIENT_AUTH = {
    "NoClientCert": ssl.CERT_NONE,
    "VerifyClientCertIfGiven": ssl.CERT_OPTIONAL,
    "RequireAndVerifyClientCert": ssl.CERT_REQUIRED,
}

_TLS13_PREFIXES = ("TLS_AES_", "TLS_CHACHA20_")


# The section --------------------------------------------------------------------------------

_Name = Annotated[str, like("prometheus.example.org")]
_File = Annotated[str, like("server.pem")]
_Inline = Annotated[str, like("the content of a PEM file")]


class TlsSection(WebSection, frozen=True):
    """The section ``tls_server_config``, with OpenSSL's names."""

    cert_file: _File | None = None
    key_file: _File | None = None
    client_auth_type: Annotated[VerifyMode, one_of("NoClientCert", _CLIENT_AUTH)] | None = None
    client_ca_file: _File | None = None
    client_allowed_sans: Annotated[tuple[_Name, ...], like("[prometheus.example.org]")] | None = None
    min_version: Annotated[TLSVersion, one_of("TLS12", _VERSIONS)] | None = None
    max_version: Annotated[TLSVersion, one_of("TLS13", _VERSIONS)] | None = None
    cipher_suites: Annotated[tuple[str, ...], one_of(f"[{next(iter(CIPHERS))}]", CIPHERS)] | None = None
    curve_preferences: Annotated[tuple[str, ...], one_of("[CurveP256]", _CURVES)] | None = None
    prefer_server_cipher_suites: Switch | None = None
    cert: _Inline | None = None
    key: _Inline | None = None
    client_ca: _Inline | None = None


# The context --------------------------------------------------------------------------------


class _Pem(NamedTuple):
    where: Where
    content: bytes


def tls_context(where: Where, section: TlsSection, folder: Path) -> ssl.SSLContext | None:
    """Return the context of the section, with paths relative to the folder; ``None`` if the section is empty.

    Raises:
        ConfigError: a file cannot be read, keys contradict each other, or OpenSSL does not take them.
    """
    if section == TlsSection():
        return None
    return _context(where, section, *(_pem(where, section, part, folder) for part in ("cert", "key", "client_ca")))


@lru_cache(maxsize=1)  # the context of unchanged files stays the same
def _context(
    where: Where, section: TlsSection, certificate: _Pem | None, key: _Pem | None, client_ca: _Pem | None
) -> ssl.SSLContext:
    if certificate is None or key is None:
        missing = "cert_file" if certificate is None else "key_file"
        raise where.child(missing).fault(
            f"is missing: without it there would be no TLS; write {missing}, or remove tls_server_config"
        )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    _set_clients(context, where, section, client_ca)
    context.minimum_version = section.min_version or TLSVersion.TLSv1_2
    context.maximum_version = section.max_version or TLSVersion.TLSv1_3
    if context.minimum_version > context.maximum_version:
        raise where.child("min_version").fault("is above max_version; lower it, or remove max_version")
    if section.prefer_server_cipher_suites is False:
        context.options &= ~ssl.OP_CIPHER_SERVER_PREFERENCE
    _set_ciphers(context, where.child("cipher_suites"), section.cipher_suites or ())
    _set_curve(context, where.child("curve_preferences"), section.curve_preferences or ())
    _load_certificate(context, certificate, key)
    return context


def _pem(where: Where, section: TlsSection, part: str, folder: Path) -> _Pem | None:
    inline, name = getattr(section, part), getattr(section, f"{part}_file")
    if inline is not None and name is not None:
        raise where.child(part).fault(f"stands beside {part}_file; keep one of the two")
    if inline is not None:
        return _Pem(where.child(part), inline.encode())
    if name is None:
        return None
    where = where.child(f"{part}_file")
    return _Pem(where, read_file(where, folder / name, "PEM"))


def _set_clients(context: ssl.SSLContext, where: Where, section: TlsSection, client_ca: _Pem | None) -> None:
    """Ask clients for certificates as the section says; keys that contradict each other are a fault."""
    asked, names = section.client_auth_type or ssl.CERT_NONE, section.client_allowed_sans
    if asked == ssl.CERT_NONE and client_ca is not None:
        raise where.child("client_auth_type").fault(
            "asks for no certificate, but an authority is given; write RequireAndVerifyClientCert, or remove it"
        )
    if names is not None and (not names or asked != ssl.CERT_REQUIRED):
        raise where.child("client_allowed_sans").fault(
            "needs a name, and client_auth_type: RequireAndVerifyClientCert; write both, or remove the key"
        )
    context.verify_mode = asked
    if client_ca is not None:
        trust(context, *client_ca)
    elif asked != ssl.CERT_NONE:
        context.load_default_certs(ssl.Purpose.CLIENT_AUTH)
    if names:
        context.sslobject_class = _client_with_one_of(frozenset(names))


def _client_with_one_of(allowed: frozenset[str]) -> type[ssl.SSLObject]:
    """Return a connection class whose handshake fails if the client's certificate has none of the names."""

    class NamedClient(ssl.SSLObject):
        def do_handshake(self) -> None:
            super().do_handshake()
            if allowed.isdisjoint(_names(self)):
                raise ssl.SSLCertVerificationError(
                    ssl.SSL_ERROR_SSL, "the client's certificate has none of the allowed names"
                )

    return NamedClient


def _names(connection: ssl.SSLObject) -> Iterator[str]:
    """Yield the names of the client's certificate: DNS, e-mail, IP and URI, as Go writes them."""
    names = cast("tuple[tuple[str, str], ...]", (connection.getpeercert() or {}).get("subjectAltName", ()))
    for kind, name in names:
        if kind in ("DNS", "email", "URI"):
            yield name
        elif kind == "IP Address":
            with contextlib.suppress(ValueError):
                yield str(ipaddress.ip_address(name.strip()))  # in short: OpenSSL writes IPv6 in full


def _set_ciphers(context: ssl.SSLContext, where: Where, ciphers: tuple[str, ...]) -> None:
    """Restrict TLS 1.2 to the ciphers; those of TLS 1.3 are all secure, and fixed, as in Go."""
    older = [name for name in ciphers if not name.startswith(_TLS13_PREFIXES)]
    if older:
        try:
            context.set_ciphers(":".join(older))
        except ssl.SSLError:
            raise where.fault("lists no cipher that OpenSSL offers here; remove the key") from None
    elif ciphers:
        if context.maximum_version < TLSVersion.TLSv1_3:
            raise where.fault("lists no cipher of TLS 1.2, the most that max_version allows; add one")
        context.minimum_version = TLSVersion.TLSv1_3


def _set_curve(context: ssl.SSLContext, where: Where, curves: tuple[str, ...]) -> None:
    try:
        if curves:
            [curve] = curves  # Python can be held to one only
            context.set_ecdh_curve(curve)
    except (ssl.SSLError, ValueError):
        # Before 3.11.4 Python sets curves through OpenSSL's EC_KEY, which has no X25519 (python/cpython#103242).
        raise where.fault(
            "lists several curves, or one that this Python cannot be held to; keep another one, remove the key to "
            "allow all that OpenSSL has, or use a newer Python"
        ) from None


def _load_certificate(context: ssl.SSLContext, certificate: _Pem, key: _Pem) -> None:
    # The certificate alone first: for a pair, OpenSSL does not say which of the two it cannot read.
    trust(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), *certificate)

    def no_password() -> str:
        raise key.where.fault("is encrypted; decrypt it, as with openssl pkey -in KEY -out PLAIN_KEY")

    try:
        with _as_file(certificate.content) as certificate_file, _as_file(key.content) as key_file:
            context.load_cert_chain(certificate_file, key_file, password=no_password)
    except ssl.SSLError as error:
        reason = (error.reason or "not readable").lower().replace("_", " ")
        raise key.where.fault(
            f"cannot be used with the certificate ({reason}); look at them with openssl x509 and openssl pkey"
        ) from None


@contextlib.contextmanager
def _as_file(content: bytes) -> Iterator[str]:
    """Yield the name of a file with this content, for OpenSSL: in memory, so that no key gets onto a disk."""
    linux = sys.platform == "linux"
    # A temporary file can be read by its owner alone.
    with os.fdopen(os.memfd_create("pem"), "wb") if linux else tempfile.NamedTemporaryFile() as file:
        file.write(content)
        file.flush()
        yield f"/proc/self/fd/{file.fileno()}" if linux else file.name
