"""The household of the demo, and the configuration file with which the exporter and the reports read it."""

import contextlib
import math
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType

from joulo_exporter.config.schema import Config, load_config
from joulo_exporter.errors import ConfigError, JouloExporterError

CONFIG_NAME = "demo.yml"
_START_NAME = "demo-start"
"""Keeps when the household began, in Unix seconds, so that a restart goes on with the same sessions."""

_CONFIG = """\
# Of joulo-exporter demo, which writes it anew at each start. The commands on the ledger take it as --config.file.
accounts: [{{token: {token}}}]
api: {{url: "{url}"}}
collectors: {{ere_position: true, ere_price: true}}
intervals: {{chargers: 5s, sessions: 15s, energy: 30s, ere_position: 1m, ere_price: 1m}}
history: {{page_interval: 100ms, resync_interval: 10m}}
vehicles: {{04A1B2C3D4E580: tesla, DEADBEEF12345678: zoe}}
tariffs:
  - {{from: 2020-01-01, euro_per_kwh: 0.2712}}
  - {{from: {year}-01-01, euro_per_kwh: 0.2534}}
  - {{from: {year}-01-01, euro_per_kwh: 0.2210, vehicle: zoe}}
storage: {{path: .}}
"""


@contextlib.asynccontextmanager
async def simulated_household(
    folder: Path, switches: Mapping[str, bool] = MappingProxyType({})
) -> AsyncIterator[Config]:
    """Run a household that behaves like the API on a free port; yield the configuration that polls it.

    Its sessions last two or three minutes, so the intervals are shorter than an account's may be. Collectors are
    on unless they are switched off. The configuration file is written to the ledger's folder.

    Raises:
        ConfigError: the folder has a ledger that is no demo's.
        JouloExporterError: the folder cannot be written.
    """
    from joulo_exporter.simulator import DEMO_TOKEN, Household, serve  # noqa: PLC0415 -- only the demo needs it

    with _writing(folder):
        start_seconds = _kept_start(folder)
    async with serve(Household(start_seconds=start_seconds)) as running:
        path = folder / CONFIG_NAME
        text = _CONFIG.format(token=DEMO_TOKEN, url=running.url, year=datetime.now(UTC).year)
        with _writing(folder):
            path.write_text(text, "utf-8")
        yield load_config(path, {}, storage_path=folder, collectors=switches)


def is_demo(folder: Path) -> bool:
    """Return whether the ledger of a folder is a demo's, whose household charges at a constant power."""
    return (folder / _START_NAME).exists()


def _kept_start(folder: Path) -> int:
    from joulo_exporter.ledger import FILE_NAME  # noqa: PLC0415 -- the same

    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    file = folder / _START_NAME
    with contextlib.suppress(FileNotFoundError, ValueError):
        return int(file.read_text("utf-8"))
    if (folder / FILE_NAME).exists():
        raise ConfigError(f"{folder} has a ledger that is no demo's; name another folder with --storage.path")
    start_seconds = math.floor(time.time())
    file.write_text(f"{start_seconds}\n", "utf-8")
    return start_seconds


@contextlib.contextmanager
def _writing(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise JouloExporterError(
            f"{folder} cannot be written ({error.strerror}); name another folder with --storage.path"
        ) from error
