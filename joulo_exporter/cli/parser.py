"""Flags of every command, with help from ``help.toml``; faults of usage in one line, with the nearest flag."""

import argparse
import platform
import re
import tomllib
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib import resources
from itertools import takewhile
from pathlib import Path
from typing import NoReturn

from joulo_exporter import __version__, logs
from joulo_exporter.clock import parse_span
from joulo_exporter.config.files import nearest
from joulo_exporter.config.schema import COLLECTORS
from joulo_exporter.config.values import parse_duration, price, whole_path
from joulo_exporter.errors import ConfigError

_LABEL = re.compile(r"([a-zA-Z_][a-zA-Z0-9_]*)=(.*)", re.DOTALL)
_OWN_LABELS = frozenset({"account", "charger", "vehicle", "session_id", "id_tag"})
_SHORTEST_STEP_S = 1.0
_NUMBER = re.compile(r"[0-9]{1,9}", re.ASCII)
# A token pasted in the wrong place would otherwise stay on the terminal and in the journal.
_TOKEN = re.compile(r"(?:joulo_|eyJ)[^\s'\"]*")


class UsageError(ConfigError):
    """The command line cannot be understood."""


class Parser(argparse.ArgumentParser):
    """Raises a fault, where argparse prints the usage and ends the process."""

    commands: Mapping[str, "Parser"] = {}
    """The parsers of the commands, by name; only in the parser of all commands."""
    texts: Mapping[str, str] = {}
    """The help of each flag."""

    def __init__(self, **settings: object) -> None:
        super().__init__(
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
            **settings,  # type: ignore[arg-type]  # they are argparse's own
        )
        self.flags = {"-h", "--help"}

    def add(self, flag: str, *, dest: str | None = None, **settings: object) -> None:
        """Add a flag; without a ``dest``, its option is named after it, with underscores."""
        self.flags.add(flag)
        dest = dest or flag.lstrip("-").replace(".", "_").replace("-", "_")
        self.add_argument(flag, dest=dest, help=self.texts[flag], **settings)  # type: ignore[arg-type]  # as above

    def error(self, message: str) -> NoReturn:
        """Raise the fault, with a hint to the help.

        Raises:
            UsageError: always.
        """
        message = " ".join(message.replace("ignored explicit argument", "takes no value; leave out").split())
        raise UsageError(_TOKEN.sub("<secret>", f"{message}; see {self.prog} --help"))


def make_parser() -> Parser:
    """Return the parser of all commands; without a command the flags are those of ``serve``."""
    texts = tomllib.loads((resources.files("joulo_exporter.cli") / "help.toml").read_text("utf-8"))
    parser = Parser(prog="joulo-exporter", description=texts["description"], epilog=texts["epilog"])
    parser.texts = texts["flags"]
    _add_flags(parser, "serve")
    version = f"joulo-exporter, version {__version__} (python {platform.python_version()})"
    parser.add("--version", action="version", version=version)
    commands = parser.add_subparsers(dest="command", metavar="command", title="commands", parser_class=Parser)
    for name, of_command in texts["commands"].items():
        summary = of_command["summary"]
        command = commands.add_parser(
            name,
            help=summary,
            description=f"{summary[0].upper()}{summary[1:]}.",
            epilog=of_command["epilog"],
            argument_default=argparse.SUPPRESS,
        )
        command.texts = texts["flags"] | of_command.get("flags", {})
        _add_flags(command, name)
    parser.commands = commands.choices
    # A flag may come before or after its command: the command's default must not hide a flag given before it. So
    # their defaults are here, and absent flags are None.
    own = ("from_seconds", "to_seconds", "charger", "vehicle", "by", "language", "price", "label")
    parser.set_defaults(
        command="serve",
        web_telemetry_path="/metrics",
        log_level="info",
        log_format="logfmt",
        **dict.fromkeys([*own, *(f"collector_{name}" for name in COLLECTORS)]),
    )
    return parser


# The flags of each command ------------------------------------------------------------------------


def _add_flags(parser: Parser, command: str) -> None:
    parser.add("--config.file", type=_path, metavar="FILE")
    parser.add("--storage.path", type=_path, metavar="DIR")
    match command:
        case "sessions":
            parser.add("--format", choices=("table", "csv", "json"), default="table")
            parser.add("--by", choices=("month", "quarter", "year", "vehicle", "charger"))
            _selection_flags(parser)
        case "statement":
            parser.add("--format", choices=("html", "csv", "json"), default="html")
            parser.add("--language", choices=("nl", "en"))
            parser.add("--price", type=_checked(price), metavar="EUROS")
            _selection_flags(parser)
        case "tags":
            parser.add("--evcc", action="store_true", default=False)
        case "settle":
            parser.add("--charger", metavar="LABEL")
        case "backfill":
            parser.add("--step", dest="step_s", type=_step, default=300.0, metavar="DURATION")
            parser.add("--label", type=_label, action="append", metavar="NAME=VALUE")
            _span_flags(parser)
            _shard_flags(parser)
        case _:
            _serving_flags(parser)


