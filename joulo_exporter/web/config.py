"""The web configuration, in the format that all Prometheus exporters share: TLS, basic authentication, headers.

Source of the format: prometheus/exporter-toolkit, ``docs/web-configuration.md`` and ``web/tls_config.go``. Some
features of it that Python lacks are refused.
"""

from __future__ import annotations

import re
import ssl
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Self

import msgspec
from msgspec import Meta, field
from msgspec.structs import fields

from joulo_exporter.config.files import Where, nearest, read_file
from joulo_exporter.config.values import is_printed
from joulo_exporter.web.auth import Protection, RateLimit
from joulo_exporter.web.tls import CIPHERS, CURVES, TlsFaultError, TlsSettings, make_tls_context

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


# Values -------------------------------------------------------------------------------------


class _Text(str):
    """A text without blanks around it."""

    __slots__ = ()


class _Word(str):
    """A word that stands for a value; ``None`` is one that cannot be had here."""

    __slots__ = ()
    values: ClassVar[Mapping[str, Any]]
    why_not: ClassVar[str] = ""

    def __new__(cls, text: str) -> Self:
        if text not in cls.values:
            by_small_letters = {word.lower(): word for word in cls.values}
            meant = nearest(text, by_small_letters)
            remedy = (
                f"did you mean {by_small_letters[meant]}?" if meant else f"known here: {', '.join(cls.values)}"
            )
            raise ValueError(f"is not known; {remedy}")
        if cls.values[text] is None:
            raise ValueError(cls.why_not)
        return super().__new__(cls, text)


class _Cipher(_Word):
    __slots__ = ()
    values = CIPHERS


class _Curve(_Word):
    __slots__ = ()
    values = CURVES


class _Version(_Word):
    __slots__ = ()
    values: ClassVar = {
        "TLS13": ssl.TLSVersion.TLSv1_3,
        "TLS12": ssl.TLSVersion.TLSv1_2,
        "TLS11": None,
        "TLS10": None,
    }
    why_not = "TLS 1.0 and 1.1 are not served, OpenSSL refuses their signatures; write TLS12 or TLS13"


class _ClientAuth(_Word):
    __slots__ = ()
    values: ClassVar = {
        "NoClientCert": ssl.CERT_NONE,
        "VerifyClientCertIfGiven": ssl.CERT_OPTIONAL,
        "RequireAndVerifyClientCert": ssl.CERT_REQUIRED,
        "RequestClientCert": None,
        "RequireAnyClientCert": None,
        "RequireClientCert": None,
    }
    why_not = (
        "takes certificates without verifying them, which Python cannot; write RequireAndVerifyClientCert with "
        "client_ca_file to verify them, or NoClientCert to ask for none"
    )


class _Switch(int):
    """A boolean of YAML 1.1, as Go's yaml.v2 reads it."""

    words: ClassVar = {"y": 1, "yes": 1, "on": 1, "true": 1, "n": 0, "no": 0, "off": 0, "false": 0}

    def __new__(cls, text: str) -> Self:
        if text.lower() not in cls.words:
            raise ValueError("must be true or false; write one of them")
        return super().__new__(cls, cls.words[text.lower()])


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


class _HeaderValue(str):
    """A value of a header."""

    __slots__ = ()
    EXAMPLE = "max-age=31536000"
    allowed: ClassVar[tuple[str, ...]] = ()

    def __new__(cls, text: str) -> Self:
        if cls.allowed and text not in cls.allowed:
            raise ValueError(f"must be {' or '.join(cls.allowed)}; write it so, in small letters")
        if not is_printed(text):
            raise ValueError("has a line end or another control character in it; remove it")
        return super().__new__(cls, text)


class _FrameOptions(_HeaderValue):
    __slots__ = ()
    EXAMPLE = "deny"
    allowed = ("deny", "sameorigin")


class _ContentTypeOptions(_HeaderValue):
    __slots__ = ()
    EXAMPLE = "nosniff"
    allowed = ("nosniff",)


# The file -----------------------------------------------------------------------------------


