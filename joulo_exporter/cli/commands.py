"""The commands: from arguments to an exit status.

A service that runs for months holds in memory all that it has loaded, and a report is printed the sooner the less
it loads. So each command imports its own rooms when it runs.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
import sys
import tempfile
import time
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from joulo_exporter import logs
from joulo_exporter.cli.console import Progress, complain, say, write
from joulo_exporter.cli.demo import CONFIG_NAME, is_demo, simulated_household
from joulo_exporter.cli.parser import DEFAULT_LISTEN_ADDRESS, make_parser, parse_arguments
from joulo_exporter.config.schema import COLLECTORS, Config, load_config, of_shard
from joulo_exporter.errors import ConfigError, JouloExporterError, LedgerError
from joulo_exporter.models.charger import Tags
from joulo_exporter.models.tariffs import Tariff, Tariffs
from joulo_exporter.sharding import find_shard

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from joulo_exporter.ledger.reader import LedgerReader
    from joulo_exporter.reports import Selection
    from joulo_exporter.service import Service, WebOptions
    from joulo_exporter.sharding import Shard

EXIT_FAULT = 1
EXIT_USAGE = 2

_LONGEST_STEP_S = 300.0
"""Prometheus takes a series for gone when it has no sample for so long."""

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
    "meter_wh": ("joulo_charger_meter_kwh_total", 1000),
}
"""The metric of each series of marks that has one, and units of a mark in one unit of the metric."""

_RESET = """\
Prometheus takes each fall for a reset of the counter: increase() and rate() over a range that has the fall in it
count the whole value after it as new, next to the rise that was wrong. A range that begins after the next start of
the exporter is right; others are once the samples from the wrong rise until now are deleted: docs/ledger.md."""


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the command line, of the process if ``None``; return 0, 1 for a fault at run time, 2 for bad usage."""
    try:
        options = parse_arguments(make_parser(), sys.argv[1:] if arguments is None else arguments)
        return _COMMANDS[options.command](options)
    except ConfigError as error:
        complain(str(error))
        return EXIT_USAGE
    except JouloExporterError as error:
        complain(str(error))
        return EXIT_FAULT
    except BrokenPipeError:  # the reader of our output has left, as `| head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


# serve and check ----------------------------------------------------------------------------------


def _serve(options: argparse.Namespace) -> int:
    """Run the exporter until a signal ends it; with ``--config.check`` only check the file."""
    if options.config_check:
        return _check_files(options)
    from joulo_exporter.service import Service  # noqa: PLC0415 -- see the module

    asyncio.run(_run_service(Service(_loader(options), _web_options(options)), options))
    return 0


def _check(options: argparse.Namespace) -> int:
    """Check the configuration and every token against the API; with ``--config.check`` only the file."""
    if options.config_check:
        return _check_files(options)
    _check_web_file(options)
    from joulo_exporter.check import check  # noqa: PLC0415 -- see the module

    logs.configure(options.log_level, options.log_format, sys.stderr)
    return 0 if asyncio.run(check(_loader(options)(), say)) else EXIT_FAULT


async def _run_service(
    service: Service, options: argparse.Namespace, started: Callable[[list[str]], None] | None = None
) -> None:
    logs.configure(options.log_level, options.log_format, sys.stderr, secrets=service.secrets)
    await service.run(started)


def _loader(options: argparse.Namespace) -> Callable[[], Config]:
    """Return a function that reads the configuration of this shard."""
    shard = given_shard(options, os.environ)
    return lambda: of_shard(
        load_config(
            options.config_file, os.environ, storage_path=options.storage_path, collectors=collectors(options)
        ),
        shard,
    )


def collectors(options: argparse.Namespace) -> dict[str, bool]:
    """Return the collectors that the flags switch on or off."""
    switches = {name: getattr(options, f"collector_{name}", None) for name in COLLECTORS}
    return {name: switch for name, switch in switches.items() if switch is not None}


def given_shard(options: argparse.Namespace, environ: Mapping[str, str]) -> Shard:
    """Return this exporter's place among the shards; ``POD_NAME`` is the name of a StatefulSet's pod.

    Raises:
        ConfigError: there is no such place, or it is not said.
    """
    return find_shard(
        getattr(options, "shard", None), getattr(options, "total_shards", None), environ.get("POD_NAME")
    )


def _check_files(options: argparse.Namespace) -> int:
    """Check the configuration file and the web configuration, and nothing else."""
    config = _loader(options)()
    say(f"{options.config_file or 'environment'}: the configuration is valid")
    if config.shard.total > 1:
        say(f"{config.shard} has {len(config.accounts)} of the accounts")
    _check_web_file(options)
    return 0


