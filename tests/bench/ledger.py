"""Measures the ledger at several sizes of history; run by ``make bench``, prints a Markdown table.

Each size runs in a process of its own, so that its memory is its own.
"""

import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from joulo_exporter.ledger.account import AccountLedger, Pause
from joulo_exporter.ledger.database import Database
from joulo_exporter.ledger.history import PAGE_SIZE, Walk, next_page
from joulo_exporter.models.session import Session, SessionPage
from joulo_exporter.models.wire import ApiResponse

SIZES = (1_000, 100_000, 1_000_000)
REFRESHES = 50
START_S = 1_450_000_000.0
STEP_S = 600.0


def session(number: int) -> Session:
    """Return the session of that number; a higher one is newer."""
    started_at_seconds = START_S + number * STEP_S
    return Session(
        id=f"{number:08x}-1111-4a5b-8c6d-7e8f90a1b2c3",
        charger_id=f"{number % 4:08x}-7b1e-4c55-9d0e-1a2b3c4d5e6f",
        started_at_seconds=started_at_seconds,
        charger_nickname="Oprit",
        ended_at_seconds=started_at_seconds + STEP_S / 2,
        kwh_hundredths=1000 + number % 1000,
        credits_hundredths=300,
        id_tag=("04A1B2C3D4E580", "DEADBEEF12345678", None)[number % 3],
    )


def record(ledger: AccountLedger, newest: int, asked: Walk) -> Walk:
    """Record a page of a history whose newest session has that number."""
    first, pause = newest - asked.asked_offset, Pause(now_after(newest), 10)
    page = SessionPage(tuple(map(session, range(first, max(first - PAGE_SIZE, -1), -1))))
    ledger.begin_request("sessions", pause, asked)
    return ledger.record_page(ApiResponse(page), pause, asked).walk


def now_after(newest: int) -> float:
    """Return the time at which the session of that number has ended."""
    return START_S + (newest + 1) * STEP_S


def page_after(walk: Walk, newest: int) -> Walk:
    return next_page(walk, now_after(newest), interval_s=STEP_S, resync_interval_s=7 * 86_400)


def imported(ledger: AccountLedger, sessions: int) -> float:
    """Read the whole history; return the seconds that it took."""
    began, newest = time.perf_counter(), sessions - 1
    walk = page_after(ledger.load()[1], newest)
    while (walk := record(ledger, newest, walk)).offset is not None:
        walk = page_after(walk, newest)
    return time.perf_counter() - began


def refreshed(ledger: AccountLedger, newest: int) -> float:
    """Refresh once, with one new session; return the seconds that it took."""
    began = time.perf_counter()
    record(ledger, newest, page_after(ledger.load()[1], newest))
    ledger.book(name_unlinked=True, now_seconds=now_after(newest))
    return time.perf_counter() - began


def measure(sessions: int) -> str:
    """Return the row of one size."""

    def opened() -> AccountLedger:
        return AccountLedger(database, "home", configured_labels={}, vehicles={"DEADBEEF12345678": "tesla"})

    with tempfile.TemporaryDirectory() as folder:
        database = Database(Path(folder))
        ledger = opened()
        import_s = imported(ledger, sessions)
        refresh_s = statistics.median(refreshed(ledger, sessions + number) for number in range(REFRESHES))
        database.close()
        began = time.perf_counter()
        database = Database(Path(folder))
        ledger = opened()
        ledger.load()
        book = ledger.book(name_unlinked=True, now_seconds=now_after(sessions + REFRESHES))
        restart_s = time.perf_counter() - began
        if sum(totals.held.sessions for totals in book.chargers.values()) != sessions + REFRESHES:
            raise SystemExit("the ledger has counted wrongly")
        database.close()
        file_mib = Path(folder, "ledger.sqlite3").stat().st_size / 2**20
    memory_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return (
        f"| {sessions:,} | {import_s:.1f} | {refresh_s * 1000:.1f} | {restart_s * 1000:.1f} | {file_mib:.1f} "
        f"| {memory_mib:.0f} |"
    )


def main() -> None:
    """Measure one size, or each in a process of its own."""
    if len(sys.argv) > 1:
        print(measure(int(sys.argv[1])))
        return
    print(
        "| sessions | import, s | refresh, ms (median) | restart, ms | file, MiB | peak memory, MiB |", flush=True
    )
    print("|--:|--:|--:|--:|--:|--:|", flush=True)
    for size in SIZES:
        subprocess.run([sys.executable, __file__, str(size)], check=True)


if __name__ == "__main__":
    main()
