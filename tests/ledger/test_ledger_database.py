import contextlib
import os
import re
import shutil
import tempfile
from pathlib import Path

import msgspec
import pytest
from support.ledger_rig import earlier_ledger, finished, held, live

from joulo_exporter.errors import LedgerDamagedError, LedgerError, LedgerLockedError
from joulo_exporter.ledger import database, reader, storage
from joulo_exporter.ledger.account import AccountLedger
from joulo_exporter.ledger.database import Database, open_ledger
from joulo_exporter.ledger.history import Walk
from joulo_exporter.ledger.sessions import Totals
from joulo_exporter.ledger.storage import FILE_NAME, put_aside

NOBODY = 65534


def count(held: Database, table: str = "accounts") -> int:
    with held.transaction() as connection:
        return connection.execute(f"SELECT COUNT(*) FROM {table}").fetchone()[0]  # noqa: S608


@pytest.mark.parametrize(
    "damaged",
    [
        pytest.param(lambda whole: b"#" * 100 + whole[100:], id="header"),
        pytest.param(lambda whole: whole[: len(whole) // 2], id="truncated"),
        pytest.param(lambda whole: whole[:8192] + b"\xff" * (len(whole) - 8192), id="middle"),
    ],
)
def test_a_damaged_file_is_kept_aside_and_a_new_one_begun(rig, damaged, caplog):
    rig.whole_walk([finished(f"s{n}", charger_nickname="x" * 200) for n in range(80)])
    rig.close()
    path = rig.folder / FILE_NAME
    broken = damaged(path.read_bytes())
    path.write_bytes(broken)
    fresh = open_ledger(rig.folder, 1_781_810_000.7)
    assert (fresh.persistent, count(fresh, "sessions")) == (True, 0)
    fresh.close()
    [record] = caplog.records
    assert (record.levelname, record.fields["kept"]) == ("ERROR", rig.folder / f"{FILE_NAME}.damaged-1781810000")
    assert record.fields["kept"].read_bytes() == broken
    assert re.fullmatch(re.escape(f"{path} is damaged") + "[^\n]*", str(record.fields["err"]))


def test_putting_aside_twice_in_a_second_keeps_both(tmp_path):
    for text in ("first", "second"):
        (tmp_path / FILE_NAME).write_text(text)
        (tmp_path / f"{FILE_NAME}-wal").write_text(f"{text} journal")
        put_aside(tmp_path, 1.0)
    kept = {path.name: path.read_text() for path in tmp_path.iterdir()}
    assert kept == {
        "ledger.sqlite3.damaged-1": "first",
        "ledger.sqlite3.damaged-1-wal": "first journal",
        "ledger.sqlite3.damaged-1-again": "second",
        "ledger.sqlite3.damaged-1-again-wal": "second journal",
    }


@pytest.mark.parametrize(
    ("folder", "prepare", "says"),
    [
        ("file", lambda base: (base / "file").touch(), "{} cannot be written: [A-Z]"),
        ("file/below", lambda base: (base / "file").touch(), "{} cannot be written: [A-Z]"),
        ("/proc/joulo", lambda _: None, "{} cannot be written: [A-Z]"),
        ("", lambda base: (base / FILE_NAME).mkdir(), f"{{}}/{FILE_NAME}: unable to open database file"),
        (
            "",
            lambda base: (base / "ledger.lock").symlink_to(base / "victim"),
            "{} cannot be written: Too many levels of symbolic links",
        ),
    ],
    ids=["a file", "below a file", "not to be made", "a folder in the place of the file", "a link as the lock"],
)
def test_a_storage_path_that_cannot_be_used_is_a_ledger_error_and_frees_the_lock(tmp_path, folder, prepare, says):
    (tmp_path / "victim").write_text("mine")
    prepare(tmp_path)
    for _ in range(2):
        with pytest.raises(LedgerError, match=f"^{says.format(tmp_path / folder)}") as fault:
            Database(tmp_path / folder)
        assert type(fault.value) is LedgerError
    assert (tmp_path / "victim").read_text() == "mine"


def test_a_migration_is_applied_whole_and_once(tmp_path, monkeypatch):
    Database(tmp_path).close()
    folder = shutil.copytree(database.MIGRATIONS, tmp_path / "migrations")
    monkeypatch.setattr(database, "MIGRATIONS", folder)
    more = folder / "0099_more.sql"
    more.write_text("CREATE TABLE more (n);\nINSERT INTO no_such_table VALUES (1);\n")
    with pytest.raises(LedgerError, match="no such table"):
        Database(tmp_path)
    more.write_text("CREATE TABLE more (n);\nINSERT INTO more VALUES (1) -- once\n")
    for _ in range(2):
        held = Database(tmp_path)
        assert (count(held, "more"), count(held, "migrations")) == (1, 20)
        held.close()


def test_what_earlier_versions_kept_stays(rig):
    with earlier_ledger(rig, 3) as ledger:
        ledger.execute("INSERT INTO endpoints (account, endpoint) VALUES (1, 'chargers'), (1, 'energy')")
        ledger.execute("INSERT INTO answers VALUES (1, 'chargers', ?)", (b"[]",))
        counts = (("chargers", "200", 41), ("chargers", "timeout", 2), ("energy", "503", 3))
        ledger.executemany("INSERT INTO requests VALUES (1, ?, ?, ?)", counts)
        for row in (
            "chargers VALUES (1, 'c1', 'oprit')",
            "sessions VALUES (1, 's', 'c1', NULL, 940, 999, 0, 100, NULL, NULL, 999, NULL, 0, 0)",
            "totals VALUES (1, 'c1', '', 100, 0, 1, 59000, 1)",
        ):
            ledger.execute(f"INSERT INTO {row}")
    rig.reopen(vehicles={"04A1": "tesla"})
    records, _ = rig.ledger.load()
    assert (records["chargers"].body, records["energy"].body) == (b"[]", None)
    assert records["chargers"].requests == {"200": 41, "timeout": 2}
    assert records["energy"].requests == {"503": 3}
    rig.chargers()
    assert rig.ledger.load()[0]["chargers"].requests == {"200": 42, "timeout": 2}
    for tag, vehicle in ((None, "unknown"), ("04A1", "tesla")):
        rig.whole_walk([finished("s", at_seconds=940.0, id_tag=tag)])
        book = rig.book()
        assert book.labels == {"c1": "oprit"}
        assert book.chargers["c1"].held == book.vehicles[vehicle].held == Totals(100, 0, 1, 60_000)


def test_sums_of_an_earlier_version_are_without_durations_of_provisional_ends_and_eligible_after_a_resync(rig):
    """Before it none is served: eligible energy, still a part of the whole, would rise without a kWh charged."""
    rows = [  # id, charger, start, end, final, tag, withdrawn
        ("a", "c1", 1000.0, 1060.0, 1, "04:a1", 0), ("b", "c1", 2000.0, 2030.5, 0, "04 A1", 0),
        ("c", "c1", 3000.0, 3010.0, 0, None, 0), ("d", "c1", 4000.0, None, 0, "04a1", 0),
        ("e", "c1", 5000.0, 4990.0, 0, "04a1", 0), ("f", "c1", 6000.0, 6001.0, 0, "04a1", 1),
        ("g", "c2", 7000.0, 7007.0, 0, "04-a1", 0),
    ]  # fmt: skip
    totals = [("c1", "04A1", 400, 3, 90_500, 4), ("c1", "", 100, 1, 10_000, 1), ("c2", "04A1", 100, 1, 7_000, 1)]
    walk = Walk(generation=1, complete=True, finished_at_seconds=rig.now_seconds - 86_400, finished_generation=1)
    with earlier_ledger(rig, 6) as ledger:
        ledger.execute("INSERT INTO chargers VALUES (1, 'c1', 'c1'), (1, 'c2', 'c2')")
        ledger.execute("INSERT INTO meters VALUES (1, 'c1', 2000, 3600, 1000, 0)")
        ledger.execute("INSERT INTO walks VALUES (1, ?)", (msgspec.json.encode(walk),))
        ledger.executemany("INSERT INTO totals VALUES (1, ?, ?, ?, 0, ?, ?, ?)", totals)
        ledger.executemany(
            """INSERT INTO sessions (account, id, charger_id, started_at, ended_at, end_is_final, id_tag,
                 withdrawn, kwh_hundredths, generation) VALUES (1, ?, ?, ?, ?, ?, ?, ?, 100, 1)""",
            rows,
        )
    history = [
        finished(session_id, charger_id=charger_id, at_seconds=start, id_tag=tag, counts_for_ere=True)
        for session_id, charger_id, start, _, _, tag, withdrawn in reversed(rows)
        if not withdrawn
    ]
    book = rig.book()
    assert (book.meters["c1"].power_watts, book.history.sessions, book.chargers) == (1000, 6, {})
    rig.whole_walk(history, size=2)
    assert rig.book().history.eligibility_known
    assert held(rig.book().chargers) == {
        "c1": Totals(500, 0, 5, 300_000, 500),
        "c2": Totals(100, 0, 1, 60_000, 100),
    }


@pytest.mark.parametrize(("change", "indices"), [("kwh_hundredths = 1, live_at = 2", 0), ("ended_at = 2", 2)])
def test_a_session_that_goes_on_is_not_written_to_any_index(rig, change, indices):
    """Each refresh does that for each charger in use; that a session has ended is another matter."""
    with rig.database.transaction() as connection:
        plan = connection.execute(f"EXPLAIN UPDATE sessions SET {change} WHERE id = 's'")  # noqa: S608
        assert [step[1] for step in plan].count("IdxDelete") == indices


# Opening when the storage path is not as it should be ---------------------------------------------


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


@pytest.mark.parametrize("damaged", [False, True])
def test_a_read_only_disk_leaves_the_file_alone_and_works_in_memory(folder, monkeypatch, caplog, damaged):
    # Read now: somebody else may not come as far as the package.
    monkeypatch.setattr(database, "migrations", database.migrations().copy)
    held = Database(folder)
    AccountLedger(held, "home", configured_labels={}, vehicles={})
    held.close()
    if damaged:
        (folder / FILE_NAME).write_bytes(b"no database" * 500)
    before = (folder / FILE_NAME).read_bytes()
    unreadable = pytest.raises(LedgerDamagedError) if damaged else contextlib.nullcontext()
    with read_only(folder):
        held = open_ledger(folder, 0.0)
        AccountLedger(held, "home", configured_labels={}, vehicles={}).load()
        with unreadable, reader.read_ledger(folder) as found:
            assert list(found.accounts) == ["home"]
    assert not held.persistent
    held.close()
    assert (folder / FILE_NAME).read_bytes() == before
    [record] = caplog.records
    assert "no ledger on disk" in record.getMessage()
    assert "--storage.path" in record.getMessage()


@pytest.mark.parametrize("place", ["{}/loop", "relative"])
def test_a_folder_that_leads_nowhere_leaves_the_ledger_in_memory(folder, monkeypatch, caplog, place):
    (folder / "loop").symlink_to("loop")
    (folder / "deleted").mkdir()
    monkeypatch.chdir(folder / "deleted")
    (folder / "deleted").rmdir()
    held = open_ledger(Path(place.format(folder)), 0.0)
    assert (held.persistent, count(held)) == (False, 0)
    held.close()
    assert [path.name for path in folder.iterdir()] == ["loop"]
    [record] = caplog.records
    assert "no ledger on disk" in record.getMessage()


def mount(device: str, kind: str, place: str = "/") -> str:
    return f"36 35 {device} /export {place} rw,noatime master:1 - {kind} server rw\n"


@pytest.mark.parametrize(
    ("mounted", "warned"),
    [
        (mount("0:0", "ext4") + mount("{0}", "nfs4", "/mnt/a\\040b"), "nfs4"),
        (mount("0:0", "nfs4") + mount("{0}", "ext4"), None),
        (mount("0:0", "tmpfs", "/with\u2028separator\u00a0blank") + mount("{0}", "smb3"), "smb3"),
        (mount("1{0}", "nfs4") + mount("{0}1", "nfs4"), None),
        (None, None),
    ],
)
def test_a_network_file_system_is_warned_of_in_one_line(folder, monkeypatch, caplog, mounted, warned):
    ledger, table, device = folder / "the ledger" / "joulo", folder / "mountinfo", folder.stat().st_dev
    if mounted is not None:
        table.write_text(mounted.format(f"{os.major(device)}:{os.minor(device)}"), encoding="utf-8")
    monkeypatch.setattr(storage, "MOUNTS", table)
    opened = open_ledger(ledger, 0.0)
    assert opened.persistent
    opened.close()
    assert [record.fields["type"] for record in caplog.records] == ([warned] if warned else [])
    assert all("--storage.path" in record.getMessage() for record in caplog.records)


# The file while the exporter runs -----------------------------------------------------------------


def delete_files(folder: Path) -> None:
    for path in folder.glob(f"{FILE_NAME}*"):
        path.unlink()


def replace_file(folder: Path) -> None:
    delete_files(folder)
    Database(folder.parent / "other").close()
    shutil.copy(folder.parent / "other" / FILE_NAME, folder / FILE_NAME)


@pytest.mark.parametrize("take_away", [delete_files, replace_file, shutil.rmtree])
def test_a_file_that_is_taken_away_is_written_anew(rig, caplog, take_away):
    rig.whole_walk([finished(f"s{n}") for n in range(10)])
    before = rig.book()
    take_away(rig.folder)
    rig.database.tend()
    assert not rig.database.persistent
    assert "it was deleted or replaced" in caplog.text
    assert rig.book() == msgspec.structs.replace(before, persistent=False)
    rig.database.tend()
    assert rig.database.persistent
    with pytest.raises(LedgerLockedError):
        Database(rig.folder)
    assert rig.book() == before
    rig.reopen()
    assert rig.book() == before
    assert len(list(rig.folder.glob("*.damaged-*"))) == (take_away is replace_file)
    assert not list(rig.folder.glob("*.new*"))


def test_a_folder_that_another_exporter_has_taken_is_left_to_it(rig, caplog):
    rig.whole_walk([finished("s1")])
    before = rig.book()
    shutil.rmtree(rig.folder)
    with contextlib.closing(Database(rig.folder)):
        for _ in range(3):
            rig.database.tend()
        assert caplog.text.count(f"is in use by process {os.getpid()};") == 1
        assert rig.book() == msgspec.structs.replace(before, persistent=False)
    rig.database.tend()
    assert rig.book() == before


def test_a_batch_that_the_disk_refuses_from_the_beginning_is_in_memory_and_written_at_the_close(rig):
    with rig.database.transaction() as connection:
        pass
    connection.execute("PRAGMA query_only = ON")
    [(_, error)] = rig.database.run_batch([lambda: rig.chargers(live("s1"))])
    assert (error, rig.database.persistent, rig.book().labels) == (None, False, {"c1": "c1"})
    connection.execute("PRAGMA query_only = OFF")
    rig.reopen()
    assert (rig.database.persistent, rig.book().labels) == (True, {"c1": "c1"})


@pytest.mark.parametrize(("umask", "left"), [(0o000, []), (0o777, []), (0o022, [FILE_NAME, f"{FILE_NAME}-wal"])])
def test_nobody_else_may_read_the_files_whatever_the_folder_and_the_umask(tmp_path, umask, left):
    Database(tmp_path / "new" / "deep").close()
    assert (tmp_path / "new" / "deep").stat().st_mode & 0o777 == 0o700
    folder = tmp_path / "of anybody"
    folder.mkdir()
    folder.chmod(0o777)
    former = os.umask(umask)
    try:
        for name in left:
            (folder / name).touch(mode=0o644)
        with contextlib.closing(Database(folder)) as held:
            AccountLedger(held, "home", configured_labels={}, vehicles={})
            modes = {path.name: path.stat().st_mode & 0o777 for path in folder.iterdir()}
    finally:
        os.umask(former)
    assert modes == dict.fromkeys([FILE_NAME, f"{FILE_NAME}-wal", f"{FILE_NAME}-shm", "ledger.lock"], 0o600)