def _check_web_file(options: argparse.Namespace) -> None:
    if options.web_config_file is not None:
        from joulo_exporter.web.config import load_web_config  # noqa: PLC0415 -- see the module

        load_web_config(options.web_config_file)
        say(f"{options.web_config_file}: the web configuration is valid")


def _web_options(options: argparse.Namespace) -> WebOptions:
    from joulo_exporter.service import WebOptions  # noqa: PLC0415 -- see the module
    from joulo_exporter.web.app import web_paths  # noqa: PLC0415 -- see the module

    return WebOptions(
        listen_addresses=tuple(options.listen_addresses or (DEFAULT_LISTEN_ADDRESS,)),
        telemetry_path=options.telemetry_path,
        lifecycle_enabled=options.lifecycle,
        config_file=options.web_config_file,
        systemd_socket=options.systemd_socket,
        paths=web_paths(options.external_url, options.route_prefix),
    )


# demo ---------------------------------------------------------------------------------------------


def _demo(options: argparse.Namespace) -> int:
    """Run the exporter against a simulated household: no token, no network."""
    if options.config_file is not None or options.config_check:
        raise ConfigError("demo has a configuration of its own; leave --config.file and --config.check out")
    with contextlib.ExitStack() as stack:
        folder = options.storage_path
        if folder is None:
            try:
                folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="joulo-demo-"))
            except OSError as error:
                raise JouloExporterError(
                    f"no temporary folder for the ledger ({error.strerror}); name one with --storage.path"
                ) from error
        asyncio.run(_run_demo(options, Path(folder)))
    return 0


async def _run_demo(options: argparse.Namespace, storage_path: Path) -> None:
    from joulo_exporter.service import Service  # noqa: PLC0415 -- see the module

    shard = given_shard(options, os.environ)
    async with simulated_household(storage_path, collectors(options)) as config:
        web = _web_options(options)
        service = Service(lambda: of_shard(config, shard), web)
        await _run_service(
            service, options, functools.partial(_invite, service.scheme, web.paths.prefix, storage_path)
        )


def _invite(scheme: str, prefix: str, folder: Path, addresses: list[str]) -> None:
    address = addresses[0]
    url = f"{scheme}://localhost:{address.rpartition(':')[2]}{prefix}"
    where = f"listens on {address}" if address.startswith("unix:") else f"open {url}/ or curl {url}/metrics"
    say(f"A simulated household is served: {where}")
    say("A session is in progress; within five minutes one ends and another begins. Ctrl-C stops.")
    say(
        f"Its history: joulo-exporter sessions --config.file={folder / CONFIG_NAME} (or statement, tags, backfill)"
    )


# Reports on the ledger, without a request, so that they need no token -------------------------------


@contextlib.contextmanager
def _ledger(options: argparse.Namespace) -> Iterator[tuple[Config, Tags, LedgerReader]]:
    """Open the ledger of the configuration, which needs no token here: the exporter may have it elsewhere."""
    from joulo_exporter.ledger.reader import read_ledger  # noqa: PLC0415 -- see the module

    environ: Mapping[str, str] = os.environ
    if not environ.get("JOULO_TOKEN") and not environ.get("JOULO_TOKEN_FILE"):
        environ = {**environ, "JOULO_TOKEN": "not-needed"}
    config = load_config(options.config_file, environ, storage_path=options.storage_path)
    with read_ledger(config.storage_path) as reader:
        yield config, Tags(vehicles=config.vehicles, mode=config.id_tags), reader


def _print_sessions(options: argparse.Namespace) -> int:
    """Print the sessions as a table, CSV or JSON."""
    from joulo_exporter import reports  # noqa: PLC0415 -- see the module

    with _ledger(options) as (config, tags, reader):
        selection = _selection(options, reader, tags)
        _say_completeness(reader, reader.accounts)
        write(
            reports.report(
                lambda: reports.session_rows(reader, tags, config.tariffs, selection),
                options.format,
                by=options.by,
                named=any(reader.accounts),
                priced=bool(config.tariffs.entries),
            )
        )
    return 0


def _print_statement(options: argparse.Namespace) -> int:
    """Print a statement of home charging as HTML, CSV or JSON."""
    from joulo_exporter import reports  # noqa: PLC0415 -- see the module

    with _ledger(options) as (config, tags, reader):
        tariffs = config.tariffs if options.price is None else Tariffs((Tariff(date.min, options.price),))
        selection = _selection(options, reader, tags)
        configured = {account.name or "" for account in config.accounts}
        accounts = [name for name in reader.accounts if name in configured] or reader.accounts
        _say_completeness(reader, accounts)
        statement = reports.make_statement(
            reader,
            accounts,
            reports.session_rows(reader, tags, tariffs, selection),
            tariffs,
            selection,
            agreed_price=options.price is not None,
            now_seconds=time.time(),
        )
    for line in statement.summary():
        complain(line)
    write(
        reports.STATEMENT_FORMATS[options.format](statement, options.language or reports.language_of(os.environ))
    )
    return 0


