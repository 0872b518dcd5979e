"""Reports on several accounts in one ledger, and the progress that a person sees."""

from __future__ import annotations

import csv
import io
import json
import os
import pty
import subprocess
import sys

import pytest
from support.command_line import printed
from support.ledger_rig import LedgerRig, finished, live

JUNE = 1_780_300_000.0


@pytest.fixture
def ledger(tmp_path):
    """Return the configuration of two accounts, which have the same charger, and the ledger of both."""
    for name, kwh_hundredths in (("home", 1000), ("office", 250)):
        rig = LedgerRig(tmp_path, name=name)
        rig.chargers(live(None))
        rig.whole_walk([finished(f"{name}-1", at_seconds=JUNE, kwh_hundredths=kwh_hundredths)], size=100)
        rig.book()
        rig.close()
    config = tmp_path / "exporter.yml"
    config.write_text(
        "accounts:\n"
        "  - {name: home, token: joulo_of_home}\n"
        "  - {name: office, token: joulo_of_office}\n"
        f"storage: {{path: {tmp_path}}}\n"
    )
    return config


def test_sessions_and_groups_say_whose_they_are(ledger, capsys):
    records = json.loads(printed(capsys, "sessions", "--by=charger", "--format=json", f"--config.file={ledger}"))
    assert [each["charger"] for each in records] == ["home/c1", "office/c1"]
    assert "cost_euros" not in records[0]
    rows = list(
        csv.DictReader(io.StringIO(printed(capsys, "sessions", "--format=csv", f"--config.file={ledger}")))
    )
    assert [(row["account"], row["charger"], row["kwh"]) for row in rows] == [
        ("home", "c1", "10.00"),
        ("office", "c1", "2.50"),
    ]


def test_backfill_keeps_the_same_charger_of_two_accounts_apart(ledger, capsys):
    lines = printed(capsys, "backfill", "--step=1d", f"--config.file={ledger}").splitlines()
    totals = (line.split()[:2] for line in lines if line.startswith("joulo_total_kwh{"))
    assert dict(totals) == {
        'joulo_total_kwh{account="home",charger="c1"}': "10.00",
        'joulo_total_kwh{account="office",charger="c1"}': "2.50",
    }


def test_backfill_shows_its_progress_on_a_terminal_only(ledger):
    command = [sys.executable, "-m", "joulo_exporter", "backfill", "--step=1h", f"--config.file={ledger}"]
    terminal, end = pty.openpty()
    try:
        subprocess.run(command, stdout=subprocess.DEVNULL, stderr=end, check=True, timeout=60)
        shown = os.read(terminal, 65536).decode()
    finally:
        os.close(end)
        os.close(terminal)
    assert "%" in shown
    piped = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=True, timeout=60)
    assert b"%" not in piped.stderr
