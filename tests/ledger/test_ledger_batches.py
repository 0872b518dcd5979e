"""Work of many accounts in one commit: each alone with its failure, no result before it is durable."""

import asyncio
import contextlib
import sqlite3

import pytest
from support.ledger_rig import full_disk, live

from joulo_exporter.errors import LedgerError
from joulo_exporter.ledger import AccountLedger, Batches, Database, Pause
from joulo_exporter.ledger import database as database_module
from joulo_exporter.ledger.database import LARGEST_BATCH
from joulo_exporter.models.charger import Charger
from joulo_exporter.models.wire import ApiResponse


class Statements(list[str]):
    """Statements that went through a ledger's connection."""

    def __init__(self, database: Database) -> None:
        with database.transaction() as connection:
            connection.set_trace_callback(self.append)
        self.clear()

    def count(self, *words: str) -> int:
        return sum(statement.startswith(words) for statement in self)

    @property
    def queries_and_writes(self) -> int:
        return self.count("UPDATE", "INSERT", "SELECT", "DELETE")


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


def asked(ledger: AccountLedger) -> set[str]:
    return set(ledger.load()[0])


def pause(at_seconds: float = 100.0) -> Pause:
    return Pause(at_seconds, 60.0)


async def test_work_that_comes_together_is_one_commit(batches, database):
    ledgers = accounts(database, 50)
    statements = Statements(database)
    await asyncio.gather(*(batches(ledger.begin_request, "chargers", pause()) for ledger in ledgers))
    assert statements.count("COMMIT") == 1
    assert {ledger.load()[0]["chargers"].pause.requested_at_seconds for ledger in ledgers} == {100.0}


async def test_a_batch_has_an_end(batches, database):
    (ledger,) = accounts(database, 1)
    statements = Statements(database)
    works = range(2 * LARGEST_BATCH + 1)
    await asyncio.gather(*(batches(ledger.begin_request, "chargers", pause()) for _ in works))
    assert statements.count("COMMIT") == 3


async def test_work_that_fails_is_rolled_back_alone(batches, database):
    good, bad, other = accounts(database, 3)

    def half():
        with database.transaction() as connection:
            connection.execute("UPDATE accounts SET name = 'half' WHERE name = 'a1'")
            raise ZeroDivisionError

    results = await asyncio.gather(
        batches(good.begin_request, "chargers", pause()),
        batches(half),
        batches(other.begin_request, "chargers", pause()),
        return_exceptions=True,
    )
    assert [type(result) for result in results] == [type(None), ZeroDivisionError, type(None)]
    assert (asked(good), asked(bad), asked(other)) == ({"chargers"}, set(), {"chargers"})
    with database.transaction() as connection:
        assert connection.execute("SELECT COUNT(*) FROM accounts WHERE name = 'half'").fetchone() == (0,)


async def test_no_result_before_the_commit(batches, database, tmp_path):
    (ledger,) = accounts(database, 1)
    await batches(ledger.begin_request, "chargers", pause(123.0))
    with contextlib.closing(sqlite3.connect(f"file:{tmp_path}/ledger.sqlite3?mode=ro", uri=True)) as other:
        assert other.execute("SELECT requested_at FROM endpoints").fetchall() == [(123.0,)]


async def test_a_full_disk_costs_nothing(batches, database, tmp_path):
    """SQLite rolls back the whole transaction; what fits is written all the same, the rest waits in memory."""
    (small, large, last), response = accounts(database, 3), ApiResponse((Charger("c1", nickname="x" * 100_000),))
    with full_disk(database):
        await asyncio.gather(
            batches(small.begin_request, "chargers", pause()),
            batches(large.record_chargers, response, pause()),
            batches(last.begin_request, "chargers", pause()),
        )
        assert not database.persistent
        assert (asked(small), asked(large), asked(last)) == ({"chargers"},) * 3
        await batches.tend()
        assert not database.persistent
    await batches.tend()
    assert database.persistent
    with contextlib.closing(sqlite3.connect(f"file:{tmp_path}/ledger.sqlite3?mode=ro", uri=True)) as other:
        assert other.execute("SELECT COUNT(*) FROM endpoints").fetchall() == [(3,)]


