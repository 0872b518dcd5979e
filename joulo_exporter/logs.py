"""Logging in the manner of Prometheus 3: one line for each event, ``logfmt`` or JSON.

Names, order, time and quoting are those of Go's ``log/slog`` as prometheus/common's ``promslog`` sets it
up: ``time=2026-06-01T12:00:00.000Z level=INFO source=poller.py:41 msg="..." key=value``.
"""

import json
import logging
import math
import re
import traceback
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Literal, TextIO, get_args
from urllib.parse import quote

from joulo_exporter.config.files import Secret, one_line
from joulo_exporter.errors import JouloExporterError

Level = Literal["debug", "info", "warn", "error"]
Format = Literal["logfmt", "json"]

LEVELS: tuple[Level, ...] = get_args(Level)
FORMATS: tuple[Format, ...] = get_args(Format)

REPEAT_S = 3600.0
"""Seconds after which a failure that goes on is logged again."""

_LEVEL_NUMBERS = logging.getLevelNamesMapping()
_LEVEL_NAMES = {"WARNING": "WARN", "CRITICAL": "ERROR"}


def configure(
    level: Level, log_format: Format, stream: TextIO, *, secrets: Callable[[], Iterable[Secret]] = tuple
) -> None:
    """Send the records of every logger, aiohttp's and asyncio's too, to ``stream``, instead of a former one.

    Only the level ``debug`` shows tracebacks. ``secrets`` returns the secrets in use, whose texts are replaced: a
    second line of defence.
    """
    # A line that cannot be made or written, as after `2>&-`, is dropped: there is nowhere to say so.
    logging.raiseExceptions = False
    handler = logging.StreamHandler(stream)
    handler.setFormatter(_LineFormatter(level, log_format, secrets))
    logging.basicConfig(handlers=[handler], level=level.upper(), force=True)


def event(logger: logging.Logger, level: Level, message: str, /, **fields: object) -> None:
    """Log a constant message with its variables as fields, an error as ``err=error``, other objects as texts."""
    logger.log(_LEVEL_NUMBERS[level.upper()], message, extra={"fields": fields}, stacklevel=2)


class FailureLog:
    """Decides which failures in a row of one endpoint are logged: each new reason, once an hour, and the end.

    The fields of such a line are the latest reason, the number of failures, and the whole seconds since the first.
    Times are seconds of a clock that does not go back.
    """

    def __init__(self) -> None:
        self.failures = 0
        """Number since the last success."""
        self._since_s = 0.0
        self._reason = ""
        self._logged_s: dict[str, float] = {}

    def failed(self, reason: str, now_s: float) -> dict[str, object] | None:
        """Count a failure for a reason of a closed set; return the fields of a line, if it is time for one."""
        if not self.failures:
            self._since_s = now_s
        self.failures += 1
        self._reason = reason
        if now_s - self._logged_s.get(reason, -math.inf) < REPEAT_S:
            return None
        self._logged_s[reason] = now_s
        return self._fields(now_s)

    def succeeded(self, now_s: float) -> dict[str, object]:
        """Return the fields of the line about the end of failures; begin anew."""
        fields = self._fields(now_s)
        self.failures = 0
        self._logged_s.clear()
        return fields

    def _fields(self, now_s: float) -> dict[str, object]:
        return {"reason": self._reason, "failures": self.failures, "lasted_s": round(now_s - self._since_s)}


class _LineFormatter(logging.Formatter):
    """Makes one line of any record, without the texts of secrets, plain or percent-encoded."""

    def __init__(self, level: Level, log_format: Format, secrets: Callable[[], Iterable[Secret]]) -> None:
        super().__init__()
        self._tracebacks = level == "debug"
        self._json = log_format == "json"
        self._secrets = secrets
        self._known: tuple[Secret, ...] = ()
        self._pattern: re.Pattern[str] | None = None

    def format(self, record: logging.LogRecord) -> str:
        known = tuple(self._secrets())
        if known != self._known:
            self._known, self._pattern = known, _pattern(known)
        values = {self._text(key): self._value(value) for key, value in self._values(record).items()}
        if self._json:
            return json.dumps(values, separators=(",", ":"))
        return " ".join(f"{_quoted(key)}={_logfmt_value(value)}" for key, value in values.items())

    def _values(self, record: logging.LogRecord) -> dict[str, object]:
        time = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        values: dict[str, object] = {
            "time": time.replace("+00:00", "Z"),
            "level": _LEVEL_NAMES.get(record.levelname, record.levelname),
            "source": f"{record.filename}:{record.lineno}",
            "msg": record.getMessage(),
        }
        values |= getattr(record, "fields", {})
        if record.exc_info and record.exc_info[1] is not None:
            values.setdefault("err", record.exc_info[1])
        error = values.get("err")
        if self._tracebacks and isinstance(error, BaseException) and error.__traceback__ is not None:
            values["traceback"] = "".join(traceback.format_exception(error)).rstrip()
        return values

    def _value(self, value: object) -> object:
        if value is None or isinstance(value, int) or (isinstance(value, float) and math.isfinite(value)):
            return value  # JSON cannot hold infinity and NaN
        return self._text(_shown(value))

    def _text(self, text: str) -> str:
        text = text if self._pattern is None else self._pattern.sub("<secret>", text)
        # Halves of surrogate pairs stand for bytes of file names that are not UTF-8; JSON cannot hold them.
        return text.encode("utf-8", "backslashreplace").decode()


def _pattern(secrets: Iterable[Secret]) -> re.Pattern[str] | None:
    plain = {secret.reveal() for secret in secrets} - {""}
    spellings = plain | {quote(secret, safe="", errors="replace") for secret in plain}
    # The longest first: else the rest of a secret that begins with another one would remain.
    ordered = sorted(spellings, key=len, reverse=True)
    return re.compile("|".join(map(re.escape, ordered))) if ordered else None


def _shown(value: object) -> str:
    """Return a value as text: errors of ours explain themselves, others need the name of their type."""
    name, text = type(value).__name__, str(value)
    if not isinstance(value, BaseException) or (text and isinstance(value, JouloExporterError)):
        return text
    return f"{name}: {text}" if text else name


def _logfmt_value(value: object) -> str:
    if value is None:
        return "<nil>"
    return str(value).lower() if isinstance(value, bool) else _quoted(str(value))


def _quoted(text: str) -> str:
    """Return the text, in quotes where slog puts them: when it is empty, or has blanks, ``=`` or ``"``."""
    if text and text.isprintable() and not any(char in ' ="' for char in text):
        return text
    return '"' + one_line(text.replace("\\", "\\\\").replace('"', '\\"')) + '"'
