"""Log records as lines: ``logfmt`` as Go's ``log/slog`` writes it, or JSON with the same keys."""

from __future__ import annotations

import json
import logging
import math
import traceback
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal, get_args

from joulo_exporter.errors import JouloExporterError

if TYPE_CHECKING:
    from collections.abc import Callable

Level = Literal["debug", "info", "warn", "error"]
Format = Literal["logfmt", "json"]
Scalar = str | int | float | bool | None

LEVELS: tuple[Level, ...] = get_args(Level)
FORMATS: tuple[Format, ...] = get_args(Format)

LEVEL_NUMBERS: Mapping[Level, int] = dict(
    zip(LEVELS, (logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR), strict=True)
)
_RESERVED = ("time", "level", "source", "msg")
_LONGEST_NUMBER_BITS = 64
_ASCII_END = 0x80
_BASIC_PLANE_END = 0x10000

# What Go's strconv.Quote writes with a letter; every other unprintable character becomes a number.
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


def error_text(error: BaseException) -> str:
    """Return an error as one text: our own explain themselves, others need the name of their type."""
    message = str(error)
    if isinstance(error, JouloExporterError) and message:
        return message
    return f"{type(error).__name__}: {message}" if message else type(error).__name__


class LineFormatter(logging.Formatter):
    """Makes one line of a record, whatever is in it."""

    def __init__(self, log_format: Format, redact: Callable[[str], str], *, tracebacks: bool) -> None:
        super().__init__()
        self._write = _json_line if log_format == "json" else _logfmt_line
        self._redact = redact
        self._tracebacks = tracebacks

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, without an end."""
        values = {self._text(key): self._value(value) for key, value in self._values(record).items()}
        return self._write(values)

    def _values(self, record: logging.LogRecord) -> dict[str, object]:
        moment = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        values: dict[str, object] = {
            "time": moment.replace("+00:00", "Z"),
            "level": _level_name(record.levelno),
            "source": f"{record.filename}:{record.lineno}",
            "msg": _message(record),
        }
        fields = getattr(record, "fields", None)
        for key, value in fields.items() if isinstance(fields, Mapping) else ():
            values[f"{key}_" if key in _RESERVED else str(key)] = value
        error = record.exc_info[1] if record.exc_info else None
        if error is not None:
            values.setdefault("err", error)
        return values | self._traceback(values.get("err"))

    def _traceback(self, error: object) -> dict[str, object]:
        if not self._tracebacks or not isinstance(error, BaseException) or error.__traceback__ is None:
            return {}
        return {"traceback": "".join(traceback.format_exception(error)).rstrip()}

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


def _level_name(number: int) -> str:
    """Return the highest of the four levels that a record reaches."""
    return next((name.upper() for name in reversed(LEVELS) if number >= LEVEL_NUMBERS[name]), "DEBUG")


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
