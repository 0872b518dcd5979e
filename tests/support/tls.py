"""TLS of a server and of its clients, with certificates made for tests."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

from joulo_exporter.config.files import Where
from joulo_exporter.web.tls import Pem, TlsSettings

if TYPE_CHECKING:
    from support.certificates import Certificates


WHERE = Where("web.yml")


def pem(text: str, key: str = "pem") -> Pem:
    return Pem(WHERE.child(key), text.encode())


def settings(certificates: Certificates, pair: str = "server", **more) -> TlsSettings:
    certificate, key = (pem(certificates.text(f"{pair}.{kind}"), kind) for kind in ("crt", "key"))
    return TlsSettings(where=WHERE, certificate=certificate, key=key, **more)


def client(certificates: Certificates, pair: str | None = None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=certificates.path("ca.crt"))
    if pair is not None:
        context.load_cert_chain(certificates.path(f"{pair}.crt"), certificates.path(f"{pair}.key"))
    return context


def takes_x25519() -> bool:
    """Return whether this Python can be held to X25519: with OpenSSL 3, from 3.11.4 on."""
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).set_ecdh_curve("X25519")
    except ssl.SSLError:
        return False
    return True
