"""The sockets for the listen addresses, each with the guarded connections behind it."""

from __future__ import annotations

import errno
import os
import socket
from asyncio import get_running_loop
from typing import TYPE_CHECKING, Any

from aiohttp import web

from joulo_exporter.web.addresses import (
    EXAMPLES,
    FLAG,
    ListenAddress,
    ListenError,
    UnixAddress,
    address_text,
    parse_listen_address,
)
from joulo_exporter.web.connection import GuardedConnection
from joulo_exporter.web.guard import ConnectionGuard
from joulo_exporter.web.unix_sockets import bound_unix_socket, remove_socket, socket_identity

if TYPE_CHECKING:
    from collections.abc import Sequence
    from ssl import SSLContext

    from joulo_exporter.web.limits import Limits

__all__ = ["ListenAddress", "ListenError", "make_runner", "parse_listen_address", "start_listening"]

_SHUTDOWN_TIMEOUT_S = 5.0
_BACKLOG = 4096
"""Connections that wait in the kernel, as in Go: a scrape in a storm comes late, and is not lost."""
_ACCEPTED_AT_ONCE = 64
"""How many asyncio accepts before it looks at anything else; each is a descriptor more."""


class _GuardedSite(web.BaseSite):
    """Listens on a socket that is bound; at the end the file of a Unix socket goes."""

    def __init__(
        self, runner: web.AppRunner, bound: socket.socket, guard: ConnectionGuard, ssl_context: SSLContext | None
    ) -> None:
        super().__init__(runner, ssl_context=ssl_context)
        self._bound = bound
        self._guard = guard
        self._file: tuple[str, tuple[int, int]] | None = None

    @property
    def name(self) -> str:
        """Return the address, as it is logged."""
        return _name(self._bound)

    def remove_at_the_end(self, path: str) -> None:
        """Take care of the file of a Unix socket; one that systemd has made is systemd's."""
        self._file = path, socket_identity(path)

    async def start(self) -> None:
        """Listen."""
        await super().start()
        loop, server = get_running_loop(), self._runner.server
        assert server is not None  # noqa: S101  the base class has looked
        self._server = await loop.create_server(
            lambda: GuardedConnection(server, self._guard, loop=loop),
            sock=self._bound,
            ssl=self._ssl_context,
            ssl_handshake_timeout=self._guard.limits.handshake_s if self._ssl_context else None,
            backlog=_ACCEPTED_AT_ONCE,
        )
        self._bound.listen(_BACKLOG)  # anew: what asyncio has listened with is its other number

    async def stop(self) -> None:
        """Listen no longer."""
        await super().stop()
        if self._file is not None:
            remove_socket(*self._file)


def make_runner(application: web.Application) -> web.AppRunner:
    """Return the runner for ``start_listening``, quick to stop."""
    return web.AppRunner(application, shutdown_timeout=_SHUTDOWN_TIMEOUT_S)


async def start_listening(
    runner: web.AppRunner,
    addresses: Sequence[ListenAddress | UnixAddress],
    *,
    ssl_context: SSLContext | None = None,
    activated: Sequence[socket.socket] = (),
    limits: Limits | None = None,
) -> list[str]:
    """Listen on all addresses, or on none of them.

    Args:
        runner: as set up; its ``cleanup`` ends the listening.
        addresses: where to listen.
        ssl_context: for TLS; a Unix socket has it too.
        activated: sockets that systemd has opened; see ``activated_sockets``.
        limits: of all connections together.

    Returns:
        The addresses in fact bound, such as ``[::]:9973``, in the order asked for.

    Raises:
        ListenError: a port is in use, not permitted, or the address is not one of this machine.
    """
    _refuse_a_path_twice(addresses)
    guard = ConnectionGuard(limits)
    sites = [_GuardedSite(runner, passed, guard, ssl_context) for passed in activated]
    opened: list[socket.socket] = []
    try:
        for address in addresses:
            opened.append(await _bound_socket(address))
            sites.append(_GuardedSite(runner, opened[-1], guard, ssl_context))
            if isinstance(address, UnixAddress):
                sites[-1].remove_at_the_end(address.path)
    except ListenError:
        for bound in opened:
            _discard(bound)
        raise
    for site in sites:
        await site.start()
    return [site.name for site in sites]


def _discard(bound: socket.socket) -> None:
    if bound.family == socket.AF_UNIX:
        remove_socket(bound.getsockname(), socket_identity(bound.getsockname()))
    bound.close()


def _name(bound: socket.socket) -> str:
    if bound.family == socket.AF_UNIX:
        return str(UnixAddress(bound.getsockname()))
    return address_text(*bound.getsockname()[:2])


def _refuse_a_path_twice(addresses: Sequence[ListenAddress | UnixAddress]) -> None:
    """A Unix socket that nobody listens on yet looks like what a dead process has left."""
    for address in addresses:
        if isinstance(address, UnixAddress) and addresses.count(address) > 1:
            raise ListenError(f"cannot listen on {address}: it is given twice; leave one of the two out")


async def _bound_socket(address: ListenAddress | UnixAddress) -> socket.socket:
    if isinstance(address, UnixAddress):
        return bound_unix_socket(address)
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
        return f"the host name is not known here; in {FLAG} {EXAMPLES}"
    if error.errno == errno.EADDRINUSE:
        return f"the port is in use; stop what uses it, or choose another with {FLAG}"
    if error.errno == errno.EACCES:
        return f"the port is not permitted for this user; choose one from 1024 on with {FLAG}"
    if error.errno == errno.EADDRNOTAVAIL:
        return f"this machine does not have that address; in {FLAG} {EXAMPLES}"
    return f"{os.strerror(error.errno or 0)}; check {FLAG}"
