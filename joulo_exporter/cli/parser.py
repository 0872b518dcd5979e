"""Flags of every command with their help, and bad usage said in one line that names the nearest flag."""

import argparse
import difflib
import platform
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NoReturn

from joulo_exporter import __version__, logs
from joulo_exporter.clock import parse_span
from joulo_exporter.config.schema import COLLECTORS, DEFAULT_STORAGE_PATH
from joulo_exporter.config.values import parse_duration
from joulo_exporter.errors import ConfigError
from joulo_exporter.models.tariffs import parse_price

Add = Callable[..., object]
"""``add_argument`` of a parser."""

DEFAULT_LISTEN_ADDRESS = ":9973"

_EPILOG = """\
The token of a single account can come from JOULO_TOKEN or JOULO_TOKEN_FILE in the environment; no file is
needed then. JOULO_API_URL overrides the API's URL. Each command has its own --help.
Exit status: 0; 1 for a fault at run time; 2 for bad usage or a faulty configuration.

examples:
  JOULO_TOKEN_FILE=~/joulo-token joulo-exporter
  joulo-exporter --config.file=/etc/joulo-exporter.yml --web.listen-address=127.0.0.1:9973
  joulo-exporter demo
  joulo-exporter check --config.file=/etc/joulo-exporter.yml
  joulo-exporter sessions --from=2026-06 --to=2026-06
"""

_COLLECTED = {
    "ere_position": "what each account's ERE credits are worth",
    "ere_price": "the public market price of ERE credits",
}
_LABEL = re.compile(r"([a-zA-Z_][a-zA-Z0-9_]*)=(.*)", re.DOTALL)
_OWN_LABELS = frozenset({"account", "charger", "vehicle", "session_id", "id_tag"})
_SHORTEST_STEP_S = 1.0
_NUMBER = re.compile(r"[0-9]{1,9}", re.ASCII)
_FLAG = re.compile(r"--?[a-z][a-z.-]*")
# A token that was pasted to the wrong place would be kept in the terminal's history and in the journal.
_TOKEN = re.compile(r"(?:joulo_|eyJ)[^\s'\"]*")


class UsageError(ConfigError):
    """The command line cannot be understood."""


class Parser(argparse.ArgumentParser):
    """Raises a fault, where argparse prints the usage and ends the process."""

    commands: Mapping[str, argparse.ArgumentParser]
    """The parsers of the commands, by their names; of the parser of all commands."""

    def error(self, message: str) -> NoReturn:
        """Raise the fault, with a hint to the help.

        Raises:
            UsageError: always.
        """
        raise UsageError(_TOKEN.sub("<secret>", f"{' '.join(message.split())}; see {self.prog} --help"))


