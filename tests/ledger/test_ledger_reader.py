import contextlib
import sqlite3

import pytest
from support.ledger_rig import finished, history_of, live

from joulo_exporter.errors import LedgerDamagedError, LedgerError, LedgerVersionError
from joulo_exporter.ledger import FILE_NAME
from joulo_exporter.ledger.reader import read_ledger


def test_one_moment_is_read_while_the_exporter_writes(rig):
    rig.chargers(live(None))
    rig.whole_walk(history_of(3), size=100)
    rig.book()
    with read_ledger(rig.folder) as reader:
        assert [s.id for s in reader.sessions("home")] == ["s0", "s1", "s2"]
        rig.whole_walk([finished("new"), *history_of(3)], size=100)
        assert reader.completeness("home").sessions == 3
        assert reader.held_totals("home", {})[0]["c1"].kwh_hundredths == 300
    with read_ledger(rig.folder) as reader:
        assert reader.completeness("home").sessions == 4


def test_totals_are_those_that_are_served_and_hold_until_the_truth_has_caught_up(rig):
    for kwh, held in ((700, 700), (400, 700), (600, 700), (800, 800), (400, 800)):
        rig.whole_walk([finished("s", kwh_hundredths=kwh, id_tag="04A1")], size=100)
        rig.reopen()
        book = rig.book()
        assert book.chargers["c1"].kwh_hundredths == held
        with read_ledger(rig.folder) as reader:
            assert reader.held_totals("home", {}) == (book.chargers, book.vehicles)
    with read_ledger(rig.folder) as reader:
        assert reader.held_totals("home", {"04A1": "tesla"})[1]["tesla"].kwh_hundredths == 400  # never served


@pytest.mark.parametrize(
    ("change", "fault", "says"),
    [
        (lambda file: file.unlink(), LedgerError, "ledger.sqlite3 does not exist; start the exporter first"),
        (lambda file: file.write_bytes(b"no database" * 500), LedgerDamagedError, "is damaged: .*; restart the"),
        (
            lambda file: migrated(file, "INSERT INTO migrations VALUES ('9999_x')"),
            LedgerVersionError,
            "newer .*9999_x",
        ),
        (lambda file: migrated(file, "DELETE FROM migrations"), LedgerError, "from an older version"),
        (lambda file: file.write_bytes(b""), LedgerError, "is empty or"),
    ],
    ids=["missing", "damaged", "newer", "older", "empty"],
)
def test_a_ledger_that_cannot_be_read(rig, change, fault, says):
    rig.close()
    change(rig.folder / FILE_NAME)
    with pytest.raises(fault, match=says), read_ledger(rig.folder):
        pass


def migrated(file, statement):
    with contextlib.closing(sqlite3.connect(file)) as connection, connection:
        connection.execute(statement)
