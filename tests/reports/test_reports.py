"""Reports of known ledgers: sessions, tags and statements, their sums, and what a reader may rely on."""

import contextlib
import csv
import io
import json
import os
import pty
import re
import subprocess
import sys
import time
import tomllib
from datetime import UTC, date, datetime
from decimal import ROUND_HALF_UP, Decimal
from html import unescape
from importlib import resources
from types import SimpleNamespace

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from support.command_line import printed, refusal, run
from support.golden import golden
from support.ledger_rig import LedgerRig, finished, history_of, live, page_of, written
from support.statement_history import NOW, at_home, config_of, known_ledger, local

from joulo_exporter import __version__
from joulo_exporter.config.schema import Tariff, Tariffs
from joulo_exporter.ledger.reader import RecordedSession
from joulo_exporter.models.charger import Charger
from joulo_exporter.reports.sessions import Selection, SessionRow
from joulo_exporter.reports.statement import STATEMENT_FORMATS, Statement

DASH = "\N{EN DASH}"
YEAR = ("--from=2025-12", "--to=2026-11")
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
def odd(tmp_path):
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
    ("name", "named", "warned"),
    [
        ("Europe/Amsterdam", "Europe/Amsterdam", False),
        (":Europe/Amsterdam", "Europe/Amsterdam", False),
        ("JLO-9:45", "JLO-9:45", False),
        ("Europe/Amsterdamm", "UTC", True),
        ("UTC", "UTC", False),
        ("<UTC>0", "<UTC>0", False),
        (None, "/".join(dict.fromkeys(time.tzname)), False),
    ],
)
def test_the_summary_names_the_time_zone_and_an_unknown_one_is_a_warning(
    odd, capsys, monkeypatch, zone, name, named, warned
):
    if name is None:
        monkeypatch.delenv("TZ", raising=False)
    else:
        zone(name)
    _, _, err = run(capsys, "sessions", f"--config.file={odd}")
    *before, summary = [line.removeprefix("joulo-exporter: ") for line in err.splitlines()]
    assert summary.startswith("the ledger is complete: 4 sessions")
    assert summary.endswith(f"; times in {named}")
    warning = f"warning: this system does not know the time zone {name!r} of TZ: dates and times are in UTC"
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
def test_unknown_names_are_one_line(odd, capsys, flag, says):
    status, line = refusal(capsys, "sessions", f"--config.file={odd}", flag)
    assert status == 2
    assert line.startswith(says)


@pytest.mark.parametrize("mode", ["hash", "hide"])
def test_tags_are_not_shown_against_the_configuration(odd, capsys, mode):
    odd.write_text(f"{odd.read_text()}id_tags: {mode}\n")
    for arguments in (["tags"], ["sessions"], ["sessions", "--format=json"], ["tags", "--evcc"]):
        _, out, _ = run(capsys, *arguments, f"--config.file={odd}")
        assert "DEADBE" not in out
        assert "ad be" not in out


def test_backfill_keeps_the_same_charger_of_two_accounts_apart(tmp_path, capsys):
    lines = printed(capsys, "backfill", "--step=1d", f"--config.file={two_accounts(tmp_path)}").splitlines()
    totals = (line.split()[:2] for line in lines if line.startswith("joulo_total_kwh{"))
    assert dict(totals) == {
        'joulo_total_kwh{account="home",charger="c1"}': "10.0",
        'joulo_total_kwh{account="office",charger="c1"}': "2.5",
    }


def test_backfill_shows_its_progress_on_a_terminal_only(odd):
    command = [sys.executable, "-m", "joulo_exporter", "backfill", "--step=1h", f"--config.file={odd}"]
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


# Statements ---------------------------------------------------------------------------------------


def cells_of(page):
    """Return the texts of the cells of all tables, row by row."""
    rows = re.findall(r"<tr.*?</tr>", page, re.DOTALL)
    return [[unescape(cell) for cell in re.findall(r"<t[dh][^>]*>(.*?)</t[dh]>", row)] for row in rows]


