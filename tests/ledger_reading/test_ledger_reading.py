import pytest
from support.ledger_rig import LedgerRig, finished, history_of, live

from joulo_exporter.errors import LedgerDamagedError, LedgerError
from joulo_exporter.ledger.reader import read_ledger


def test_reads_one_moment_while_the_exporter_writes(tmp_path):
    rig = LedgerRig(tmp_path)
    rig.chargers(live(None))
    rig.whole_walk(history_of(3), size=100)
    rig.book()
    with read_ledger(tmp_path) as reader:
        assert [s.id for s in reader.sessions("home")] == ["s0", "s1", "s2"]
        rig.whole_walk([finished("new"), *history_of(3)], size=100)
        assert reader.completeness("home").sessions == 3
        assert reader.held_totals("home", {})[0]["c1"].kwh_hundredths == 300
    with read_ledger(tmp_path) as reader:
        assert reader.completeness("home").sessions == 4
    rig.close()


def test_missing_ledger(tmp_path):
    with (
        pytest.raises(LedgerError, match=r"ledger\.sqlite3 does not exist; start the exporter first"),
        read_ledger(tmp_path),
    ):
        pass


def test_damaged_ledger(tmp_path):
    (tmp_path / "ledger.sqlite3").write_bytes(b"no database" * 500)
    with pytest.raises(LedgerDamagedError, match="is damaged"), read_ledger(tmp_path):
        pass


def test_newer_ledger(tmp_path):
    rig = LedgerRig(tmp_path)
    with rig.database.transaction() as connection:
        connection.execute("INSERT INTO migrations VALUES ('9999_future')")
    rig.close()
    with pytest.raises(LedgerError, match="newer version"), read_ledger(tmp_path):
        pass
