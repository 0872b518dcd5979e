"""Certificates for tests, made by openssl: authorities, servers, clients, and some that must be refused."""

import json
import ssl
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from joulo_exporter.web.config import load_web_config

SERVER_NAMES = "DNS:localhost,IP:127.0.0.1,IP:::1"
CLIENT_NAMES = (
    "DNS:prometheus.test,IP:192.0.2.7,IP:2001:db8::7,email:ops@example.test,URI:spiffe://test/prometheus"
)
EC = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
SIGNS, NO_AUTHORITY = "keyUsage=critical,keyCertSign", "basicConstraints=critical,CA:FALSE"
KEY_IDENTIFIERS = ("authorityKeyIdentifier=keyid", "subjectKeyIdentifier=hash")
PASSWORD = "fakepassword"
HASH = "$2y$04$QOauhQNbBCuQDKes6eFzPexcky/.fTxXXRDg19aNXGBnT3EjOZCva"


def _openssl(*arguments):
    return subprocess.run(["openssl", *arguments], check=True, capture_output=True).stdout.decode()


def _certificate(pair, name, *extensions, kind=EC, signer=None):
    """Make a certificate and its key, signed by itself or by another such pair."""
    subject = ("-days", "30", "-subj", f"/CN={name}")
    added = (argument for extension in extensions for argument in ("-addext", extension))
    signing = () if signer is None else ("-CA", signer[0], "-CAkey", signer[1])
    _openssl("req", "-x509", *kind, *subject, *added, *signing, "-out", pair[0], "-keyout", pair[1])


@dataclass(frozen=True)
class Certificates:
    """A folder of pairs ``NAME.crt`` and ``NAME.key``."""

    folder: Path

    def path(self, name: str) -> str:
        return str(self.folder / name)

    def text(self, name: str) -> str:
        return (self.folder / name).read_text()

    def make(self, name: str, names: str | None = None, *, signed_by: str | None = None, kind=EC) -> None:
        """Make a pair: of an authority, or with subject alternative names."""
        extensions = [SIGNS] if names is None and signed_by is None else []  # else Python refuses the authority
        if names is not None:
            extensions = [f"subjectAltName={names}", NO_AUTHORITY]
        _certificate(self._pair(name), name, *extensions, kind=kind, signer=signed_by and self._pair(signed_by))

    def _pair(self, name: str) -> tuple[str, str]:
        return self.path(f"{name}.crt"), self.path(f"{name}.key")

    def serial(self, name: str) -> str:
        return _openssl("x509", "-noout", "-serial", "-in", self.path(f"{name}.crt")).strip().partition("=")[2]


def make_certificates(folder: Path) -> Certificates:
    made = Certificates(folder)
    for name in ("ca", "stranger-ca"):
        made.make(name)
    for name in ("server", "renewed"):
        made.make(name, SERVER_NAMES, signed_by="ca")
    made.make("client", CLIENT_NAMES, signed_by="ca")
    made.make("stranger", CLIENT_NAMES, signed_by="stranger-ca")
    made.make("nameless", signed_by="ca")
    made.make("weak", SERVER_NAMES, kind=("-newkey", "rsa:1024", "-nodes"))
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
        tls = load_web_config(Path(file.name)).tls
    return lambda: tls.context


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


# Of an API: files ``NAME.pem``, with the key next to each


def _api_pair(certificate):
    return certificate, certificate.with_suffix(".key")


def make_ca(folder, name="ca", *, extensions=(SIGNS,)):
    certificate = folder / f"{name}.pem"
    _certificate(_api_pair(certificate), name, *extensions)
    return certificate


def make_self_signed(folder, name="alone"):
    return make_ca(folder, name, extensions=(f"subjectAltName={SERVER_NAMES}",))


def make_server(ca, name="server", *, names=SERVER_NAMES, days=2, extensions=KEY_IDENTIFIERS):
    """Return the file of a certificate that the CA has made, expired where ``days`` are negative."""
    certificate = ca.with_name(f"{name}.pem")
    alternative = f"subjectAltName={names}"
    _certificate(_api_pair(certificate), name, alternative, NO_AUTHORITY, *extensions, signer=_api_pair(ca))
    if days < 0:
        request, key = certificate.with_suffix(".csr"), certificate.with_suffix(".key")
        _openssl("req", "-new", "-key", key, "-subj", f"/CN={name}", "-addext", alternative, "-out", request)
        # Of days, openssl takes none below 0 in each version.
        signed = ("-copy_extensions", "copy", "-CA", ca, "-CAkey", ca.with_suffix(".key"))
        _openssl("x509", "-req", "-in", request, *signed, "-days", "0", "-out", certificate)
    return certificate


def server_context(certificate):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, certificate.with_suffix(".key"))
    return context