def _serving_flags(parser: Parser) -> None:
    parser.add("--config.check", action="store_true")
    parser.add("--web.listen-address", action="append", metavar="ADDRESS")
    parser.add("--web.systemd-socket", action="store_true")
    parser.add("--web.telemetry-path", metavar="PATH")
    parser.add("--web.external-url", metavar="URL")
    parser.add("--web.route-prefix", metavar="PATH")
    parser.add("--web.config.file", type=_file, metavar="FILE")
    parser.add("--web.enable-lifecycle", action="store_true")
    for name in COLLECTORS:
        flag = f"collector.{name.replace('_', '-')}"
        parser.add(f"--{flag}", action="store_true")
        parser.add(f"--no-{flag}", dest=f"collector_{name}", action="store_false")
    _shard_flags(parser)
    parser.add("--log.level", choices=logs.LEVELS)
    parser.add("--log.format", choices=logs.FORMATS)


def _shard_flags(parser: Parser) -> None:
    # As kube-state-metrics has them.
    parser.add("--shard", type=_number_from(0), metavar="N")
    parser.add("--total-shards", type=_number_from(1), metavar="N")


def _span_flags(parser: Parser) -> None:
    parser.add("--from", dest="from_seconds", type=_checked(lambda text: parse_span(text)[0]), metavar="TIME")
    parser.add("--to", dest="to_seconds", type=_checked(lambda text: parse_span(text)[1]), metavar="TIME")


def _selection_flags(parser: Parser) -> None:
    _span_flags(parser)
    parser.add("--charger", metavar="LABEL")
    parser.add("--vehicle", metavar="NAME")


# The values of flags ------------------------------------------------------------------------------


def _checked(parse: Callable[[str], object]) -> Callable[[str], object]:
    """Return the parser of a flag, wrapped so that argparse shows the text of its ``ValueError``."""

    def checked(text: str) -> object:
        try:
            return parse(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return checked


@_checked
def _path(text: str) -> Path:
    """Return a path; an empty text would be the folder in which the exporter happens to run."""
    if not text:
        raise ValueError("is empty; write a path, or leave the flag out")
    return Path(whole_path(text))


def _file(text: str) -> Path | None:
    """Return the path; an empty value means no file, as in other exporters."""
    return Path(text) if text else None


@_checked
def _step(text: str) -> float:
    seconds = parse_duration(text)
    if seconds < _SHORTEST_STEP_S:
        raise ValueError("is too short; write 1s or more")
    return seconds


@_checked
def _label(text: str) -> tuple[str, str]:
    match = _LABEL.fullmatch(text)
    if match is None or not match[2]:
        raise ValueError(f"{text!r} is not a label; write it as in job=joulo")
    if match[1] in _OWN_LABELS or match[1].startswith("__"):
        raise ValueError(f"{match[1]} is a label of the exporter's or Prometheus' own; choose another name")
    return match[1], match[2]


def _number_from(least: int) -> Callable[[str], object]:
    @_checked
    def number(text: str) -> int:
        if not _NUMBER.fullmatch(text) or int(text) < least:
            raise ValueError(f"{text!r} is not a whole number from {least} up")
        return int(text)

    return number


# Bad usage ----------------------------------------------------------------------------------------


def parse_arguments(parser: Parser, arguments: Sequence[str]) -> argparse.Namespace:
    """Return the options and the command that the arguments give.

    Raises:
        UsageError: they cannot be understood.
    """
    try:
        options, left = parser.parse_known_args(arguments)
    except UsageError:
        # A flag that is unknown, or that stands before the command that has it, makes argparse take its value for
        # a command: the flag is the mistake then.
        _refuse_unknown(parser, arguments)
        before = list(takewhile(lambda argument: argument not in parser.commands, arguments))
        for argument in before:
            if (flag := _flag(argument)) and flag not in parser.flags:
                _refuse_misplaced(parser, argument, next(iter(arguments[len(before) :]), "serve"))
        raise
    _refuse_unknown(parser, left)
    if left:
        _refuse_misplaced(parser, left[0], options.command)
    if None not in (options.from_seconds, options.to_seconds) and options.to_seconds <= options.from_seconds:
        raise UsageError("--to: is not after --from, so that nothing lies between them; exchange them")
    labels = [name for name, _ in options.label or ()]
    for name in labels:
        if labels.count(name) > 1:
            raise UsageError(f"--label: {name} is given twice; keep one")
    return options


def _refuse_unknown(parser: Parser, arguments: Iterable[str]) -> None:
    known = parser.flags.union(*(command.flags for command in parser.commands.values()))
    for flag in filter(None, map(_flag, arguments)):
        if flag not in known:
            # Without the dashes, which would make all short words alike.
            names = {name.strip("-"): name for name in sorted(known)}
            near = nearest(flag.strip("-"), names)
            parser.error(f"there is no flag {flag}" + (f"; the nearest is {names[near]}" if near else ""))


def _refuse_misplaced(parser: Parser, argument: str, command: str) -> NoReturn:
    flag = _flag(argument)
    if flag is None:
        parser.error(f"{argument!r} is one argument too many")
    owners = [name for name, of_command in parser.commands.items() if flag in of_command.flags]
    if command in owners:  # only flags that serve has too may come first
        parser.error(f"{flag} is a flag of {command}; write it after the command")
    parser.error(f"{flag} is a flag of {' and '.join(owners) or f'{parser.prog} itself'}, not of {command}")


def _flag(argument: str) -> str | None:
    """Return the flag in an argument without its value; ``None`` for a text that is no flag, such as -1."""
    name = argument.partition("=")[0]
    return name if name.startswith("-") and name.strip("-") and not name[1].isdigit() else None
