"""The commands on the ledger, which send no requests to the API: reports, and settle."""

import argparse
import contextlib
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import date

from joulo_exporter.cli.commands import DEMO_START, complain, given_shard, say, show_progress, write
from joulo_exporter.config.files import one_line
from joulo_exporter.config.schema import Config, Tariff, Tariffs, load_config
from joulo_exporter.errors import LedgerError
from joulo_exporter.ledger.account import AccountLedger
from joulo_exporter.ledger.database import Database
from joulo_exporter.ledger.reader import LedgerReader, read_ledger
from joulo_exporter.models.charger import Tags
from joulo_exporter.reports.backfill import Backfill, backfill
from joulo_exporter.reports.sessions import Selection, refuse_unknown, report, session_rows
from joulo_exporter.reports.statement import STATEMENT_FORMATS, Statement, language_of
from joulo_exporter.reports.tags import evcc_yaml, tag_table, tags_of
from joulo_exporter.reports.text import completeness_lines, count_text, require_complete

_SETTLED = {
    "charger_kwh_hundredths": ("joulo_total_kwh", 100),
    "charger_credits_hundredths": ("joulo_ere_credits_total", 100),
    "charger_sessions": ("joulo_sessions_total", 1),
    "charger_duration_ms": ("joulo_session_seconds_total", 1000),
    "charger_eligible_kwh_hundredths": ("joulo_eligible_kwh_total", 100),
    "vehicle_kwh_hundredths": ("joulo_vehicle_kwh_total", 100),
    "vehicle_credits_hundredths": ("joulo_vehicle_ere_credits_total", 100),
    "vehicle_eligible_kwh_hundredths": ("joulo_vehicle_eligible_kwh_total", 100),
    "vehicle_sessions": ("joulo_vehicle_sessions_total", 1),
    "account_kwh": ("joulo_account_kwh_total", 100),
    "account_credits": ("joulo_account_ere_credits_total", 100),
    "account_sessions": ("joulo_account_sessions_total", 1),
}
"""The metric of each series of marks that has one, and units of a mark in one unit of the metric."""

_RESET = """\
Prometheus takes each fall for a reset of the counter: increase() and rate() over a range that has the fall in it
count the whole value after it as new, next to the rise that was wrong. A range that begins after the next start of
the exporter is right; others are once the samples from the wrong rise until now are deleted: docs/ledger.md."""


@contextlib.contextmanager
def _ledger(options: argparse.Namespace) -> Iterator[tuple[Config, Tags, LedgerReader]]:
    """Open the ledger of the configuration; its token, perhaps set for the exporter alone, is not needed."""
    environ: Mapping[str, str] = os.environ
    if not environ.get("JOULO_TOKEN") and not environ.get("JOULO_TOKEN_FILE"):
        environ = {**environ, "JOULO_TOKEN": "not-needed"}
    config = load_config(options.config_file, environ, storage_path=options.storage_path)
    with read_ledger(config.storage_path) as reader:
        for name in reader.keep_to(_names(config)):
            account = f"account {name}" if name else "the account without a name"
            complain(f"note: {account} of the ledger is not in the configuration, and left out")
        yield config, config.tags, reader


def _names(config: Config) -> list[str]:
    return [account.name or "" for account in config.accounts]


def _selection(options: argparse.Namespace, reader: LedgerReader, tags: Tags) -> Selection:
    """Return the conditions of the flags, and say how complete the ledger is before the report is printed."""
    selection = Selection(options.from_seconds, options.to_seconds, options.charger, options.vehicle)
    refuse_unknown(reader, tags, selection)
    _say_completeness(reader, reader.accounts)
    if reader.shared:
        complain(f"note: {count_text(len(reader.shared))} of several accounts at once: each counts once")
    return selection


def _say_completeness(reader: LedgerReader, accounts: Iterable[str]) -> None:
    for line in completeness_lines(reader, accounts):
        complain(line)


def _sessions(options: argparse.Namespace) -> None:
    with _ledger(options) as (config, tags, reader):
        selection = _selection(options, reader, tags)
        rows = session_rows(reader, tags, config.tariffs, selection)
        named, priced = any(reader.accounts), bool(config.tariffs.entries)
    write([report(rows, options.format, by=options.by, named=named, priced=priced)])


def _statement(options: argparse.Namespace) -> None:
    with _ledger(options) as (config, tags, reader):
        tariffs = config.tariffs if options.price is None else Tariffs((Tariff(date.min, options.price),))
        selection = _selection(options, reader, tags)
        statement = Statement(
            reader,
            session_rows(reader, tags, tariffs, selection),
            tariffs,
            selection,
            agreed_price=options.price is not None,
            now_seconds=time.time(),
        )
    for line in statement.summary():
        complain(line)
    write([STATEMENT_FORMATS[options.format](statement, options.language or language_of(os.environ))])


def _tags(options: argparse.Namespace) -> None:
    with _ledger(options) as (config, tags, reader):
        found = tags_of(session_rows(reader, tags, config.tariffs, Selection()))
        text = evcc_yaml(found, tags.mode) if options.evcc else tag_table(found, named=any(reader.accounts))
        _say_completeness(reader, reader.accounts)
    write([text])


def _backfill(options: argparse.Namespace) -> None:
    shard = given_shard(options)
    with _ledger(options) as (config, tags, reader):
        wanted = Backfill(
            now_seconds=time.time(),
            step_s=options.step_s,
            labels=dict(options.label or ()),
            from_seconds=options.from_seconds,
            to_seconds=options.to_seconds,
            constant_power=(config.storage_path / DEMO_START).exists(),
        )
        accounts = [name for name in _names(config) if shard.holds(name or None)]
        require_complete(reader, accounts)
        _say_completeness(reader, accounts)
        write(backfill(reader, accounts, tags, wanted, show_progress))


def _settle(options: argparse.Namespace) -> None:
    with _ledger(options) as (config, tags, reader):  # where there is no ledger, none is made
        accounts = [name for name in _names(config) if name in reader.accounts]
        if not accounts:
            remedy = "give the --config.file that the exporter runs with"
            raise LedgerError(
                f"{config.storage_path}: no account of the configuration is in this ledger; {remedy}"
            )
        require_complete(reader, accounts)
        refuse_unknown(reader, tags, Selection(charger=options.charger))
    lines: list[str] = []
    with contextlib.closing(Database(config.storage_path)) as database:
        for account in accounts:
            ledger = AccountLedger(database, account, configured_labels=config.chargers, vehicles=tags.vehicles)
            for series, name, held, truth in ledger.settle(options.charger):
                if series in _SETTLED:
                    metric, unit = _SETTLED[series]
                    where = " ".join(filter(None, (account, name)))
                    lines.append(f"{metric} ({where}): {held / unit:.2f} falls to {truth / unit:.2f}")
    write(f"{one_line(line)}\n" for line in lines)
    say(_RESET if lines else "No counter is held above the truth: nothing falls.")


LEDGER_COMMANDS: Mapping[str, Callable[[argparse.Namespace], None]] = {
    "sessions": _sessions,
    "statement": _statement,
    "tags": _tags,
    "backfill": _backfill,
    "settle": _settle,
}