@pytest.fixture
def ledger(tmp_path, monkeypatch):
    with at_home(monkeypatch):
        yield known_ledger(tmp_path)


def statement(capsys, ledger, *arguments):
    return printed(capsys, "statement", f"--config.file={ledger}", *arguments)


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("statement.nl.html", ["--language=nl"]),
        ("statement.en.html", []),
        ("statement.csv", ["--format=csv"]),
        ("statement.json", ["--format=json"]),
    ],
)
def test_known_history_gives_the_golden_statement(ledger, capsys, name, arguments):
    out = statement(capsys, ledger, *YEAR, *arguments).replace(__version__, "VERSION")
    assert out == golden(name, out)


def test_both_languages_have_the_same_words():
    text = (resources.files("joulo_exporter.reports") / "statement.toml").read_text("utf-8")
    english, dutch = (
        {name: words.count("{}") for name, words in language.items()} for language in tomllib.loads(text).values()
    )
    assert english == dutch


def test_what_is_not_priced_or_not_listed_is_said_and_a_nickname_adds_no_markup(ledger, capsys):
    _, out, err = run(capsys, "statement", f"--config.file={ledger}", *YEAR, "--language=nl")
    assert err.splitlines()[1:] == [
        "joulo-exporter: statement: 10 sessions, 163.74 kWh, 27.52 euros",
        "joulo-exporter: statement: Still in progress, and so not on this statement: 1 session.",
        "joulo-exporter: statement: Without a known energy, and so without a cost: 1 session.",
        "joulo-exporter: statement: Without a tariff, and so without a price and a cost: 1 session.",
        "joulo-exporter: statement: * Changed by Joulo after the end of the session: 1 session.",
    ]
    assert re.search(r"<script|[\x00-\x09\x0b-\x1f\x7f-\x9f]", out) is None


@pytest.mark.parametrize("text", ["{{ 7 * 7 }}{% if words %}{# note #}", "<b>'\"&lt;</td>", "{version}$title%s"])
def test_any_name_stays_text(tmp_path, capsys, monkeypatch, text):
    written(tmp_path, finished("one", id_tag="CAFE"), name=text, chargers=[Charger("c1", nickname=text)])
    accounts = [{"name": text, "token": "joulo_abc"}]
    config = {"accounts": accounts, "chargers": {"c1": text}, "vehicles": {"CAFE": text}}
    with at_home(monkeypatch):
        page = statement(capsys, config_of(tmp_path, yaml.safe_dump(config)))
    head = [unescape(detail) for detail in re.findall("<dd>(.*?)</dd>", page)]
    charger, session = (row for row in cells_of(page) if text in row)
    assert head[1] == text
    assert charger[1:3] == [text, "c1"]
    assert session[4] == text


def test_a_charger_without_a_nickname_has_that_of_its_latest_session(tmp_path, capsys):
    written(tmp_path, finished("one", charger_nickname="Oprit"), chargers=[Charger("c1")])
    assert ["c1", "Oprit", "c1", "unknown"] in cells_of(statement(capsys, config_of(tmp_path, "")))


def test_an_agreed_price_stands_in_for_every_tariff(ledger, capsys):
    made = json.loads(statement(capsys, ledger, *YEAR, "--price=0.27", "--format=json"))
    assert {each["euro_per_kwh"] for each in made["sessions"]} == {"0.27"}
    assert made["sessions"][0]["cost_cents"] == 1188
    assert made["sessions_without_tariff"] == 0
    page = statement(capsys, ledger, *YEAR, "--price=0.27", "--language=nl")
    assert ["afgesproken prijs", "alle", "0,27", "163,74", "44,23"] in cells_of(page)