def _selection(options: argparse.Namespace, reader: LedgerReader, tags: Tags) -> Selection:
    from joulo_exporter import reports  # noqa: PLC0415 -- see the module

    selection = reports.Selection(
        from_seconds=options.from_seconds,
        to_seconds=options.to_seconds,
        charger=options.charger,
        vehicle=options.vehicle,
    )
    reports.refuse_unknown(reader, tags, selection)
    return selection


def _say_completeness(reader: LedgerReader, accounts: Iterable[str]) -> None:
    from joulo_exporter import reports  # noqa: PLC0415 -- see the module

    for line in reports.completeness_lines(reader, accounts):
        complain(line)


def _print_tags(options: argparse.Namespace) -> int:
    """Print the RFID tags, as a table or as EVCC's YAML."""
    from joulo_exporter import reports  # noqa: PLC0415 -- see the module

    with _ledger(options) as (_, tags, reader):
        found = reports.tags_of(reader, tags)
        if options.evcc:
            lines: Iterable[str] = list(reports.evcc_yaml(found, tags))  # a refusal comes before any other line
        else:
            lines = reports.tag_table(found, tags, named=any(reader.accounts))
        _say_completeness(reader, reader.accounts)
        write(lines)
    return 0


def _print_backfill(options: argparse.Namespace) -> int:
    """Print the history as OpenMetrics."""
    from joulo_exporter import reports  # noqa: PLC0415 -- see the module

    shard = given_shard(options, os.environ)
    with _ledger(options) as (config, tags, reader), contextlib.closing(Progress("backfill")) as progress:
        wanted = reports.Backfill(
            now_seconds=time.time(),
            step_s=options.step_s,
            labels=dict(options.labels or ()),
            from_seconds=options.from_seconds,
            to_seconds=options.to_seconds,
            constant_power=is_demo(config.storage_path),
        )
        accounts = [account.name or "" for account in of_shard(config, shard).accounts]
        lines = reports.backfill(reader, accounts, tags, wanted, progress)
        _say_completeness(reader, accounts)
        if options.step_s > _LONGEST_STEP_S:
            complain("note: with a --step above 5m Prometheus shows gaps between the samples")
        write(lines)
    return 0


def _settle(options: argparse.Namespace) -> int:
    """Let counters fall to the truth, and say what Prometheus makes of it."""
    from joulo_exporter.ledger import AccountLedger, Database  # noqa: PLC0415 -- see the module
    from joulo_exporter.reports.text import completeness_text, ledger_of  # noqa: PLC0415 -- see the module

    lines: list[str] = []
    with _ledger(options) as (config, _, reader):  # where there is no ledger, none is made
        accounts = [account.name or "" for account in config.accounts if (account.name or "") in reader.accounts]
        labels = {label for account in accounts for label in reader.labels(account).values()}
        for account in accounts:
            known = reader.completeness(account)
            if not known.complete:
                raise LedgerError(f"{ledger_of(account)} {completeness_text(known)}; nothing falls before")
    if options.charger is not None and options.charger not in labels:
        raise ConfigError(
            f"--charger: {options.charger!r} is not in the ledger; "
            f"it has {', '.join(sorted(labels)) or 'none yet'}"
        )
    with contextlib.closing(Database(config.storage_path)) as database:
        for account in accounts:
            ledger = AccountLedger(database, account, configured_labels=config.chargers, vehicles=config.vehicles)
            for fall in ledger.settle(options.charger):
                if fall.series in _SETTLED:
                    metric, unit = _SETTLED[fall.series]
                    name = " ".join(filter(None, (account, fall.name)))
                    lines.append(f"{metric} ({name}): {fall.held / unit:.2f} falls to {fall.truth / unit:.2f}")
    for line in lines:
        say(line)
    say(_RESET if lines else "No counter is held above the truth: nothing falls.")
    return 0


_COMMANDS: dict[str, Callable[[argparse.Namespace], int]] = {
    "serve": _serve,
    "demo": _demo,
    "check": _check,
    "sessions": _print_sessions,
    "statement": _print_statement,
    "tags": _print_tags,
    "backfill": _print_backfill,
    "settle": _settle,
}
