"""Listen addresses, their sockets, and the acceptance of connections."""

import asyncio
import contextlib
import errno
import ipaddress
import os
import re
import socket
import stat
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from pathlib import Path
from ssl import SSLContext
from typing import cast

from aiohttp import web

from joulo_exporter.config.values import HOST_NAME
from joulo_exporter.errors import ConfigError, JouloExporterError
from joulo_exporter.web.guard import Guard, GuardedConnection, Limits

_FLAG = "--web.listen-address"
_EXAMPLES = (
    "write :9973 for all addresses, 127.0.0.1:9973 or [::1]:9973 for one, or unix: and the path of a socket"
)
_UNIX = "unix:"
_UNIX_MODE = 0o660
"""Whoever may write to the socket may read the metrics: the owner, and a proxy that is in the group."""
_PORT = re.compile(r"[0-9]{1,5}")
_LAST_PORT = 65535

_NO_SOCKET = (
    "--web.systemd-socket: systemd has passed no socket, or one that takes no connections; start joulo-exporter "
    "by a socket unit with ListenStream= and Accept=no, or leave the flag out"
)
FIRST_PASSED_DESCRIPTOR = 3
"""SD_LISTEN_FDS_START: the descriptors come after standard input, output and error."""

_SHUTDOWN_TIMEOUT_S = 5.0
_BACKLOG = 4096
"""Connections that wait in the kernel, as in Go: in a storm a scrape is late, but not lost."""
_ACCEPTED_AT_ONCE = 16
"""Connections accepted in one event-loop iteration: a scrape needs a few iterations, and is dropped only after all
older connections. With a low limit of connections it is an eighth of that limit: a connection holds a descriptor
for some iterations before it counts, and again after it was dropped."""


def parse_listen_address(text: str) -> tuple[str, int] | str:
    """Read a value such as ``:9973``, ``127.0.0.1:9973``, ``[::1]:9973``, ``localhost:9973`` or ``unix:/path``.

    Returns:
        An IP address or host name, empty for all addresses, and a port, 0 for a free one; or the path of a Unix
        socket, for a proxy on this machine.

    Raises:
        ConfigError: it is no such address.
    """
    address = text.strip()
    if address.startswith(f"{_UNIX}/") and address.isprintable():
        return address.removeprefix(_UNIX)
    host, colon, port = address.rpartition(":")
    bare = host.strip("[]")
    try:
        known = host == (f"[{bare}]" if ipaddress.ip_address(bare).version == 6 else bare)  # noqa: PLR2004
    except ValueError:
        known = not host or (host == bare and HOST_NAME.fullmatch(host) is not None)
    if not (colon and known and _PORT.fullmatch(port) and int(port) <= _LAST_PORT):
        raise ConfigError(f"{_FLAG}: {text!r} is no address with a port from 0 to {_LAST_PORT}; {_EXAMPLES}")
    return bare, int(port)


