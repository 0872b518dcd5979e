"""The cost of sessions, and totals over groups of them."""

from __future__ import annotations

import csv
import io
import json

import pytest
from support.command_line import printed
from support.statement_history import at_home, known_ledger


@pytest.fixture
def ledger(tmp_path, monkeypatch):
    with at_home(monkeypatch):
        yield known_ledger(tmp_path)


def sessions(capsys, ledger, *arguments):
    return printed(capsys, "sessions", f"--config.file={ledger}", *arguments)


@pytest.mark.parametrize(
    ("by", "totals"),
    [
        ("year", {"2025": ("44.00", "0.00"), "2026": ("124.74", "28.63")}),
        ("quarter", {"2025-Q4": ("44.00", "0.00"), "2026-Q1": ("7.25", "1.84"), "2026-Q2": ("58.50", "14.18"),
                     "2026-Q3": ("25.00", "5.53"), "2026-Q4": ("33.99", "7.08")}),
        ("month", {"2025-12": ("44.00", "0.00"), "2026-03": ("7.25", "1.84"), "2026-06": ("58.50", "14.18"),
                   "2026-07": ("25.00", "5.53"), "2026-08": ("0.00", "0.00"), "2026-10": ("28.99", "5.97"),
                   "2026-11": ("5.00", "1.11")}),
        ("vehicle", {"tesla": ("111.49", "15.13"), "unknown": ("7.25", "1.84"), "zoe": ("50.00", "11.66")}),
        ("charger", {"garage-oud": ("7.25", "1.84"), "oprit": ("136.49", "21.26"), "schuur": ("25.00", "5.53")}),
    ],
)  # fmt: skip
def test_totals_by_group(ledger, capsys, by, totals):
    table = sessions(capsys, ledger, f"--by={by}").splitlines()
    assert table[0].split() == [by.upper(), "SESSIONS", "KWH", "CREDITS", "COST"]
    assert {line.split()[0]: (line.split()[2], line.split()[4]) for line in table[1:-1]} == totals
    assert table[-1].split() == ["total", "11", "168.74", "0.00", "28.63"]
    rows = list(csv.DictReader(io.StringIO(sessions(capsys, ledger, f"--by={by}", "--format=csv"))))
    assert {row[by]: (row["kwh"], row["cost_euros"]) for row in rows} == totals
    records = json.loads(sessions(capsys, ledger, f"--by={by}", "--format=json"))
    assert {each[by]: (each["kwh"], each["cost_euros"]) for each in records} == {
        name: (float(kwh), float(cost)) for name, (kwh, cost) in totals.items()
    }


def test_each_session_has_its_cost(ledger, capsys):
    rows = list(csv.DictReader(io.StringIO(sessions(capsys, ledger, "--format=csv", "--vehicle=zoe"))))
    assert [row["cost_euros"] for row in rows] == ["4.69", "5.53", "0.33", "1.11"]
    assert sessions(capsys, ledger).splitlines()[-1].split() == [
        "total",
        "11",
        "sessions",
        "168.74",
        "0.00",
        "28.63",
    ]
