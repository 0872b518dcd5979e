"""The command line: from arguments to an exit status; the commands that serve or check.

A service that runs for months holds in memory all that it has loaded, and a report is printed the sooner the less
it loads. So each command imports its own rooms when it runs.
"""

from __future__ import annotations

import asyncio
import functools
import os
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from joulo_exporter import logs
from joulo_exporter.cli.console import complain, say
from joulo_exporter.cli.demo import CONFIG_NAME, simulated_household
from joulo_exporter.cli.parser import make_parser, parse_arguments
from joulo_exporter.config.schema import COLLECTORS, Config, load_config, of_shard
from joulo_exporter.errors import ConfigError, JouloExporterError
from joulo_exporter.sharding import find_shard

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Mapping, Sequence

    from joulo_exporter.service import WebOptions
    from joulo_exporter.sharding import Shard

_LISTEN_ADDRESS = ":9973"
EXIT_FAULT = 1
EXIT_USAGE = 2


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the command line, of the process if ``None``; return 0, 1 for a fault at run time, 2 for bad usage."""
    try:
        options = parse_arguments(make_parser(), sys.argv[1:] if arguments is None else arguments)
        return _command(options.command)(options) or 0
    except ConfigError as error:
        complain(str(error))
        return EXIT_USAGE
    except JouloExporterError as error:
        complain(str(error))
        return EXIT_FAULT
    except BrokenPipeError:  # the reader of our output has left, as `| head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _command(name: str) -> Callable[[argparse.Namespace], int | None]:
    serving: dict[str, Callable[[argparse.Namespace], int | None]]
    serving = {"serve": _serve, "demo": _demo, "check": _check}
    if name in serving:
        return serving[name]
    from joulo_exporter.cli.ledger_commands import LEDGER_COMMANDS  # noqa: PLC0415 -- see the module

    return LEDGER_COMMANDS[name]


def _serve(options: argparse.Namespace) -> None:
    """Run the exporter until a signal ends it; with ``--config.check`` only check the files."""
    if options.config_check:
        _check_files(options)
    else:
        asyncio.run(_run_service(_loader(options), _web_options(options), options))


def _check(options: argparse.Namespace) -> int:
    """Check the configuration and every token against the API; with ``--config.check`` only the files."""
    if options.config_check:
        _check_files(options)
        return 0
    _check_web_file(options)
    from joulo_exporter.check import check  # noqa: PLC0415 -- see the module

    logs.configure(options.log_level, options.log_format, sys.stderr)
    return 0 if asyncio.run(check(_loader(options)(), say)) else EXIT_FAULT


def _check_files(options: argparse.Namespace) -> None:
    config = _loader(options)()
    say(f"{options.config_file or 'environment'}: the configuration is valid")
    if config.shard.total > 1:
        say(f"{config.shard} has {len(config.accounts)} of the accounts")
    _check_web_file(options)


def _check_web_file(options: argparse.Namespace) -> None:
    if options.web_config_file is not None:
        from joulo_exporter.web.config import load_web_config  # noqa: PLC0415 -- see the module

        load_web_config(options.web_config_file)
        say(f"{options.web_config_file}: the web configuration is valid")


async def _run_service(
    load: Callable[[], Config],
    web: WebOptions,
    options: argparse.Namespace,
    started: Callable[[str, list[str]], None] | None = None,
) -> None:
    from joulo_exporter.service import Service  # noqa: PLC0415 -- see the module

    service = Service(load, web)
    logs.configure(options.log_level, options.log_format, sys.stderr, secrets=service.secrets)
    await service.run(started and functools.partial(started, service.scheme))


def _demo(options: argparse.Namespace) -> None:
    """Run the exporter against a simulated household: no token, no network."""
    if options.config_file is not None or options.config_check:
        raise ConfigError("demo has a configuration of its own; leave --config.file and --config.check out")
    if options.storage_path is not None:
        asyncio.run(_run_demo(options, options.storage_path))
        return
    try:
        temporary = tempfile.TemporaryDirectory(prefix="joulo-demo-")
    except OSError as error:
        raise JouloExporterError(
            f"no temporary folder for the ledger ({error.strerror}); name one with --storage.path"
        ) from error
    with temporary as folder:
        asyncio.run(_run_demo(options, Path(folder)))


async def _run_demo(options: argparse.Namespace, folder: Path) -> None:
    shard = given_shard(options, os.environ)
    async with simulated_household(folder, collectors(options)) as config:
        web = _web_options(options)

        def invite(scheme: str, addresses: list[str]) -> None:
            address = addresses[0]
            url = f"{scheme}://localhost:{address.rpartition(':')[2]}{web.paths.prefix}"
            unix = address.startswith("unix:")
            where = f"listens on {address}" if unix else f"open {url}/ or curl {url}/metrics"
            say(f"A simulated household is served: {where}")
            say("A session is in progress; within five minutes one ends and another begins. Ctrl-C stops.")
            file = folder / CONFIG_NAME
            say(f"Its history: joulo-exporter sessions --config.file={file} (or statement, tags, backfill)")

        await _run_service(lambda: of_shard(config, shard), web, options, invite)


# What the flags say -------------------------------------------------------------------------------


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
    switches = {name: getattr(options, f"collector_{name}") for name in COLLECTORS}
    return {name: switch for name, switch in switches.items() if switch is not None}


def given_shard(options: argparse.Namespace, environ: Mapping[str, str]) -> Shard:
    """Return this exporter's place among the shards; ``POD_NAME`` is the name of a StatefulSet's pod.

    Raises:
        ConfigError: there is no such place, or it is not said.
    """
    return find_shard(options.shard, options.total_shards, environ.get("POD_NAME"))


def _web_options(options: argparse.Namespace) -> WebOptions:
    from joulo_exporter.service import WebOptions  # noqa: PLC0415 -- see the module
    from joulo_exporter.web.app import web_paths  # noqa: PLC0415 -- see the module

    return WebOptions(
        listen_addresses=tuple(options.web_listen_address or (_LISTEN_ADDRESS,)),
        telemetry_path=options.web_telemetry_path,
        lifecycle_enabled=options.web_enable_lifecycle,
        config_file=options.web_config_file,
        systemd_socket=options.web_systemd_socket,
        paths=web_paths(options.web_external_url, options.web_route_prefix),
    )
