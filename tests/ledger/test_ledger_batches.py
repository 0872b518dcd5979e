"""Work of many accounts in one commit: each alone with its failure, none told before it is durable."""

from __future__ import annotations

import asyncio
import sqlite3

import pytest
from support.ledger_desk import live

from joulo_exporter.errors import LedgerError
from joulo_exporter.ledger import AccountLedger, Batches, Database
from joulo_exporter.ledger.batches import LARGEST_BATCH
from joulo_exporter.models import ErePosition
from joulo_exporter.schedule import Pause


class Counted:
    """A ledger's connection that keeps the statements that went through it."""

    def __init__(self, database: Database) -> None:
        self.statements: list[str] = []
        database._connection.set_trace_callback(self.statements.append)

    def of(self, *words: str) -> int:
        return sum(statement.startswith(words) for statement in self.statements)

    @property
    def commits(self) -> int:
        return self.of("COMMIT")


@pytest.fixture
async def batches(tmp_path):
    batches = Batches(Database(tmp_path))
    yield batches
    await batches.close()


def accounts(database: Database, count: int) -> list[AccountLedger]:
    return [AccountLedger(database, f"a{n}", configured_labels={}, vehicles={}) for n in range(count)]


def asked(ledger: AccountLedger, at_seconds: float = 100.0):
    return lambda: ledger.begin_request("chargers", Pause(at_seconds, 60.0))


async def test_what_comes_together_is_one_commit(batches):
    ledgers = accounts(batches._database, 50)
    counted = Counted(batches._database)
    await asyncio.gather(*(batches(asked(ledger)) for ledger in ledgers))
    assert counted.commits == 1
    assert {ledger.load()[0]["chargers"].pause.requested_at_seconds for ledger in ledgers} == {100.0}


async def test_a_batch_has_an_end(batches):
    ledgers = accounts(batches._database, 1)
    counted = Counted(batches._database)
    await asyncio.gather(*(batches(asked(ledgers[0])) for _ in range(2 * LARGEST_BATCH + 1)))
    assert counted.commits == 3


async def test_one_that_fails_is_undone_alone(batches):
    good, bad, other = accounts(batches._database, 3)

    def half():
        with batches._database.transaction() as connection:
            connection.execute("UPDATE accounts SET name = 'half' WHERE name = 'a1'")
            raise ZeroDivisionError

    results = await asyncio.gather(
        batches(asked(good)), batches(half), batches(asked(other)), return_exceptions=True
    )
    assert [type(result) for result in results] == [type(None), ZeroDivisionError, type(None)]
    assert good.load()[0].keys() == other.load()[0].keys() == {"chargers"}
    assert bad.load()[0] == {}
    with batches._database.transaction() as connection:
        assert connection.execute("SELECT COUNT(*) FROM accounts WHERE name = 'half'").fetchone() == (0,)


async def test_nobody_is_told_before_the_commit(batches, tmp_path):
    (ledger,) = accounts(batches._database, 1)
    await batches(asked(ledger, 123.0))
    with sqlite3.connect(f"file:{tmp_path}/ledger.sqlite3?mode=ro", uri=True) as other:
        assert other.execute("SELECT requested_at FROM endpoints").fetchall() == [(123.0,)]
    other.close()


async def test_a_disk_that_refuses_the_whole_costs_only_whom_it_refuses(batches):
    """SQLite undoes the whole transaction of a full disk; what fits is written after all."""
    small, large, last = accounts(batches._database, 3)
    connection = batches._database._connection
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    connection.execute(f"PRAGMA max_page_count = {pages}")
    position = ErePosition(malformed=("x" * 100_000,))
    results = await asyncio.gather(
        batches(asked(small)),
        batches(large.record_response, position, Pause(1.0, 1.0), "ere_position"),
        batches(asked(last)),
        return_exceptions=True,
    )
    connection.execute("PRAGMA max_page_count = 100000")
    assert [type(result) for result in results] == [type(None), LedgerError, type(None)]
    assert "database or disk is full" in str(results[1])
    assert (small.load()[0].keys(), large.load()[0].keys()) == ({"chargers"}, set())
    assert last.load()[0].keys() == {"chargers"}


async def test_a_ledger_that_another_program_holds_tells_all(batches, tmp_path):
    (ledger,) = accounts(batches._database, 1)
    batches._database._connection.execute("PRAGMA busy_timeout = 0")
    with sqlite3.connect(tmp_path / "ledger.sqlite3", isolation_level=None) as other:
        other.execute("BEGIN IMMEDIATE")
        results = await asyncio.gather(*(batches(asked(ledger)) for _ in range(3)), return_exceptions=True)
        other.execute("ROLLBACK")
    other.close()
    assert [str(result).endswith("database is locked") for result in results] == [True] * 3
    await batches(asked(ledger))


async def test_who_is_cancelled_before_its_turn_writes_nothing(batches):
    (ledger,) = accounts(batches._database, 1)
    future = batches(asked(ledger))
    future.cancel()
    await batches(lambda: None)
    assert ledger.load()[0] == {}


async def test_closing_writes_what_waits(tmp_path):
    batches = Batches(Database(tmp_path))
    (ledger,) = accounts(batches._database, 1)
    batches.interval_s = 1000.0
    await batches(lambda: None)
    late = batches(asked(ledger))
    await batches.close()
    assert late.done()
    with sqlite3.connect(tmp_path / "ledger.sqlite3") as other:
        assert other.execute("SELECT COUNT(*) FROM endpoints").fetchone() == (1,)
    other.close()


def test_a_refresh_that_brings_nothing_new_is_a_few_statements(desk):
    """Ten chargers, two of them charging: what changes is written, nothing else, and nothing is read twice."""
    chargers = [live(f"s{n}" if n < 2 else None, f"c{n}", kwh_hundredths=1) if n < 2 else live(None, f"c{n}")
                for n in range(10)]  # fmt: skip
    desk.whole_walk([], size=100)
    for kwh in (1, 2):
        chargers[:2] = [live(f"s{n}", f"c{n}", kwh_hundredths=kwh) for n in range(2)]
        desk.chargers(*chargers)
        desk.book()
    counted = Counted(desk.database)
    desk.now_seconds += 60
    desk.chargers(*chargers)
    desk.book()
    assert counted.of("UPDATE", "INSERT", "SELECT", "DELETE") == 6  # 2 of them: when a session was seen last
    counted.statements.clear()
    chargers[:2] = [live(f"s{n}", f"c{n}", kwh_hundredths=3) for n in range(2)]
    desk.chargers(*chargers)
    book = desk.book()
    assert counted.of("UPDATE", "INSERT", "SELECT", "DELETE") == 11
    assert (book.chargers["c0"].kwh_hundredths, book.chargers["c9"].kwh_hundredths) == (3, 0)


def test_a_book_that_was_read_in_what_was_undone_is_read_anew(desk):
    desk.whole_walk([], size=100)
    desk.chargers(live("s1", "c1", kwh_hundredths=5))
    desk.book()

    database = desk.database

    def undone():
        with database._committed():
            desk.chargers(live("s1", "c1", kwh_hundredths=9))
            assert desk.book().chargers["c1"].kwh_hundredths == 9
            raise ZeroDivisionError

    database._connection.execute("BEGIN IMMEDIATE")
    database._in_batch = True
    with pytest.raises(ZeroDivisionError):
        undone()
    database._in_batch = False
    assert desk.book().chargers["c1"].kwh_hundredths == 5
