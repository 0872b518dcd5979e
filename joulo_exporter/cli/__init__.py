"""The command line: parsing, commands, exit codes, and all text for people."""

from collections.abc import Sequence

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status. Ctrl-C ends it without a traceback, even while it loads."""
    try:
        from joulo_exporter.cli.commands import run  # noqa: PLC0415 -- inside the try, for a Ctrl-C while it loads

        return run(arguments)
    except KeyboardInterrupt:
        return 130  # as a shell gives for a program that Ctrl-C has ended