@pytest.mark.parametrize(
    ("arguments", "sessions"),
    [
        (("--from=2026-06-15", "--to=2026-06"), ["new-tariff"]),
        ((*YEAR, "--charger=schuur"), ["cents-half", "no-energy"]),
        (("--vehicle=zoe", "--from=2026-07"), ["cents-half", "autumn-1"]),
    ],
)
def test_a_period_a_charger_or_a_vehicle_is_selected(ledger, capsys, arguments, sessions):
    rows = csv.DictReader(io.StringIO(statement(capsys, ledger, "--format=csv", *arguments)))
    assert [row["session_id"] for row in rows] == sessions


@pytest.mark.parametrize(
    ("locale", "title"),
    [
        ({"LANG": "nl_NL.UTF-8"}, "Overzicht thuisladen"),
        ({"LANG": "nl_NL.UTF-8", "LC_ALL": "C"}, "Home charging statement"),
        ({"LANG": "en_GB.UTF-8", "LC_MESSAGES": "nl_BE"}, "Overzicht thuisladen"),
        ({}, "Home charging statement"),
    ],
)
def test_the_language_is_that_of_the_locale(ledger, capsys, monkeypatch, locale, title):
    for name, value in locale.items():
        monkeypatch.setenv(name, value)
    assert f"<h1>{title}</h1>" in statement(capsys, ledger, *YEAR)


def test_no_session_leaves_a_whole_statement(ledger, capsys):
    page = statement(capsys, ledger, "--to=2020")
    assert "No sessions in this period." in page
    assert "<li>No session is known to have been changed by Joulo after its end. Changes are noted since" in page
    assert "Corrected sessions" not in page
    assert len(statement(capsys, ledger, "--to=2020", "--format=csv").splitlines()) == 1
    assert json.loads(statement(capsys, ledger, "--to=2020", "--format=json"))["total"]["sessions"] == 0


def test_an_account_that_was_renamed_is_not_counted_twice(tmp_path, capsys, monkeypatch):
    for name in ("", "home"):
        written(tmp_path, finished("one", kwh_hundredths=1000), name=name)
    config = config_of(tmp_path, "accounts: [{name: home, token: joulo_abc}]\n")
    with at_home(monkeypatch):
        made = json.loads(statement(capsys, config, "--format=json"))
    assert made["total"]["kwh_hundredths"] == 1000
    assert [each["account"] for each in made["sessions"]] == ["home"]
    for command in (("sessions", "--by=year"), ("tags",)):
        status, table, notes = run(capsys, *command, f"--config.file={config}")
        assert (status, "10.00" in table, "20.00" in table) == (0, True, False)
        assert "note: the account without a name of the ledger is not in the configuration, and left out" in notes
    config = config_of(tmp_path, "accounts: [{name: other, token: joulo_abc}]\n")
    for command in ("sessions", "statement", "tags"):
        status, table, fault = run(capsys, command, f"--config.file={config}")
        assert (status, table) == (1, "")
        assert fault == (
            "joulo-exporter: several accounts of the ledger have the same sessions, as after a new name of one; "
            "give the --config.file that the exporter runs with\n"
        )


def test_a_session_of_two_accounts_counts_once_as_it_ended(tmp_path, capsys):
    shared = finished("shared", kwh_hundredths=1000)
    former = finished("shared", ended_at_seconds=None, kwh_hundredths=300, status="charging")
    written(tmp_path, former, finished("own", kwh_hundredths=1), name="home")
    written(tmp_path, shared, finished("other", kwh_hundredths=20), name="office")
    accounts = "accounts: [{name: home, token: joulo_of_home}, {name: office, token: joulo_of_office}]\n"
    config = config_of(tmp_path, accounts)
    made = json.loads(statement(capsys, config, "--format=json"))
    assert (made["total"]["kwh_hundredths"], made["sessions_in_progress"]) == (1021, 0)
    assert [each["account"] for each in made["sessions"] if each["session_id"] == "shared"] == ["office"]
    status, table, notes = run(capsys, "sessions", "--by=year", f"--config.file={config}")
    assert (status, "10.21" in table) == (0, True)
    assert "note: 1 session of several accounts at once: each counts once" in notes


