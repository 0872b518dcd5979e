"""A CA for tests, and certificates of servers on loopback: good, for another name, expired, self-signed."""

from __future__ import annotations

import ssl
import subprocess
from datetime import UTC, datetime, timedelta

_KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
KEY_IDENTIFIERS = ("authorityKeyIdentifier=keyid", "subjectKeyIdentifier=hash")
NAMES = "IP:127.0.0.1,IP:::1,DNS:localhost"


def make_ca(folder, name="ca", *, extensions=("keyUsage=critical,keyCertSign",)):
    """Return the certificate's file of a new CA; its key is next to it."""
    certificate = folder / f"{name}.pem"
    _openssl(
        "req", "-x509", *_KEY, "-days", "2", "-subj", f"/CN={name}",
        *(argument for extension in extensions for argument in ("-addext", extension)),
        "-keyout", certificate.with_suffix(".key"), "-out", certificate,
    )  # fmt: skip
    return certificate


def make_server(ca, name="server", *, names=NAMES, days=2, extensions=KEY_IDENTIFIERS):
    """Return the file of a certificate that the CA has made, expired where ``days`` are negative."""
    certificate = ca.with_name(f"{name}.pem")
    request, wanted = certificate.with_suffix(".csr"), certificate.with_suffix(".ext")
    _openssl("req", *_KEY, "-subj", f"/CN={name}", "-keyout", certificate.with_suffix(".key"), "-out", request)
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


def make_self_signed(folder, name="alone"):
    """Return the file of a certificate signed by itself."""
    certificate = folder / f"{name}.pem"
    _openssl(
        "req", "-x509", *_KEY, "-days", "2", "-subj", f"/CN={name}", "-addext", f"subjectAltName={NAMES}",
        "-keyout", certificate.with_suffix(".key"), "-out", certificate,
    )  # fmt: skip
    return certificate


def server_context(certificate):
    """Return a server's TLS with a certificate and the key next to it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, certificate.with_suffix(".key"))
    return context


def _openssl(*arguments):
    subprocess.run(["openssl", *arguments], check=True, capture_output=True)
