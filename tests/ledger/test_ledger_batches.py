"""Work of many accounts in one commit: each alone with its failure, no result before it is durable."""

import asyncio
import contextlib
import sqlite3
from pathlib import Path
from unittest.mock import Mock

import pytest
from msgspec.structs import replace
from support.ledger_rig import finished, full_disk, live, page_of, statements_of

from joulo_exporter.errors import LedgerError
from joulo_exporter.ledger import database as database_module
from joulo_exporter.ledger.account import AccountLedger, Pause
from joulo_exporter.ledger.database import LARGEST_BATCH, Batches, Database
from joulo_exporter.models.charger import Charger
from joulo_exporter.models.wire import ApiResponse

PAUSE = Pause(100.0, 60.0)


@pytest.fixture
def database(tmp_path) -> Database:
    return Database(tmp_path)


@pytest.fixture
async def batches(database):
    batches = Batches(database)
    yield batches
    await batches.close()


def accounts(database: Database, count: int) -> list[AccountLedger]:
    return [AccountLedger(database, f"a{n}", configured_labels={}, vehicles={}) for n in range(count)]


def on_disk(folder: Path) -> int:
    """Return how many endpoints another program reads."""
    with contextlib.closing(sqlite3.connect(f"file:{folder}/ledger.sqlite3?mode=ro", uri=True)) as other:
        return other.execute("SELECT COUNT(*) FROM endpoints").fetchone()[0]


def asked(ledger: AccountLedger) -> set[str]:
    return set(ledger.load()[0])


@pytest.mark.parametrize(("works", "commits"), [(50, 1), (2 * LARGEST_BATCH + 1, 3)])
async def test_work_that_comes_together_is_one_commit_up_to_a_bound(batches, database, tmp_path, works, commits):
    (ledger,) = accounts(database, 1)
    statements = statements_of(database)
    await asyncio.gather(*(batches(ledger.begin_request, f"e{n}", PAUSE) for n in range(works)))
    assert statements.count("COMMIT") == commits
    assert asked(ledger) == {f"e{n}" for n in range(works)}
    assert on_disk(tmp_path) == works


async def test_work_that_fails_is_rolled_back_alone(batches, database):
    good, bad, other = accounts(database, 3)

    def half():
        with database.transaction() as connection:
            connection.execute("UPDATE accounts SET name = 'half' WHERE name = 'a1'")
            raise ZeroDivisionError

    results = await asyncio.gather(
        batches(good.begin_request, "chargers", PAUSE),
        batches(half),
        batches(other.begin_request, "chargers", PAUSE),
        return_exceptions=True,
    )
    assert [type(result) for result in results] == [type(None), ZeroDivisionError, type(None)]
    assert (asked(good), asked(bad), asked(other)) == ({"chargers"}, set(), {"chargers"})
    with database.transaction() as connection:
        assert connection.execute("SELECT COUNT(*) FROM accounts WHERE name = 'half'").fetchone() == (0,)


@pytest.mark.parametrize("fits", [True, False], ids=["memory has room", "too large for memory"])
async def test_a_full_disk_costs_nothing_but_what_neither_it_nor_memory_holds(
    batches, database, tmp_path, monkeypatch, fits
):
    """SQLite rolls back the whole transaction; what fits is written all the same, the rest waits in memory."""
    if not fits:
        monkeypatch.setattr(database_module, "LARGEST_IN_MEMORY_BYTES", 1000)
    small, large, last = ledgers = accounts(database, 3)
    response = ApiResponse((Charger("c1", nickname="x" * 100_000),))
    with full_disk(database):
        results = await asyncio.gather(
            batches(small.begin_request, "chargers", PAUSE),
            batches(large.record_chargers, response, PAUSE),
            batches(last.begin_request, "chargers", PAUSE),
            return_exceptions=True,
        )
        assert [len(asked(ledger)) for ledger in ledgers] == [1, fits, 1]
        await batches.tend()
        assert database.persistent is not fits
    await batches.tend()
    assert database.persistent
    faults = [result for result in results if isinstance(result, Exception)]
    assert [type(fault) for fault in faults] == ([] if fits else [LedgerError])
    assert all("database or disk is full" in str(fault) for fault in faults)
    assert on_disk(tmp_path) == 2 + fits