def test_a_ledger_that_is_not_complete_or_not_up_to_date_says_so(tmp_path, capsys, monkeypatch):
    with contextlib.closing(LedgerRig(tmp_path, name="")) as rig:
        rig.now_seconds = local("2026-06-10T12:00")
        rig.chargers(live(None))
        rig.page(page_of(history_of(150), 0, 100), offset=0)
    with at_home(monkeypatch):
        page = statement(capsys, config_of(tmp_path, ""), "--from=2026-06", "--to=2026-06")
    assert '<li class="missing">The ledger is not complete yet: 100 sessions so far.' in page
    assert (
        '<li class="missing">Joulo was last asked for sessions on 10 June 2026 12:00 CEST. '
        "Later sessions of this period are not on this statement.</li>"
    ) in page


# The column and its total, over random histories ----------------------------------------------------

TARIFF = st.builds(
    Tariff,
    st.dates(date(2025, 1, 1), date(2026, 12, 31)),
    st.integers(0, 5_000_000).map(lambda millionths: Decimal(millionths) / 1_000_000),
    st.sampled_from([None, "tesla", "zoe"]),
)
SESSION = st.tuples(
    st.integers(int(datetime(2025, 1, 1, tzinfo=UTC).timestamp()), int(NOW)),
    st.none() | st.integers(0, 20_000),
    st.sampled_from(["tesla", "zoe", "unknown"]),
)


@settings(max_examples=1000)
@given(
    st.lists(SESSION, min_size=1, max_size=12),
    st.lists(TARIFF, max_size=5, unique_by=lambda each: (each.from_day, each.vehicle)),
)
def test_the_column_adds_up_to_the_total_to_the_cent(sessions, entries):
    tariffs = Tariffs(tuple(entries))
    rows = tuple(
        _row(number, *session, tariffs) for number, session in enumerate(sorted(sessions, key=lambda s: s[0]))
    )
    no_ledger = SimpleNamespace(accounts=())
    made = Statement(no_ledger, rows, tariffs, Selection(), agreed_price=False, now_seconds=NOW)

    column = [row["cost_euros"] for row in csv.DictReader(io.StringIO(STATEMENT_FORMATS["csv"](made, "en")))]
    exact = sum(Decimal(cost) for cost in column if cost)

    total = json.loads(STATEMENT_FORMATS["json"](made, "en"))
    assert total["total"]["cost_cents"] == exact * 100
    for groups in ("months", "quarters"):
        assert sum(each["cost_cents"] for each in total[groups]) == exact * 100
    assert sum(each["cost_cents"] for each in total["tariffs"]) == exact * 100

    shown = cells_of(STATEMENT_FORMATS["html"](made, "nl"))
    costs = [row[-1].replace(",", ".") for row in shown if len(row) == 8 and row[0] != "Begin"]
    assert [cost if cost != DASH else "" for cost in costs] == column
    assert shown[-1][-1] in {f"{exact:.2f}".replace(".", ","), DASH}
    for row, cost in zip(rows, column, strict=True):
        if cost:
            price = row.session.kwh_hundredths * row.tariff.euro_per_kwh / 100
            assert Decimal(cost) == price.quantize(Decimal("0.01"), ROUND_HALF_UP)


def _row(number, began_seconds, kwh_hundredths, vehicle, tariffs):
    session = RecordedSession(
        f"s{number}", "c1", started_at_seconds=began_seconds, ended_at_seconds=began_seconds + 3600,
        over_seconds=began_seconds + 3600, kwh_hundredths=kwh_hundredths, end_is_final=True,
    )  # fmt: skip
    tariff = tariffs.of(vehicle, datetime.fromtimestamp(began_seconds, UTC).date())
    return SessionRow("", session, "oprit", Charger("c1"), vehicle, "", tariff)
