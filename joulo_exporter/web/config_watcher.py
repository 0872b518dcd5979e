"""The web configuration in force, which follows its files."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING, cast

from joulo_exporter.config.files import fingerprint
from joulo_exporter.errors import ConfigError
from joulo_exporter.logs import event
from joulo_exporter.web.auth import Gate
from joulo_exporter.web.config import FLAG, WebConfig, load_web_config

if TYPE_CHECKING:
    import ssl
    from collections.abc import Awaitable, Callable, Iterable
    from pathlib import Path

    from joulo_exporter.config.files import Fingerprint

_logger = logging.getLogger(__name__)

LOOK_INTERVAL_S = 1.0
"""Time between two looks at the files: a change holds within a second or two."""


def _fingerprints(files: Iterable[Path]) -> tuple[Fingerprint | None, ...]:
    return tuple(map(fingerprint, files))


class WebConfigWatcher:
    """The gate and the TLS context of the web configuration in force.

    It is read again when one of its files changes, and at a reload. A file that cannot be used changes nothing.
    TLS itself is switched on and off by a restart only.

    ``config`` is the one in force.

    Args:
        path: the web configuration; ``None`` without one.

    Raises:
        ConfigError: it cannot be used.
    """

    def __init__(self, path: Path | None, *, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        self._path = path
        self._sleep = sleep
        self.config = WebConfig() if path is None else load_web_config(path)
        self._context = self.config.context
        self.gate = Gate(self.config.protection)
        self._seen: tuple[Fingerprint | None, ...] | None = None
        self._in_trouble = False
        self._task: asyncio.Task[None] | None = None

    @property
    def tls(self) -> Callable[[], ssl.SSLContext] | None:
        """Return a function that returns the context for a new connection; ``None`` for plain HTTP."""
        return None if self._context is None else lambda: cast("ssl.SSLContext", self._context)

    def start(self) -> None:
        """Begin to look at the files."""
        if self._path is not None:
            tls, users = self._context is not None, len(self.config.protection.users)
            event(_logger, "info", "web configuration in force", file=self._path, tls=tls, users=users)
            self._task = asyncio.get_running_loop().create_task(self._watch(self._path))

    async def stop(self) -> None:
        """End the looking."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def read(self) -> WebConfig:
        """Return the configuration as the file has it now, for ``take``.

        Raises:
            ConfigError: it cannot be used.
        """
        return WebConfig() if self._path is None else await asyncio.to_thread(load_web_config, self._path)

    def take(self, config: WebConfig) -> None:
        """Let a configuration hold from the next request and the next connection on."""
        self._seen = None  # between ``read`` and now the files may have changed: they are read again
        self._follow(config)

    def _follow(self, config: WebConfig) -> None:
        former, self.config = self.config, config
        if config == former:
            return
        self.gate.follow(config.protection)
        event(_logger, "info", "web configuration read again", users=len(config.protection.users))
        served = self._context is not None
        if served and config.context is not None:
            self._context = config.context
        elif served != (config.tls is not None) and (config.tls is None) != (former.tls is None):
            text = "TLS is switched on or off in the web configuration, which takes a restart"
            event(_logger, "warn", text, served_by_tls=served)

    async def _watch(self, path: Path) -> None:
        while True:
            await self._sleep(LOOK_INTERVAL_S)
            files = (path, *self.config.files)
            # Before the files are read: a change in between shows at the next look.
            seen = await asyncio.to_thread(_fingerprints, files)
            # In trouble the cause may be elsewhere: in a file that only the faulty configuration names.
            if seen != self._seen or self._in_trouble:
                self._seen = seen
                await self._read_again()

    async def _read_again(self) -> None:
        fault: ConfigError | None = None
        try:
            self._follow(await self.read())
        except ConfigError as error:
            fault = error
        if fault is not None and not self._in_trouble:
            text = f"{FLAG} not read again; the former web configuration stays in force"
            event(_logger, "error", text, err=fault)
        elif fault is None and self._in_trouble:
            event(_logger, "info", "the web configuration can be read again")
        self._in_trouble = fault is not None
