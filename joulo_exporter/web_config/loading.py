"""Loading of the web configuration: everything that its file says, checked down to the certificates."""

from __future__ import annotations

import re
from types import MappingProxyType
from typing import TYPE_CHECKING

import msgspec

from joulo_exporter.config.files import Where
from joulo_exporter.config.values import is_printed
from joulo_exporter.web.auth import Protection, RateLimit
from joulo_exporter.web_config import tls_section, values
from joulo_exporter.web_config.section import Section, mapping

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from joulo_exporter.web_config.tls_section import Tls

FLAG = "--web.config.file"

_KEYS = ("tls_server_config", "http_server_config", "basic_auth_users", "rate_limit")
# The only headers that can be set, and what can be written into them (exporter-toolkit, web/handler.go).
_HEADERS = {
    "Strict-Transport-Security": (),
    "X-Content-Type-Options": ("nosniff",),
    "X-Frame-Options": ("deny", "sameorigin"),
    "X-XSS-Protection": (),
    "Content-Security-Policy": (),
}
# Version, cost, 22 characters of salt (the last has two bits of it), 31 of the hash itself.
_BCRYPT = re.compile(r"\$2[abxy]\$(0[4-9]|[12][0-9]|3[01])\$[./A-Za-z0-9]{21}[.Oeu][./A-Za-z0-9]{31}")
_MAKE_ONE = "make one with htpasswd -nBC 10 '' | tr -d ':\\n'"


class WebConfig(msgspec.Struct, frozen=True):
    """What the web configuration says."""

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
    from joulo_exporter.config.document import read_yaml  # noqa: PLC0415 -- no file, no YAML in memory

    top = Section(Where(str(path)), read_yaml(path, FLAG), _KEYS, "{basic_auth_users: {…}}")
    tls = top.section("tls_server_config", tls_section.KEYS, "{cert_file: server.crt, key_file: server.key}")
    http = top.section("http_server_config", ("http2", "headers"), "{headers: {X-Frame-Options: deny}}")
    values.switch(http, "http2", default=True)  # checked, and of no consequence: HTTP/1.1 is spoken in any case
    return WebConfig(
        Protection(users=_users(top), headers=_headers(http), rate_limit=_rate_limit(top)),
        tls_section.read_tls(tls, path.parent),
    )


def _users(top: Section) -> Mapping[str, str]:
    """Return the hash of each user; places are numbers, since a password may stand where a name belongs."""
    where = top.where.child("basic_auth_users")
    users = {}
    for position, (name, hashed) in enumerate(
        mapping(where, top.node("basic_auth_users"), "{NAME: HASH}").items()
    ):
        entry = where.item(position)
        if ":" in name:
            raise entry.fault(
                "its name has a colon in it, which basic authentication cannot carry; choose another"
            )
        if not isinstance(hashed, str) or not _BCRYPT.fullmatch(hashed):
            raise entry.fault(f"is no bcrypt hash, such as $2y$10$ and 53 characters; {_MAKE_ONE}")
        users[name] = hashed
    return MappingProxyType(users)


def _headers(http: Section) -> Mapping[str, str]:
    section = http.section("headers", _HEADERS, "{X-Frame-Options: deny}")
    headers = {}
    for name, allowed in _HEADERS.items():
        if not section.has(name):
            continue
        value = values.text(section, name, allowed[0] if allowed else "max-age=31536000") or ""
        where = section.where.child(name)
        if allowed and value not in allowed:
            raise where.fault(f"must be {' or '.join(allowed)}; write it so, in small letters")
        if not is_printed(value):
            raise where.fault("has a line end or another control character in it; remove it")
        if value:
            headers[name] = value
    return MappingProxyType(headers)


def _rate_limit(top: Section) -> RateLimit | None:
    section = top.section("rate_limit", ("interval", "burst"), "{interval: 1s, burst: 10}")
    interval_s = values.go_duration_s(section, "interval")
    burst = values.whole_number(section, "burst")
    if not interval_s:
        return None
    if not burst:
        raise section.where.child("burst").fault("is 0, so that no request would pass; write 1 or more")
    return RateLimit(interval_s, burst)
