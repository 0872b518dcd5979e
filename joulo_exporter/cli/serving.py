"""The command that runs the exporter, and what those that speak with the API have in common."""

from __future__ import annotations

import asyncio
import os
import sys
from typing import TYPE_CHECKING

from joulo_exporter import logs
from joulo_exporter.cli.console import say
from joulo_exporter.cli.shard_flags import given_shard
from joulo_exporter.cli.web_flags import DEFAULT_LISTEN_ADDRESS
from joulo_exporter.config import COLLECTORS, Config, load_config, of_shard
from joulo_exporter.service import Service, WebOptions
from joulo_exporter.web import web_paths
from joulo_exporter.web.config import load_web_config

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable


def serve(options: argparse.Namespace) -> int:
    """Run the exporter until a signal ends it; with ``--config.check`` only check the file."""
    if options.config_check:
        return check_file(options)
    asyncio.run(run(Service(loader(options), web_options(options)), options))
    return 0


def loader(options: argparse.Namespace) -> Callable[[], Config]:
    """Return what reads the configuration of this shard."""
    shard = given_shard(options, os.environ)
    return lambda: of_shard(
        load_config(
            options.config_file, os.environ, storage_path=options.storage_path, collectors=collectors(options)
        ),
        shard,
    )


def collectors(options: argparse.Namespace) -> dict[str, bool]:
    """Return which collectors the flags switch on or off."""
    switches = {name: getattr(options, f"collector_{name}", None) for name in COLLECTORS}
    return {name: switch for name, switch in switches.items() if switch is not None}


async def run(
    service: Service, options: argparse.Namespace, started: Callable[[list[str]], None] | None = None
) -> None:
    """Run a service until a signal ends it."""
    logs.configure(options.log_level, options.log_format, sys.stderr, secrets=service.secrets)
    await service.run(started)


def check_file(options: argparse.Namespace) -> int:
    """Check the configuration file and the web configuration, and nothing else."""
    config = loader(options)()
    say(f"{options.config_file or 'environment'}: the configuration is valid")
    if config.shard.total > 1:
        say(f"{config.shard} has {len(config.accounts)} of the accounts")
    check_web_file(options)
    return 0


def check_web_file(options: argparse.Namespace) -> None:
    """Check the web configuration, if there is one."""
    if options.web_config_file is not None:
        load_web_config(options.web_config_file)
        say(f"{options.web_config_file}: the web configuration is valid")


def web_options(options: argparse.Namespace) -> WebOptions:
    """Return what the flags say of the web server."""
    return WebOptions(
        listen_addresses=tuple(options.listen_addresses or (DEFAULT_LISTEN_ADDRESS,)),
        telemetry_path=options.telemetry_path,
        lifecycle_enabled=options.lifecycle,
        config_file=options.web_config_file,
        systemd_socket=options.systemd_socket,
        paths=web_paths(options.external_url, options.route_prefix),
    )
