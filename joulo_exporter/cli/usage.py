"""Bad usage of the command line, said in one line that names what was meant."""

from __future__ import annotations

import argparse
import difflib
import re
from types import MappingProxyType
from typing import TYPE_CHECKING, NoReturn

from joulo_exporter.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_FLAG = re.compile(r"--?[a-z][a-z.-]*")
# What was pasted to the wrong place would be kept in the terminal's history and in the journal.
_TOKEN = re.compile(r"(?:joulo_|eyJ)[^\s'\"]*")


class UsageError(ConfigError):
    """The command line cannot be understood."""


class Parser(argparse.ArgumentParser):
    """Raises what is wrong, where argparse prints the usage and ends the process."""

    commands: Mapping[str, argparse.ArgumentParser] = MappingProxyType({})
    """The parsers of the commands, by their names."""

    def error(self, message: str) -> NoReturn:
        """Raise the fault, with where to read on.

        Raises:
            UsageError: always.
        """
        raise UsageError(_TOKEN.sub("<secret>", f"{' '.join(message.split())}; see {self.prog} --help"))


def parse(parser: Parser, arguments: Sequence[str]) -> argparse.Namespace:
    """Return what the arguments say.

    Raises:
        UsageError: they cannot be understood.
    """
    try:
        options, left = parser.parse_known_args(arguments)
    except UsageError:
        # An unknown flag makes argparse take the flag's value for a command: the flag is the mistake then.
        _refuse_unknown(parser, arguments)
        raise
    _refuse_unknown(parser, left)
    for argument in left:
        _refuse(parser, argument, options.command)
    return options


def _refuse_unknown(parser: Parser, arguments: Sequence[str]) -> None:
    known = _flags(parser).union(*map(_flags, parser.commands.values()))
    for argument in arguments:
        flag = _flag(argument)
        if flag is not None and flag not in known:
            # Without the dashes, which would make all short words alike.
            names = {name.strip("-"): name for name in sorted(known)}
            near = difflib.get_close_matches(flag.strip("-"), names, n=1)
            parser.error(f"there is no flag {flag}" + (f"; the nearest is {names[near[0]]}" if near else ""))


def _refuse(parser: Parser, argument: str, command: str) -> NoReturn:
    flag = _flag(argument)
    if flag is None:
        parser.error(f"{argument!r} is one argument too many")
    owners = [name for name, of_command in parser.commands.items() if flag in _flags(of_command)]
    parser.error(f"{flag} is a flag of {' and '.join(owners) or f'{parser.prog} itself'}, not of {command}")


def _flag(argument: str) -> str | None:
    """Return the flag in an argument without its value; ``None`` for what is no flag, such as -1."""
    name = argument.partition("=")[0]
    return name if name.startswith("-") and name.strip("-") and not name[1].isdigit() else None


def _flags(parser: argparse.ArgumentParser) -> set[str]:
    return set(_FLAG.findall(parser.format_usage().partition(parser.prog)[2]))
