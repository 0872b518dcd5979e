"""Listen addresses, their sockets, and the acceptance of connections."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import gc
import ipaddress
import logging
import os
import re
import socket
import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aiohttp import web

from joulo_exporter.errors import ConfigError, JouloExporterError
from joulo_exporter.web.guard import Guard, GuardedConnection, Limits

if TYPE_CHECKING:
    from collections.abc import MutableMapping, Sequence
    from ssl import SSLContext

_logger = logging.getLogger(__name__)

_FLAG = "--web.listen-address"
_EXAMPLES = "write :9973 for all addresses, 127.0.0.1:9973 or [::1]:9973 for one"
_UNIX = "unix:"
_UNIX_EXAMPLE = "write a whole path, such as unix:/run/joulo-exporter/web.sock"
_OTHER_PATH = f"choose another path with {_FLAG}"
_LONGEST_UNIX_PATH = 107
"""Bytes of a path that Linux takes: ``sun_path`` of unix(7) has room for 108 with the NUL."""
_UNIX_MODE = 0o660
"""Whoever may write to the socket may read the metrics: the owner, and a proxy that is in the group."""
# A name whose last label is a number is a mistyped IPv4 address (RFC 1123, section 2.1).
_HOST_NAME = re.compile(r"(?!(?:.*\.)?[0-9]+\.?$)[A-Za-z0-9_][A-Za-z0-9._-]{0,252}")
_PORT = re.compile(r"[0-9]{1,5}")
_LAST_PORT = 65535

_SYSTEMD_FLAG = "--web.systemd-socket"
_SYSTEMD_REMEDY = f"start joulo-exporter by its socket unit, or leave {_SYSTEMD_FLAG} out"
FIRST_PASSED_DESCRIPTOR = 3
"""SD_LISTEN_FDS_START: the descriptors come after standard input, output and error."""

_SHUTDOWN_TIMEOUT_S = 5.0
_BACKLOG = 4096
"""Connections that wait in the kernel, as in Go: a scrape in a storm comes late, and is not lost."""
_ACCEPTED_AT_ONCE = 16
"""Connections accepted in one event-loop iteration: a scrape needs a few iterations, and is dropped only after all
connections that were older."""
ACCEPT_PAUSE_S = 1.0
"""Pause after the system has refused to hand over a connection, for want of descriptors or memory."""
FAILED_BEFORE_COLLECTION = 64
"""Failed TLS handshakes between two garbage collections.

