"""Certificates for tests, made by openssl: authorities, servers, clients, and some that must be refused."""

import ssl
import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

SERVER_NAMES = "DNS:localhost,IP:127.0.0.1,IP:::1"
CLIENT_NAMES = (
    "DNS:prometheus.test,IP:192.0.2.7,IP:2001:db8::7,email:ops@example.test,URI:spiffe://test/prometheus"
)
EC = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
RSA_1024 = ("-newkey", "rsa:1024", "-nodes")
SIGNS = "keyUsage=critical,keyCertSign"
KEY_IDENTIFIERS = ("authorityKeyIdentifier=keyid", "subjectKeyIdentifier=hash")
PASSWORD = "fakepassword"
HASH = "$2y$04$QOauhQNbBCuQDKes6eFzPexcky/.fTxXXRDg19aNXGBnT3EjOZCva"


def _openssl(*arguments):
    return subprocess.run(["openssl", *arguments], check=True, capture_output=True).stdout.decode()


def _certificate(certificate, key, name, *extensions, kind=EC, signer=()):
    """Make a certificate, signed by itself, or by what the options ``signer`` of openssl name."""
    subject = ("-days", "30", "-subj", f"/CN={name}")
    added = (argument for extension in extensions for argument in ("-addext", extension))
    _openssl("req", "-x509", *kind, *subject, *added, *signer, "-keyout", key, "-out", certificate)


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
        extensions, signer = [], ()
        if names is not None:
            extensions += [f"subjectAltName={names}", "basicConstraints=critical,CA:FALSE"]
        if signed_by is not None:
            signer = ("-CA", self.path(f"{signed_by}.crt"), "-CAkey", self.path(f"{signed_by}.key"))
        elif names is None:  # else Python refuses the authority, from 3.13 on
            extensions.append(SIGNS)
        files = self.path(f"{name}.crt"), self.path(f"{name}.key")
        _certificate(*files, name, *extensions, kind=kind, signer=signer)

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
    made.make("weak", SERVER_NAMES, kind=RSA_1024)
    encrypted = ("-aes256", "-passout", "pass:x", "-out", made.path("encrypted.key"))
    _openssl("pkey", "-in", made.path("server.key"), *encrypted)
    return made


def make_broken(folder: Path) -> None:
    """Make the pair ``broken``, which nobody can read."""
    for suffix, label in ((".crt", "CERTIFICATE"), (".key", "PRIVATE KEY")):
        (folder / f"broken{suffix}").write_text(f"-----BEGIN {label}-----\nAAAA\n-----END {label}-----\n")


# Of an API: files ``NAME.pem``, with the key next to each


def make_ca(folder, name="ca", *, extensions=(SIGNS,)):
    certificate = folder / f"{name}.pem"
    _certificate(certificate, certificate.with_suffix(".key"), name, *extensions)
    return certificate


def make_self_signed(folder, name="alone"):
    return make_ca(folder, name, extensions=(f"subjectAltName={SERVER_NAMES}",))


def make_server(ca, name="server", *, names=SERVER_NAMES, days=2, extensions=KEY_IDENTIFIERS):
    """Return the file of a certificate that the CA has made, expired where ``days`` are negative."""
    certificate = ca.with_name(f"{name}.pem")
    request, wanted = certificate.with_suffix(".csr"), certificate.with_suffix(".ext")
    _openssl("req", *EC, "-subj", f"/CN={name}", "-keyout", certificate.with_suffix(".key"), "-out", request)
    wanted.write_text("\n".join((f"subjectAltName={names}", "basicConstraints=critical,CA:FALSE", *extensions)))
    now = datetime.now(UTC)
    begin, end = (f"{now + timedelta(days=of):%Y%m%d%H%M%SZ}" for of in (min(days, 0) - 1, days))
    # Of all that openssl has, `ca` alone takes a date in the past in each version, and it keeps books.
    books = certificate.with_suffix(".books")
    books.mkdir()
    (books / "index.txt").touch()
    (books / "ca.conf").write_text(
        f"[ca]\ndefault_ca=it\n[it]\ndatabase={books}/index.txt\nnew_certs_dir={books}\nrand_serial=yes\n"
        "default_md=sha256\npolicy=any\n[any]\ncommonName=supplied\n"
    )
    _openssl(
        "ca", "-batch", "-notext", "-config", books / "ca.conf", "-cert", ca, "-keyfile", ca.with_suffix(".key"),
        "-startdate", begin, "-enddate", end, "-extfile", wanted, "-in", request, "-out", certificate,
    )  # fmt: skip
    return certificate


def server_context(certificate):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, certificate.with_suffix(".key"))
    return context
