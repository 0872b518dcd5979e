"""``tls_server_config``: from keys to settings; what Python cannot do as the exporter-toolkit does is refused."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

import msgspec

from joulo_exporter.web.tls import TlsFaultError, TlsSettings, make_tls_context
from joulo_exporter.web_config.tls_names import CIPHERS, CURVES
from joulo_exporter.web_config.values import choice, choices, is_given, switch, text, texts

if TYPE_CHECKING:
    from pathlib import Path

    from joulo_exporter.config.files import Where
    from joulo_exporter.web_config.section import Section

KEYS = (
    "cert_file",
    "key_file",
    "client_auth_type",
    "client_ca_file",
    "client_allowed_sans",
    "min_version",
    "max_version",
    "cipher_suites",
    "curve_preferences",
    "prefer_server_cipher_suites",
    "cert",
    "key",
    "client_ca",
)
_KEYS_OF_SETTINGS = {"ciphers": "cipher_suites", "curve": "curve_preferences"}
"""Fields of ``TlsSettings`` that come from the key itself, not from a file."""
_LARGEST_BYTES = 1024 * 1024
_TOO_OLD = "TLS 1.0 and 1.1 are not served, OpenSSL refuses their signatures; write TLS12 or TLS13"
_VERSIONS = {
    "TLS13": ssl.TLSVersion.TLSv1_3,
    "TLS12": ssl.TLSVersion.TLSv1_2,
    "TLS11": None,
    "TLS10": None,
}
_AUTH_TYPES = {
    "NoClientCert": ssl.CERT_NONE,
    "VerifyClientCertIfGiven": ssl.CERT_OPTIONAL,
    "RequireAndVerifyClientCert": ssl.CERT_REQUIRED,
    "RequestClientCert": None,
    "RequireAnyClientCert": None,
    "RequireClientCert": None,
}
_UNVERIFIED = (
    "takes certificates without verifying them, which Python cannot; write RequireAndVerifyClientCert with "
    "client_ca_file to verify them, or NoClientCert to ask for none"
)


class Tls(msgspec.Struct, frozen=True):
    """TLS as the file asks for it."""

    settings: TlsSettings
    context: ssl.SSLContext
    files: tuple[Path, ...]
    """The files that were read; a change in one of them changes the settings."""


def read_tls(section: Section, folder: Path) -> Tls | None:
    """Return TLS, ``None`` where the section is empty.

    Args:
        section: with the ``KEYS``.
        folder: where relative paths begin.

    Raises:
        ConfigError: something is missing, unreadable, or cannot be done.
    """
    given = [key for key in KEYS if is_given(section, key)]
    if not given:
        return None
    files: list[Path] = []
    pem = {
        part: _content(section, part, folder, files, needed_for=given[0] if part != "client_ca" else None)
        for part in ("cert", "key", "client_ca")
    }
    minimum, maximum = _versions(section)
    settings = TlsSettings(
        certificate=pem["cert"] or b"",
        key=pem["key"] or b"",
        client_ca=pem["client_ca"],
        client_auth=_client_auth(section),
        client_allowed_sans=_client_allowed_sans(section),
        minimum=minimum,
        maximum=maximum,
        ciphers=choices(section, "cipher_suites", CIPHERS),
        curve=_curve(section),
        prefer_server_ciphers=switch(section, "prefer_server_cipher_suites", default=True),
    )
    return Tls(settings, _context(section, settings), tuple(files))


def _content(
    section: Section, part: str, folder: Path, files: list[Path], *, needed_for: str | None
) -> bytes | None:
    """Return the PEM of a part, from its file or from the configuration itself."""
    inline = text(section, part, "the content of a PEM file")
    name = text(section, f"{part}_file", f"{part}.pem")
    if inline is not None and name is not None:
        raise section.where.child(part).fault(f"stands beside {part}_file; keep one of the two")
    if inline is not None:
        return inline.encode()
    if name is None:
        if needed_for is not None:
            raise section.where.child(f"{part}_file").fault(
                f"is missing: with {needed_for} but no {part}_file there would be no TLS; write {part}_file, "
                "or remove tls_server_config"
            )
        return None
    files.append(folder / name)
    return _file_content(section.where.child(f"{part}_file"), folder / name)


def _file_content(where: Where, path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(_LARGEST_BYTES + 1)
    except FileNotFoundError:
        raise where.fault(f"there is no file {path}; correct the path, or create it") from None
    except IsADirectoryError:
        raise where.fault(f"{path} is a directory; name the file in it") from None
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or "not a path"
        raise where.fault(f"{path} cannot be read ({why}); let the exporter's user read it") from None
    if len(content) > _LARGEST_BYTES:
        raise where.fault(f"{path} is larger than 1 MiB; is it a PEM file at all?")
    return content


def _versions(section: Section) -> tuple[ssl.TLSVersion, ssl.TLSVersion]:
    minimum = _version(section, "min_version", ssl.TLSVersion.TLSv1_2)
    maximum = _version(section, "max_version", ssl.TLSVersion.TLSv1_3)
    if minimum > maximum:
        raise section.where.child("min_version").fault("is above max_version; lower it, or remove max_version")
    return minimum, maximum


def _version(section: Section, key: str, default: ssl.TLSVersion) -> ssl.TLSVersion:
    if not is_given(section, key):
        return default
    version = choice(section, key, _VERSIONS)
    if version is None:
        raise section.where.child(key).fault(_TOO_OLD)
    return version


def _client_auth(section: Section) -> ssl.VerifyMode:
    key = "client_auth_type"
    mode = choice(section, key, _AUTH_TYPES)
    if mode is None and is_given(section, key):
        raise section.where.child(key).fault(_UNVERIFIED)
    mode = mode or ssl.CERT_NONE
    for given in ("client_ca_file", "client_ca"):
        if mode is ssl.CERT_NONE and is_given(section, given):
            raise section.where.child(key).fault(f"asks for no certificate, but {given} is given; write "
                "RequireAndVerifyClientCert, or remove it")  # fmt: skip
    return mode


def _client_allowed_sans(section: Section) -> frozenset[str] | None:
    key = "client_allowed_sans"
    where = section.where.child(key)
    if not is_given(section, key):
        return None
    names = frozenset(texts(section, key, "prometheus.example.org"))
    if not names:
        raise where.fault("is empty, so that nobody could connect; list a name, or remove the key")
    if _client_auth(section) is not ssl.CERT_REQUIRED:
        raise where.fault("needs client_auth_type: RequireAndVerifyClientCert, else clients need no certificate")
    return names


def _curve(section: Section) -> str | None:
    curves = choices(section, "curve_preferences", CURVES)
    if len(curves) > 1:
        raise section.where.child("curve_preferences").fault(
            "lists several curves, and Python can be held to one only; keep one, or remove the key to allow "
            "all that OpenSSL has"
        )
    return curves[0] if curves else None


def _context(section: Section, settings: TlsSettings) -> ssl.SSLContext:
    try:
        return make_tls_context(settings)
    except TlsFaultError as error:
        key, text_ = _key_of(section, error.part), str(error)
    raise section.where.child(key).fault(text_)


def _key_of(section: Section, part: str) -> str:
    """Return the key that a field of the settings comes from."""
    if part in _KEYS_OF_SETTINGS:
        return _KEYS_OF_SETTINGS[part]
    inline = {"certificate": "cert", "key": "key", "client_ca": "client_ca"}[part]
    return inline if is_given(section, inline) else f"{inline}_file"
