"""Measures the start of the exporter with a ledger; run by ``make bench``, prints a Markdown table.

The API does not answer meanwhile. The best of several runs counts: what else runs on the machine only ever makes a
start slower.
"""

import contextlib
import json
import os
import tempfile
import time
from pathlib import Path

from ledger import imported
from support.processes import EXPORTER, environment, free_port, get, running

from joulo_exporter.ledger.account import AccountLedger
from joulo_exporter.ledger.database import Database

RUNS, ACCOUNTS, SESSIONS = 5, (1, 1000), 100


def fill(folder: Path, accounts: int) -> None:
    """Make a ledger, and a configuration."""
    names = [f"a{number}" for number in range(accounts)] if accounts > 1 else [""]
    database = Database(folder / "ledger")
    for name in names:
        imported(AccountLedger(database, name, configured_labels={}, vehicles={}), SESSIONS)
    database.close()
    named = [{"name": name, "token": f"joulo_{name}"} for name in names if name]
    (folder / "joulo.yml").write_text(json.dumps({"accounts": named} if named else {}))


def first_scrape_s(folder: Path, accounts: int) -> float:
    """Return the time from the start of the process to a scrape with what the ledger knows of every account."""
    port = free_port()
    flags = [f"--storage.path={folder / 'ledger'}", f"--web.listen-address=127.0.0.1:{port}", "--log.level=error"]
    if accounts > 1:
        flags.append(f"--config.file={folder / 'joulo.yml'}")
    began = time.perf_counter()
    with running([*EXPORTER, *flags], folder / "log", os.environ | environment("http://127.0.0.1:9")):
        while time.perf_counter() - began < 60:
            with contextlib.suppress(OSError):
                if get(f"http://127.0.0.1:{port}/metrics").count(b"\njoulo_history_complete") == accounts:
                    return time.perf_counter() - began
            time.sleep(0.005)
    raise SystemExit("the exporter does not answer")


def main() -> None:
    print("| accounts | sessions each | start to the first scrape with values, s |\n|--:|--:|--:|")
    for accounts in ACCOUNTS:
        with tempfile.TemporaryDirectory() as temporary:
            fill(Path(temporary), accounts)
            best = min(first_scrape_s(Path(temporary), accounts) for _ in range(RUNS))
        print(f"| {accounts:,} | {SESSIONS:,} | {best:.2f} |", flush=True)


if __name__ == "__main__":
    main()
