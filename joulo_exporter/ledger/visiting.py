"""The ledger for a command beside the service, which root may run, or a person, and not the exporter's user."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from joulo_exporter.errors import LedgerDamagedError, LedgerError, LedgerLockedError, LedgerVersionError
from joulo_exporter.ledger.database import FILE_NAME, LOCK_NAME, Database
from joulo_exporter.ledger.read_only import read_ledger

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from joulo_exporter.ledger.endpoints import EndpointRecord

_FORGOTTEN = "what is asked now is not written down"
_DAMAGED = (
    "the exporter puts it aside when it starts, and reads the history anew; if there is a backup, restore it first"
)
_OTHER_USER = "run this as the exporter's user, and with its --storage.path"


@dataclass(frozen=True, slots=True)
class Visit:
    """A ledger to write to, and what an exporter has left in one that can only be read."""

    database: Database
    """In memory, where the ledger of the storage path is not to be written; the caller closes it."""
    note: str | None = None
    """For a person: why it is in memory, and the remedy."""
    known: Mapping[str, Mapping[str, EndpointRecord]] = field(default_factory=dict)
    """Each account's endpoints, where the ledger can only be read."""


def visit_ledger(folder: Path) -> Visit:
    """Open the ledger of a storage path, without making a file that the exporter's user could not use.

    Where there is no ledger yet, it is made only by the folder's owner. What SQLite adds to a file that is
    there belongs to the owner of that file, also when root runs it.

    Raises:
        LedgerLockedError: an exporter has it.
    """
    if not _is_there(folder) and not _may_be_made(folder):
        return _reading(folder, f"{folder} {_absence(folder)}: {_FORGOTTEN}; {_OTHER_USER}")
    try:
        return Visit(Database(folder))
    except LedgerLockedError:
        raise
    except LedgerDamagedError as error:
        return Visit(Database(None), f"{error}: {_FORGOTTEN}; {_DAMAGED}")
    except LedgerVersionError as error:
        return Visit(Database(None), str(error))
    except LedgerError as error:
        return _reading(folder, f"{error}: {_FORGOTTEN}; {_OTHER_USER}")


def _is_there(folder: Path) -> bool:
    # Through os.path, which takes a folder that may not be entered for one without them.
    return os.path.exists(folder / FILE_NAME) and os.path.exists(folder / LOCK_NAME)  # noqa: PTH110


def _may_be_made(folder: Path) -> bool:
    user = os.geteuid()
    try:
        return folder.stat().st_uid == user
    except FileNotFoundError:
        return user != 0  # a service seldom runs as root, and could not enter what root makes
    except OSError:
        return False


def _absence(folder: Path) -> str:
    """Return why no ledger is made in a folder."""
    try:
        folder.stat()
    except FileNotFoundError:
        return "does not exist, and root does not make it here"
    except OSError as error:
        return f"cannot be entered ({error.strerror})"
    return "is another user's"


def recorded_endpoints(folder: Path) -> Mapping[str, Mapping[str, EndpointRecord]]:
    """Return each account's endpoints as an exporter keeps them; nothing where they cannot be read."""
    try:
        with read_ledger(folder) as reader:
            return {account: reader.endpoints(account) for account in reader.accounts}
    except LedgerError:
        return {}


def _reading(folder: Path, note: str) -> Visit:
    return Visit(Database(None), note, recorded_endpoints(folder))
