"""From arguments to an exit status."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from joulo_exporter.cli.console import complain
from joulo_exporter.cli.later import later
from joulo_exporter.cli.parser import EXIT_FAULT, EXIT_USAGE, make_parser
from joulo_exporter.cli.usage import parse
from joulo_exporter.errors import ConfigError, JouloExporterError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Sequence

# A service that runs for months holds in memory what it has loaded: each command loads what is its own.
_COMMANDS: dict[str, Callable[[argparse.Namespace], int]] = {
    "serve": later("joulo_exporter.cli.serving", "serve"),
    "demo": later("joulo_exporter.cli.demonstrating", "run_demo"),
    "check": later("joulo_exporter.cli.checking", "run_check"),
    "sessions": later("joulo_exporter.cli.reporting", "print_sessions"),
    "tags": later("joulo_exporter.cli.reporting", "print_tags"),
    "backfill": later("joulo_exporter.cli.reporting", "print_backfill"),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status: 0, 1 for a fault at run time, 2 for bad usage.

    Args:
        arguments: those of the process if ``None``.
    """
    try:
        options = parse(make_parser(), sys.argv[1:] if arguments is None else arguments)
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
