"""The command line: parsing, subcommands, exit codes, and all text for people."""

from __future__ import annotations

import argparse
import asyncio
import os
import platform
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from joulo_exporter import __version__, logs
from joulo_exporter.check import check
from joulo_exporter.config import DEFAULT_STORAGE_PATH, Config, load_config
from joulo_exporter.demo import simulated_household
from joulo_exporter.errors import ConfigError, JouloExporterError
from joulo_exporter.service import Service, WebOptions

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

DEFAULT_LISTEN_ADDRESS = ":9973"

EXIT_FAULT = 1
EXIT_USAGE = 2

_EPILOG = """\
The token of a single account can come from JOULO_TOKEN or JOULO_TOKEN_FILE in the environment; no file is
needed then. JOULO_API_URL overrides the API's URL.

examples:
  JOULO_TOKEN_FILE=~/joulo-token joulo-exporter
  joulo-exporter --config.file=/etc/joulo-exporter.yml --web.listen-address=127.0.0.1:9973
  joulo-exporter demo
  joulo-exporter check --config.file=/etc/joulo-exporter.yml
"""


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one line, as all faults of use are said."""

    def error(self, message: str) -> NoReturn:
        _complain(f"{message}; see joulo-exporter --help")
        raise SystemExit(EXIT_USAGE)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status: 0, 1 for a fault at run time, 2 for bad usage.

    Args:
        arguments: those of the process if ``None``.
    """
    try:
        options = _parser().parse_args(arguments)
        return _COMMANDS[options.command](options)
    except ConfigError as error:
        _complain(str(error))
        return EXIT_USAGE
    except JouloExporterError as error:
        _complain(str(error))
        return EXIT_FAULT
    except BrokenPipeError:  # the reader of our output has left, as `| head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="joulo-exporter",
        description="Prometheus exporter for the charging sessions and ERE credits that Joulo collects.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument(
        "command",
        nargs="?",
        choices=list(_COMMANDS),
        default="serve",
        help="serve: run the exporter (the default); demo: run it against a built-in simulated household; "
        "check: check the configuration and every token against the API, and say what to do about each fault",
    )
    add = parser.add_argument
    add("--config.file", dest="config_file", type=Path, metavar="FILE", help="configuration file (YAML)")
    add("--config.check", dest="config_check", action="store_true", help="check the configuration file and exit")
    add(
        "--storage.path",
        dest="storage_path",
        type=Path,
        metavar="DIR",
        help=f"folder of the ledger (default: {DEFAULT_STORAGE_PATH}; demo: a temporary one)",
    )
    add(
        "--web.listen-address",
        dest="listen_addresses",
        action="append",
        metavar="ADDRESS",
        help=f"address to serve on, can be repeated (default: {DEFAULT_LISTEN_ADDRESS})",
    )
    add("--web.telemetry-path", dest="telemetry_path", default="/metrics", metavar="PATH",
        help="path of the metrics (default: /metrics)")  # fmt: skip
    add("--web.enable-lifecycle", dest="lifecycle", action="store_true", help="allow a reload by POST /-/reload")
    add("--log.level", dest="log_level", choices=logs.LEVELS, default="info",
        help="least level of what is logged (default: info)")  # fmt: skip
    add("--log.format", dest="log_format", choices=logs.FORMATS, default="logfmt",
        help="form of the log (default: logfmt)")  # fmt: skip
    add("--version", action="version", help="print the version and exit",
        version=f"joulo-exporter, version {__version__} (python {platform.python_version()})")  # fmt: skip
    return parser


def _loader(options: argparse.Namespace) -> Callable[[], Config]:
    return lambda: load_config(options.config_file, os.environ, storage_path=options.storage_path)


def _serve(options: argparse.Namespace) -> int:
    if options.config_check:
        return _check_file(options)
    asyncio.run(_run(Service(_loader(options), _web_options(options)), options))
    return 0


def _demo(options: argparse.Namespace) -> int:
    with tempfile.TemporaryDirectory(prefix="joulo-demo-") as temporary:
        asyncio.run(_run_demo(options, options.storage_path or Path(temporary)))
    return 0


async def _run_demo(options: argparse.Namespace, storage_path: Path) -> None:
    async with simulated_household(storage_path) as config:
        service = Service(lambda: config, _web_options(options))
        await _run(service, options, _invite)


async def _run(
    service: Service, options: argparse.Namespace, started: Callable[[list[str]], None] | None = None
) -> None:
    logs.configure(options.log_level, options.log_format, sys.stderr, secrets=service.secrets)
    await service.run(started)


def _invite(addresses: list[str]) -> None:
    port = addresses[0].rpartition(":")[2]
    print(
        f"A simulated household is served: open http://localhost:{port}/ or curl http://localhost:{port}/metrics"
    )
    print("A session is in progress; within five minutes one ends and another begins. Ctrl-C stops.", flush=True)


def _check(options: argparse.Namespace) -> int:
    if options.config_check:
        return _check_file(options)
    logs.configure(options.log_level, options.log_format, sys.stderr)
    return 0 if asyncio.run(check(_loader(options)(), print)) else EXIT_FAULT


def _check_file(options: argparse.Namespace) -> int:
    _loader(options)()
    print(f"{options.config_file or 'environment'}: the configuration is valid")
    return 0


def _web_options(options: argparse.Namespace) -> WebOptions:
    return WebOptions(
        listen_addresses=tuple(options.listen_addresses or (DEFAULT_LISTEN_ADDRESS,)),
        telemetry_path=options.telemetry_path,
        lifecycle_enabled=options.lifecycle,
    )


def _complain(message: str) -> None:
    print(f"joulo-exporter: {message}", file=sys.stderr)


_COMMANDS: dict[str, Callable[[argparse.Namespace], int]] = {"serve": _serve, "demo": _demo, "check": _check}