class _Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A mapping of the file; a key without a value is a key that is not given."""

    EXAMPLE: ClassVar[str]
    NEVER_BLANK: ClassVar[tuple[str, ...]] = ()
    """Keys whose values are checked even where there is none."""


_Name = Annotated[_Text, Meta(examples=["prometheus.example.org"])]
_Pem = Annotated[_Text, Meta(examples=["the content of a PEM file"])]


class _TlsSection(_Section, frozen=True):
    EXAMPLE = "{cert_file: server.crt, key_file: server.key}"

    cert_file: Annotated[_Text, Meta(examples=["server.crt"])] | None = None
    key_file: Annotated[_Text, Meta(examples=["server.key"])] | None = None
    client_auth_type: Annotated[_ClientAuth, Meta(examples=["NoClientCert"])] | None = None
    client_ca_file: Annotated[_Text, Meta(examples=["ca.crt"])] | None = None
    client_allowed_sans: Annotated[tuple[_Name, ...], Meta(examples=["[prometheus.example.org]"])] | None = None
    min_version: Annotated[_Version, Meta(examples=["TLS12"])] | None = None
    max_version: Annotated[_Version, Meta(examples=["TLS13"])] | None = None
    cipher_suites: Annotated[tuple[_Cipher, ...], Meta(examples=[f"[{next(iter(CIPHERS))}]"])] | None = None
    curve_preferences: Annotated[tuple[_Curve, ...], Meta(examples=["[CurveP256]"])] | None = None
    prefer_server_cipher_suites: Annotated[_Switch, Meta(examples=["true"])] | None = None
    cert: _Pem | None = None
    key: _Pem | None = None
    client_ca: _Pem | None = None


class _Headers(_Section, frozen=True):
    """The only headers that can be set, and their values (exporter-toolkit, ``web/handler.go``)."""

    EXAMPLE = "{X-Frame-Options: deny}"
    NEVER_BLANK = ("X-Content-Type-Options", "X-Frame-Options")

    hsts: _HeaderValue | None = field(default=None, name="Strict-Transport-Security")
    content_type_options: _ContentTypeOptions | None = field(default=None, name="X-Content-Type-Options")
    frame_options: _FrameOptions | None = field(default=None, name="X-Frame-Options")
    xss_protection: _HeaderValue | None = field(default=None, name="X-XSS-Protection")
    content_security_policy: _HeaderValue | None = field(default=None, name="Content-Security-Policy")


class _HttpSection(_Section, frozen=True):
    EXAMPLE = "{headers: {X-Frame-Options: deny}}"

    http2: Annotated[_Switch, Meta(examples=["true"])] | None = None
    """Checked, and of no consequence: HTTP/1.1 is spoken in any case."""
    headers: _Headers = _Headers()


class _RateLimitSection(_Section, frozen=True):
    EXAMPLE = "{interval: 1s, burst: 10}"

    interval: Annotated[_GoDuration, Meta(examples=["1s"])] | None = None
    burst: Annotated[_Count, Meta(examples=["10"])] | None = None


class _File(_Section, frozen=True):
    EXAMPLE = "{basic_auth_users: {…}}"

    tls_server_config: _TlsSection = _TlsSection()
    http_server_config: _HttpSection = _HttpSection()
    basic_auth_users: Annotated[dict[str, str], Meta(examples=["{NAME: HASH}"])] = field(default_factory=dict)
    rate_limit: _RateLimitSection = _RateLimitSection()


class Tls(msgspec.Struct, frozen=True):
    """TLS as the file asks for it."""

    settings: TlsSettings
    context: ssl.SSLContext
    files: tuple[Path, ...]
    """The files that were read; a change in one of them changes the settings."""


class WebConfig(msgspec.Struct, frozen=True):
    """The content of a web configuration; without one, nothing is protected."""

    protection: Protection = Protection()
    tls: Tls | None = None

    def is_like(self, other: WebConfig) -> bool:
        """Tell whether both say the same, also in the certificates that they name."""
        settings = [config.tls.settings if config.tls else None for config in (self, other)]
        return self.protection == other.protection and settings[0] == settings[1]


def load_web_config(path: Path) -> WebConfig:
    """Return the web configuration, with the certificates that it names.

    Raises:
        ConfigError: one line that names the file, the key and the remedy, and shows no value that may be a secret.
    """
    from joulo_exporter.config.document import decode, read_yaml  # noqa: PLC0415 -- no file, no YAML in memory

    where = Where(str(path))
    file = decode(where, _without_blanks(read_yaml(path, FLAG), _File), _File)
    headers = {
        header.encode_name: str(value)
        for header in fields(_Headers)
        if (value := getattr(file.http_server_config.headers, header.name)) is not None
    }
    protection = Protection(
        users=_users(where.child("basic_auth_users"), file.basic_auth_users),
        headers=MappingProxyType(headers),
        rate_limit=_rate_limit(where.child("rate_limit"), file.rate_limit),
    )
    return WebConfig(protection, _tls(where.child("tls_server_config"), file.tls_server_config, path.parent))


def _without_blanks(node: Node, kind: type[_Section]) -> Node:
    """Return a mapping without the known keys that have no value, and the sections in it likewise."""
    if not isinstance(node, dict):
        return node
    defaults = {each.encode_name: each.default for each in fields(kind)}
    kept: dict[str, Node] = {}
    for key, value in node.items():
        default = defaults.get(key, msgspec.NODEFAULT)
        if isinstance(default, _Section):
            kept[key] = _without_blanks(value, type(default))
        elif default is not None or value not in _NOTHING or key in kind.NEVER_BLANK:
            kept[key] = value
    return kept


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


def _rate_limit(where: Where, section: _RateLimitSection) -> RateLimit | None:
    if not section.interval:
        return None
    if not section.burst:
        raise where.child("burst").fault("is 0, so that no request would pass; write 1 or more")
    return RateLimit(section.interval, section.burst)


# TLS ----------------------------------------------------------------------------------------


def _tls(where: Where, section: _TlsSection, folder: Path) -> Tls | None:
    """Return TLS, ``None`` where the section is empty; relative paths begin in the folder."""
    given = [key for key in section.__struct_fields__ if getattr(section, key) is not None]
    if not given:
        return None
    files: list[Path] = []
    certificate = _pem(where, section, "cert", folder, files)
    key = _pem(where, section, "key", folder, files)
    for part, pem in (("cert_file", certificate), ("key_file", key)):
        if pem is None:
            raise where.child(part).fault(
                f"is missing: with {given[0]} but no {part} there would be no TLS; write {part}, "
                "or remove tls_server_config"
            )
    minimum, maximum = section.min_version or "TLS12", section.max_version or "TLS13"
    if minimum > maximum:
        raise where.child("min_version").fault("is above max_version; lower it, or remove max_version")
    settings = TlsSettings(
        certificate=certificate or b"",
        key=key or b"",
        client_ca=_pem(where, section, "client_ca", folder, files),
        client_auth=_client_auth(where, section),
        client_allowed_sans=_client_allowed_sans(where, section),
        minimum=_Version.values[minimum],
        maximum=_Version.values[maximum],
        ciphers=tuple(CIPHERS[name] for name in section.cipher_suites or ()),
        curve=_curve(where, section),
        prefer_server_ciphers=section.prefer_server_cipher_suites != 0,
    )
    return Tls(settings, _context(where, section, settings), tuple(files))


def _pem(where: Where, section: _TlsSection, part: str, folder: Path, files: list[Path]) -> bytes | None:
    """Return the PEM of a part, from its file or from the configuration itself."""
    inline, name = getattr(section, part), getattr(section, f"{part}_file")
    if inline is not None and name is not None:
        raise where.child(part).fault(f"stands beside {part}_file; keep one of the two")
    if inline is not None:
        return str(inline).encode()
    if name is None:
        return None
    files.append(folder / name)
    where = where.child(f"{part}_file")
    content = read_file(where, folder / name, _LARGEST_BYTES + 1, "PEM")
    if len(content) > _LARGEST_BYTES:
        raise where.fault(f"{folder / name} is larger than 1 MiB; is it a PEM file at all?")
    return content


def _client_auth(where: Where, section: _TlsSection) -> ssl.VerifyMode:
    mode: ssl.VerifyMode = _ClientAuth.values[section.client_auth_type or "NoClientCert"]
    for given in ("client_ca_file", "client_ca"):
        if mode is ssl.CERT_NONE and getattr(section, given) is not None:
            raise where.child("client_auth_type").fault(
                f"asks for no certificate, but {given} is given; write RequireAndVerifyClientCert, or remove it"
            )
    return mode


def _client_allowed_sans(where: Where, section: _TlsSection) -> frozenset[str] | None:
    where = where.child("client_allowed_sans")
    if section.client_allowed_sans is None:
        return None
    if not section.client_allowed_sans:
        raise where.fault("is empty, so that nobody could connect; list a name, or remove the key")
    if section.client_auth_type != "RequireAndVerifyClientCert":
        raise where.fault("needs client_auth_type: RequireAndVerifyClientCert, else clients need no certificate")
    return frozenset(section.client_allowed_sans)


def _curve(where: Where, section: _TlsSection) -> str | None:
    curves = section.curve_preferences or ()
    if len(curves) > 1:
        raise where.child("curve_preferences").fault(
            "lists several curves, and Python can be held to one only; keep one, or remove the key to allow "
            "all that OpenSSL has"
        )
    return CURVES[curves[0]] if curves else None


def _context(where: Where, section: _TlsSection, settings: TlsSettings) -> ssl.SSLContext:
    try:
        return make_tls_context(settings)
    except TlsFaultError as error:
        key, text = _key_of(section, error.part), str(error)
    raise where.child(key).fault(text)


def _key_of(section: _TlsSection, part: str) -> str:
    """Return the key that a field of the settings comes from."""
    names = {"ciphers": "cipher_suites", "curve": "curve_preferences", "certificate": "cert"}
    key = names.get(part, part)
    return key if getattr(section, key) is not None else f"{key}_file"
