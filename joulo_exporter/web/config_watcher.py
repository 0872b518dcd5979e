"""The web configuration in force, which follows its files."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING

from joulo_exporter.config.files import fingerprint
from joulo_exporter.errors import ConfigError
from joulo_exporter.logs import event
from joulo_exporter.web.auth import Gate
from joulo_exporter.web.config import FLAG, WebConfig, load_web_config
from joulo_exporter.web.tls import CurrentContext

if TYPE_CHECKING:
    import ssl
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from joulo_exporter.config.files import Fingerprint

_logger = logging.getLogger(__name__)

LOOK_INTERVAL_S = 1.0
"""Time between two looks at the files: a change holds within a second or two."""


class WebConfigWatcher:
    """The gate and the TLS context of the web configuration in force.

    It is read again when one of its files changes, and at a reload.

    A file that cannot be used changes nothing. TLS itself is switched on and off by a restart only.

    Args:
        path: the web configuration; ``None`` without one.

    Raises:
        ConfigError: it cannot be used.
    """

    def __init__(self, path: Path | None, *, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        self._path = path
        self._sleep = sleep
        self._config = WebConfig() if path is None else load_web_config(path)
        self._context = None if self._config.tls is None else CurrentContext(self._config.tls.context)
        self.gate = Gate(self._config.protection)
        self._seen: tuple[Fingerprint | None, ...] | None = None
        self._in_trouble = False
        self._task: asyncio.Task[None] | None = None

    @property
    def ssl_context(self) -> ssl.SSLContext | None:
        """The context to listen with, ``None`` for plain HTTP."""
        return self._context

    def start(self) -> None:
        """Begin to look at the files."""
        if self._path is None:
            return
        event(_logger, "info", "web configuration in force", file=self._path, tls=self._context is not None,
              users=len(self._config.protection.users))  # fmt: skip
        self._task = asyncio.get_running_loop().create_task(self._watch(self._path))

    async def stop(self) -> None:
        """End the looking."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def read(self) -> WebConfig:
        """Return what the file says now, for ``take``.

        Raises:
            ConfigError: it cannot be used.
        """
        return WebConfig() if self._path is None else await asyncio.to_thread(load_web_config, self._path)

    def take(self, config: WebConfig) -> None:
        """Let a configuration hold from the next request and the next connection on."""
        self._seen = None  # between ``read`` and now the files may have changed: they are read again
        self._follow(config)

    def _follow(self, config: WebConfig) -> None:
        former, self._config = self._config, config
        if config.is_like(former):
            return
        self.gate.follow(config.protection)
        if self._context is not None and config.tls is not None:
            self._context.current = config.tls.context
        event(_logger, "info", "web configuration read again", users=len(config.protection.users))
        if (config.tls is None) != (self._context is None) and (config.tls is None) != (former.tls is None):
            event(_logger, "warn", "TLS is switched on or off in the web configuration, which takes a restart",
                  served_by_tls=self._context is not None)  # fmt: skip

    async def _watch(self, path: Path) -> None:
        while True:
            await self._sleep(LOOK_INTERVAL_S)
            await self._look(path)

    async def _look(self, path: Path) -> None:
        files = (path, *(self._config.tls.files if self._config.tls is not None else ()))
        # Before the files are read: what is written in between shows at the next look.
        seen = await asyncio.to_thread(lambda: tuple(fingerprint(file) for file in files))
        # In trouble the cause may be elsewhere: in a file that only the faulty configuration names, in a folder.
        if seen == self._seen and not self._in_trouble:
            return
        self._seen = seen
        try:
            self._follow(await self.read())
        except ConfigError as error:
            if not self._in_trouble:
                event(_logger, "error", f"{FLAG} not read again; the former web configuration stays in force",
                      err=error)  # fmt: skip
            self._in_trouble = True
        else:
            if self._in_trouble:
                event(_logger, "info", "the web configuration can be read again")
            self._in_trouble = False
