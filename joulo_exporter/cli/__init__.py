"""The command line: parsing, commands, exit codes, and all text for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

from joulo_exporter.cli.later import later

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["main"]

_INTERRUPTED = 130
"""What a shell gives for a program that Ctrl-C has ended."""

_run = later("joulo_exporter.cli.run", "main")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status. Ctrl-C ends it without a traceback, while it loads too.

    Args:
        arguments: those of the process if ``None``.
    """
    try:
        return int(_run(arguments))
    except KeyboardInterrupt:
        return _INTERRUPTED
