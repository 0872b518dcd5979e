"""Files on the storage path: the ledger, its lock, and ledgers that were put aside."""

import contextlib
import fcntl
import os
from pathlib import Path

from joulo_exporter.errors import LedgerError, LedgerLockedError

FILE_NAME = "ledger.sqlite3"
LOCK_NAME = "ledger.lock"

MOUNTS = Path("/proc/self/mountinfo")
"""Linux's table of mounts: the third word of a line is the device, the one after the dash its type."""

_NETWORK_FILE_SYSTEMS = frozenset({"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "fuse.sshfs"})


def network_file_system(folder: Path) -> str | None:
    """Return the type of the file system of a folder, which may not exist; ``None`` unless it is a network one."""
    try:
        existing = next(filter(Path.exists, (folder.absolute(), *folder.absolute().parents)))
        device = existing.stat().st_dev
        mounts = MOUNTS.read_text(encoding="utf-8", errors="replace").split("\n")
    except OSError:
        return None
    number = f"{os.major(device)}:{os.minor(device)}"
    of_folder = (mount.partition(" - ")[2] for mount in mounts if number in mount.split(" ")[2:3])
    kind = next(of_folder, "").partition(" ")[0]
    return kind if kind in _NETWORK_FILE_SYSTEMS else None


def lock(folder: Path) -> int:
    """Take the lock of a storage path, and write our process id into it; return its descriptor.

    Raises:
        LedgerLockedError: another process has it, whose id the message gives.
        LedgerError: the folder or the lock cannot be written.
    """
    with contextlib.ExitStack() as failure:
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
            descriptor = os.open(folder / LOCK_NAME, flags, 0o600)
            failure.callback(os.close, descriptor)
            os.fchmod(descriptor, 0o600)  # whatever the umask is
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(descriptor, 32, 0).decode(errors="replace").strip() or "unknown"
            raise LedgerLockedError(
                f"{folder} is in use by process {holder}; stop it, or give this one another --storage.path"
            ) from None
        except OSError as error:
            raise LedgerError(f"{folder} cannot be written: {error.strerror}") from error
        with contextlib.suppress(OSError):  # a full disk: the lock is held all the same
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        failure.pop_all()
    return descriptor


def identity(file: int | str | Path) -> tuple[int, int] | None:
    """Return the device and inode of a file, which tell it from all others; ``None`` if there is no file."""
    try:
        status = os.stat(file)  # noqa: PTH116 -- it may be a descriptor
    except OSError:
        return None
    return status.st_dev, status.st_ino


def keep_private(path: Path) -> None:
    """Let only its owner read a ledger, which has RFID tags, whatever the umask; make it if there is none.

    The same goes for journals that were left behind; SQLite gives new ones the permissions of the file.
    """
    for each in (path, *filter(Path.exists, _journals(path))):
        with contextlib.suppress(OSError):  # SQLite reports what cannot be opened
            each.touch(mode=0o600)
            each.chmod(0o600)


def put_aside(folder: Path, now_seconds: float) -> Path:
    """Rename what there is of a ledger and its journal; return the new name.

    Raises:
        LedgerError: it cannot be renamed.
    """
    path = folder / FILE_NAME
    kept = folder / f"{FILE_NAME}.damaged-{int(now_seconds)}"
    while kept.exists():  # an earlier one is never overwritten, whatever the clock says
        kept = kept.with_name(f"{kept.name}-again")
    try:
        # The journal first: were it left behind alone, SQLite would take it for that of a new ledger.
        for each, new_name in zip((*_journals(path), path), (*_journals(kept), kept), strict=True):
            with contextlib.suppress(FileNotFoundError):
                each.rename(new_name)
    except OSError as error:
        raise LedgerError(f"{path} is damaged and cannot be renamed: {error.strerror}") from error
    return kept


def _journals(path: Path) -> list[Path]:
    """Return the paths of a file's journal and of the journal's index, as SQLite names them."""
    return [path.with_name(path.name + suffix) for suffix in ("-wal", "-shm")]
