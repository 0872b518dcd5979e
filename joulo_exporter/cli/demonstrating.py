"""The command that runs the exporter against a simulated household."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from joulo_exporter.cli.console import say
from joulo_exporter.cli.serving import collectors, run, web_options
from joulo_exporter.demo import simulated_household
from joulo_exporter.service import Service

if TYPE_CHECKING:
    import argparse


def run_demo(options: argparse.Namespace) -> int:
    """Run the exporter against a simulated household."""
    with tempfile.TemporaryDirectory(prefix="joulo-demo-") as temporary:
        asyncio.run(_run_demo(options, options.storage_path or Path(temporary)))
    return 0


async def _run_demo(options: argparse.Namespace, storage_path: Path) -> None:
    async with simulated_household(storage_path, collectors(options)) as config:
        service = Service(lambda: config, web_options(options))
        await run(service, options, _invite)


def _invite(addresses: list[str]) -> None:
    port = addresses[0].rpartition(":")[2]
    say(f"A simulated household is served: open http://localhost:{port}/ or curl http://localhost:{port}/metrics")
    say("A session is in progress; within five minutes one ends and another begins. Ctrl-C stops.")
