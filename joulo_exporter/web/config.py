"""The web configuration, in the format that all Prometheus exporters share: TLS, basic authentication, headers.

Source of the format: prometheus/exporter-toolkit, ``docs/web-configuration.md`` and ``web/tls_config.go``. Some
features of it that Python lacks are refused.
"""

from __future__ import annotations

import re
import ssl
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Self

import msgspec
from msgspec import Meta

from joulo_exporter.config.files import Where, nearest, read_file
from joulo_exporter.config.values import Text, is_printed
from joulo_exporter.web.auth import Protection, RateLimit
from joulo_exporter.web.tls import CIPHERS, CURVES, Pem, TlsSettings, make_tls_context

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from joulo_exporter.config.document import Node

FLAG = "--web.config.file"

_LARGEST_BYTES = 1024 * 1024
_NOTHING = ("", "~", "null", "Null", "NULL")
# Version, cost, 22 characters of salt (the last has two bits of it), 31 of the hash itself.
_BCRYPT = re.compile(r"\$2[abxy]\$(0[4-9]|[12][0-9]|3[01])\$[./A-Za-z0-9]{21}[.Oeu][./A-Za-z0-9]{31}")
_MAKE_ONE = "make one with htpasswd -nBC 10 '' | tr -d ':\\n'"
_HEADERS: Mapping[str, tuple[str, ...]] = {
    "Strict-Transport-Security": (),
    "X-Content-Type-Options": ("nosniff",),
    "X-Frame-Options": ("deny", "sameorigin"),
    "X-XSS-Protection": (),
    "Content-Security-Policy": (),
}
"""The only headers that can be set, and their values (exporter-toolkit, ``web/handler.go``); none for any."""


# Values -------------------------------------------------------------------------------------


class _Word(str):
    """A word that stands for a value."""

    __slots__ = ()
    values: ClassVar[Mapping[str, Any]]

    def __new__(cls, text: str) -> Self:
        if text not in cls.values:
            by_small_letters = {word.lower(): word for word in cls.values}
            meant = nearest(text, by_small_letters)
            known = (
                f"did you mean {by_small_letters[meant]}?" if meant else f"write one of {', '.join(cls.values)}"
            )
            raise ValueError(f"is not known here; {known}")
        return super().__new__(cls, text)


class _Cipher(_Word):
    values = CIPHERS


class _Curve(_Word):
    values = CURVES


class _Version(_Word):
    values: ClassVar = {"TLS13": ssl.TLSVersion.TLSv1_3, "TLS12": ssl.TLSVersion.TLSv1_2}


class _ClientAuth(_Word):
    values: ClassVar = {
        "NoClientCert": ssl.CERT_NONE,
        "VerifyClientCertIfGiven": ssl.CERT_OPTIONAL,
        "RequireAndVerifyClientCert": ssl.CERT_REQUIRED,
    }


class _Switch(_Word):
    """A boolean of YAML 1.1, as Go's yaml.v2 reads it."""

    values: ClassVar = dict.fromkeys(("true", "yes", "on", "y"), True) | dict.fromkeys(
        ("false", "no", "off", "n"), False
    )

    def __new__(cls, text: str) -> Self:
        if text.lower() not in cls.values:
            raise ValueError("must be true or false; write one of them")
        return super().__new__(cls, text.lower())


class _Count(int):
    def __new__(cls, text: str) -> Self:
        if not re.fullmatch("[0-9]{1,9}", text):
            raise ValueError("must be a whole number; write one such as 10")
        return super().__new__(cls, text)


class _GoDuration(float):
    """Seconds of a duration as Go's ``time.ParseDuration`` reads it."""

    _PIECE = r"([0-9]+(?:\.[0-9]*)?)(ns|us|µs|ms|s|m|h)"
    _UNITS_S: ClassVar = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}

    def __new__(cls, text: str) -> Self:
        if text != "0" and not re.fullmatch(f"(?:{cls._PIECE})+", text):
            raise ValueError("is not a duration; write one such as 500ms, 1s or 1m30s")
        pieces = re.findall(cls._PIECE, text)
        return super().__new__(cls, sum(float(number) * cls._UNITS_S[unit] for number, unit in pieces))


# The file -----------------------------------------------------------------------------------


