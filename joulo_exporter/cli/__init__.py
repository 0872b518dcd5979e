"""The command line: parsing, commands, exit codes, and all text for people."""

from joulo_exporter.cli.run import main

__all__ = ["main"]
