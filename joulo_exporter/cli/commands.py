"""The command line: from arguments to an exit status; the commands that serve or check; output and its faults.

A service that runs for months keeps all loaded modules in memory, and a report that loads fewer is printed sooner.
So each command imports its own modules when it runs.
"""

import argparse
import asyncio
import contextlib
import functools
import io
import math
import os
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING, Any

from joulo_exporter import logs
from joulo_exporter.cli.parser import parse_arguments
from joulo_exporter.clock import local_time
from joulo_exporter.config.files import one_line
from joulo_exporter.config.schema import COLLECTORS, Config, load_config
from joulo_exporter.errors import ConfigError, JouloExporterError
from joulo_exporter.sharding import Shard, find_shard

if TYPE_CHECKING:
    from joulo_exporter.service import WebOptions
    from joulo_exporter.web.app import WebPaths

Command = Callable[[argparse.Namespace], Coroutine[Any, Any, int | None]]

_FAULT = 1
_BAD_USAGE = 2

_LISTEN_ADDRESS = ":9973"
_LOCALHOST = ("[::]", "0.0.0.0", "[::1]", "127.0.0.1")  # noqa: S104 -- compared, not listened on
DEMO_CONFIG = "demo.yml"
DEMO_START = "demo-start-2"
"""File with the start of the demo's household, in Unix seconds, so that a restart continues the same sessions."""


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the command line, of the process if ``None``; return 0, 1 for a fault at run time, 2 for bad usage."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        # Whatever the locale is: a statement says that it is UTF-8, and other programs read CSV and JSON so. The
        # name of a file keeps its bytes.
        sys.stdout.reconfigure(encoding="utf-8", errors="surrogateescape")
    try:
        _require_zone(os.environ.get("TZ", ""))  # first: a date in an argument is a local one
        options = parse_arguments(sys.argv[1:] if arguments is None else arguments)
        commands: Mapping[str, Command] = {"serve": _serve, "demo": _demo, "check": _check}
        if options.command in commands:
            return asyncio.run(commands[options.command](options)) or 0
        from joulo_exporter.cli.ledger_commands import LEDGER_COMMANDS  # noqa: PLC0415 -- see the module

        LEDGER_COMMANDS[options.command](options)
    except JouloExporterError as error:
        complain(str(error))
        return _BAD_USAGE if isinstance(error, ConfigError) else _FAULT
    except BrokenPipeError:  # the reader of our output has left, as `| head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


def _require_zone(name: str) -> None:
    """Refuse a time zone with which no local time can be made.

    The C library reads ``GMT+0100`` as a hundred hours, and makes a day of them, which is too much for Python.
    """
    try:
        local_time(0), local_time(182 * 86_400)
    except ValueError:
        remedy = "write the name of a zone, such as Europe/Amsterdam, or hours alone, such as CET-1"
        raise ConfigError(f"environment: TZ: {name!r} is a day or more from UTC; {remedy}") from None


async def _serve(options: argparse.Namespace) -> None:
    if options.config_check:
        _check_files(options)
    else:
        await _run_service(_loader(options), options)


async def _check(options: argparse.Namespace) -> int:
    config = _check_files(options)
    if options.config_check:
        return 0
    from joulo_exporter.check import check  # noqa: PLC0415 -- see the module

    logs.configure("error", options.log_format, sys.stderr)  # what fails is among the outcomes
    return 0 if await check(config, say) else _FAULT


def _check_files(options: argparse.Namespace) -> Config:
    config = _loader(options)()
    say(f"{options.config_file or 'environment'}: the configuration is valid")
    if config.shard.total > 1:
        say(f"{config.shard} has {len(config.accounts)} of the accounts")
    if options.web_config_file is not None:
        from joulo_exporter.web.config import load_web_config  # noqa: PLC0415 -- see the module

        load_web_config(options.web_config_file)
        say(f"{options.web_config_file}: the web configuration is valid")
    return config


async def _run_service(
    load: Callable[[], Config],
    options: argparse.Namespace,
    started: Callable[[str, list[str]], None] | None = None,
) -> None:
    from joulo_exporter.service import Service  # noqa: PLC0415 -- see the module

    service = Service(load, _web_options(options))
    logs.configure(options.log_level, options.log_format, sys.stderr, secrets=service.secrets)
    await service.run(started)


# The demo -----------------------------------------------------------------------------------------


async def _demo(options: argparse.Namespace) -> None:
    if options.config_file is not None or options.config_check:
        raise ConfigError("demo has a configuration of its own; leave --config.file and --config.check out")
    async with contextlib.AsyncExitStack() as stack:
        if options.storage_path is None:
            with _writing("a temporary folder"):
                folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="joulo-demo-"))
            options.storage_path = Path(folder)
        file = options.config_file = options.storage_path / DEMO_CONFIG
        load = _loader(options, {})
        await stack.enter_async_context(simulated_household(options.storage_path))

        def invite(scheme: str, addresses: list[str]) -> None:
            url = invitation(scheme, addresses[0], _web_options(options).paths)
            say(f"A simulated household is served: {url}")
            say("A session is in progress; within five minutes one ends and another begins. Ctrl-C stops.")
            say(f"Its history: joulo-exporter sessions --config.file={file} (or statement, tags, backfill)")

        await _run_service(load, options, invite)


