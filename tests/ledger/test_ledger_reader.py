"""The ledger as commands read it, and months of the book: those of ``sessions --by=month``, to the hundredth."""

import contextlib
import json
import sqlite3

import pytest
from support.command_line import printed
from support.ledger_rig import LedgerRig, finished, history_of, live
from support.statement_history import at_home, local

from joulo_exporter.errors import LedgerDamagedError, LedgerError, LedgerVersionError
from joulo_exporter.ledger.reader import read_ledger
from joulo_exporter.ledger.sessions import Totals
from joulo_exporter.ledger.storage import FILE_NAME


def test_one_moment_is_read_while_the_exporter_writes(rig):
    rig.chargers(live(None))
    rig.whole_walk(history_of(3))
    rig.book()
    with read_ledger(rig.folder) as reader:
        assert [s.id for s in reader.sessions("home")] == ["s0", "s1", "s2"]
        rig.whole_walk([finished("new"), *history_of(3)])
        assert reader.completeness("home").sessions == 3
        assert reader.held_totals("home", {})["charger"]["c1"].held.kwh_hundredths == 300
    with read_ledger(rig.folder) as reader:
        assert reader.completeness("home").sessions == 4


@pytest.mark.parametrize(
    ("change", "fault", "says"),
    [
        (lambda file: file.unlink(), LedgerError, "ledger.sqlite3 does not exist; start the exporter first"),
        (lambda file: file.write_bytes(b"no database" * 500), LedgerDamagedError, "is damaged: .*; restart the"),
        (lambda file: migrated(file, "INSERT INTO migrations VALUES ('9')"), LedgerVersionError, r"newer .*\(9\)"),
        (lambda file: migrated(file, "DELETE FROM migrations"), LedgerError, "from an older version"),
        (lambda file: file.write_bytes(b""), LedgerError, "is empty or"),
        (lambda file: (file.unlink(), file.symlink_to(file)), LedgerError, "cannot be read .*; run this as root"),
    ],
    ids=["missing", "damaged", "newer", "older", "empty", "loop"],
)
def test_a_ledger_that_cannot_be_read(rig, change, fault, says):
    rig.close()
    change(rig.folder / FILE_NAME)
    with pytest.raises(fault, match=says), read_ledger(rig.folder):
        pass


def migrated(file, statement):
    with contextlib.closing(sqlite3.connect(file)) as connection, connection:
        connection.execute(statement)


# Months -------------------------------------------------------------------------------------------


@pytest.fixture
def home(tmp_path, monkeypatch):
    """The ledger of an account without a name, in Amsterdam."""
    with at_home(monkeypatch), contextlib.closing(LedgerRig(tmp_path, name="")) as rig:
        rig.now_seconds = local("2026-04-01 00:30")
        yield rig


def session(session_id: str, start: str, kwh_hundredths: int | None, *, fold: int = 0, **fields):
    return finished(session_id, at_seconds=local(start, fold), kwh_hundredths=kwh_hundredths, **fields)


def reported(capsys, rig, *flags: str) -> dict[str, tuple[int, int]]:
    """Return hundredths of energy and credits by month, as the command prints them."""
    out = printed(capsys, "sessions", "--by=month", "--format=json", f"--storage.path={rig.folder}", *flags)
    return {
        total["month"]: (round(total["kwh"] * 100), round(total["ere_credits"] * 100)) for total in json.loads(out)
    }


def test_months_are_those_of_the_report_over_borders_and_clock_changes(home, capsys):
    hours_over_midnight = {"ended_at_seconds": local("2026-03-01 06:00")}
    home.chargers(
        live("now", started_at_seconds=local("2026-03-31 23:59:59"), kwh_hundredths=314), live(None, "c2")
    )
    home.whole_walk(
        [
            session("april", "2026-04-01 00:00", 7, credits_hundredths=2, charger_id="c2"),
            session("last of march", "2026-03-31 23:59:59.999600", 100),  # SQLite rounds this to April
            session("summer", "2026-03-29 03:00", 1001, credits_hundredths=334),  # the hour before does not exist
            session("winter", "2026-03-29 01:59:59", 1),
            session("first of march", "2026-03-01 00:00", 500, credits_hundredths=167, charger_id="c2"),
            session("over midnight", "2026-02-28 21:00", 4108, credits_hundredths=1367, **hours_over_midnight),
            session("without energy", "2026-02-14 12:00", None),
            session("new year", "2026-01-01 00:00", 11),
            session("a moment before", "2025-12-31 23:59:59.999900", 3),
            session("later 2:30", "2025-10-26 02:30", 20, fold=1),
            session("earlier 2:30", "2025-10-26 02:30", 22),
            session("first shown", "2025-04-01 00:00", 9),
            session("too long ago", "2025-03-31 23:59:59", 90_000),
        ],
    )
    months = {
        "c1": {
            "2025-04": (9, 0), "2025-10": (42, 0), "2025-12": (3, 0), "2026-01": (11, 0), "2026-02": (4108, 1367),
            "2026-03": (1416, 334),
        },
        "c2": {"2026-03": (500, 167), "2026-04": (7, 2)},
    }  # fmt: skip
    assert home.book().months == {
        (charger, month): Totals(*sums)
        for charger, of_charger in months.items()
        for month, sums in of_charger.items()
    }
    for charger, of_charger in months.items():
        found = reported(capsys, home, f"--charger={charger}")
        assert found.pop("2025-03", None) == ((90_000, 0) if charger == "c1" else None)
        assert found == of_charger


@pytest.mark.parametrize(
    ("now", "first", "last"),
    [("2026-01-01 00:00", "2025-01", "2026-01"), ("2026-12-31 23:59", "2025-12", "2026-12")],
)
def test_a_year_and_the_same_month_of_the_last_one(home, now, first, last):
    home.now_seconds = local(now)
    months = [f"{year}-{month:02}" for year in range(2024, 2028) for month in range(1, 13)]
    home.whole_walk([session(month, f"{month}-15 12:00", 100) for month in reversed(months)])
    assert home.book().months == {("c1", each): Totals(100) for each in months if first <= each <= last}