async def test_a_ledger_too_large_for_memory_loses_only_the_work_that_a_full_disk_refuses(
    batches, database, monkeypatch
):
    monkeypatch.setattr(database_module, "LARGEST_IN_MEMORY_BYTES", 1000)
    small, large, last = accounts(database, 3)
    response = ApiResponse((Charger("c1", nickname="x" * 100_000),))
    with full_disk(database):
        results = await asyncio.gather(
            batches(small.begin_request, "chargers", pause()),
            batches(large.record_chargers, response, pause()),
            batches(last.begin_request, "chargers", pause()),
            return_exceptions=True,
        )
    assert [type(result) for result in results] == [type(None), LedgerError, type(None)]
    assert "database or disk is full" in str(results[1])
    assert (asked(small), asked(large), asked(last)) == ({"chargers"}, set(), {"chargers"})


async def test_a_ledger_that_another_program_holds_fails_all_work(batches, database, tmp_path):
    (ledger,) = accounts(database, 1)
    with database.transaction() as connection:
        connection.execute("PRAGMA busy_timeout = 0")
    with contextlib.closing(sqlite3.connect(tmp_path / "ledger.sqlite3", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        works = [batches(ledger.begin_request, "chargers", pause()) for _ in range(3)]
        results = await asyncio.gather(*works, return_exceptions=True)
        other.execute("ROLLBACK")
    assert [str(result).endswith("database is locked") for result in results] == [True] * 3
    await batches(ledger.begin_request, "chargers", pause())


async def test_cancelled_work_writes_nothing(batches, database):
    (ledger,) = accounts(database, 1)
    batches(ledger.begin_request, "chargers", pause()).cancel()
    await batches(int)
    assert asked(ledger) == set()


async def test_closing_writes_waiting_work(tmp_path):
    database = Database(tmp_path)
    batches = Batches(database)
    (ledger,) = accounts(database, 1)
    batches.interval_s = 1000.0
    await batches(int)
    late = batches(ledger.begin_request, "chargers", pause())
    await batches.close()
    assert late.done()
    with contextlib.closing(sqlite3.connect(tmp_path / "ledger.sqlite3")) as other:
        assert other.execute("SELECT COUNT(*) FROM endpoints").fetchone() == (1,)


def test_a_refresh_that_brings_nothing_new_is_a_few_statements(rig):
    """Ten chargers, two of them charging: only changes are written, and no list of sessions is read again."""

    def refresh(kwh: int):
        charging = [live(f"s{n}", f"c{n}", kwh_hundredths=kwh) for n in range(2)]
        rig.chargers(*charging, *(live(None, f"c{n}") for n in range(2, 10)))
        return rig.book()

    rig.whole_walk([], size=100)
    refresh(1)
    refresh(2)
    statements = Statements(rig.database)
    rig.now_seconds += 60
    refresh(2)
    assert statements.queries_and_writes == 14  # 2 of them: when a session was seen last; 2: its power
    statements.clear()
    book = refresh(3)
    assert statements.queries_and_writes == 16
    assert (book.chargers["c0"].kwh_hundredths, book.chargers["c9"].kwh_hundredths) == (3, 0)


def test_a_book_that_was_read_before_a_rollback_is_read_anew(rig):
    rig.whole_walk([], size=100)
    rig.chargers(live("s1", "c1", kwh_hundredths=5))
    rig.book()
    read = []

    def charge_once():
        if not read:
            rig.chargers(live("s1", "c1", kwh_hundredths=9))
            read.append(rig.book().chargers["c1"].kwh_hundredths)

    def fail():
        with rig.database.transaction():
            raise ZeroDivisionError

    rig.database.run_batch([charge_once, fail])
    assert read == [9]
    assert rig.book().chargers["c1"].kwh_hundredths == 5
