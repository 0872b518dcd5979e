"""The commands that speak with the API: serve, demo and check."""

from __future__ import annotations

import asyncio
import functools
import os
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from joulo_exporter import logs
from joulo_exporter.check import check
from joulo_exporter.cli.console import say
from joulo_exporter.cli.parser import EXIT_FAULT
from joulo_exporter.cli.shard_flags import given_shard
from joulo_exporter.cli.web_flags import DEFAULT_LISTEN_ADDRESS
from joulo_exporter.config import COLLECTORS, Config, load_config, of_shard
from joulo_exporter.demo import simulated_household
from joulo_exporter.service import Service, WebOptions
from joulo_exporter.web import web_paths
from joulo_exporter.web_config import load_web_config

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable


def serve(options: argparse.Namespace) -> int:
    """Run the exporter until a signal ends it; with ``--config.check`` only check the file."""
    if options.config_check:
        return _check_file(options)
    asyncio.run(_run(Service(_loader(options), _web_options(options)), options))
    return 0


def run_demo(options: argparse.Namespace) -> int:
    """Run the exporter against a simulated household."""
    with tempfile.TemporaryDirectory(prefix="joulo-demo-") as temporary:
        asyncio.run(_run_demo(options, options.storage_path or Path(temporary)))
    return 0


def run_check(options: argparse.Namespace) -> int:
    """Check the configuration and every token against the API; with ``--config.check`` only the file."""
    if options.config_check:
        return _check_file(options)
    _check_web_file(options)
    logs.configure(options.log_level, options.log_format, sys.stderr)
    return 0 if asyncio.run(check(_loader(options)(), say)) else EXIT_FAULT


def _loader(options: argparse.Namespace) -> Callable[[], Config]:
    shard = given_shard(options, os.environ)
    return lambda: of_shard(
        load_config(
            options.config_file, os.environ, storage_path=options.storage_path, collectors=_collectors(options)
        ),
        shard,
    )


def _collectors(options: argparse.Namespace) -> dict[str, bool]:
    """Return which collectors the flags switch on or off."""
    switches = {name: getattr(options, f"collector_{name}", None) for name in COLLECTORS}
    return {name: switch for name, switch in switches.items() if switch is not None}


async def _run_demo(options: argparse.Namespace, storage_path: Path) -> None:
    shard = given_shard(options, os.environ)
    async with simulated_household(storage_path, _collectors(options)) as config:
        web_options = _web_options(options)
        service = Service(lambda: of_shard(config, shard), web_options)
        await _run(service, options, functools.partial(_invite, service.scheme, web_options.paths.prefix))


async def _run(
    service: Service, options: argparse.Namespace, started: Callable[[list[str]], None] | None = None
) -> None:
    logs.configure(options.log_level, options.log_format, sys.stderr, secrets=service.secrets)
    await service.run(started)


def _invite(scheme: str, prefix: str, addresses: list[str]) -> None:
    address = addresses[0]
    url = f"{scheme}://localhost:{address.rpartition(':')[2]}{prefix}"
    where = f"listens on {address}" if address.startswith("unix:") else f"open {url}/ or curl {url}/metrics"
    say(f"A simulated household is served: {where}")
    say("A session is in progress; within five minutes one ends and another begins. Ctrl-C stops.")


def _check_file(options: argparse.Namespace) -> int:
    config = _loader(options)()
    say(f"{options.config_file or 'environment'}: the configuration is valid")
    if config.shard.total > 1:
        say(f"{config.shard} has {len(config.accounts)} of the accounts")
    _check_web_file(options)
    return 0


def _check_web_file(options: argparse.Namespace) -> None:
    if options.web_config_file is not None:
        load_web_config(options.web_config_file)
        say(f"{options.web_config_file}: the web configuration is valid")


def _web_options(options: argparse.Namespace) -> WebOptions:
    return WebOptions(
        listen_addresses=tuple(options.listen_addresses or (DEFAULT_LISTEN_ADDRESS,)),
        telemetry_path=options.telemetry_path,
        lifecycle_enabled=options.lifecycle,
        config_file=options.web_config_file,
        systemd_socket=options.systemd_socket,
        paths=web_paths(options.external_url, options.route_prefix),
    )
