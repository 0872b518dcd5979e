"""Flags of every command, with help from ``help.toml``; faults of usage in one line."""

import argparse
import platform
import re
import tomllib
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any, NoReturn

from joulo_exporter import __version__, logs
from joulo_exporter.clock import parse_span
from joulo_exporter.config.schema import COLLECTORS
from joulo_exporter.config.values import duration, price, whole_number, whole_path
from joulo_exporter.errors import ConfigError

_PROGRAM = "joulo-exporter"
_LABEL = re.compile(r"([a-zA-Z_][a-zA-Z0-9_]*)=(.*)", re.DOTALL)
_OWN_LABELS = frozenset({"account", "charger", "vehicle", "session_id", "id_tag"})
# A token pasted in the wrong place would otherwise stay on the terminal and in the journal.
_TOKEN = re.compile(r"(?:joulo_|eyJ)[^\s'\"]*")


class Parser(argparse.ArgumentParser):
    """The flags of a command; raises a fault where argparse prints the usage and ends the process."""

    def __init__(self, texts: Mapping[str, str], **settings: str) -> None:
        formatter = argparse.RawDescriptionHelpFormatter
        super().__init__(formatter_class=formatter, allow_abbrev=False, **settings)  # type: ignore[arg-type]
        self.texts = texts
        """The help of each flag."""

    def add(self, flag: str, parse: Callable[[str], object] | None = None, **settings: object) -> None:
        """Add a flag; without a ``dest``, its option is named after it, with underscores.

        ``parse`` makes its value of a text, and the text of its ``ValueError`` is shown.
        """
        if parse is not None:

            def checked(text: str) -> object:
                try:
                    return parse(text)
                except ValueError as error:
                    raise argparse.ArgumentTypeError(str(error)) from None

            settings["type"] = checked
        named = {"dest": flag.lstrip("-").replace(".", "_").replace("-", "_"), "help": self.texts[flag]}
        self.add_argument(flag, **(named | settings))  # type: ignore[arg-type]  # they are argparse's own

    def error(self, message: str) -> NoReturn:
        """Raise the fault, with a hint to the help.

        Raises:
            ConfigError: always.
        """
        message = " ".join(message.replace("ignored explicit argument", "takes no value; leave out").split())
        raise ConfigError(_TOKEN.sub("<secret>", f"{message}; see {self.prog} --help"))


@cache
def help_texts() -> dict[str, Any]:
    """Return the texts of ``help.toml``; the keys of its ``commands`` are the commands."""
    return tomllib.loads((resources.files("joulo_exporter.cli") / "help.toml").read_text("utf-8"))


def make_parser(command: str | None = None) -> Parser:
    """Return the parser of what follows a command; without one, of ``serve``, with help on the program."""
    texts = help_texts()
    if command is None:
        summaries = (f"  {name:<11}{each['summary']}\n" for name, each in texts["commands"].items())
        epilog = f"commands, each with its own --help:\n{''.join(summaries)}\n{texts['epilog']}"
        parser = Parser(texts["flags"], prog=_PROGRAM, description=texts["description"], epilog=epilog)
    else:
        own = texts["commands"][command]
        about = {"description": f"{own['summary'][0].upper()}{own['summary'][1:]}.", "epilog": own["epilog"]}
        parser = Parser(texts["flags"] | own.get("flags", {}), prog=f"{_PROGRAM} {command}", **about)
    _add_flags(parser, command or "serve")
    return parser


# The flags of each command ------------------------------------------------------------------------


