"""The web configuration, in the format that all Prometheus exporters share, and the watcher that applies it.

Source of the format: prometheus/exporter-toolkit, ``docs/web-configuration.md`` and ``web/tls_config.go``. Some
of its features are refused, because Python lacks them.
"""

import asyncio
import logging
import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import msgspec

from joulo_exporter.config.files import Where
from joulo_exporter.config.schema import Switch, WebSection
from joulo_exporter.config.values import like, one_of, printed, whole_number
from joulo_exporter.errors import ConfigError
from joulo_exporter.logs import event
from joulo_exporter.web.tls import TlsSection, tls_context

_logger = logging.getLogger(__name__)

FLAG = "--web.config.file"

# Version, cost, 22 characters of salt (the last carries only two bits), 31 of the hash itself.
_BCRYPT = re.compile(r"\$2[abxy]\$(0[4-9]|[12][0-9]|3[01])\$[./A-Za-z0-9]{21}[.Oeu][./A-Za-z0-9]{31}")
_MAKE_ONE = "make one with htpasswd -nBC 10 '' | tr -d ':\\n'"

# The file -----------------------------------------------------------------------------------

_PIECE = r"([0-9]+(?:\.[0-9]*)?)(ns|us|µs|ms|s|m|h)"
_UNITS_S = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}


def _hash(text: str) -> str:
    if not _BCRYPT.fullmatch(text):
        raise ValueError(f"is no bcrypt hash, such as $2y$10$ and 53 characters; {_MAKE_ONE}")
    return text


def _go_duration(text: str) -> float:
    """Return the seconds of a duration as Go's ``time.ParseDuration`` reads it, and so the exporter-toolkit."""
    if text != "0" and not re.fullmatch(f"(?:{_PIECE})+", text):
        raise ValueError("is not a duration; write one such as 500ms, 1s or 1m30s")
    return sum(float(number) * _UNITS_S[unit] for number, unit in re.findall(_PIECE, text))


class RateLimit(WebSection, frozen=True):
    """A token bucket: ``burst`` requests at once, and one more each interval; without an interval, no limit."""

    interval_s: Annotated[float, like("1s", _go_duration)] = msgspec.field(name="interval", default=0.0)
    burst: Annotated[int, like("10", whole_number)] = 0


_Header = Annotated[str, like("a text on one line", printed)]
_NoSniff = Annotated[str, one_of("nosniff", ("nosniff",))]
_Framing = Annotated[str, one_of("deny", ("deny", "sameorigin"))]


class _Headers(WebSection, frozen=True, omit_defaults=True):
    """The only headers allowed, with their possible values (exporter-toolkit, ``web/handler.go``)."""

    security: _Header | None = msgspec.field(name="Strict-Transport-Security", default=None)
    types: _NoSniff | None = msgspec.field(name="X-Content-Type-Options", default=None)
    frames: _Framing | None = msgspec.field(name="X-Frame-Options", default=None)
    scripts: _Header | None = msgspec.field(name="X-XSS-Protection", default=None)
    content: _Header | None = msgspec.field(name="Content-Security-Policy", default=None)


class _HttpSection(WebSection, frozen=True):
    http2: Switch | None = None
    """Checked, but without effect: the server speaks HTTP/1.1 in any case."""
    headers: _Headers = _Headers()


class _WebFile(WebSection, frozen=True):
    tls_server_config: TlsSection = TlsSection()
    http_server_config: _HttpSection = _HttpSection()
    basic_auth_users: Annotated[dict[str, str], like("{NAME: HASH}", _hash)] = msgspec.field(default_factory=dict)
    rate_limit: RateLimit = RateLimit()


@dataclass(frozen=True, slots=True)
class WebConfig:
    """The content of a web configuration; without one, nothing is protected."""

    users: Mapping[str, str] = field(default_factory=dict, repr=False)
    """The bcrypt hash of each user; without users nobody is asked for a password."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """Added to every response, in place of our own of the same name."""
    rate_limit: RateLimit = field(default_factory=RateLimit)
    context: ssl.SSLContext | None = None
    """TLS; ``None`` for plain HTTP."""


def load_web_config(path: Path | None) -> WebConfig:
    """Return the web configuration, with the certificates that it names; ``None`` for that of no file.

    Raises:
        ConfigError: one line that names the file, the key and the remedy, and shows no value that may be a secret.
    """
    if path is None:
        return WebConfig()
    from joulo_exporter.config.document import read_record  # noqa: PLC0415 -- no file, no YAML in memory

    where = Where(str(path))
    file = read_record(path, FLAG, _WebFile)
    if file.rate_limit.interval_s and not file.rate_limit.burst:
        raise where.child("rate_limit.burst").fault("is 0, so that no request would pass; write 1 or more")
    for position, name in enumerate(file.basic_auth_users):  # numbered, since it may be a password
        if ":" in name:
            user = where.child("basic_auth_users").item(position)
            raise user.fault("its name has a colon in it, which basic authentication cannot carry; choose another")
    return WebConfig(
        users=file.basic_auth_users,
        headers=msgspec.to_builtins(file.http_server_config.headers),
        rate_limit=file.rate_limit,
        context=tls_context(where.child("tls_server_config"), file.tls_server_config, path.parent),
    )


# The configuration in force ------------------------------------------------------------------

LOOK_INTERVAL_S = 1.0
"""Time between two readings of the files, which take half a millisecond."""


class WebConfigWatcher:
    """The web configuration in force.

    It is read again each second, and at a reload. A file that cannot be used changes nothing.
    TLS itself is switched on and off by a restart only.

    Args:
        path: the web configuration; ``None`` without one.

    Raises:
        ConfigError: it cannot be used.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self.config = load_web_config(path)
        """The one in force, but for TLS that it switches on or off."""
        self.tls = self.config.context
        """The context for a new connection; ``None`` for plain HTTP."""
        self._in_trouble = False

    async def watch(self) -> None:
        """Read the files again and again, for ever."""
        while self._path is not None:
            await asyncio.sleep(LOOK_INTERVAL_S)
            await self.look()

    def take(self, config: WebConfig) -> None:
        """Put a configuration into force from the next request and the next connection on."""
        self.config, self._in_trouble = config, False
        if self._path is not None:
            event(_logger, "info", "web configuration read again", users=len(config.users))
        if (self.tls is None) == (config.context is None):
            self.tls = config.context
        else:
            text = "TLS is switched on or off in the web configuration, which takes a restart"
            event(_logger, "warn", text, served_by_tls=self.tls is not None)

    async def look(self) -> None:
        """Read the configuration again, and take it if it differs; log a fault once, and its end."""
        try:
            config = await asyncio.to_thread(load_web_config, self._path)
        except ConfigError as error:
            if not self._in_trouble:
                text = f"{FLAG} not read again; the former web configuration stays in force"
                event(_logger, "error", text, err=error)
            self._in_trouble = True
        else:
            if self._in_trouble or config != self.config:
                self.take(config)
