"""Sockets that systemd has opened and passes on, as sd_listen_fds(3) describes."""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING

from joulo_exporter.web.addresses import ListenError

if TYPE_CHECKING:
    from collections.abc import MutableMapping

_FLAG = "--web.systemd-socket"
_FIRST = 3
"""SD_LISTEN_FDS_START: the descriptors come after standard input, output and error."""
_REMEDY = f"start joulo-exporter by its socket unit, or leave {_FLAG} out"


def activated_sockets(environment: MutableMapping[str, str]) -> list[socket.socket]:
    """Return the sockets that systemd has passed; the variables that tell of them go from the environment.

    Args:
        environment: of this process; ``LISTEN_PID`` says for whom the sockets are, ``LISTEN_FDS`` how many.

    Raises:
        ListenError: there is none, or one that takes no connections.
    """
    process, count = environment.pop("LISTEN_PID", ""), environment.pop("LISTEN_FDS", "")
    environment.pop("LISTEN_FDNAMES", None)
    if process != str(os.getpid()) or not count.isdecimal() or int(count) < 1:
        raise ListenError(f"{_FLAG}: systemd has passed no socket; {_REMEDY}")
    sockets: list[socket.socket] = []
    try:
        for descriptor in range(_FIRST, _FIRST + int(count)):
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
        raise ListenError(f"{_FLAG}: descriptor {descriptor} is no socket; {_REMEDY}") from error
    if passed.type != socket.SOCK_STREAM or not passed.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
        passed.close()
        raise ListenError(
            f"{_FLAG}: descriptor {descriptor} takes no connections; use ListenStream= and Accept=no in its unit"
        )
    passed.settimeout(0)
    return passed
