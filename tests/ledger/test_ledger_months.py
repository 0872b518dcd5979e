"""Months of the book: those of ``sessions --by=month`` on the same ledger, to the last hundredth."""

import json
import time
from datetime import datetime

import pytest
from support.command_line import run
from support.ledger_rig import LedgerRig, finished, live, page_of

from joulo_exporter.ledger.book import MonthTotals

DRIVE, GARAGE = "c1", "c2"


@pytest.fixture(autouse=True)
def amsterdam(monkeypatch):
    for name in ("JOULO_TOKEN", "JOULO_TOKEN_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TZ", "Europe/Amsterdam")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.fixture
def rig(tmp_path):
    rig = LedgerRig(tmp_path, name="")
    rig.now_seconds = local("2026-04-01 00:30")
    yield rig
    rig.close()


def local(text: str, fold: int = 0) -> float:
    return datetime.fromisoformat(text).replace(fold=fold).timestamp()


def session(session_id: str, start: str, kwh_hundredths: int | None, **fields):
    fold = fields.pop("fold", 0)
    return finished(session_id, at_seconds=local(start, fold), kwh_hundredths=kwh_hundredths, **fields)


def reported(capsys, rig, *arguments: str) -> dict[str, tuple[float, float]]:
    """Return energy and credits by month, as the command prints them."""
    flags = ("--by=month", "--format=json", f"--storage.path={rig.folder}", *arguments)
    _, out, _ = run(capsys, "sessions", *flags)
    return {total["month"]: (total["kwh"], total["ere_credits"]) for total in json.loads(out)}


def shown(months) -> dict[str, tuple[float, float]]:
    return {month.month: (month.kwh_hundredths / 100, month.credits_hundredths / 100) for month in months}


def test_months_are_those_of_the_report_over_borders_and_clock_changes(rig, capsys):
    hours_over_midnight = {"ended_at_seconds": local("2026-03-01 06:00")}
    rig.chargers(
        live("now", DRIVE, started_at_seconds=local("2026-03-31 23:59:59"), kwh_hundredths=314), live(None, GARAGE)
    )
    rig.whole_walk(
        [
            session("april", "2026-04-01 00:00", 7, credits_hundredths=2, charger_id=GARAGE),
            session("last of march", "2026-03-31 23:59:59.999600", 100),  # SQLite rounds this to April
            session("summer", "2026-03-29 03:00", 1001, credits_hundredths=334),  # the hour before does not exist
            session("winter", "2026-03-29 01:59:59", 1),
            session("first of march", "2026-03-01 00:00", 500, credits_hundredths=167, charger_id=GARAGE),
            session("over midnight", "2026-02-28 21:00", 4108, credits_hundredths=1367, **hours_over_midnight),
            session("without energy", "2026-02-14 12:00", None),
            session("new year", "2026-01-01 00:00", 11),
            session("a moment before", "2025-12-31 23:59:59.999900", 3),
            session("later 2:30", "2025-10-26 02:30", 20, fold=1),
            session("earlier 2:30", "2025-10-26 02:30", 22),
            session("first shown", "2025-04-01 00:00", 9),
            session("too long ago", "2025-03-31 23:59:59", 90_000),
        ],
        size=100,
    )
    book = rig.book()
    assert shown(book.months) == {
        "2025-04": (0.09, 0),
        "2025-10": (0.42, 0),
        "2025-12": (0.03, 0),
        "2026-01": (0.11, 0),
        "2026-02": (41.08, 13.67),
        "2026-03": (19.16, 5.01),
        "2026-04": (0.07, 0.02),
    }
    assert book.charger_months == {GARAGE: MonthTotals("2026-04", 7, 2)}
    of_all = reported(capsys, rig)
    assert of_all.pop("2025-03") == (900, 0)
    assert of_all == shown(book.months)
    assert reported(capsys, rig, "--charger=c2")["2026-04"] == (0.07, 0.02)


def test_a_page_that_brings_nothing_new_sums_no_session_again(rig):
    history = [session("a", "2026-03-02 08:00", 1000)]
    rig.whole_walk(history, size=100)
    rig.book()
    sums = []
    with rig.database.transaction() as connection:
        connection.set_trace_callback(
            lambda text: sums.append(text) if "ended_at IS NOT NULL AND started_at IS NULL GROUP" in text else None
        )
    rig.page(page_of(history, 0, 100), offset=0)
    rig.now_seconds += 86_400
    assert shown(rig.book().months) == {"2026-03": (10, 0)}
    assert sums == []
    rig.now_seconds += 30 * 86_400  # May
    rig.book()
    assert len(sums) == 1


@pytest.mark.parametrize(
    ("now", "first", "last"),
    [("2026-01-01 00:00", "2025-01", "2026-01"), ("2026-12-31 23:59", "2025-12", "2026-12")],
)
def test_a_year_and_the_same_month_of_the_last_one(rig, now, first, last):
    rig.now_seconds = local(now)
    months = [f"{year}-{month:02}" for year in (2027, 2026, 2025, 2024) for month in range(12, 0, -1)]
    rig.whole_walk([session(month, f"{month}-15 12:00", 100) for month in months], size=100)
    shown_months = [month.month for month in rig.book().months]
    assert shown_months == [month for month in reversed(months) if first <= month <= last]
    assert len(shown_months) == 13
