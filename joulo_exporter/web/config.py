"""The web configuration, in the format that all Prometheus exporters share, and the watcher that applies it.

Source of the format: prometheus/exporter-toolkit, ``docs/web-configuration.md`` and ``web/tls_config.go``. Some
of its features are refused, because Python lacks them.
"""

import asyncio
import logging
import re
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar, cast

from joulo_exporter.config.files import Fingerprint, Where, fingerprint
from joulo_exporter.config.schema import Section
from joulo_exporter.config.values import is_printed, like
from joulo_exporter.errors import ConfigError
from joulo_exporter.logs import event
from joulo_exporter.web.auth import Gate, Protection, RateLimit
from joulo_exporter.web.tls import Switch, Tls, TlsSection, read_tls

if TYPE_CHECKING:
    from joulo_exporter.config.document import Node

_logger = logging.getLogger(__name__)

FLAG = "--web.config.file"

_NOTHING = ("", "~", "null", "Null", "NULL")
# Version, cost, 22 characters of salt (the last carries only two bits), 31 of the hash itself.
_BCRYPT = re.compile(r"\$2[abxy]\$(0[4-9]|[12][0-9]|3[01])\$[./A-Za-z0-9]{21}[.Oeu][./A-Za-z0-9]{31}")
_MAKE_ONE = "make one with htpasswd -nBC 10 '' | tr -d ':\\n'"
_HEADERS: Mapping[str, tuple[str, ...]] = {
    "Strict-Transport-Security": (),
    "X-Content-Type-Options": ("nosniff",),
    "X-Frame-Options": ("deny", "sameorigin"),
    "X-XSS-Protection": (),
    "Content-Security-Policy": (),
}
"""The only headers allowed, with their possible values, () for any (exporter-toolkit, ``web/handler.go``)."""


# Values -------------------------------------------------------------------------------------


_GO_PIECE = r"([0-9]+(?:\.[0-9]*)?)(ns|us|µs|ms|s|m|h)"
_GO_UNITS_S = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}


def _count(text: str) -> int:
    if not re.fullmatch("[0-9]{1,9}", text):
        raise ValueError("must be a whole number; write one such as 10")
    return int(text)


def _go_duration(text: str) -> float:
    """Return the seconds of a duration as Go's ``time.ParseDuration`` reads it."""
    if text != "0" and not re.fullmatch(f"(?:{_GO_PIECE})+", text):
        raise ValueError("is not a duration; write one such as 500ms, 1s or 1m30s")
    return sum(float(number) * _GO_UNITS_S[unit] for number, unit in re.findall(_GO_PIECE, text))


# The file -----------------------------------------------------------------------------------


class _HttpSection(Section, frozen=True):
    EXAMPLE: ClassVar = "{headers: {X-Frame-Options: deny}}"

    http2: Switch | None = None
    """Checked, but without effect: the server speaks HTTP/1.1 in any case."""
    headers: Annotated[dict[str, str], like("{X-Frame-Options: deny}", None)] | None = None


class _RateLimitSection(Section, frozen=True):
    EXAMPLE: ClassVar = "{interval: 1s, burst: 10}"

    interval: Annotated[float, like("1s", _go_duration)] = 0.0
    burst: Annotated[int, like("10", _count)] = 0


class _WebFile(Section, frozen=True):
    EXAMPLE: ClassVar = "{basic_auth_users: {…}}"

    tls_server_config: TlsSection = TlsSection()
    http_server_config: _HttpSection = _HttpSection()
    basic_auth_users: Annotated[dict[str, str], like("{NAME: HASH}", None)] | None = None
    rate_limit: _RateLimitSection = _RateLimitSection()


@dataclass(frozen=True, slots=True)
class WebConfig:
    """The content of a web configuration; without one, nothing is protected."""

    protection: Protection = field(default_factory=Protection)
    tls: Tls | None = None


def load_web_config(path: Path) -> WebConfig:
    """Return the web configuration, with the certificates that it names.

    Raises:
        ConfigError: one line that names the file, the key and the remedy, and shows no value that may be a secret.
    """
    from joulo_exporter.config.document import decode, read_yaml  # noqa: PLC0415 -- no file, no YAML in memory

    where = Where(str(path))
    file = decode(where, _without_blanks(read_yaml(path, FLAG), _WebFile), _WebFile)
    protection = Protection(
        users=_users(where.child("basic_auth_users"), file.basic_auth_users or {}),
        headers=_headers(where.child("http_server_config.headers"), file.http_server_config.headers or {}),
        rate_limit=_rate_limit(where.child("rate_limit"), file.rate_limit),
    )
    return WebConfig(protection, read_tls(where.child("tls_server_config"), file.tls_server_config, path.parent))


