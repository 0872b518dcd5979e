"""Listen addresses in Go's spelling, as all Prometheus programs take them, and paths of Unix sockets."""

from __future__ import annotations

import ipaddress
import os
import re
from dataclasses import dataclass

from joulo_exporter.errors import ConfigError, JouloExporterError

FLAG = "--web.listen-address"
EXAMPLES = "write :9973 for all addresses, 127.0.0.1:9973 or [::1]:9973 for one"
_UNIX = "unix:"
_UNIX_EXAMPLE = "write a whole path, such as unix:/run/joulo-exporter/web.sock"
_LONGEST_UNIX_PATH = 107
"""Bytes of a path that Linux takes: ``sun_path`` of unix(7) has room for 108 with the NUL."""
# A name whose last label is a number is a mistyped IPv4 address (RFC 1123, section 2.1).
_HOST_NAME = re.compile(r"(?!(?:.*\.)?[0-9]+\.?$)[A-Za-z0-9_][A-Za-z0-9._-]{0,252}")
_PORT = re.compile(r"[0-9]{1,5}")
_LAST_PORT = 65535


class ListenError(JouloExporterError):
    """An address cannot be listened on; the message names it and the remedy."""

    reason = "listen"


@dataclass(frozen=True, slots=True)
class ListenAddress:
    """Where to listen: an IP address or host name, ``None`` for all addresses; port 0 is a free one."""

    host: str | None
    port: int

    def __str__(self) -> str:
        """Return it as a user writes it."""
        return address_text(self.host or "", self.port)


@dataclass(frozen=True, slots=True)
class UnixAddress:
    """A Unix socket to listen on, for a proxy on this machine."""

    path: str

    def __str__(self) -> str:
        """Return it as a user writes it."""
        return f"{_UNIX}{self.path}"


def parse_listen_address(text: str) -> ListenAddress | UnixAddress:
    """Read a value such as ``:9973``, ``127.0.0.1:9973``, ``[::1]:9973``, ``localhost:9973`` or ``unix:/path``.

    Raises:
        ConfigError: it is no such address.
    """
    if text.strip().startswith(_UNIX):
        return _unix_address(text)
    host, colon, port = text.strip().rpartition(":")
    if not colon or host.startswith("[") != host.endswith("]"):
        raise ConfigError(f"{FLAG}: {text!r} is not an address with a port; {EXAMPLES}")
    if not _PORT.fullmatch(port) or int(port) > _LAST_PORT:
        raise ConfigError(f"{FLAG}: {text!r} needs a port from 0 to {_LAST_PORT}; {EXAMPLES}")
    return ListenAddress(_checked_host(host, text), int(port))


def _unix_address(text: str) -> UnixAddress:
    path = text.strip().removeprefix(_UNIX)
    if not path.startswith("/") or path.endswith("/") or not path.isprintable():
        raise ConfigError(f"{FLAG}: {text!r} has no path of a socket; {_UNIX_EXAMPLE}")
    if len(os.fsencode(path)) > _LONGEST_UNIX_PATH:
        raise ConfigError(
            f"{FLAG}: {text!r} has a path longer than the {_LONGEST_UNIX_PATH} bytes of a socket; {_UNIX_EXAMPLE}"
        )
    return UnixAddress(path)


def _checked_host(host: str, text: str) -> str | None:
    if not host:
        return None
    if host.startswith("["):
        if _is_ip(host[1:-1], 6):
            return host[1:-1]
        raise ConfigError(f"{FLAG}: {text!r} has no IPv6 address in its brackets; {EXAMPLES}")
    if ":" in host:
        raise ConfigError(f"{FLAG}: {text!r} has too many colons; {EXAMPLES}")
    if _is_ip(host, 4) or _HOST_NAME.fullmatch(host):
        return host
    raise ConfigError(f"{FLAG}: {text!r} has neither an IP address nor a host name before the port; {EXAMPLES}")


def _is_ip(text: str, version: int) -> bool:
    try:
        return ipaddress.ip_address(text).version == version
    except ValueError:
        return False


def address_text(host: str, port: int) -> str:
    """Return a host and a port as a user writes them."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
