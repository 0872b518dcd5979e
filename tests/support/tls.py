"""TLS of a server and of its clients, with certificates made for tests."""

import json
import ssl
import tempfile
from collections.abc import Callable
from pathlib import Path

from support.certificates import Certificates

from joulo_exporter.web.config import load_web_config


def server(certificates: Certificates, **keys) -> Callable[[], ssl.SSLContext]:
    """Return the TLS of a web configuration with the server's pair, and these keys of its TLS section."""
    section = {"cert": certificates.text("server.crt"), "key": certificates.text("server.key")} | keys
    with tempfile.NamedTemporaryFile("w", suffix=".yml") as file:
        json.dump({"tls_server_config": section}, file)
        file.flush()
        tls = load_web_config(Path(file.name)).tls
    return lambda: tls.context


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
