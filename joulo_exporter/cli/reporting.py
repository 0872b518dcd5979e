"""The commands on the ledger: sessions, tags and backfill. They ask no one, so they need no token."""

from __future__ import annotations

import contextlib
import os
import time
from typing import TYPE_CHECKING

from joulo_exporter import reports
from joulo_exporter.cli.console import Progress, complain, write
from joulo_exporter.cli.shard_flags import given_shard
from joulo_exporter.config import Config, load_config, of_shard
from joulo_exporter.errors import ConfigError
from joulo_exporter.ledger.reader import read_ledger
from joulo_exporter.models.tag import Tags

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Mapping

    from joulo_exporter.ledger.reader import LedgerReader

_LONGEST_STEP_S = 300.0


def print_sessions(options: argparse.Namespace) -> int:
    """Print the sessions as a table, CSV or JSON."""
    _refuse_reversed(options)
    config = _config(options)
    tags = _tags(config)
    selection = reports.Selection(
        from_seconds=options.from_seconds,
        to_seconds=options.to_seconds,
        charger=options.charger,
        vehicle=options.vehicle,
    )
    with read_ledger(config.storage_path) as reader:
        reports.refuse_unknown(reader, tags, selection)
        _say_completeness(reader, reader.accounts)
        form = reports.FORMATS[options.format]
        write(form(lambda: reports.session_rows(reader, tags, selection), named=_named(reader)))
    return 0


def print_tags(options: argparse.Namespace) -> int:
    """Print the RFID tags, as a table or as EVCC's YAML."""
    config = _config(options)
    tags = _tags(config)
    with read_ledger(config.storage_path) as reader:
        found = reports.tags_of(reader, tags)
        lines = (
            list(reports.evcc_yaml(found, tags))
            if options.evcc
            else reports.tag_table(found, tags, named=_named(reader))
        )
        _say_completeness(reader, reader.accounts)
        write(lines)
    return 0


def print_backfill(options: argparse.Namespace) -> int:
    """Print the history as OpenMetrics."""
    _refuse_reversed(options)
    config = of_shard(_config(options), given_shard(options, os.environ))
    wanted = reports.Backfill(
        now_seconds=time.time(),
        step_s=options.step_s,
        labels=_labels(options.labels),
        from_seconds=options.from_seconds,
        to_seconds=options.to_seconds,
    )
    accounts = [account.name or "" for account in config.accounts]
    progress = Progress("backfill")
    with read_ledger(config.storage_path) as reader, contextlib.closing(progress):
        lines = reports.backfill(reader, accounts, _tags(config), wanted, progress)
        _say_completeness(reader, accounts)
        if options.step_s > _LONGEST_STEP_S:
            complain("note: with a --step above 5m Prometheus shows gaps between the samples")
        write(lines)
    return 0


def _refuse_reversed(options: argparse.Namespace) -> None:
    start, end = options.from_seconds, options.to_seconds
    if start is not None and end is not None and end <= start:
        raise ConfigError("--to: is not after --from, so that nothing lies between them; exchange them")


def _config(options: argparse.Namespace) -> Config:
    """Return the configuration; where the exporter's token is in the environment, its absence is no fault here."""
    environ: Mapping[str, str] = os.environ
    if not environ.get("JOULO_TOKEN") and not environ.get("JOULO_TOKEN_FILE"):
        environ = {**environ, "JOULO_TOKEN": "not-needed"}
    return load_config(options.config_file, environ, storage_path=options.storage_path)


def _tags(config: Config) -> Tags:
    return Tags(vehicles=config.vehicles, mode=config.id_tags)


def _named(reader: LedgerReader) -> bool:
    return any(reader.accounts)


def _say_completeness(reader: LedgerReader, accounts: Iterable[str]) -> None:
    for line in reports.completeness_lines(reader, accounts):
        complain(line)


def _labels(pairs: list[tuple[str, str]] | None) -> dict[str, str]:
    labels: dict[str, str] = {}
    for name, value in pairs or ():
        if name in labels:
            raise ConfigError(f"--label: {name} is given twice; keep one")
        labels[name] = value
    return labels
