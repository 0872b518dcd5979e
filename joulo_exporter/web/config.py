"""The web configuration, in the format that all Prometheus exporters share, and the watcher that applies it.

Source of the format: prometheus/exporter-toolkit, ``docs/web-configuration.md`` and ``web/tls_config.go``. Some
of its features are refused, because Python lacks them.
"""

import asyncio
import logging
import re
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, ClassVar, cast

from joulo_exporter.config.files import Fingerprint, Where, fingerprint
from joulo_exporter.config.schema import Switch, WebSection
from joulo_exporter.config.values import NOTHING, like, printed
from joulo_exporter.errors import ConfigError
from joulo_exporter.logs import event
from joulo_exporter.web.auth import Gate, Protection, RateLimit
from joulo_exporter.web.tls import TlsSection, tls_context

_logger = logging.getLogger(__name__)

FLAG = "--web.config.file"

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


# The file -----------------------------------------------------------------------------------


class _HttpSection(WebSection, frozen=True):
    EXAMPLE: ClassVar = "{headers: {X-Frame-Options: deny}}"

    http2: Switch | None = None
    """Checked, but without effect: the server speaks HTTP/1.1 in any case."""
    headers: Annotated[dict[str, str], like("{X-Frame-Options: deny}", None)] | None = None


class _WebFile(WebSection, frozen=True):
    EXAMPLE: ClassVar = "{basic_auth_users: {…}}"

    tls_server_config: TlsSection = TlsSection()
    http_server_config: _HttpSection = _HttpSection()
    basic_auth_users: Annotated[dict[str, str], like("{NAME: HASH}", None)] | None = None
    rate_limit: RateLimit = RateLimit()


@dataclass(frozen=True, slots=True)
class WebConfig:
    """The content of a web configuration; without one, nothing is protected."""

    protection: Protection = field(default_factory=Protection)
    context: ssl.SSLContext | None = None
    """TLS; ``None`` for plain HTTP."""
    files: Mapping[Path, Fingerprint | None] = field(default_factory=dict)
    """The file and those that it names, as they were just before they were read."""


def load_web_config(path: Path | None) -> WebConfig:
    """Return the web configuration, with the certificates that it names; ``None`` for that of no file.

    Raises:
        ConfigError: one line that names the file, the key and the remedy, and shows no value that may be a secret.
    """
    if path is None:
        return WebConfig()
    from joulo_exporter.config.document import read_record  # noqa: PLC0415 -- no file, no YAML in memory

    where, seen = Where(str(path)), fingerprint(path)
    file = read_record(path, FLAG, _WebFile)
    if file.rate_limit.interval_s and not file.rate_limit.burst:
        raise where.child("rate_limit.burst").fault("is 0, so that no request would pass; write 1 or more")
    protection = Protection(
        users=_users(where.child("basic_auth_users"), file.basic_auth_users or {}),
        headers=_headers(where.child("http_server_config.headers"), file.http_server_config.headers or {}),
        rate_limit=file.rate_limit,
    )
    section = file.tls_server_config
    files = {certificate: fingerprint(certificate) for certificate in section.files(path.parent)}
    context = tls_context(where.child("tls_server_config"), section, path.parent)
    return WebConfig(protection, context, {path: seen, **files})


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
        where.child(name).read(printed, value)
    return {name: value for name, value in headers.items() if value not in NOTHING}


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
        self.config = load_web_config(path)
        """The one in force."""
        self.gate = Gate(self.config.protection)
        self._in_trouble = False

    @property
    def tls(self) -> Callable[[], ssl.SSLContext] | None:
        """Return a function that returns the context for a new connection; ``None`` for plain HTTP."""
        return None if self.config.context is None else lambda: cast("ssl.SSLContext", self.config.context)

    async def watch(self) -> None:
        """Look at the files for ever."""
        if self._path is None:
            return
        tls, users = self.config.context is not None, len(self.config.protection.users)
        event(_logger, "info", "web configuration in force", file=self._path, tls=tls, users=users)
        while True:
            await asyncio.sleep(LOOK_INTERVAL_S)
            await self.look()

    async def read(self) -> WebConfig:
        """Return the configuration as the file has it now, for ``take``.

        Raises:
            ConfigError: it cannot be used.
        """
        return await asyncio.to_thread(load_web_config, self._path)

    def take(self, config: WebConfig) -> None:
        """Put a configuration into force from the next request and the next connection on."""
        if config.protection != self.config.protection:  # else the gate would forget whom it knows
            self.gate.follow(config.protection)
        if self._path is not None:
            event(_logger, "info", "web configuration read again", users=len(config.protection.users))
        served = self.config.context is not None
        if served != (config.context is not None):
            text = "TLS is switched on or off in the web configuration, which takes a restart"
            event(_logger, "warn", text, served_by_tls=served)
            config = replace(config, context=self.config.context)
        self.config = config

    async def look(self) -> None:
        """Read the configuration again if a file has changed since it was read; log a fault once."""
        seen = await asyncio.to_thread(lambda: {path: fingerprint(path) for path in self.config.files})
        # After a fault, always read: its cause may be in a file that only the faulty configuration names.
        if seen == self.config.files and not self._in_trouble:
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