def _without_blanks(node: "Node", kind: type[Section]) -> "Node":
    """Return a mapping, and the sections in it, without the known keys that have no value."""
    if not isinstance(node, dict):
        return node
    defaults = dict(zip(kind.__struct_fields__, kind.__struct_defaults__, strict=True))
    return {
        key: _without_blanks(value, type(section)) if isinstance(section := defaults.get(key), Section) else value
        for key, value in node.items()
        if not (value in _NOTHING and key in defaults)
    }


def _users(where: Where, users: Mapping[str, str]) -> Mapping[str, str]:
    """Return the hash of each user; faults give a position, since a password may be written in place of a name."""
    for position, (name, hashed) in enumerate(users.items()):
        if ":" in name:
            raise where.item(position).fault(
                "its name has a colon in it, which basic authentication cannot carry; choose another"
            )
        if not _BCRYPT.fullmatch(hashed):
            raise where.item(position).fault(f"is no bcrypt hash, such as $2y$10$ and 53 characters; {_MAKE_ONE}")
    return users


def _headers(where: Where, headers: Mapping[str, str]) -> Mapping[str, str]:
    for name, value in headers.items():
        if name not in _HEADERS:
            raise where.fault(f"has one that cannot be set; known here: {', '.join(_HEADERS)}")
        allowed = _HEADERS[name]
        if allowed and value not in allowed:
            raise where.child(name).fault(f"must be {' or '.join(allowed)}; write it so, in small letters")
        if not is_printed(value):
            raise where.child(name).fault("has a line end or another control character in it; remove it")
    return {name: value for name, value in headers.items() if value not in _NOTHING}


def _rate_limit(where: Where, section: _RateLimitSection) -> RateLimit | None:
    if not section.interval:
        return None
    if not section.burst:
        raise where.child("burst").fault("is 0, so that no request would pass; write 1 or more")
    return RateLimit(section.interval, section.burst)


# The configuration in force ------------------------------------------------------------------

LOOK_INTERVAL_S = 1.0
"""Time between two looks at the files: a change takes effect within a second or two."""


class WebConfigWatcher:
    """The gate and the TLS context of the web configuration in force.

    It is read again when one of its files changes, and at a reload. A file that cannot be used changes nothing.
    TLS itself is switched on and off by a restart only.

    Args:
        path: the web configuration; ``None`` without one.

    Raises:
        ConfigError: it cannot be used.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self.config = WebConfig() if path is None else load_web_config(path)
        """The one in force."""
        self.gate = Gate(self.config.protection)
        self._context = self.config.tls and self.config.tls.context
        self._seen: list[Fingerprint | None] | None = None
        self._in_trouble = False

    @property
    def tls(self) -> Callable[[], ssl.SSLContext] | None:
        """Return a function that returns the context for a new connection; ``None`` for plain HTTP."""
        return None if self._context is None else lambda: cast("ssl.SSLContext", self._context)

    async def watch(self) -> None:
        """Look at the files for ever."""
        if self._path is None:
            return
        tls, users = self._context is not None, len(self.config.protection.users)
        event(_logger, "info", "web configuration in force", file=self._path, tls=tls, users=users)
        while True:
            await asyncio.sleep(LOOK_INTERVAL_S)
            await self.look()

    async def read(self) -> WebConfig:
        """Return the configuration as the file has it now, for ``take``.

        Raises:
            ConfigError: it cannot be used.
        """
        return WebConfig() if self._path is None else await asyncio.to_thread(load_web_config, self._path)

    def take(self, config: WebConfig) -> None:
        """Put a configuration into force from the next request and the next connection on."""
        former, self.config = self.config, config
        changed = config.protection != former.protection
        if changed:
            self.gate.follow(config.protection)
        if changed or self._seen is not None:  # else it is the first look, or the one after a reload
            event(_logger, "info", "web configuration read again", users=len(config.protection.users))
        self._seen = None  # between ``read`` and now the files may have changed: they are read again
        served = self._context is not None
        if served and config.tls is not None:
            self._context = config.tls.context
        elif served != (config.tls is not None) and (config.tls is None) != (former.tls is None):
            text = "TLS is switched on or off in the web configuration, which takes a restart"
            event(_logger, "warn", text, served_by_tls=served)

    async def look(self) -> None:
        """Read the configuration again if a file has changed since the last look; log a fault once."""
        certificates = self.config.tls.files if self.config.tls else ()
        files = [file for file in (self._path, *certificates) if file is not None]
        # Taken before the files are read, so that a change in between shows at the next look.
        seen = await asyncio.to_thread(list, map(fingerprint, files))
        # After a fault, always read: its cause may be in a file that only the faulty configuration names.
        if seen == self._seen and not self._in_trouble:
            return
        try:
            self.take(await self.read())
        except ConfigError as error:
            if not self._in_trouble:
                text = f"{FLAG} not read again; the former web configuration stays in force"
                event(_logger, "error", text, err=error)
            self._in_trouble = True
        else:
            self._in_trouble = False
        self._seen = seen
