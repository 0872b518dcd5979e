"""Listen addresses in Go's spelling, as all Prometheus programs take them, and the sockets for them."""

from __future__ import annotations

import errno
import ipaddress
import logging
import os
import re
import socket
from asyncio import get_running_loop
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aiohttp import web

from joulo_exporter.errors import ConfigError, JouloExporterError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from ssl import SSLContext

_FLAG = "--web.listen-address"
_EXAMPLES = "write :9973 for all addresses, 127.0.0.1:9973 or [::1]:9973 for one"
# A name whose last label is a number is a mistyped IPv4 address (RFC 1123, section 2.1).
_HOST_NAME = re.compile(r"(?!(?:.*\.)?[0-9]+\.?$)[A-Za-z0-9_][A-Za-z0-9._-]{0,252}")
_PORT = re.compile(r"[0-9]{1,5}")
_LAST_PORT = 65535
_SHUTDOWN_TIMEOUT_S = 5.0
_BACKLOG = 128


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
        return _text(self.host or "", self.port)


def parse_listen_address(text: str) -> ListenAddress:
    """Read a value such as ``:9973``, ``127.0.0.1:9973``, ``[::1]:9973`` or ``localhost:9973``.

    Raises:
        ConfigError: it is no such address.
    """
    host, colon, port = text.strip().rpartition(":")
    if not colon or host.startswith("[") != host.endswith("]"):
        raise ConfigError(f"{_FLAG}: {text!r} is no address with a port; {_EXAMPLES}")
    if not _PORT.fullmatch(port) or int(port) > _LAST_PORT:
        raise ConfigError(f"{_FLAG}: {text!r} needs a port from 0 to {_LAST_PORT}; {_EXAMPLES}")
    return ListenAddress(_checked_host(host, text), int(port))


def _checked_host(host: str, text: str) -> str | None:
    if not host:
        return None
    if host.startswith("["):
        if _is_ip(host[1:-1], 6):
            return host[1:-1]
        raise ConfigError(f"{_FLAG}: {text!r} has no IPv6 address in its brackets; {_EXAMPLES}")
    if ":" in host:
        raise ConfigError(f"{_FLAG}: {text!r} has too many colons; {_EXAMPLES}")
    if _is_ip(host, 4) or _HOST_NAME.fullmatch(host):
        return host
    raise ConfigError(f"{_FLAG}: {text!r} has neither an IP address nor a host name before the port; {_EXAMPLES}")


def _is_ip(text: str, version: int) -> bool:
    try:
        return ipaddress.ip_address(text).version == version
    except ValueError:
        return False


class _ConnectionLogger(logging.LoggerAdapter[logging.Logger]):
    """Lowers what aiohttp's protocol logs to debug: it is all clients that send no HTTP.

    Faults of our own are logged by the application. A port scan must not fill the log with tracebacks.
    """

    def log(self, level: int, msg: object, *args: object, **kwargs: Any) -> None:  # noqa: ANN401, ARG002
        """Log at debug whatever the level asked for."""
        super().log(logging.DEBUG, msg, *args, **kwargs)


def make_runner(application: web.Application) -> web.AppRunner:
    """Return the runner for ``start_listening``: without access log, and quick to stop."""
    return web.AppRunner(
        application,
        access_log=None,
        logger=_ConnectionLogger(logging.getLogger(__name__), {}),
        shutdown_timeout=_SHUTDOWN_TIMEOUT_S,
    )


async def start_listening(
    runner: web.AppRunner, addresses: Sequence[ListenAddress], *, ssl_context: SSLContext | None = None
) -> list[str]:
    """Listen on all addresses, or on none of them.

    Args:
        runner: as set up; its ``cleanup`` ends the listening.
        addresses: at least one.
        ssl_context: for TLS.

    Returns:
        The addresses in fact bound, such as ``[::]:9973``, in the order asked for.

    Raises:
        ListenError: a port is in use, not permitted, or the address is not one of this machine.
    """
    sockets: list[socket.socket] = []
    try:
        for address in addresses:
            sockets.append(await _bound_socket(address))  # noqa: PERF401  what is open must be closed on a failure
    except ListenError:
        for bound in sockets:
            bound.close()
        raise
    names = [_text(*bound.getsockname()[:2]) for bound in sockets]
    for bound in sockets:
        await web.SockSite(runner, bound, ssl_context=ssl_context, backlog=_BACKLOG).start()
    return names


async def _bound_socket(address: ListenAddress) -> socket.socket:
    try:
        if address.host in (None, "::"):
            return _socket_for_all(address.port)
        family, target = await _resolved(address)
        return socket.create_server(target, family=family, backlog=_BACKLOG)
    except OSError as error:
        raise ListenError(f"cannot listen on {address}: {_explanation(error)}") from error


def _socket_for_all(port: int) -> socket.socket:
    """Return one socket for IPv6 and IPv4 as Go's listeners are, or for IPv4 where there is no IPv6."""
    if socket.has_dualstack_ipv6():
        try:
            return socket.create_server(("", port), family=socket.AF_INET6, backlog=_BACKLOG, dualstack_ipv6=True)
        except OSError as error:
            # A kernel that knows IPv6 but has it switched off; anything else holds for IPv4 too.
            if error.errno not in (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL):
                raise
    return socket.create_server(("", port), backlog=_BACKLOG)


async def _resolved(address: ListenAddress) -> tuple[socket.AddressFamily, Any]:
    """Return one address for a host, IPv4 rather than IPv6 where a name has both, as Go does."""
    found = await get_running_loop().getaddrinfo(
        address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )
    family, _, _, _, target = min(found, key=lambda entry: entry[0] != socket.AF_INET)
    return family, target


def _explanation(error: OSError) -> str:
    if isinstance(error, socket.gaierror):
        return f"the host name is not known here; {_EXAMPLES} with {_FLAG}"
    if error.errno == errno.EADDRINUSE:
        return f"the port is in use; stop what uses it, or choose another with {_FLAG}"
    if error.errno == errno.EACCES:
        return f"the port is not permitted for this user; choose one from 1024 on with {_FLAG}"
    if error.errno == errno.EADDRNOTAVAIL:
        return f"this machine does not have that address; {_EXAMPLES} with {_FLAG}"
    return f"{os.strerror(error.errno or 0)}; check {_FLAG}"


def _text(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