def _add_flags(parser: Parser, command: str) -> None:
    parser.add("--config.file", _path, metavar="FILE")
    parser.add("--storage.path", _path, metavar="DIR")
    match command:
        case "sessions":
            parser.add("--format", choices=("table", "csv", "json"), default="table")
            parser.add("--by", choices=("month", "quarter", "year", "vehicle", "charger"))
            _selection_flags(parser)
        case "statement":
            parser.add("--format", choices=("html", "csv", "json"), default="html")
            parser.add("--language", choices=("nl", "en"))
            parser.add("--price", price, metavar="EUROS")
            _selection_flags(parser)
        case "tags":
            parser.add("--evcc", action="store_true")
        case "settle":
            parser.add("--charger", metavar="LABEL")
        case "backfill":
            parser.add("--step", _step, dest="step_s", default=300.0, metavar="DURATION")
            parser.add("--label", _label, action="append", metavar="NAME=VALUE")
            _span_flags(parser)
            _shard_flags(parser)
        case _:
            parser.add("--config.check", action="store_true")
            parser.add("--web.listen-address", action="append", metavar="ADDRESS")
            parser.add("--web.systemd-socket", action="store_true")
            parser.add("--web.telemetry-path", default="/metrics", metavar="PATH")
            parser.add("--web.external-url", metavar="URL")
            parser.add("--web.route-prefix", metavar="PATH")
            # As in other exporters, an empty value means no file.
            parser.add("--web.config.file", lambda text: Path(text) if text else None, metavar="FILE")
            parser.add("--web.enable-lifecycle", action="store_true")
            for name in COLLECTORS:
                parser.add(f"--collector.{name.replace('_', '-')}", action=argparse.BooleanOptionalAction)
            _shard_flags(parser)
            parser.add("--log.level", choices=logs.LEVELS, default="info")
            parser.add("--log.format", choices=logs.FORMATS, default="logfmt")
    version = f"joulo-exporter, version {__version__} (python {platform.python_version()})"
    parser.add("--version", action="version", version=version)


def _shard_flags(parser: Parser) -> None:
    # As kube-state-metrics has them.
    parser.add("--shard", whole_number, metavar="N")
    parser.add("--total-shards", whole_number, metavar="N")


def _span_flags(parser: Parser) -> None:
    parser.add("--from", lambda text: parse_span(text)[0], dest="from_seconds", metavar="TIME")
    parser.add("--to", lambda text: parse_span(text)[1], dest="to_seconds", metavar="TIME")


def _selection_flags(parser: Parser) -> None:
    _span_flags(parser)
    parser.add("--charger", metavar="LABEL")
    parser.add("--vehicle", metavar="NAME")


# The values of flags ------------------------------------------------------------------------------


def _path(text: str) -> Path:
    """Return a path; an empty text would be the folder in which the exporter happens to run."""
    if not text:
        raise ValueError("is empty; write a path, or leave the flag out")
    return Path(whole_path(text))


def _step(text: str) -> float:
    seconds = duration(text)
    if seconds < 1:
        raise ValueError("is too short; write 1s or more")
    return seconds


def _label(text: str) -> tuple[str, str]:
    match = _LABEL.fullmatch(text)
    if match is None or not match[2]:
        raise ValueError(f"{text!r} is not a label; write it as in job=joulo")
    if match[1] in _OWN_LABELS or match[1].startswith("__"):
        raise ValueError(f"{match[1]} is a label of the exporter's or Prometheus' own; choose another name")
    return match[1], match[2]


def parse_arguments(arguments: Sequence[str]) -> argparse.Namespace:
    """Return the options, and the command in ``command``, that the arguments give.

    Raises:
        ConfigError: they cannot be understood.
    """
    named = bool(arguments) and arguments[0] in help_texts()["commands"]
    parser = make_parser(arguments[0] if named else None)
    options, left = parser.parse_known_args(arguments[named:])
    options.command = arguments[0] if named else "serve"
    if left:
        # Without what follows a "=", which may be a secret.
        parser.error(f"{options.command} has no {left[0].partition('=')[0]!r}; a command comes before all flags")
    from_seconds, to_seconds = getattr(options, "from_seconds", None), getattr(options, "to_seconds", None)
    if from_seconds is not None and to_seconds is not None and to_seconds <= from_seconds:
        raise ConfigError("--to: is not after --from, so that nothing lies between them; exchange them")
    return options