class _Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A mapping of the file; a key without a value is a key that is not given."""

    EXAMPLE: ClassVar[str]


_Name = Annotated[Text, Meta(examples=["prometheus.example.org"])]
_File = Annotated[Text, Meta(examples=["server.pem"])]
_Inline = Annotated[Text, Meta(examples=["the content of a PEM file"])]


class _TlsSection(_Section, frozen=True):
    EXAMPLE = "{cert_file: server.crt, key_file: server.key}"

    cert_file: _File | None = None
    key_file: _File | None = None
    client_auth_type: Annotated[_ClientAuth, Meta(examples=["NoClientCert"])] | None = None
    client_ca_file: _File | None = None
    client_allowed_sans: Annotated[tuple[_Name, ...], Meta(examples=["[prometheus.example.org]"])] | None = None
    min_version: Annotated[_Version, Meta(examples=["TLS12"])] | None = None
    max_version: Annotated[_Version, Meta(examples=["TLS13"])] | None = None
    cipher_suites: Annotated[tuple[_Cipher, ...], Meta(examples=[f"[{next(iter(CIPHERS))}]"])] | None = None
    curve_preferences: Annotated[tuple[_Curve, ...], Meta(examples=["[CurveP256]"])] | None = None
    prefer_server_cipher_suites: Annotated[_Switch, Meta(examples=["true"])] | None = None
    cert: _Inline | None = None
    key: _Inline | None = None
    client_ca: _Inline | None = None


class _HttpSection(_Section, frozen=True):
    EXAMPLE = "{headers: {X-Frame-Options: deny}}"

    http2: Annotated[_Switch, Meta(examples=["true"])] | None = None
    """Checked, and of no consequence: HTTP/1.1 is spoken in any case."""
    headers: Annotated[dict[str, str], Meta(examples=["{X-Frame-Options: deny}"])] = {}


class _RateLimitSection(_Section, frozen=True):
    EXAMPLE = "{interval: 1s, burst: 10}"

    interval: Annotated[_GoDuration, Meta(examples=["1s"])] | None = None
    burst: Annotated[_Count, Meta(examples=["10"])] | None = None


class _WebFile(_Section, frozen=True):
    EXAMPLE = "{basic_auth_users: {…}}"

    tls_server_config: _TlsSection = _TlsSection()
    http_server_config: _HttpSection = _HttpSection()
    basic_auth_users: Annotated[dict[str, str], Meta(examples=["{NAME: HASH}"])] = {}
    rate_limit: _RateLimitSection = _RateLimitSection()


@dataclass(frozen=True, slots=True)
class WebConfig:
    """The content of a web configuration; without one, nothing is protected."""

    protection: Protection = field(default_factory=Protection)
    tls: TlsSettings | None = None
    context: ssl.SSLContext | None = field(default=None, compare=False)
    """Of these settings."""
    files: tuple[Path, ...] = field(default=(), compare=False)
    """Certificates and keys; a change in one of them changes the settings."""


def load_web_config(path: Path) -> WebConfig:
    """Return the web configuration, with the certificates that it names.

    Raises:
        ConfigError: one line that names the file, the key and the remedy, and shows no value that may be a secret.
    """
    from joulo_exporter.config.document import decode, read_yaml  # noqa: PLC0415 -- no file, no YAML in memory

    where = Where(str(path))
    file = decode(where, _without_blanks(read_yaml(path, FLAG), _WebFile), _WebFile)
    protection = Protection(
        users=_users(where.child("basic_auth_users"), file.basic_auth_users),
        headers=_headers(where.child("http_server_config.headers"), file.http_server_config.headers),
        rate_limit=_rate_limit(where.child("rate_limit"), file.rate_limit),
    )
    files: list[Path] = []
    tls = _tls(where.child("tls_server_config"), file.tls_server_config, path.parent, files)
    return WebConfig(protection, tls, None if tls is None else make_tls_context(tls), tuple(files))


def _without_blanks(node: Node, kind: type[_Section]) -> Node:
    """Return a mapping without the known keys that have no value, and the sections in it likewise."""
    if not isinstance(node, dict):
        return node
    defaults = dict(zip(kind.__struct_fields__, kind.__struct_defaults__, strict=True))
    return {
        key: _without_blanks(value, type(section)) if isinstance(section := defaults.get(key), _Section) else value
        for key, value in node.items()
        if not (value in _NOTHING and key in defaults)
    }


def _users(where: Where, users: Mapping[str, str]) -> Mapping[str, str]:
    """Return the hash of each user; places are numbers, since a password may stand in the place of a name."""
    for position, (name, hashed) in enumerate(users.items()):
        if ":" in name:
            raise where.item(position).fault(
                "its name has a colon in it, which basic authentication cannot carry; choose another"
            )
        if not _BCRYPT.fullmatch(hashed):
            raise where.item(position).fault(f"is no bcrypt hash, such as $2y$10$ and 53 characters; {_MAKE_ONE}")
    return MappingProxyType(dict(users))


def _headers(where: Where, headers: Mapping[str, str]) -> Mapping[str, str]:
    for name, value in headers.items():
        if name not in _HEADERS:
            raise where.fault(f"has one that cannot be set; known here: {', '.join(_HEADERS)}")
        allowed = _HEADERS[name]
        if allowed and value not in allowed:
            raise where.child(name).fault(f"must be {' or '.join(allowed)}; write it so, in small letters")
        if not is_printed(value):
            raise where.child(name).fault("has a line end or another control character in it; remove it")
    return MappingProxyType({name: value for name, value in headers.items() if value not in _NOTHING})


def _rate_limit(where: Where, section: _RateLimitSection) -> RateLimit | None:
    if not section.interval:
        return None
    if not section.burst:
        raise where.child("burst").fault("is 0, so that no request would pass; write 1 or more")
    return RateLimit(section.interval, section.burst)


# TLS ----------------------------------------------------------------------------------------


def _tls(where: Where, section: _TlsSection, folder: Path, files: list[Path]) -> TlsSettings | None:
    """Return TLS, ``None`` where the section is empty, and list the files; relative paths begin in the folder."""
    given = [key for key in section.__struct_fields__ if getattr(section, key) is not None]
    if not given:
        return None
    certificate, key, client_ca = (
        _pem(where, section, part, folder, files) for part in ("cert", "key", "client_ca")
    )
    if certificate is None or key is None:
        missing = "cert_file" if certificate is None else "key_file"
        raise where.child(missing).fault(
            f"is missing: with {given[0]} but no {missing} there would be no TLS; write {missing}, "
            "or remove tls_server_config"
        )
    minimum, maximum = section.min_version or "TLS12", section.max_version or "TLS13"
    if minimum > maximum:
        raise where.child("min_version").fault("is above max_version; lower it, or remove max_version")
    if len(section.curve_preferences or ()) > 1:
        raise where.child("curve_preferences").fault(
            "lists several curves, and Python can be held to one only; keep one, or remove the key to allow "
            "all that OpenSSL has"
        )
    return TlsSettings(
        where=where,
        certificate=certificate,
        key=key,
        client_ca=client_ca,
        client_auth=_client_auth(where, section),
        client_allowed_sans=frozenset(section.client_allowed_sans) if section.client_allowed_sans else None,
        minimum=_Version.values[minimum],
        maximum=_Version.values[maximum],
        ciphers=tuple(CIPHERS[name] for name in section.cipher_suites or ()),
        curve=CURVES[section.curve_preferences[0]] if section.curve_preferences else None,
        prefer_server_ciphers=_Switch.values[section.prefer_server_cipher_suites or "true"],
    )


def _pem(where: Where, section: _TlsSection, part: str, folder: Path, files: list[Path]) -> Pem | None:
    """Return the PEM of a part, from its file or from the configuration itself."""
    inline, name = getattr(section, part), getattr(section, f"{part}_file")
    if inline is not None and name is not None:
        raise where.child(part).fault(f"stands beside {part}_file; keep one of the two")
    if inline is not None:
        return Pem(where.child(part), str(inline).encode())
    if name is None:
        return None
    files.append(folder / name)
    where = where.child(f"{part}_file")
    return Pem(where, read_file(where, folder / name, _LARGEST_BYTES, "PEM"))


def _client_auth(where: Where, section: _TlsSection) -> ssl.VerifyMode:
    """Return whether clients need a certificate; keys that contradict it are faults."""
    asked = section.client_auth_type or "NoClientCert"
    names = where.child("client_allowed_sans")
    if asked == "NoClientCert" and (section.client_ca_file or section.client_ca):
        raise where.child("client_auth_type").fault(
            "asks for no certificate, but an authority is given; write RequireAndVerifyClientCert, or remove it"
        )
    if section.client_allowed_sans == ():
        raise names.fault("is empty, so that nobody could connect; list a name, or remove the key")
    if section.client_allowed_sans and asked != "RequireAndVerifyClientCert":
        raise names.fault("needs client_auth_type: RequireAndVerifyClientCert, else clients need no certificate")
    mode: ssl.VerifyMode = _ClientAuth.values[asked]
    return mode