def make_parser() -> Parser:
    """Return the parser of all commands; without a command the flags are those of ``serve``."""
    parser = Parser(
        prog="joulo-exporter",
        description="Prometheus exporter for the charging sessions and ERE credits that Joulo collects.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    _file_flags(parser.add_argument)
    _serving_flags(parser.add_argument)
    parser.add_argument("--version", action="version", help="print the version and exit",
        version=f"joulo-exporter, version {__version__} (python {platform.python_version()})")  # fmt: skip
    commands = parser.add_subparsers(dest="command", metavar="command", title="commands", parser_class=Parser)
    parser.commands = commands.choices
    for name, add_flags, summary, epilog in _COMMANDS:
        command = commands.add_parser(
            name,
            help=summary,
            description=f"{summary[0].upper()}{summary[1:]}.",
            epilog=epilog,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
            argument_default=argparse.SUPPRESS,
        )
        _file_flags(command.add_argument)
        add_flags(command.add_argument)
    # A flag may stand before its command or after it: a default after it must not hide the flag before it.
    absent = ["shard", "total_shards", "from_seconds", "to_seconds", "labels"]
    absent += [f"collector_{name}" for name in COLLECTORS]
    parser.set_defaults(
        command="serve",
        config_check=False,
        systemd_socket=False,
        telemetry_path="/metrics",
        lifecycle=False,
        log_level="info",
        log_format="logfmt",
        **dict.fromkeys(absent),
    )
    return parser


# The flags of each command ------------------------------------------------------------------------


def _file_flags(add: Add) -> None:
    add("--config.file", dest="config_file", type=_path, metavar="FILE", help="configuration file (YAML)")
    add("--storage.path", dest="storage_path", type=_path, metavar="DIR",
        help=f"folder of the ledger (default: {DEFAULT_STORAGE_PATH}; demo: a temporary one)")  # fmt: skip


def _serving_flags(add: Add) -> None:
    add("--config.check", dest="config_check", action="store_true", default=argparse.SUPPRESS,
        help="check the configuration file and exit")  # fmt: skip
    add("--web.listen-address", dest="listen_addresses", action="append", metavar="ADDRESS",
        help=f"address to serve on, or unix:/path, can be repeated (default: {DEFAULT_LISTEN_ADDRESS})",
    )  # fmt: skip
    add("--web.systemd-socket", dest="systemd_socket", action="store_true", default=argparse.SUPPRESS,
        help="serve on the sockets that systemd passes, not on addresses")  # fmt: skip
    add("--web.telemetry-path", dest="telemetry_path", metavar="PATH",
        help="path of the metrics (default: /metrics)")  # fmt: skip
    add("--web.external-url", dest="external_url", metavar="URL",
        help="where people find the exporter behind a proxy; for links and redirects")  # fmt: skip
    add("--web.route-prefix", dest="route_prefix", metavar="PATH",
        help="what all paths begin with (default: the path of --web.external-url)")  # fmt: skip
    add("--web.config.file", dest="web_config_file", type=_file, metavar="FILE",
        help="TLS, basic authentication and headers, in the format of all Prometheus exporters")  # fmt: skip
    add("--web.enable-lifecycle", dest="lifecycle", action="store_true", default=argparse.SUPPRESS,
        help="allow a reload by POST /-/reload")  # fmt: skip
    for name in COLLECTORS:
        flag, dest = f"collector.{name.replace('_', '-')}", f"collector_{name}"
        add(f"--{flag}", dest=dest, action="store_true", default=argparse.SUPPRESS,
            help=f"ask for {_COLLECTED[name]} (default: off)")  # fmt: skip
        add(f"--no-{flag}", dest=dest, action="store_false", default=argparse.SUPPRESS,
            help="leave it, whatever the configuration file says")  # fmt: skip
    _shard_flags(add)
    add("--log.level", dest="log_level", choices=logs.LEVELS, help="least level of what is logged (default: info)")
    add("--log.format", dest="log_format", choices=logs.FORMATS, help="form of the log (default: logfmt)")


def _shard_flags(add: Add) -> None:
    # As kube-state-metrics has them.
    add("--shard", dest="shard", type=_number_from(0), metavar="N",
        help="which shard of the accounts to serve, from 0 (default: 0, or what POD_NAME ends in)")  # fmt: skip
    add("--total-shards", dest="total_shards", type=_number_from(1), metavar="N",
        help="number of exporters that share the accounts (default: 1)")  # fmt: skip


def _span_flags(add: Add, subject: str) -> None:
    add("--from", dest="from_seconds", type=_begin, metavar="TIME",
        help=f"{subject} from here on: 2026, 2026-06, 2026-06-17 or 2026-06-17T18:30, local time")  # fmt: skip
    add("--to", dest="to_seconds", type=_end, metavar="TIME",
        help="up to here: a year, month or day is included, a time is not")  # fmt: skip


def _selection_flags(add: Add) -> None:
    _span_flags(add, "sessions that began")
    add("--charger", default=None, metavar="LABEL", help="only this charger, by its label in the metrics")
    add("--vehicle", default=None, metavar="NAME", help="only this vehicle of the configuration, or unknown")


def _sessions_flags(add: Add) -> None:
    add("--format", choices=("table", "csv", "json"), default="table", help="form of the output (default: table)")
    add("--by", choices=("month", "quarter", "year", "vehicle", "charger"), default=None,
        help="totals of these alone")  # fmt: skip
    _selection_flags(add)


def _statement_flags(add: Add) -> None:
    add("--format", choices=("html", "csv", "json"), default="html", help="form of the output (default: html)")
    add("--language", choices=("nl", "en"), default=None,
        help="language of the HTML (default: that of the locale: nl for a Dutch one, else en)")  # fmt: skip
    add("--price", type=_checked(parse_price), default=None, metavar="EUROS",
        help="price of a kWh for all sessions, such as 0.27, in place of the configuration's tariffs")  # fmt: skip
    _selection_flags(add)


def _tags_flags(add: Add) -> None:
    add("--evcc", action="store_true", default=False,
        help="print the vehicles for EVCC's configuration, as YAML")  # fmt: skip


def _settle_flags(add: Add) -> None:
    add("--charger", default=None, metavar="LABEL",
        help="only the counters of this charger, by its label in the metrics")  # fmt: skip


def _backfill_flags(add: Add) -> None:
    add("--step", dest="step_s", type=_step, default=300.0, metavar="DURATION",
        help="from one sample to the next (default: 5m, the most for queries without gaps); where nothing changes,"
        " an hour")  # fmt: skip
    add("--label", dest="labels", type=_label, action="append", metavar="NAME=VALUE",
        help="a label for every series, such as job=joulo; can be repeated")  # fmt: skip
    _span_flags(add, "samples")
    _shard_flags(add)


_COMMANDS = (
    ("serve", _serving_flags, "run the exporter (the default)", """\
example:
  joulo-exporter serve --config.file=/etc/joulo-exporter.yml --web.listen-address=127.0.0.1:9973
"""),
    ("demo", _serving_flags, "run it against a built-in simulated household", """\
example:
  joulo-exporter demo --web.listen-address=127.0.0.1:9973
"""),
    ("check", _serving_flags,
     "check the configuration and every token against the API, and say what to do about each fault", """\
Requests keep to the API's intervals: what was asked a short time ago is not asked again.

example:
  joulo-exporter check --config.file=/etc/joulo-exporter.yml
"""),
    ("sessions", _sessions_flags, "print the sessions of the ledger as a table, CSV or JSON", """\
Sessions count by when they began. The table has totals for each month; CSV and JSON have none. Withdrawn
sessions are left out. How complete the ledger is goes to standard error. Works while the exporter runs.

examples:
  joulo-exporter sessions --from=2026-06 --to=2026-06
  joulo-exporter sessions --format=csv --from=2026 --to=2026 --charger=oprit > 2026.csv
  joulo-exporter sessions --format=json --vehicle=tesla | jq 'map(.kwh) | add'
  joulo-exporter sessions --by=month --from=2026 --to=2026
"""),
    ("statement", _statement_flags, "print sessions and their cost for an employer or the tax office", """\
Sessions count by when they began; a session in progress is left out. Prices are those of tariffs: in the
configuration file, or the one of --price. A browser prints the HTML, to paper or to a PDF. CSV has the sessions
alone; JSON has energy in hundredths of a kWh and money in cents. Works while the exporter runs.

examples:
  joulo-exporter statement --from=2026-06 --to=2026-06 > statement.html
  joulo-exporter statement --from=2026 --to=2026 --vehicle=tesla --price=0.27 --language=nl > 2026.html
  joulo-exporter statement --format=json --from=2026-04 --to=2026-06 | jq .total.cost_cents
"""),
    ("tags", _tags_flags, "print the RFID tags seen, with vehicle, sessions, kWh and last use", """\
Spellings that differ in case, blanks, colons and dashes are one tag. Works while the exporter runs.

examples:
  joulo-exporter tags --config.file=/etc/joulo-exporter.yml
  joulo-exporter tags --evcc --config.file=/etc/joulo-exporter.yml
"""),
    ("settle", _settle_flags, "let counters that are held above the truth fall to it, once", """\
Stop the exporter first. Prometheus takes each fall for a counter reset; docs/ledger.md says what that means, and
how queries over the past stay right.

examples:
  joulo-exporter settle --config.file=/etc/joulo-exporter.yml
  joulo-exporter settle --config.file=/etc/joulo-exporter.yml --charger=oprit
"""),
    ("backfill", _backfill_flags, "print the history as OpenMetrics, to import into Prometheus", """\
The configuration file must be the exporter's own, so that vehicles and accounts are the same; --label gives what
Prometheus adds when it scrapes. If Prometheus has scraped the exporter before, --to must be the time of its
first scrape. Works while the exporter runs, once its history is complete.

example:
  joulo-exporter backfill --label job=joulo --label instance=localhost:9973 > joulo.om
  promtool tsdb create-blocks-from --max-block-duration=720h openmetrics joulo.om /var/lib/prometheus/metrics2
"""),
)  # fmt: skip
"""Name, flags, summary and epilog of each command."""


# The values of flags ------------------------------------------------------------------------------


def _checked(parse: Callable[[str], object]) -> Callable[[str], object]:
    """Return the parser of a flag with its own words for what is wrong."""

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
    return Path(text)


def _file(text: str) -> Path | None:
    """Return the path; an empty value means no file, as in other exporters."""
    return Path(text) if text else None


@_checked
def _begin(text: str) -> float:
    return parse_span(text)[0]


@_checked
def _end(text: str) -> float:
    return parse_span(text)[1]


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
        # An unknown flag makes argparse take the flag's value for a command: the flag is the mistake then.
        _refuse_unknown(parser, arguments)
        raise
    _refuse_unknown(parser, left)
    if left:
        _refuse_misplaced(parser, left[0], options.command)
    if None not in (options.from_seconds, options.to_seconds) and options.to_seconds <= options.from_seconds:
        raise UsageError("--to: is not after --from, so that nothing lies between them; exchange them")
    labels = [name for name, _ in options.labels or ()]
    for name in labels:
        if labels.count(name) > 1:
            raise UsageError(f"--label: {name} is given twice; keep one")
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


def _refuse_misplaced(parser: Parser, argument: str, command: str) -> NoReturn:
    flag = _flag(argument)
    if flag is None:
        parser.error(f"{argument!r} is one argument too many")
    owners = [name for name, of_command in parser.commands.items() if flag in _flags(of_command)]
    parser.error(f"{flag} is a flag of {' and '.join(owners) or f'{parser.prog} itself'}, not of {command}")


def _flag(argument: str) -> str | None:
    """Return the flag in an argument without its value; ``None`` for a text that is no flag, such as -1."""
    name = argument.partition("=")[0]
    return name if name.startswith("-") and name.strip("-") and not name[1].isdigit() else None


def _flags(parser: argparse.ArgumentParser) -> set[str]:
    return set(_FLAG.findall(parser.format_usage().partition(parser.prog)[2]))
