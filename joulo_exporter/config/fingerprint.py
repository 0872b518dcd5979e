"""Tells whether a file has changed, without reading it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

Fingerprint = tuple[int, ...]


def fingerprint(path: Path) -> Fingerprint | None:
    """Return what differs after a change of the file, also behind a symbolic link; ``None`` without a file."""
    try:
        status = path.stat()
    except (OSError, ValueError):
        return None
    return (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
