"""Certificates for tests, made by openssl: an authority, a server, clients, and some that must be refused."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

SERVER_NAMES = "DNS:localhost,IP:127.0.0.1"
CLIENT_NAMES = (
    "DNS:prometheus.test,IP:192.0.2.7,IP:2001:db8::7,email:ops@example.test,URI:spiffe://test/prometheus"
)
EC = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256")
RSA_1024 = ("-newkey", "rsa:1024")
PASSWORD = "fakepassword"
HASH = "$2y$04$QOauhQNbBCuQDKes6eFzPexcky/.fTxXXRDg19aNXGBnT3EjOZCva"


@dataclass(frozen=True)
class Certificates:
    """A folder of pairs ``NAME.crt`` and ``NAME.key``."""

    folder: Path

    def path(self, name: str) -> str:
        return str(self.folder / name)

    def text(self, name: str) -> str:
        return (self.folder / name).read_text()

    def make(self, name: str, names: str | None = None, *, signed_by: str | None = None, key=EC) -> None:
        """Make a pair: of an authority, or with subject alternative names."""
        command = ["openssl", "req", "-x509", *key, "-nodes", "-days", "30", "-subj", f"/CN={name}",
                   "-keyout", self.path(f"{name}.key"), "-out", self.path(f"{name}.crt")]  # fmt: skip
        if names is not None:
            command += ["-addext", f"subjectAltName={names}", "-addext", "basicConstraints=critical,CA:FALSE"]
        if signed_by is None and names is None:  # else Python refuses the authority, from 3.13 on
            command += ["-addext", "keyUsage=critical,keyCertSign"]
        if signed_by is not None:
            command += ["-CA", self.path(f"{signed_by}.crt"), "-CAkey", self.path(f"{signed_by}.key")]
        subprocess.run(command, check=True, capture_output=True)

    def serial(self, name: str) -> str:
        shown = subprocess.run(
            ["openssl", "x509", "-noout", "-serial", "-in", self.path(f"{name}.crt")],
            check=True,
            capture_output=True,
        )
        return shown.stdout.decode().strip().partition("=")[2]


def make_certificates(folder: Path) -> Certificates:
    made = Certificates(folder)
    made.make("ca")
    made.make("stranger-ca")
    made.make("server", SERVER_NAMES, signed_by="ca")
    made.make("renewed", SERVER_NAMES, signed_by="ca")
    made.make("client", CLIENT_NAMES, signed_by="ca")
    made.make("stranger", CLIENT_NAMES, signed_by="stranger-ca")
    made.make("nameless", signed_by="ca")
    made.make("weak", SERVER_NAMES, key=RSA_1024)
    subprocess.run(
        ["openssl", "pkey", "-in", made.path("server.key"), "-aes256", "-passout", "pass:x",
         "-out", made.path("encrypted.key")],
        check=True, capture_output=True,
    )  # fmt: skip
    return made
