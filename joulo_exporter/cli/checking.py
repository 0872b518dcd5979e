"""The command that checks the configuration and every token."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING

from joulo_exporter import logs
from joulo_exporter.check import check
from joulo_exporter.cli.console import say
from joulo_exporter.cli.parser import EXIT_FAULT
from joulo_exporter.cli.serving import check_file, check_web_file, loader

if TYPE_CHECKING:
    import argparse


def run_check(options: argparse.Namespace) -> int:
    """Check the configuration and every token against the API; with ``--config.check`` only the file."""
    if options.config_check:
        return check_file(options)
    check_web_file(options)
    logs.configure(options.log_level, options.log_format, sys.stderr)
    return 0 if asyncio.run(check(loader(options)(), say)) else EXIT_FAULT
