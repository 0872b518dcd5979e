"""Certificates for tests, made by openssl: authorities, servers, clients, and some that must be refused."""

import json
import ssl
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from joulo_exporter.web.config import load_web_config

SIGNS, NO_AUTHORITY = "keyUsage=critical,keyCertSign", "basicConstraints=critical,CA:FALSE"
"""Extensions; Python refuses an authority without the first one."""
SERVER_NAMES = "subjectAltName=DNS:localhost,IP:127.0.0.1,IP:::1"
SERVER = (SERVER_NAMES, NO_AUTHORITY)
CLIENT = (
    "subjectAltName=DNS:prometheus.test,IP:192.0.2.7,IP:2001:db8::7,email:ops@example.test,URI:spiffe://test/prometheus",
    NO_AUTHORITY,
)
EC = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
PASSWORD = "fakepassword"
HASH = "$2y$04$QOauhQNbBCuQDKes6eFzPexcky/.fTxXXRDg19aNXGBnT3EjOZCva"


def _openssl(*arguments):
    return subprocess.run(["openssl", *arguments], check=True, capture_output=True).stdout.decode()


@dataclass(frozen=True)
class Certificates:
    """A folder of pairs ``NAME.crt`` and ``NAME.key``."""

    folder: Path

    def path(self, name: str) -> str:
        return str(self.folder / name)

    def text(self, name: str) -> str:
        return (self.folder / name).read_text()

    def make(self, name: str, *extensions: str, signed_by: str | None = None, key=EC) -> None:
        """Make a pair, signed by itself or by another."""
        added = (argument for extension in extensions for argument in ("-addext", extension))
        signing = () if signed_by is None else self._signing(signed_by)
        pair = ("-out", self.path(f"{name}.crt"), "-keyout", self.path(f"{name}.key"))
        _openssl("req", "-x509", *key, "-days", "30", "-subj", f"/CN={name}", *added, *signing, *pair)

    def expire(self, name: str, *, signed_by: str) -> None:
        """Sign a certificate that has signed itself, out of date; ``openssl req`` takes no days below 1."""
        file = self.path(f"{name}.crt")
        _openssl("x509", "-in", file, "-days", "0", *self._signing(signed_by), "-out", file)

    def _signing(self, authority: str) -> tuple[str, ...]:
        return "-CA", self.path(f"{authority}.crt"), "-CAkey", self.path(f"{authority}.key")

    def serial(self, name: str) -> str:
        return _openssl("x509", "-noout", "-serial", "-in", self.path(f"{name}.crt")).strip().partition("=")[2]

    def context(self, name: str) -> ssl.SSLContext:
        """Return the context of a server with this pair."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.path(f"{name}.crt"), self.path(f"{name}.key"))
        return context


def make_certificates(folder: Path) -> Certificates:
    made = Certificates(folder)
    for name in ("ca", "stranger-ca"):
        made.make(name, SIGNS)
    for name in ("server", "renewed"):
        made.make(name, *SERVER, signed_by="ca")
    made.make("client", *CLIENT, signed_by="ca")
    made.make("stranger", *CLIENT, signed_by="stranger-ca")
    made.make("nameless", signed_by="ca")
    made.make("weak", *SERVER, key=("-newkey", "rsa:1024", "-nodes"))
    encrypted = ("-aes256", "-passout", "pass:x", "-out", made.path("encrypted.key"))
    _openssl("pkey", "-in", made.path("server.key"), *encrypted)
    return made


# Contexts of our server and of its clients


def server_tls(certificates: Certificates, **keys) -> Callable[[], ssl.SSLContext]:
    """Return the TLS of a web configuration with the server's pair, and these keys of its TLS section."""
    section = {"cert": certificates.text("server.crt"), "key": certificates.text("server.key")} | keys
    with tempfile.NamedTemporaryFile("w", suffix=".yml") as file:
        json.dump({"tls_server_config": section}, file)
        file.flush()
        context = load_web_config(Path(file.name)).context
    return lambda: context


def client_tls(certificates: Certificates, pair: str | None = None) -> ssl.SSLContext:
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
