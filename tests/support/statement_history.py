"""Ledgers of which a statement is known by hand, and the command line at home in a Dutch winter."""

import contextlib
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from zoneinfo import ZoneInfo

import msgspec
from support.ledger_rig import finished, live, written

from joulo_exporter.cli import ledger_commands
from joulo_exporter.models.charger import Charger

HOME = ZoneInfo("Europe/Amsterdam")
DRIVE, SHED, GONE = "6f1d2c0a-0001", "6f1d2c0a-0002", "6f1d2c0a-0003"
MARKUP = '<script>alert(1)</script> & "Oprit"\x1b[31m'

VEHICLES = {"DEADBEEF": "tesla", "CAFE": "zoe"}
CONFIG = """\
vehicles: {DEADBEEF: tesla, CAFE: zoe}
tariffs:
  - {from: 2026-01-01, euro_per_kwh: 0.2534}
  - {from: 2026-06-15, euro_per_kwh: 0.2210}
  - {from: 2026-10-01, euro_per_kwh: 0.205, vehicle: tesla}
"""


def local(text: str, fold: int = 0) -> float:
    """Return the Unix seconds of a moment at home; ``fold`` 1 is the second of two equal ones."""
    return datetime.fromisoformat(text).replace(tzinfo=HOME, fold=fold).timestamp()


NOW = local("2026-12-01T09:30")


@contextlib.contextmanager
def at_home(monkeypatch) -> Iterator[None]:
    """Put this process into Amsterdam, with no token, on the morning of the statement."""
    for name in ("JOULO_TOKEN", "JOULO_TOKEN_FILE", "LC_ALL", "LC_MESSAGES", "LANG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TZ", "Europe/Amsterdam")
    monkeypatch.setattr(ledger_commands, "time", SimpleNamespace(time=lambda: NOW))
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def session(session_id: str, start: str, end: str, kwh_hundredths: int | None, tag: str | None, **fields):
    """Return a finished session between two moments at home."""
    folds = fields.pop("folds", (0, 0))
    start_seconds, end_seconds = (local(text, fold) for text, fold in zip((start, end), folds, strict=True))
    values = {"charger_id": DRIVE, "ended_at_seconds": end_seconds, "kwh_hundredths": kwh_hundredths}
    return finished(session_id, at_seconds=start_seconds, id_tag=tag, **(values | fields))


def known_history() -> list:
    """Return sessions around everything that can go wrong in a statement, newest first."""
    return [
        session("autumn-2", "2026-10-25T02:30", "2026-10-25T03:15", 750, "DEADBEEF", folds=(1, 0)),
        session("autumn-1", "2026-10-25T02:10", "2026-10-25T02:20", 150, "CAFE", folds=(0, 1)),
        session("own-tariff", "2026-10-01T00:00", "2026-10-01T04:00", 1999, "de:ad be:ef"),
        session("no-energy", "2026-08-03T12:00", "2026-08-03T12:05", None, None, charger_id=SHED),
        session("cents-half", "2026-07-01T12:00", "2026-07-01T14:00", 2500, "CAFE", charger_id=SHED),  # 5.525
        session("new-tariff", "2026-06-15T00:00", "2026-06-15T06:00", 2000, "DEADBEEF"),
        session("old-tariff", "2026-06-14T23:30", "2026-06-15T05:30", 2000, "DEADBEEF"),
        session("corrected", "2026-06-02T18:00", "2026-06-02T22:00", 1850, "CAFE"),
        session("spring", "2026-03-29T01:30", "2026-03-29T03:30", 725, None, charger_id=GONE,
                charger_nickname="Garage, oud"),
        session("new-year", "2025-12-31T22:00", "2026-01-01T02:00", 4400, "DEADBEEF"),
    ]  # fmt: skip


def config_of(folder: Path, text: str) -> Path:
    """Write a configuration beside a ledger, and return it."""
    config = folder / "exporter.yml"
    config.write_text(f"{text}storage: {{path: {folder}}}\n")
    return config


def known_ledger(folder: Path) -> Path:
    """Write the ledger of the known history, with one session corrected and one withdrawn; return its config."""
    drive = Charger(DRIVE, slug="oprit", nickname=MARKUP, mid_certified=True)
    shed = Charger(SHED, slug="schuur", nickname="Schuur", mid_certified=False)
    history = known_history()
    before = [session("withdrawn", "2026-06-20T10:00", "2026-06-20T11:00", 900, "CAFE"), *history]
    before[8] = session("corrected", "2026-06-02T18:00", "2026-06-02T22:00", 2000, "CAFE")
    then = [Charger(GONE, nickname="Garage, oud"), drive, shed]
    in_progress = live("now", started_at_seconds=local("2026-11-30T22:00"), kwh_hundredths=500, id_tag="CAFE")
    now = [msgspec.structs.replace(drive, session=in_progress.session), shed]
    for at, chargers, sessions in (("2026-11-20T23:00", then, before), ("2026-12-01T09:00", now, history)):
        written(folder, *sessions, chargers=chargers, now_seconds=local(at), vehicles=VEHICLES)
    return config_of(folder, CONFIG)


def long_ledger(folder: Path, sessions: int) -> Path:
    """Write a ledger with a session each day from 2026 on; return its configuration."""
    days = [datetime(2026, 1, 1, 22) + timedelta(days=number) for number in reversed(range(sessions))]  # noqa: DTZ001
    times = [(day.isoformat(), (day + timedelta(hours=4)).isoformat()) for day in days]
    history = [session(start, start, end, 1234, "DEADBEEF") for start, end in times]
    drive = Charger(DRIVE, slug="oprit", nickname=MARKUP, mid_certified=True)
    written(folder, *history, chargers=[drive], now_seconds=local("2026-12-01T09:00"))
    return config_of(folder, CONFIG)
