"""Unix sockets to listen on: made for owner and group, and removed at the end, but never another's."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import stat
from typing import TYPE_CHECKING

from joulo_exporter.web.addresses import FLAG, ListenError

if TYPE_CHECKING:
    from joulo_exporter.web.addresses import UnixAddress

_MODE = 0o660
"""Whoever may write to the socket may read the metrics: the owner, and a proxy that is in the group."""


def bound_unix_socket(address: UnixAddress) -> socket.socket:
    """Return a socket bound to the path; what a process that is dead has left there is replaced.

    Raises:
        ListenError: a living process listens there, or something else stands there.
    """
    bound = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        _make_room(address)
        bound.bind(address.path)
        # Nobody connects in between: a socket takes no connection before it listens.
        os.chmod(address.path, _MODE)  # noqa: PTH101  as bind, without a second thought on what a link is
    except OSError as error:
        bound.close()
        raise ListenError(f"cannot listen on {address}: {_explanation(error, address.path)}") from error
    except ListenError:
        bound.close()
        raise
    return bound


def remove_socket(path: str, identity: tuple[int, int]) -> None:
    """Remove the socket file, if it is still the one that was bound; see ``socket_identity``."""
    with contextlib.suppress(OSError):
        if socket_identity(path) == identity:
            os.unlink(path)  # noqa: PTH108  a text, as the kernel keeps it


def socket_identity(path: str) -> tuple[int, int]:
    """Return what tells a file from another one at the same path.

    Raises:
        OSError: there is none.
    """
    found = os.lstat(path)
    return found.st_dev, found.st_ino


def _make_room(address: UnixAddress) -> None:
    try:
        mode = os.lstat(address.path).st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise ListenError(f"cannot listen on {address}: there is a file that is not a socket; {_OTHER}")
    if _somebody_listens(address.path):
        raise ListenError(f"cannot listen on {address}: another process listens there; stop it, or {_OTHER}")
    os.unlink(address.path)  # noqa: PTH108  a text, as the kernel keeps it


def _somebody_listens(path: str) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(0)  # a full queue answers EAGAIN: somebody listens, and is busy
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            return False
        except BlockingIOError:
            return True
    return True


_OTHER = f"choose another path with {FLAG}"


def _explanation(error: OSError, path: str) -> str:
    folder = os.path.dirname(path)  # noqa: PTH120  the same
    if error.errno == errno.ENOENT:
        return f"the folder {folder} does not exist; make it, or {_OTHER}"
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return f"this user may not make a socket in {folder}; permit it, or {_OTHER}"
    return f"{os.strerror(error.errno or 0)}; check {FLAG}"
