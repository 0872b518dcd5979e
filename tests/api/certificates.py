"""A CA for tests, and certificates of servers on loopback: good, for another name, expired, self-signed."""

from __future__ import annotations

import ssl
import subprocess

_KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
NAMES = "IP:127.0.0.1,IP:::1,DNS:localhost"


def make_ca(folder, name="ca"):
    """Return the certificate's file of a new CA; its key is next to it."""
    certificate = folder / f"{name}.pem"
    _openssl(
        "req", "-x509", *_KEY, "-days", "2", "-subj", f"/CN={name}", "-addext", "keyUsage=critical,keyCertSign",
        "-keyout", certificate.with_suffix(".key"), "-out", certificate,
    )  # fmt: skip
    return certificate


def make_server(ca, name="server", *, names=NAMES, days=2):
    """Return the file of a certificate that the CA has made, expired where ``days`` are negative."""
    certificate = ca.with_name(f"{name}.pem")
    request, extensions = certificate.with_suffix(".csr"), certificate.with_suffix(".ext")
    _openssl("req", *_KEY, "-subj", f"/CN={name}", "-keyout", certificate.with_suffix(".key"), "-out", request)
    extensions.write_text(
        f"subjectAltName={names}\nbasicConstraints=critical,CA:FALSE\n"
        "authorityKeyIdentifier=keyid\nsubjectKeyIdentifier=hash\n"
    )
    _openssl(
        "x509", "-req", "-in", request, "-CA", ca, "-CAkey", ca.with_suffix(".key"), "-days", str(days),
        "-set_serial", str(abs(hash(name))), "-extfile", extensions, "-out", certificate,
    )  # fmt: skip
    return certificate


def make_self_signed(folder, name="alone"):
    """Return the file of a certificate that vouches for itself."""
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
