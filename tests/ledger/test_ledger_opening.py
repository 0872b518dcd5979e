"""Opening the ledger when the storage path is not as it should be."""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import tempfile
from pathlib import Path

import pytest

from joulo_exporter.errors import LedgerLockedError
from joulo_exporter.ledger import FILE_NAME, AccountLedger, Database, database, open_ledger

NOBODY = 65534


@pytest.fixture
def folder():
    """Return a folder that any user can reach, unlike pytest's own."""
    path = Path(tempfile.mkdtemp(prefix="joulo-test-"))
    path.chmod(0o755)
    yield path
    path.chmod(0o755)
    shutil.rmtree(path)


@contextlib.contextmanager
def read_only(path: Path):
    """Make the folder and what is in it read-only; root, whom that does not stop, becomes somebody else."""
    for place in (path, *path.iterdir()):
        place.chmod(0o555)
    was_root = os.geteuid() == 0
    if was_root:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        if was_root:
            os.seteuid(0)


def test_a_read_only_disk_leaves_the_file_alone_and_works_in_memory(folder, caplog):
    database = Database(folder)
    AccountLedger(database, "home", configured_labels={}, vehicles={})
    database.close()
    before = (folder / FILE_NAME).read_bytes()
    with read_only(folder), caplog.at_level(logging.ERROR):
        database = open_ledger(folder, 0.0)
        AccountLedger(database, "home", configured_labels={}, vehicles={}).load()
    assert not database.persistent
    database.close()
    assert (folder / FILE_NAME).read_bytes() == before
    [record] = caplog.records
    assert "no ledger on disk" in record.getMessage()
    assert "--storage.path" in record.getMessage()


def test_a_damaged_file_is_kept_aside_and_a_new_one_begun(folder, caplog):
    (folder / FILE_NAME).write_bytes(b"no database at all" * 1000)
    database = open_ledger(folder, 1_781_810_000.0)
    assert database.persistent
    database.close()
    assert (folder / f"{FILE_NAME}.damaged-1781810000").read_bytes() == b"no database at all" * 1000
    assert [record.levelname for record in caplog.records] == ["ERROR"]


@pytest.mark.parametrize(
    ("mounted", "warned"),
    [
        ("/ ext4\n{0} nfs4", "nfs4"),
        ("/ ext4\n{1} cifs", "cifs"),
        ("/ nfs4\n{0} ext4", None),
        ("/ ext4\n{0} autofs\n{0} nfs", "nfs"),
        ("/ ext4\n{0}/other nfs\n{1}/led nfs", None),
        ("/ overlay", None),
        ("", None),
        (None, None),
    ],
)
def test_a_network_file_system_is_warned_of_in_one_line(folder, monkeypatch, caplog, mounted, warned):
    storage = folder / "the ledger" / "joulo"
    table = folder / "mounts"
    if mounted is not None:
        places = [str(path).replace(" ", "\\040") for path in (storage, storage.parent)]
        lines = mounted.format(*places).splitlines()
        table.write_text("".join(f"server:/export {line} rw,relatime 0 0\n" for line in lines))
    monkeypatch.setattr(database, "MOUNTS", table)
    opened = open_ledger(storage, 0.0)
    assert opened.persistent
    opened.close()
    assert [record.fields["type"] for record in caplog.records] == ([warned] if warned else [])
    assert all("--storage.path" in record.getMessage() for record in caplog.records)


def test_a_second_exporter_does_not_go_on_in_memory(folder):
    first = Database(folder)
    with pytest.raises(LedgerLockedError, match=f"is in use by process {os.getpid()}"):
        open_ledger(folder, 0.0)
    first.close()