def invitation(scheme: str, address: str, paths: "WebPaths") -> str:
    """Return the URLs of page and metrics at a bound address; ``localhost`` stands for this machine."""
    host, _, port = address.rpartition(":")
    url = f"{scheme}://{'localhost' if host in _LOCALHOST else host}:{port}{paths.prefix}"
    return f"open {url}/ or curl {url}{paths.telemetry}"


@contextlib.asynccontextmanager
async def simulated_household(folder: Path) -> AsyncIterator[None]:
    """Run a household that behaves like the API on a free port; write a configuration to the ledger's folder.

    Its sessions last two or three minutes, so the intervals are shorter than an account's may be.

    Raises:
        ConfigError: the folder has a ledger that is not a demo's.
        JouloExporterError: the folder cannot be written.
    """
    from joulo_exporter.simulator import DEMO_TOKEN, Household, serve  # noqa: PLC0415 -- see the module

    with _writing(folder):
        start_seconds = _kept_start(folder)
    async with serve(Household(start_seconds=start_seconds)) as running:
        template = Template((resources.files("joulo_exporter.cli") / DEMO_CONFIG).read_text("utf-8"))
        text = template.substitute(token=DEMO_TOKEN, url=running.url, year=datetime.now(UTC).year)
        with _writing(folder):
            (folder / DEMO_CONFIG).write_text(text, "utf-8")
        yield


def _kept_start(folder: Path) -> int:
    from joulo_exporter.ledger.storage import FILE_NAME  # noqa: PLC0415 -- see the module

    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    file = folder / DEMO_START
    with contextlib.suppress(FileNotFoundError, ValueError):
        return int(file.read_text("utf-8"))
    if (folder / FILE_NAME).exists():
        raise ConfigError(f"{folder} has a ledger that is no demo's; name another folder with --storage.path")
    start_seconds = math.floor(time.time())
    file.write_text(f"{start_seconds}\n", "utf-8")
    return start_seconds


@contextlib.contextmanager
def _writing(folder: Path | str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        remedy = "name another folder with --storage.path"
        raise JouloExporterError(f"{folder} cannot be written ({error.strerror}); {remedy}") from error


# Meaning of the flags -----------------------------------------------------------------------------


def _loader(options: argparse.Namespace, environ: Mapping[str, str] = os.environ) -> Callable[[], Config]:
    return functools.partial(
        load_config,
        options.config_file,
        environ,
        storage_path=options.storage_path,
        collectors=collectors(options),
        shard=given_shard(options),
    )


def collectors(options: argparse.Namespace) -> dict[str, bool]:
    """Return the collectors that the flags switch on or off."""
    switches = {name: getattr(options, f"collector_{name}") for name in COLLECTORS}
    return {name: switch for name, switch in switches.items() if switch is not None}


def given_shard(options: argparse.Namespace) -> Shard:
    """Return this exporter's place among the shards; ``POD_NAME`` is the name of a StatefulSet's pod."""
    return find_shard(options.shard, options.total_shards, os.environ.get("POD_NAME"))


def _web_options(options: argparse.Namespace) -> "WebOptions":
    from joulo_exporter.service import WebOptions  # noqa: PLC0415 -- see the module
    from joulo_exporter.web.app import web_paths  # noqa: PLC0415 -- see the module

    return WebOptions(
        listen_addresses=() if options.web_systemd_socket else options.web_listen_address or (_LISTEN_ADDRESS,),
        lifecycle_enabled=options.web_enable_lifecycle,
        config_file=options.web_config_file,
        paths=web_paths(options.web_external_url, options.web_route_prefix, options.web_telemetry_path),
    )


# Output to a terminal or a pipe -------------------------------------------------------------------


def say(line: str) -> None:
    """Write a line to standard output, at once."""
    write([f"{line}\n"])


def write(pieces: Iterable[str]) -> None:
    """Write to standard output, piece by piece as they are made.

    Raises:
        BrokenPipeError: the reader has left.
        JouloExporterError: it cannot be written, as on a full disk.
    """
    if sys.stdout is None:  # as after `>&-`, whatever its type says
        raise JouloExporterError("standard output is closed; open it, or send it to /dev/null")
    try:
        for piece in pieces:
            sys.stdout.write(piece)
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        raise JouloExporterError(f"standard output cannot be written: {error.strerror}") from error


def complain(message: str) -> None:
    """Write a line to standard error, with our name before it; if that fails, the exit status must suffice."""
    if sys.stderr is not None:  # as after `2>&-`, whatever its type says
        with contextlib.suppress(OSError):
            sys.stderr.write(f"joulo-exporter: {one_line(message)}\n")  # labels come from the API
            sys.stderr.flush()


def show_progress(share: float) -> None:
    """Show the share of the work that is done, from 0 to 1, on a line of a terminal; at 1 the line is erased."""
    if sys.stderr is not None and sys.stderr.isatty():
        sys.stderr.write("\r\x1b[K" if share == 1 else f"\r{share:.0%} ")
        sys.stderr.flush()
