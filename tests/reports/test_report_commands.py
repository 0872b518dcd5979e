import csv
import io
import json
import time

import pytest
import yaml
from support.command_line import refusal, run
from support.ledger_rig import LedgerRig, finished, live, page_of

JUNE, JULY = 1_780_300_000.0, 1_783_000_000.0


@pytest.fixture
def ledger(tmp_path):
    rig = LedgerRig(tmp_path, name="")
    rig.now_seconds = JULY + 86_400
    rig.chargers(live("now", started_at_seconds=JULY + 80_000, kwh_hundredths=5))
    rig.whole_walk(
        [
            finished("b", at_seconds=JULY, kwh_hundredths=1999, id_tag="de:ad be", charger_nickname="=1+1"),
            finished("a", at_seconds=JUNE, kwh_hundredths=10, credits_hundredths=7, id_tag="DEADBE",
                     counts_for_ere=True, charger_nickname="車庫"),
        ],
        size=100,
    )  # fmt: skip
    rig.book()
    rig.close()
    config = tmp_path / "exporter.yml"
    config.write_text(f"vehicles: {{DEADBE: tesla}}\nstorage: {{path: {tmp_path}}}\n")
    return config


def test_csv_is_exact_and_safe_for_a_spreadsheet(ledger, capsys):
    status, out, err = run(capsys, "sessions", "--format=csv", f"--config.file={ledger}")
    rows = list(csv.DictReader(io.StringIO(out)))
    assert (status, [row["kwh"] for row in rows]) == (0, ["0.10", "19.99", "0.05"])
    assert [row["nickname"] for row in rows] == ["車庫", "'=1+1", ""]
    assert [row["in_progress"] for row in rows] == ["false", "false", "true"]
    assert [row["vehicle"] for row in rows] == ["tesla", "tesla", "unknown"]
    assert "the ledger is complete: 3 sessions" in err


@pytest.mark.parametrize(
    ("zone", "named", "warned"),
    [
        ("Europe/Amsterdam", "Europe/Amsterdam", False),
        (":Europe/Amsterdam", "Europe/Amsterdam", False),
        ("JLO-9:45", "JLO-9:45", False),
        ("Europe/Amsterdamm", "UTC", True),
        ("nowhere", "UTC", True),
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
    assert summary.startswith("the ledger is complete: 3 sessions")
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
    rig = LedgerRig(tmp_path, name="")
    rig.whole_walk([finished("a", at_seconds=JUNE, charger_nickname=nickname)], size=100)
    rig.book()
    rig.close()
    _, out, _ = run(capsys, "sessions", "--format=csv", f"--storage.path={tmp_path}")
    assert out.endswith("\n")
    assert out.replace("\n", "").isprintable()
    (row,) = csv.DictReader(io.StringIO(out, newline=""))
    assert row["nickname"] == shown


def test_what_cannot_be_read_is_said(ledger, tmp_path, capsys):
    rig = LedgerRig(tmp_path, name="")
    rig.page(page_of([None, finished("c", at_seconds=JULY, kwh_hundredths=None), finished("b")], 0, 100), offset=0)
    rig.close()
    _, _, err = run(capsys, "sessions", f"--config.file={ledger}")
    assert "the ledger is complete but for 2 sessions that cannot be read: 4 sessions since" in err


def test_json_is_one_array(ledger, capsys):
    _, out, _ = run(capsys, "sessions", "--format=json", f"--config.file={ledger}", "--vehicle=tesla")
    assert [
        (row["session_id"], row["kwh"], row["ere_credits"], row["counts_for_ere"]) for row in json.loads(out)
    ] == [("a", 0.1, 0.07, True), ("b", 19.99, None, None)]


def test_table_is_aligned_and_sums_months(ledger, capsys):
    _, out, _ = run(capsys, "sessions", f"--config.file={ledger}")
    lines = out.splitlines()
    assert ["total", "2026-06", "1", "session", "0.10", "0.07"] in [line.split() for line in lines]
    assert lines[-1].split() == ["total", "3", "sessions", "20.14", "0.07"]
    assert "in progress" in out


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


def test_no_session_leaves_the_form_whole(ledger, capsys):
    none = ["sessions", f"--config.file={ledger}", "--to=2020"]
    assert run(capsys, *none, "--format=json")[1] == "[]\n"
    (head,) = run(capsys, *none, "--format=csv")[1].splitlines()
    assert head == (
        "session_id,charger,charger_id,nickname,vehicle,id_tag,started_at,ended_at,in_progress,duration_seconds,"
        "kwh,ere_credits,counts_for_ere,corrected_at,first_kwh"
    )
    assert run(capsys, *none)[1].splitlines()[-1].split() == ["total", "0", "sessions", "0.00", "0.00"]


def test_evcc_yaml_has_every_spelling(ledger, capsys):
    _, out, _ = run(capsys, "tags", "--evcc", f"--config.file={ledger}")
    (vehicle,) = yaml.safe_load(out)["vehicles"]
    assert vehicle == {
        "name": "tesla", "title": "tesla", "type": "template", "template": "offline",
        "identifiers": ["de:ad be", "DEADBE"],
    }  # fmt: skip


@pytest.mark.parametrize("mode", ["hash", "hide"])
def test_tags_are_not_shown_against_the_configuration(ledger, capsys, mode):
    ledger.write_text(f"{ledger.read_text()}id_tags: {mode}\n")
    for arguments in (["tags"], ["sessions"], ["sessions", "--format=json"], ["tags", "--evcc"]):
        _, out, _ = run(capsys, *arguments, f"--config.file={ledger}")
        assert "DEADBE" not in out
        assert "ad be" not in out