asyncio's side of each has a buffer of 256 KiB, and stays in a cycle of references when it has failed. Python's own
collector counts objects and not bytes: it would let a storm of them take gigabytes.
"""


class ListenError(JouloExporterError):
    """An address cannot be listened on; the message names it and the remedy."""

    reason = "listen"


@dataclass(frozen=True, slots=True)
class ListenAddress:
    """A TCP address to listen on: an IP address or host name, ``None`` for all addresses; port 0 is a free one."""

    host: str | None
    port: int

    def __str__(self) -> str:
        """Return it as a user writes it."""
        return _address_text(self.host or "", self.port)


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
        raise ConfigError(f"{_FLAG}: {text!r} is not an address with a port; {_EXAMPLES}")
    if not _PORT.fullmatch(port) or int(port) > _LAST_PORT:
        raise ConfigError(f"{_FLAG}: {text!r} needs a port from 0 to {_LAST_PORT}; {_EXAMPLES}")
    return ListenAddress(_checked_host(host, text), int(port))


def _unix_address(text: str) -> UnixAddress:
    path = text.strip().removeprefix(_UNIX)
    if not path.startswith("/") or path.endswith("/") or not path.isprintable():
        raise ConfigError(f"{_FLAG}: {text!r} has no path of a socket; {_UNIX_EXAMPLE}")
    if len(os.fsencode(path)) > _LONGEST_UNIX_PATH:
        raise ConfigError(
            f"{_FLAG}: {text!r} has a path longer than the {_LONGEST_UNIX_PATH} bytes of a socket; {_UNIX_EXAMPLE}"
        )
    return UnixAddress(path)


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


def _address_text(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


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
    _refuse_repeated_path(addresses)
    guard = Guard(limits or Limits.of_this_process(tls=ssl_context is not None))
    bound = list(activated)
    try:
        for address in addresses:
            bound.append(await _bound_socket(address))  # noqa: PERF401  what is open must be closed on a failure
    except ListenError:
        for opened in bound[len(activated) :]:
            _discard(opened)
        raise
    listeners = [_Listener(runner, opened, guard, ssl_context) for opened in bound]
    for listener in listeners[len(activated) :]:  # the file of a socket that systemd has made is systemd's
        listener.remove_file_at_stop()
    for listener in listeners:
        await listener.start()
    return [listener.name for listener in listeners]


class _Listener(web.BaseSite):
    """Accepts the connections of one bound socket.

    asyncio's own server would hand a TLS connection over only after its handshake. Here it is among those that the
    guard counts, and can drop, from the beginning.
    """

    def __init__(
        self, runner: web.AppRunner, bound: socket.socket, guard: Guard, ssl_context: SSLContext | None
    ) -> None:
        super().__init__(runner, ssl_context=ssl_context)
        bound.setblocking(False)  # noqa: FBT003  takes no keyword
        self._app_runner = runner
        self._bound = bound
        self._guard = guard
        self._tls = ssl_context
        self._name = _bound_name(bound)
        self._file: tuple[str, tuple[int, int]] | None = None
        self._loop = asyncio.get_running_loop()
        self._resumption: asyncio.TimerHandle | None = None
        self._openings: set[asyncio.Task[Any]] = set()
        self._failed = 0

    @property
    def name(self) -> str:
        """Return the address, as it is logged."""
        return self._name

    def remove_file_at_stop(self) -> None:
        """Remove the file of a Unix socket at the end, unless it is another's by then."""
        if self._bound.family == socket.AF_UNIX:
            path = self._bound.getsockname()
            self._file = path, _file_identity(path)

    async def start(self) -> None:
        """Listen."""
        await super().start()
        self._bound.listen(_BACKLOG)
        self._accept_on()

    async def stop(self) -> None:
        """Listen no longer; handshakes that are not complete are given up."""
        self._loop.remove_reader(self._bound)
        if self._resumption is not None:
            self._resumption.cancel()
        self._bound.close()
        for opening in self._openings:
            opening.cancel()
        await asyncio.gather(*self._openings, return_exceptions=True)
        if self._file is not None:
            _remove_file(*self._file)
        await super().stop()

    def _accept_on(self) -> None:
        self._loop.add_reader(self._bound, self._accept)

    def _accept(self) -> None:
        for _ in range(_ACCEPTED_AT_ONCE):
            try:
                accepted, _ = self._bound.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                _logger.warning("no connection can be accepted for a moment: %s", error.strerror)
                self._loop.remove_reader(self._bound)
                self._resumption = self._loop.call_later(ACCEPT_PAUSE_S, self._accept_on)
                return
            self._open(accepted)

    def _open(self, accepted: socket.socket) -> None:
        server = self._app_runner.server
        assert server is not None  # noqa: S101  the base class has looked
        connection = GuardedConnection(server, self._guard, loop=self._loop)
        if not self._guard.admit(connection):
            accepted.close()
            return
        accepted.setblocking(False)  # noqa: FBT003  takes no keyword
        handshake_s = None if self._tls is None else self._guard.limits.handshake_s
        opening = self._loop.create_task(
            self._loop.connect_accepted_socket(
                lambda: connection,
                accepted,
                ssl=self._tls,
                ssl_handshake_timeout=handshake_s,
                ssl_shutdown_timeout=handshake_s,
            )
        )
        connection.opening = opening
        self._openings.add(opening)

        def opened(task: asyncio.Task[Any]) -> None:
            self._openings.discard(task)
            fault = None if task.cancelled() else task.exception()
            if task.cancelled() or fault is not None:
                self._guard.leave(connection)
                accepted.close()
                self._note_failure(fault)

        opening.add_done_callback(opened)

    def _note_failure(self, fault: BaseException | None) -> None:
        reason = getattr(fault, "reason", None) or type(fault).__name__
        _logger.debug("a connection did not come about: %s", reason.lower().replace("_", " "))
        self._failed += 1
        if self._failed >= FAILED_BEFORE_COLLECTION:
            self._failed = 0
            gc.collect()


def _bound_name(bound: socket.socket) -> str:
    if bound.family == socket.AF_UNIX:
        return str(UnixAddress(bound.getsockname()))
    return _address_text(*bound.getsockname()[:2])


def _refuse_repeated_path(addresses: Sequence[ListenAddress | UnixAddress]) -> None:
    """Refuse a Unix socket given twice: while nobody listens yet, it looks like a leftover of a dead process."""
    for address in addresses:
        if isinstance(address, UnixAddress) and addresses.count(address) > 1:
            raise ListenError(f"cannot listen on {address}: it is given twice; leave one of the two out")


async def _bound_socket(address: ListenAddress | UnixAddress) -> socket.socket:
    if isinstance(address, UnixAddress):
        return _bound_unix_socket(address)
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
    found = await asyncio.get_running_loop().getaddrinfo(
        address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )
    family, _, _, _, target = min(found, key=lambda entry: entry[0] != socket.AF_INET)
    return family, target


