"""Logging set up, and events with fields."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, TextIO

from joulo_exporter.logs.lines import LEVEL_NUMBERS, Format, Level, LineFormatter
from joulo_exporter.logs.redaction import Redactor

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from joulo_exporter.config.tokens import Secret


def configure(
    level: Level,
    log_format: Format,
    stream: TextIO,
    *,
    secrets: Callable[[], Iterable[Secret]] = tuple,
) -> None:
    """Send the records of every logger, aiohttp's and asyncio's too, to ``stream``.

    A second call replaces the first.

    Args:
        level: the least level that is logged; only ``debug`` shows tracebacks.
        log_format: how a line is written.
        stream: where to; it stays open.
        secrets: gives the secrets of the moment, whose texts are replaced in every line. It is a second
            line of defence: nothing should log them in the first place.
    """
    handler = _LineHandler(stream)
    handler.setFormatter(LineFormatter(log_format, Redactor(secrets), tracebacks=level == "debug"))
    root = logging.getLogger()
    for former in [former for former in root.handlers if isinstance(former, _LineHandler)]:
        root.removeHandler(former)
    root.addHandler(handler)
    root.setLevel(LEVEL_NUMBERS[level])


def event(logger: logging.Logger, level: Level, message: str, /, **fields: object) -> None:
    """Log a message with fields, an error as ``err=error``.

    Args:
        logger: the logger of the caller's module.
        level: the level of the event.
        message: a constant text; whatever varies is a field.
        **fields: what varies; anything that is no text, number or boolean is shown as ``str`` gives it.
    """
    logger.log(LEVEL_NUMBERS[level], message, extra={"fields": fields}, stacklevel=2)


class _LineHandler(logging.StreamHandler[TextIO]):
    """Writes each record with one call; what cannot be written is dropped: there is nowhere to say so."""

    def emit(self, record: logging.LogRecord) -> None:
        if self.stream is None:  # as after `2>&-`, whatever its type says
            return
        try:
            encoding = getattr(self.stream, "encoding", None) or "utf-8"
            line = self.format(record).encode(encoding, "backslashreplace").decode(encoding)
            self.stream.write(f"{line}\n")
            self.stream.flush()
        except (OSError, ValueError):
            return
