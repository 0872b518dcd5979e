"""Logging in the manner of Prometheus 3: one line for each event, ``logfmt`` or JSON.

Names, order, time and quoting are those of Go's ``log/slog`` as prometheus/common's ``promslog`` sets it
up: ``time=2026-06-01T12:00:00.000Z level=INFO source=poller.py:41 msg="..." key=value``.
"""

from __future__ import annotations

import json
import logging
import math
import re
import traceback
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal, TextIO, get_args
from urllib.parse import quote

import msgspec

from joulo_exporter.errors import JouloExporterError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from joulo_exporter.config import Secret

Level = Literal["debug", "info", "warn", "error"]
Format = Literal["logfmt", "json"]
Scalar = str | int | float | bool | None

LEVELS: tuple[Level, ...] = get_args(Level)
FORMATS: tuple[Format, ...] = get_args(Format)

REPEAT_S = 3600.0
"""Seconds after which a failure that goes on is logged again."""

_LEVEL_NUMBERS: Mapping[Level, int] = dict(
    zip(LEVELS, (logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR), strict=True)
)
_RESERVED = ("time", "level", "source", "msg")
_LONGEST_NUMBER_BITS = 64
_ASCII_END = 0x80
_BASIC_PLANE_END = 0x10000

# Go's strconv.Quote writes these with a letter, every other unprintable character as a number.
_ESCAPES = {
    '"': '\\"',
    "\\": "\\\\",
    "\a": "\\a",
    "\b": "\\b",
    "\f": "\\f",
    "\n": "\\n",
    "\r": "\\r",
    "\t": "\\t",
    "\v": "\\v",
}


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
        secrets: gives the secrets in use now, whose texts are replaced in every line. It is a second
            line of defence: nothing should log them in the first place.
    """
    handler = _LineHandler(stream)
    handler.setFormatter(_LineFormatter(log_format, _Redactor(secrets), tracebacks=level == "debug"))
    root = logging.getLogger()
    for former in [former for former in root.handlers if isinstance(former, _LineHandler)]:
        root.removeHandler(former)
    root.addHandler(handler)
    root.setLevel(_LEVEL_NUMBERS[level])


def event(logger: logging.Logger, level: Level, message: str, /, **fields: object) -> None:
    """Log a message with fields, an error as ``err=error``.

    Args:
        logger: the logger of the caller's module.
        level: the level of the event.
        message: a constant text; variables are fields.
        **fields: variables; anything that is no text, number or boolean is shown as ``str`` gives it.
    """
    logger.log(_LEVEL_NUMBERS[level], message, extra={"fields": fields}, stacklevel=2)


def error_text(error: BaseException) -> str:
    """Return an error as one text: our own explain themselves, others need the name of their type."""
    message = str(error)
    if isinstance(error, JouloExporterError) and message:
        return message
    return f"{type(error).__name__}: {message}" if message else type(error).__name__


# Failures that go on ------------------------------------------------------------------------


class Notice(msgspec.Struct, frozen=True):
    """A line to be logged now about failures in a row."""

    kind: Literal["began", "changed", "continues", "recovered"]
    reason: str
    """The reason of the latest failure."""
    failures: int
    """Number of failures since the last success."""
    lasted_s: float
    """Seconds since the first of them."""


class FailureLog:
    """Decides which of many failures in a row are logged.

    Failures in a row are logged when they begin, when a reason shows up that was not logged in the last
    ``repeat_s``, as often while they go on, and when they end. One object watches one thing, such as an
    endpoint of an account. Times are passed in, and only compared with each other.
    """

    def __init__(self, repeat_s: float = REPEAT_S) -> None:
        self._repeat_s = repeat_s
        self._failures = 0
        self._since_s = 0.0
        self._reason = ""
        self._logged_s: dict[str, float] = {}

    def failed(self, reason: str, now_s: float) -> Notice | None:
        """Count a failure; return the line to log, if it is time for one.

        Args:
            reason: a short word from a closed set, such as ``JouloExporterError.reason``.
            now_s: seconds of a clock that does not go back.
        """
        if not self._failures:
            self._since_s = now_s
        self._failures += 1
        self._reason = reason
        kind: Literal["began", "changed", "continues"]
        if not self._logged_s:
            kind = "began"
        elif reason not in self._logged_s:
            kind = "changed"
        elif now_s - self._logged_s[reason] >= self._repeat_s:
            kind = "continues"
        else:
            return None
        self._logged_s[reason] = now_s
        return Notice(kind, reason, self._failures, now_s - self._since_s)

    def succeeded(self, now_s: float) -> Notice | None:
        """Count a success; return the line to log, ``None`` when no failure came before."""
        if not self._failures:
            return None
        notice = Notice("recovered", self._reason, self._failures, now_s - self._since_s)
        self._failures = 0
        self._logged_s.clear()
        return notice


# Lines --------------------------------------------------------------------------------------


class _LineHandler(logging.StreamHandler[TextIO]):
    """Writes each record with one call; drops a line that cannot be written: there is nowhere to say so."""

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


class _Redactor:
    """Replaces the texts of secrets, in the plain and in the percent-encoded spelling."""

    def __init__(self, secrets: Callable[[], Iterable[Secret]]) -> None:
        self._secrets = secrets
        self._known: tuple[Secret, ...] = ()
        self._pattern: re.Pattern[str] | None = None

    def __call__(self, text: str) -> str:
        known = tuple(self._secrets())
        if known != self._known:
            plain = {secret.reveal() for secret in known} - {""}
            spellings = plain | {quote(secret, safe="", errors="replace") for secret in plain}
            # The longest first: a secret that begins with another one must not remain as its rest.
            ordered = sorted(spellings, key=len, reverse=True)
            self._known, self._pattern = known, re.compile("|".join(map(re.escape, ordered))) if ordered else None
        return text if self._pattern is None else self._pattern.sub("<secret>", text)


class _LineFormatter(logging.Formatter):
    """Makes one line of any record."""

    def __init__(self, log_format: Format, redact: Callable[[str], str], *, tracebacks: bool) -> None:
        super().__init__()
        self._write = _json_line if log_format == "json" else _logfmt_line
        self._redact = redact
        self._tracebacks = tracebacks

    def format(self, record: logging.LogRecord) -> str:
        return self._write({self._text(key): self._value(value) for key, value in self._values(record).items()})

    def _values(self, record: logging.LogRecord) -> dict[str, object]:
        time = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        reached = (name.upper() for name in reversed(LEVELS) if record.levelno >= _LEVEL_NUMBERS[name])
        values: dict[str, object] = {
            "time": time.replace("+00:00", "Z"),
            "level": next(reached, "DEBUG"),
            "source": f"{record.filename}:{record.lineno}",
            "msg": _message(record),
        }
        fields = getattr(record, "fields", None)
        for key, value in fields.items() if isinstance(fields, Mapping) else ():
            values[f"{key}_" if key in _RESERVED else str(key)] = value
        if record.exc_info and record.exc_info[1] is not None:
            values.setdefault("err", record.exc_info[1])
        error = values.get("err")
        if self._tracebacks and isinstance(error, BaseException) and error.__traceback__ is not None:
            values["traceback"] = "".join(traceback.format_exception(error)).rstrip()
        return values

    def _value(self, value: object) -> Scalar:
        if value is None:
            return value
        if isinstance(value, int):
            return value if value.bit_length() <= _LONGEST_NUMBER_BITS else hex(value)
        if isinstance(value, float):
            return value if math.isfinite(value) else str(value)
        return self._text(_shown(value))

    def _text(self, text: str) -> str:
        # Halves of surrogate pairs stand for bytes of file names that are no UTF-8; JSON has none of them.
        return self._redact(text).encode("utf-8", "backslashreplace").decode()


def _message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except Exception:  # noqa: BLE001 - a wrong placeholder, or whatever an argument's __str__ raises
        return _shown(record.msg)


def _shown(value: object) -> str:
    try:
        return error_text(value) if isinstance(value, BaseException) else str(value)
    except Exception:  # noqa: BLE001 - logging must not fail because of what is logged
        return f"<{type(value).__name__}>"


def _json_line(values: Mapping[str, Scalar]) -> str:
    return json.dumps(values, separators=(",", ":"))


def _logfmt_line(values: Mapping[str, Scalar]) -> str:
    return " ".join(f"{_quoted(key)}={_logfmt_value(value)}" for key, value in values.items())


def _logfmt_value(value: Scalar) -> str:
    if value is None:
        return "<nil>"
    return str(value).lower() if isinstance(value, bool) else _quoted(str(value))


def _quoted(text: str) -> str:
    """Return the text, in quotes where slog puts them: when it is empty, or has blanks, ``=`` or ``"``."""
    if text and text.isprintable() and not any(char in ' ="' for char in text):
        return text
    return f'"{"".join(map(_escaped, text))}"'


def _escaped(char: str) -> str:
    if char in _ESCAPES:
        return _ESCAPES[char]
    if char.isprintable():
        return char
    number = ord(char)
    if number < _ASCII_END:
        return f"\\x{number:02x}"
    return f"\\u{number:04x}" if number < _BASIC_PLANE_END else f"\\U{number:08x}"