async def test_a_ledger_that_another_program_holds_fails_all_work(batches, database, tmp_path):
    (ledger,) = accounts(database, 1)
    with database.transaction() as connection:
        connection.execute("PRAGMA busy_timeout = 0")
    with contextlib.closing(sqlite3.connect(tmp_path / "ledger.sqlite3", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        works = [batches(ledger.begin_request, "chargers", PAUSE) for _ in range(3)]
        results = await asyncio.gather(*works, return_exceptions=True)
        other.execute("ROLLBACK")
    assert [str(result).endswith("database is locked") for result in results] == [True] * 3
    await batches(ledger.begin_request, "chargers", PAUSE)


async def test_a_batch_that_fails_as_a_whole_ends_no_later_one(batches, database, monkeypatch):
    with monkeypatch.context() as broken:
        broken.setattr(database, "run_batch", Mock(side_effect=MemoryError))
        with pytest.raises(MemoryError):
            await batches(int)
    assert await batches(int) == 0


async def test_cancelled_work_writes_nothing(batches, database):
    (ledger,) = accounts(database, 1)
    cancelled, other = (asyncio.ensure_future(batches(ledger.begin_request, name, PAUSE)) for name in "ab")
    await asyncio.sleep(0)
    cancelled.cancel()
    await other
    assert asked(ledger) == {"b"}


async def test_a_batch_waits_for_its_interval_unless_it_is_full_or_the_last(tmp_path):
    database = Database(tmp_path)
    batches = Batches(database)
    (ledger,) = accounts(database, 1)
    batches.interval_s = 1000.0
    await batches(int)
    for _ in range(2):
        some = asyncio.gather(*(batches(int) for _ in range(LARGEST_BATCH // 2)))
        await batches.tend()
        await asyncio.gather(some, *(batches(int) for _ in range(LARGEST_BATCH - LARGEST_BATCH // 2)))
    late = asyncio.ensure_future(batches(ledger.begin_request, "chargers", PAUSE))
    await batches.tend()
    assert asked(ledger) == set()
    await batches.close()
    assert late.done()
    assert on_disk(tmp_path) == 1


def test_a_refresh_that_brings_nothing_new_is_a_few_statements(rig):
    """Ten chargers, two of them charging: only changes are written, and no list of sessions is read again."""

    def refresh(kwh: int):
        charging = [live(f"s{n}", f"c{n}", kwh_hundredths=kwh) for n in range(2)]
        rig.chargers(*charging, *(live(None, f"c{n}") for n in range(2, 10)))
        return rig.book()

    history = [finished("s")]
    rig.whole_walk(history)
    refresh(1)
    refresh(2)
    rig.now_seconds += 60
    for kwh, queries_and_writes in ((2, 10), (3, 12)):  # 2 of 10: when a session was seen last; 2: its power
        statements = statements_of(rig.database)
        book = refresh(kwh)
        counted = [each.split()[0] for each in statements]
        assert sum(map(counted.count, ("UPDATE", "INSERT", "SELECT", "DELETE"))) == queries_and_writes
    assert (book.chargers["c1"].held.kwh_hundredths, book.chargers["c9"].held.kwh_hundredths) == (103, 0)
    rig.page(page_of(history, 0, 100), offset=0)
    statements = statements_of(rig.database)
    assert rig.book().months
    assert sum("strftime" in each for each in statements) == 1  # of the sessions in progress


def test_a_refresh_that_brings_a_session_reads_no_others(rig):
    old, night = finished("old"), rig.now_seconds - 600
    rig.whole_walk([old])
    rig.book()
    statements = statements_of(rig.database)
    rig.page(page_of([finished("new", at_seconds=night), old], 0, 100), offset=0)
    rig.chargers(live("other", started_at_seconds=night))
    with rig.database.transaction() as connection:
        queries = [f"EXPLAIN QUERY PLAN {each}" for each in statements if each.startswith("SELECT")]
        plans = [row[3] for query in queries for row in connection.execute(query)]
    assert "SEARCH sessions USING INDEX sessions_by_start (account=? AND started_at=?)" in plans
    assert "SEARCH sessions USING PRIMARY KEY (account=?)" not in plans


@pytest.mark.parametrize(("refreshed", "figures"), [(False, (5, 1000, 1000)), (True, (6, 1500, 1500))])
def test_a_book_that_was_read_before_a_rollback_is_read_anew(rig, refreshed, figures):
    def charge(kwh: int, wh: float):
        meter = {"meter_wh": wh, "meter_at_seconds": rig.now_seconds}
        rig.chargers(replace(live("s1", "c1", kwh_hundredths=kwh), **meter))

    def shown():
        book = rig.book()
        return book.chargers["c1"].held.kwh_hundredths, book.meters["c1"].wh, book.marks["meter_wh", "c1"]

    rig.whole_walk([])
    charge(5, 1000)
    rig.book()
    rig.now_seconds += 60
    read = []

    def charge_once():
        if not read:
            charge(9, 2000)
            read.append(shown())

    def fail():
        with rig.database.transaction():
            raise ZeroDivisionError

    rig.database.run_batch([charge_once, fail])
    assert read == [(9, 2000, 2000)]
    if refreshed:
        charge(6, 1500)
    assert shown() == figures
