"""Sessions and tags of known ledgers: all that is printed of them, and what a reader may rely on."""

import csv
import io
import os
import pty
import subprocess
import sys
import time

import pytest
from support.command_line import printed, refusal, run
from support.golden import golden
from support.ledger_rig import finished, live, written
from support.statement_history import at_home, config_of, known_ledger

JUNE, JULY = 1_780_300_000.0, 1_783_000_000.0


def odd_ledger(folder):
    """Write a ledger of sessions without a price, and of texts that no table or spreadsheet expects."""
    written(
        folder,
        finished("b", at_seconds=JULY, kwh_hundredths=1999, id_tag="de:ad be", charger_nickname="=1+1"),
        finished("c", at_seconds=JULY - 3600, ended_at_seconds=JULY - 3660, kwh_hundredths=0, id_tag="deadbe",
                 counts_for_ere=False),
        finished("a", at_seconds=JUNE, kwh_hundredths=10, credits_hundredths=7, id_tag="DEADBE",
                 counts_for_ere=True, charger_nickname="車庫"),
        chargers=[live("now", started_at_seconds=JULY + 80_000, kwh_hundredths=5)],
        now_seconds=JULY + 86_400,
    )  # fmt: skip
    return config_of(folder, "vehicles: {DEADBE: tesla}\n")


def two_accounts(folder):
    """Write the ledger of two accounts that have the same charger."""
    for name, kwh_hundredths in (("home", 1000), ("office", 250)):
        session = finished(f"{name}-1", at_seconds=JUNE, kwh_hundredths=kwh_hundredths)
        written(folder, session, name=name, now_seconds=JULY)
    return config_of(
        folder, "accounts: [{name: home, token: joulo_of_home}, {name: office, token: joulo_of_office}]\n"
    )


@pytest.fixture
def ledger(tmp_path):
    return odd_ledger(tmp_path)


FORMS = ("table", "csv", "json")


@pytest.mark.parametrize(
    ("name", "made_by", "commands"),
    [
        ("known", known_ledger, (
            *(f"sessions --format={form}" for form in FORMS),
            *(f"sessions --by={by}" for by in ("month", "quarter", "year", "vehicle", "charger")),
            "sessions --by=quarter --format=csv", "sessions --by=quarter --format=json", "sessions --vehicle=zoe",
            "tags",
        )),
        ("odd", odd_ledger, (
            *(f"sessions --format={form}" for form in FORMS),
            *(f"sessions --to=2020 --format={form}" for form in FORMS),
            "tags", "tags --evcc",
        )),
        ("two-accounts", two_accounts, (
            *(f"sessions --format={form}" for form in FORMS),
            "sessions --by=charger", "sessions --by=charger --format=json", "tags",
        )),
    ],
)  # fmt: skip
def test_a_known_ledger_gives_the_golden_reports(tmp_path, capsys, monkeypatch, name, made_by, commands):
    with at_home(monkeypatch):
        config = made_by(tmp_path)
        transcript = ""
        for command in commands:
            status, out, err = run(capsys, *command.split(), f"--config.file={config}")
            assert status == 0
            transcript += f"$ joulo-exporter {command}\n{err}{out}\n"
    assert transcript == golden(f"reports.{name}.txt", transcript)


@pytest.mark.parametrize(
    ("zone", "named", "warned"),
    [
        ("Europe/Amsterdam", "Europe/Amsterdam", False),
        (":Europe/Amsterdam", "Europe/Amsterdam", False),
        ("JLO-9:45", "JLO-9:45", False),
        ("Europe/Amsterdamm", "UTC", True),
        ("UTC", "UTC", False),
        (None, "/".join(dict.fromkeys(time.tzname)), False),
    ],
)
def test_the_summary_names_the_time_zone_and_an_unknown_one_is_a_warning(
    ledger, capsys, monkeypatch, zone, named, warned
):
    if zone is None:
        monkeypatch.delenv("TZ", raising=False)
    else:
        monkeypatch.setenv("TZ", zone)
    _, _, err = run(capsys, "sessions", f"--config.file={ledger}")
    *before, summary = [line.removeprefix("joulo-exporter: ") for line in err.splitlines()]
    assert summary.startswith("the ledger is complete: 4 sessions")
    assert summary.endswith(f"; times in {named}")
    warning = f"warning: this system does not know the time zone {zone!r} of TZ: dates and times are in UTC"
    assert before == [warning] * warned


@pytest.mark.parametrize(
    ("nickname", "shown"),
    [
        ('a "garage", left', 'a "garage", left'),
        ("two\r\nlines", "two  lines"),
        ("\x1b]0;title\x07", " ]0;title "),
        ("\t=1+1", "' =1+1"),
    ],
)
def test_csv_quotes_whatever_would_break_a_row_and_has_no_control_characters(tmp_path, capsys, nickname, shown):
    written(tmp_path, finished("a", at_seconds=JUNE, charger_nickname=nickname))
    _, out, _ = run(capsys, "sessions", "--format=csv", f"--storage.path={tmp_path}")
    assert out.endswith("\n")
    assert out.replace("\n", "").isprintable()
    (row,) = csv.DictReader(io.StringIO(out, newline=""))
    assert row["nickname"] == shown


@pytest.mark.parametrize(
    ("flag", "says"),
    [
        ("--charger=nope", "--charger: 'nope' is not in the ledger; it has c1"),
        ("--vehicle=bike", "--vehicle: 'bike' is not in the configuration; it has tesla, unknown"),
        ("--by=day", "argument --by: invalid choice: 'day'"),
    ],
)
def test_unknown_names_are_one_line(ledger, capsys, flag, says):
    status, line = refusal(capsys, "sessions", f"--config.file={ledger}", flag)
    assert status == 2
    assert line.startswith(says)


@pytest.mark.parametrize("mode", ["hash", "hide"])
def test_tags_are_not_shown_against_the_configuration(ledger, capsys, mode):
    ledger.write_text(f"{ledger.read_text()}id_tags: {mode}\n")
    for arguments in (["tags"], ["sessions"], ["sessions", "--format=json"], ["tags", "--evcc"]):
        _, out, _ = run(capsys, *arguments, f"--config.file={ledger}")
        assert "DEADBE" not in out
        assert "ad be" not in out


def test_backfill_keeps_the_same_charger_of_two_accounts_apart(tmp_path, capsys):
    lines = printed(capsys, "backfill", "--step=1d", f"--config.file={two_accounts(tmp_path)}").splitlines()
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