def _explanation(error: OSError) -> str:
    if isinstance(error, socket.gaierror):
        return f"the host name is not known here; in {_FLAG} {_EXAMPLES}"
    if error.errno == errno.EADDRINUSE:
        return f"the port is in use; stop what uses it, or choose another with {_FLAG}"
    if error.errno == errno.EACCES:
        return f"the port is not permitted for this user; choose one from 1024 on with {_FLAG}"
    if error.errno == errno.EADDRNOTAVAIL:
        return f"this machine does not have that address; in {_FLAG} {_EXAMPLES}"
    return f"{os.strerror(error.errno or 0)}; check {_FLAG}"


# Unix sockets: made for owner and group, and removed at the end, but never another's.


def _bound_unix_socket(address: UnixAddress) -> socket.socket:
    """Return a socket bound to the path; the leftover of a dead process is replaced.

    Raises:
        ListenError: a living process listens there, or something else stands there.
    """
    bound = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        _remove_leftover(address)
        bound.bind(address.path)
        # Nobody connects in between: a socket takes no connection before it listens.
        os.chmod(address.path, _UNIX_MODE)  # noqa: PTH101  as bind, without a second thought on what a link is
    except OSError as error:
        bound.close()
        raise ListenError(f"cannot listen on {address}: {_unix_explanation(error, address.path)}") from error
    except ListenError:
        bound.close()
        raise
    return bound


def _remove_leftover(address: UnixAddress) -> None:
    try:
        mode = os.lstat(address.path).st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise ListenError(f"cannot listen on {address}: there is a file that is not a socket; {_OTHER_PATH}")
    if _has_listener(address.path):
        raise ListenError(f"cannot listen on {address}: another process listens there; stop it, or {_OTHER_PATH}")
    os.unlink(address.path)  # noqa: PTH108  a text, as the kernel keeps it


def _has_listener(path: str) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(0)  # a full queue is EAGAIN: somebody listens, and is busy
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            return False
        except BlockingIOError:
            return True
    return True


def _unix_explanation(error: OSError, path: str) -> str:
    folder = os.path.dirname(path)  # noqa: PTH120  the same
    if error.errno == errno.ENOENT:
        return f"the folder {folder} does not exist; make it, or {_OTHER_PATH}"
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return f"this user may not make a socket in {folder}; permit it, or {_OTHER_PATH}"
    return f"{os.strerror(error.errno or 0)}; check {_FLAG}"


def _discard(bound: socket.socket) -> None:
    if bound.family == socket.AF_UNIX:
        _remove_file(bound.getsockname(), _file_identity(bound.getsockname()))
    bound.close()


def _remove_file(path: str, identity: tuple[int, int]) -> None:
    """Remove the file of a socket, if it is still the one that was bound."""
    with contextlib.suppress(OSError):
        if _file_identity(path) == identity:
            os.unlink(path)  # noqa: PTH108  a text, as the kernel keeps it


def _file_identity(path: str) -> tuple[int, int]:
    """Return what tells a file from another one at the same path."""
    found = os.lstat(path)
    return found.st_dev, found.st_ino


def activated_sockets(environment: MutableMapping[str, str]) -> list[socket.socket]:
    """Return the sockets that systemd has opened and passes on, as sd_listen_fds(3) describes.

    The variables that name them are removed from the environment.

    Args:
        environment: of this process; ``LISTEN_PID`` says for whom the sockets are, ``LISTEN_FDS`` how many.

    Raises:
        ListenError: there is none, or one that takes no connections.
    """
    process, count = environment.pop("LISTEN_PID", ""), environment.pop("LISTEN_FDS", "")
    environment.pop("LISTEN_FDNAMES", None)
    if process != str(os.getpid()) or not count.isdecimal() or int(count) < 1:
        raise ListenError(f"{_SYSTEMD_FLAG}: systemd has passed no socket; {_SYSTEMD_REMEDY}")
    sockets: list[socket.socket] = []
    try:
        for descriptor in range(FIRST_PASSED_DESCRIPTOR, FIRST_PASSED_DESCRIPTOR + int(count)):
            sockets.append(_taken_over(descriptor))  # noqa: PERF401  what is open must be closed on a failure
    except ListenError:
        for passed in sockets:
            passed.close()
        raise
    return sockets


def _taken_over(descriptor: int) -> socket.socket:
    try:
        os.set_inheritable(descriptor, False)  # noqa: FBT003  takes no keyword
        passed = socket.socket(fileno=descriptor)
    except OSError as error:
        raise ListenError(f"{_SYSTEMD_FLAG}: descriptor {descriptor} is no socket; {_SYSTEMD_REMEDY}") from error
    if passed.type != socket.SOCK_STREAM or not passed.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
        passed.close()
        raise ListenError(
            f"{_SYSTEMD_FLAG}: descriptor {descriptor} takes no connections; "
            "use ListenStream= and Accept=no in its unit"
        )
    passed.settimeout(0)
    return passed
