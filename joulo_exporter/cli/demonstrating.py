"""The command that runs the exporter against a simulated household."""

from __future__ import annotations

import asyncio
import functools
import os
import tempfile
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from joulo_exporter.cli.console import say
from joulo_exporter.cli.serving import collectors, run, web_options
from joulo_exporter.cli.shard_flags import given_shard
from joulo_exporter.config import of_shard
from joulo_exporter.demo import simulated_household
from joulo_exporter.errors import ConfigError, JouloExporterError
from joulo_exporter.service import Service

if TYPE_CHECKING:
    import argparse


def run_demo(options: argparse.Namespace) -> int:
    """Run the exporter against a simulated household."""
    if options.config_file is not None or options.config_check:
        raise ConfigError("demo has a configuration of its own; leave --config.file and --config.check out")
    with _temporary_folder() if options.storage_path is None else nullcontext(options.storage_path) as folder:
        asyncio.run(_run_demo(options, Path(folder)))
    return 0


def _temporary_folder() -> tempfile.TemporaryDirectory[str]:
    try:
        return tempfile.TemporaryDirectory(prefix="joulo-demo-")
    except OSError as error:
        raise JouloExporterError(
            f"no temporary folder for the ledger ({error.strerror}); name one with --storage.path"
        ) from error


async def _run_demo(options: argparse.Namespace, storage_path: Path) -> None:
    shard = given_shard(options, os.environ)
    async with simulated_household(storage_path, collectors(options)) as config:
        web = web_options(options)
        service = Service(lambda: of_shard(config, shard), web)
        await run(service, options, functools.partial(_invite, service.scheme, web.paths.prefix))


def _invite(scheme: str, prefix: str, addresses: list[str]) -> None:
    address = addresses[0]
    url = f"{scheme}://localhost:{address.rpartition(':')[2]}{prefix}"
    where = f"listens on {address}" if address.startswith("unix:") else f"open {url}/ or curl {url}/metrics"
    say(f"A simulated household is served: {where}")
    say("A session is in progress; within five minutes one ends and another begins. Ctrl-C stops.")