@contextlib.asynccontextmanager
async def listening(
    application: web.Application,
    addresses: Sequence[str],
    *,
    tls: Callable[[], SSLContext | None],
    activated: Sequence[socket.socket] = (),
    limits: Limits | None = None,
) -> AsyncIterator[list[str]]:
    """Serve an application on all addresses, or on none; yield the addresses bound, such as ``[::]:9973``.

    Args:
        application: at shutdown its handlers have a few seconds to finish their responses.
        addresses: as ``parse_listen_address`` reads them.
        tls: returns the TLS in force for a new connection, on a Unix socket too; ``None`` for plain HTTP.
        activated: sockets that systemd has opened; see ``activated_sockets``.
        limits: the bounds of all connections together.

    Raises:
        ConfigError: an address is malformed.
        JouloExporterError: a port is in use, not permitted, or the address is not one of this machine.
    """
    wanted = [(text.strip(), parse_listen_address(text)) for text in addresses]
    guard = Guard(limits or Limits.of_this_process(tls=tls() is not None), tls)
    runner = web.AppRunner(application, shutdown_timeout=_SHUTDOWN_TIMEOUT_S)
    at_once = min(_ACCEPTED_AT_ONCE, max(1, guard.limits.connections // 8))
    # The stack unwinds in reverse: first nothing new is accepted, then responses finish.
    async with contextlib.AsyncExitStack() as stack:
        await runner.setup()
        server = cast("web.Server", runner.server)
        stack.push_async_callback(runner.cleanup)
        sockets = [stack.enter_context(passed) for passed in activated]
        for text, address in wanted:
            try:
                bound = _unix_socket(address) if isinstance(address, str) else await _tcp_socket(*address)
            except OSError as error:
                code = error.errno or 0  # an unknown host and a path that is too long have only a text
                why = os.strerror(code) if code > 0 else error.strerror or error
                remedy = f"change that, or choose another with {_FLAG}"
                raise JouloExporterError(f"cannot listen on {text}: {why}; {remedy}") from error
            sockets.append(stack.enter_context(bound))
            if isinstance(address, str):  # the file of a socket that systemd has made is systemd's
                stack.callback(Path(address).unlink, missing_ok=True)
        for bound in sockets:
            accepting = await asyncio.get_running_loop().create_server(
                lambda: GuardedConnection(server, guard), sock=bound, backlog=at_once
            )
            stack.callback(accepting.close)
            bound.listen(_BACKLOG)  # asyncio has one number for both
        yield [_name(bound.getsockname()) for bound in sockets]


def _name(address: str | tuple[str, int]) -> str:
    if isinstance(address, str):
        return f"{_UNIX}{address}"
    host, port = address[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


async def _tcp_socket(host: str, port: int) -> socket.socket:
    if host in ("", "::"):
        # One socket for IPv6 and IPv4, as Go's listeners are; for IPv4 alone where a kernel has no IPv6, which is
        # a ValueError, or has it switched off. Any other error comes again there.
        with contextlib.suppress(OSError, ValueError):
            return socket.create_server(("", port), family=socket.AF_INET6, backlog=_BACKLOG, dualstack_ipv6=True)
        return socket.create_server(("", port), backlog=_BACKLOG)
    # One address for a host, IPv4 rather than IPv6 where a name has both, as Go does.
    found = await asyncio.get_running_loop().getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )
    family, _, _, _, target = min(found, key=lambda entry: entry[0] != socket.AF_INET)
    # All of the target: a link-local address without its interface, such as %eth0, cannot be bound.
    return socket.create_server(target, family=family, backlog=_BACKLOG)


def _unix_socket(path: str) -> socket.socket:
    """Return a socket for owner and group, bound to the path; the leftover of a dead process is replaced."""
    if os.path.lexists(path) and stat.S_ISSOCK(os.lstat(path).st_mode):
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            probe.settimeout(0)  # a full queue is EAGAIN: somebody listens, and is busy
            if probe.connect_ex(path) != errno.ECONNREFUSED:
                raise OSError(errno.EADDRINUSE, "")
        os.unlink(path)  # noqa: PTH108  a text, as the kernel keeps it
    bound = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        bound.bind(path)
        # Nobody connects in between: a socket takes no connection before it listens.
        os.chmod(path, _UNIX_MODE)  # noqa: PTH101  the same text as for bind
        bound.listen(_BACKLOG)  # so that the same path, given twice, is found in use
    except OSError:
        bound.close()
        raise
    return bound


def activated_sockets(environment: Mapping[str, str]) -> list[socket.socket]:
    """Return the sockets that systemd has opened and passes on, as sd_listen_fds(3) describes.

    Args:
        environment: of this process; ``LISTEN_PID`` is the process that they are for, ``LISTEN_FDS`` their number.

    Raises:
        JouloExporterError: systemd has passed no socket, or one that takes no connections.
    """
    is_ours, usable = environment.get("LISTEN_PID") == str(os.getpid()), True
    sockets: list[socket.socket] = []
    try:
        for number in range(int(environment.get("LISTEN_FDS", "")) if is_ours else 0):
            sockets.append(passed := socket.socket(fileno=FIRST_PASSED_DESCRIPTOR + number))
            listens = passed.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN) > 0
            usable = usable and listens and passed.type == socket.SOCK_STREAM
    except (OSError, ValueError):
        usable = False
    if not sockets or not usable:
        for each in sockets:
            each.close()
        raise JouloExporterError(_NO_SOCKET)
    return sockets
