"""Start a program in an image's root, as a container engine does: ``contain.py ROOT DATA USER PROGRAM ...``.

To be run under ``unshare --mount --pid --net --fork`` by root: the root becomes read-only, DATA is its /data and
the only place that can be written, the loopback interface is up, all privileges are gone.
"""

import fcntl
import os
import socket
import struct
import subprocess
import sys
from pathlib import Path

_SIOCSIFFLAGS = 0x8914  # linux/sockios.h
_IFF_UP = 0x1  # linux/if.h


def main(root: Path, data: Path, user: str, program: list[str]) -> None:
    """Replace this process by the program."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        fcntl.ioctl(control, _SIOCSIFFLAGS, struct.pack("16sH14x", b"lo", _IFF_UP))
    _mount("--bind", root, root)
    _mount("--bind", data, root / "data")
    _mount("-o", "remount,bind,ro", root)
    _mount("-t", "proc", "proc", root / "proc")
    os.chroot(root)
    os.chdir("/data")
    uid, gid = user.split(":")
    drop = ["setpriv", f"--reuid={uid}", f"--regid={gid}", "--clear-groups", "--inh-caps=-all",
            "--bounding-set=-all", "--no-new-privs"]  # fmt: skip
    os.execvp(drop[0], [*drop, *program])  # noqa: S606


def _mount(*arguments: str | Path) -> None:
    subprocess.run(["mount", *map(str, arguments)], check=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], sys.argv[4:])
