"""JSON of the Joulo API, read field by field: a field that cannot be used does not affect the others.

The wire format is described by the vendor's developer pages; where those and the payloads that real
clients handle disagree, both forms are accepted.
"""

from __future__ import annotations

import contextlib
import math
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import cache
from operator import attrgetter
from typing import Annotated, Any, Generic, TypeVar
from zlib import crc32

import msgspec
from msgspec import Meta

from joulo_exporter.errors import ApiResponseError

Record = TypeVar("Record")
Value = TypeVar("Value")
Content_co = TypeVar("Content_co", covariant=True)

FUTURE_ALLOWANCE_S = 3600.0
"""A moment further in the future than this is due to a wrong clock, and is treated as not given."""

ENERGY_ALLOWANCE_KWH = 1.0
"""Added to the energy that fits a duration: clocks differ, and the API is minutes behind the charger."""

UNKNOWN_DURATION_S = 20 * 3600.0
"""Duration that bounds the energy of a session without a usable start: 1,000 kWh at 50 kW."""

_EARLIEST_S = datetime(2015, 1, 1, tzinfo=UTC).timestamp()
_MOST_RECORDS = 10_000  # a page has at most 100, but millions of empty ones fit into a few MiB
_MOST_KWH = 1e6
_NULL = b"null"
# JavaScript writes half of a surrogate pair where a text was cut in the middle of an emoji. JSON's grammar allows
# it, msgspec does not; and a half in one nickname must not cost the whole API response.
_ESCAPE = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(u[dD][89a-fA-F][0-9a-fA-F]{2})|.)", re.DOTALL
)
_TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d.*", re.ASCII)
_Object = dict[str, msgspec.Raw]
_JSON_ERRORS = (msgspec.MsgspecError, RecursionError, UnicodeDecodeError)

_Kind = tuple[msgspec.json.Decoder[Value | None], str]
"""Decoder of a kind of field, and the fault of a field that it cannot decode."""


def _kind(of: Any, fault: str, *, strict: bool = True) -> _Kind[Any]:  # noqa: ANN401 -- a type expression
    return msgspec.json.Decoder(of | None, strict=strict), fault


_TEXT: _Kind[str] = _kind(Annotated[str, Meta(max_length=1024)], "is no text of at most 1024 characters")
_IDENTIFIER: _Kind[str] = _kind(
    Annotated[str, Meta(min_length=1, max_length=128)], "is no text of 1 to 128 characters"
)
_COUNT: _Kind[int] = _kind(Annotated[int, Meta(ge=0, le=10**9)], "is no whole number", strict=False)
_BOOLEAN: _Kind[bool] = _kind(bool, "is neither true nor false", strict=False)
_SECTION: _Kind[_Object] = _kind(_Object, "is no object")
# Reading each record on its own costs more than skipping it: a limit while decoding keeps the event loop free.
_RECORDS: _Kind[list[msgspec.Raw]] = _kind(
    Annotated[list[msgspec.Raw], Meta(max_length=_MOST_RECORDS)],
    f"is no list of at most {_MOST_RECORDS:,} records",
)


@cache
def _number(least: float, most: float) -> _Kind[float]:
    bounded = Annotated[float, Meta(ge=least, le=most)]
    return _kind(bounded, f"is no number from {least:g} to {most:g}", strict=False)


class Plausibility(msgspec.Struct, frozen=True):
    """Bounds of what is believed; a value outside of them is treated as not given."""

    now_seconds: float
    """Unix time: no moment lies more than an hour after it, and none before 2015."""
    max_power_kw: float = 50.0
    """Mean power of a session that no charger exceeds."""

    def max_kwh(self, started_at_seconds: float | None, ended_at_seconds: float | None) -> float:
        """Return the most energy that a session can have, in kWh; ``None`` is a moment that is not known."""
        if started_at_seconds is None:
            duration_s = UNKNOWN_DURATION_S
        else:
            duration_s = max(0.0, (ended_at_seconds or self.now_seconds) - started_at_seconds)
        return self.max_power_kw * duration_s / 3600 + ENERGY_ALLOWANCE_KWH


class MalformedField(msgspec.Struct, frozen=True):
    """A field of an API response that cannot be used; it holds no value of the response."""

    field: str
    """Path of names without positions, such as ``current_session.kwh_so_far``."""
    reason: str

    def __str__(self) -> str:
        return f"{self.field} {self.reason}"


class ApiResponse(msgspec.Struct, Generic[Content_co]):
    """Content of an API response, and the parts of it that could not be used, noted while it is read."""

    content: Content_co
    malformed: list[str] = []
    """One line for each record that was left out, without any value from the response."""
    malformed_fields: list[MalformedField] = []
    """Each field that was treated as not given, once for each record that has it."""
    unknown_fields: set[str] = set()
    """Paths of fields that this version does not read."""
    lost: list[int] = []
    """A checksum of each record that cannot be read, which identifies it in place of a usable id."""


class MalformedRecordError(ValueError):
    """A record cannot be used at all."""


class Fields:
    """The fields of one JSON object.

    Each method reads one field and returns ``None`` where it is absent, null or unusable; an unusable one is
    noted. Names that no method has read are the object's unknown fields. ``path`` has the names that lead to the
    object, each followed by a dot.
    """

    def __init__(
        self, values: _Object, plausibility: Plausibility, response: ApiResponse[Any], path: str = ""
    ) -> None:
        self.names = values.keys()
        self.plausibility = plausibility
        self._values = values
        self._response = response
        self._path = path
        self._read: set[str] = set()
        self._sections: dict[str, Fields | None] = {}

    @property
    def flawed(self) -> bool:
        """Return whether any part of the whole API response could not be used so far."""
        return bool(self._response.malformed or self._response.malformed_fields)

    def refuse(self, name: str, reason: str) -> None:
        """Note that a field cannot be used."""
        self._response.malformed_fields.append(MalformedField(f"{self._path}{name}", reason))

    def ignore(self, *names: str) -> None:
        """Mark fields as known, although nothing uses them."""
        self._read.update(names)

    def has_value(self, name: str) -> bool:
        """Return whether the object has the field, and it is not null."""
        return bytes(self._values.get(name, _NULL)) != _NULL

    def text(self, name: str) -> str | None:
        """Return a text of at most 1,024 characters, without surrounding blanks; ``None`` for an empty one."""
        return (self._decode(name, _TEXT) or "").strip() or None

    def identifier(self, name: str) -> str | None:
        """Return a text of 1 to 128 characters, as it is."""
        return self._decode(name, _IDENTIFIER)

    def number(self, name: str, *, least: float = 0.0, most: float = 1e9) -> float | None:
        """Return a number within the bounds, also one that is written as text."""
        return self._decode(name, _number(least, most))

    def hundredths(self, name: str, *, most: float = math.inf, beyond: str = "") -> int | None:
        """Return kWh or credits as integer hundredths: the precision in which the API rounds them.

        More than ``most`` is unusable, for the reason ``beyond``.
        """
        value = self.number(name)
        hundredths = None if value is None else round(value * 100)
        if hundredths is not None and hundredths / 100 > most:
            self.refuse(name, beyond)
            return None
        return hundredths

    def energy(
        self, name: str, started_at_seconds: float | None, ended_at_seconds: float | None = None
    ) -> int | None:
        """Return a session's energy as integer hundredths of a kWh; more than fits its duration is unusable.

        ``None`` is a start that is not known, and the end of a session that goes on.
        """
        most = min(_MOST_KWH, self.plausibility.max_kwh(started_at_seconds, ended_at_seconds))
        return self.hundredths(name, most=most, beyond="does not fit the duration of the session")

    def share(self, name: str) -> float | None:
        """Return a percentage from 0 to 100 as 0-1."""
        value = self.number(name, most=100)
        return None if value is None else value / 100

    def count(self, name: str) -> int | None:
        """Return an integer from 0; JSON has one kind of number, so 12.0 is one (RFC 8259, section 6)."""
        return self._decode(name, _COUNT)

    def boolean(self, name: str) -> bool | None:
        """Return a truth value, also one that is written as 0 or 1, or as text."""
        return self._decode(name, _BOOLEAN)

    def moment(self, name: str, *, ahead_s: float = FUTURE_ALLOWANCE_S) -> float | None:
        """Return the Unix time of a timestamp from 2015 to ``ahead_s`` after now; ``None`` for an empty text."""
        text = self.text(name)
        if text is None:
            return None
        with contextlib.suppress(ValueError):
            seconds = unix_seconds(text)
            if _EARLIEST_S <= seconds <= self.plausibility.now_seconds + ahead_s:
                return seconds
        self.refuse(name, "is no ISO 8601 timestamp from 2015 until now")
        return None

    def section(self, name: str) -> Fields | None:
        """Return an object within this one."""
        if name not in self._sections:
            values = self._decode(name, _SECTION)
            self._sections[name] = None if values is None else self._within(values, f"{self._path}{name}.")
        return self._sections[name]

    def records(
        self,
        name: str,
        convert: Callable[[Fields], Record],
        key_name: str = "id",
        *,
        main: bool = False,
        memory: dict[int, Record] | None = None,
    ) -> tuple[Record, ...]:
        """Return the records of a list, each read on its own; those that cannot be used are left out, and noted.

        Args:
            name: the list's field.
            convert: makes a record; raises ``MalformedRecordError`` for one that cannot be used.
            key_name: attribute that is unique; of two records with one key the first counts.
            main: whether the API response is about this list. The paths of its records' fields then leave out the
                name of the list.
            memory: flawless records of the previous API response, by a hash of 64 bits of their JSON: an unchanged
                record is not read again. They are replaced by those of this response.

        Raises:
            ApiResponseError: the main field is no list, is too long, or has records of which none can be used.
        """
        response = self._response
        path = "" if main else f"{self._path}{name}."
        key = attrgetter(key_name)
        memory = {} if memory is None else memory
        found: dict[str, Record] = {}
        flawless: dict[int, Record] = {}
        items = self._decode(name, _RECORDS) or ()
        for position, item in enumerate(items):
            digest, flaws = hash(bytes(item)), len(response.malformed_fields)
            record = memory.get(digest)
            if record is None:
                try:
                    fields = self._within(msgspec.json.decode(item, type=_Object), path)
                    record = convert(fields)
                except (MalformedRecordError, *_JSON_ERRORS) as error:
                    no_object = "" if isinstance(error, MalformedRecordError) else "no JSON object: "
                    response.malformed.append(f"record {position}: {no_object}{error}")
                    response.lost.append(crc32(item))
                    continue
                if position == 0:  # others have the same fields
                    response.unknown_fields.update(fields.unknown())
            if len(response.malformed_fields) == flaws:
                flawless[digest] = record
            if found.setdefault(key(record), record) is not record:
                response.malformed.append(f"record {position}: there is another one with its {key_name}")
        memory.clear()
        memory.update(flawless)
        if main and self.flawed and not found:
            fault = [*response.malformed, *response.malformed_fields][0]
            raise ApiResponseError(f"no record of the API response can be used; {fault}")
        return tuple(found.values())

    def unknown(self) -> Iterator[str]:
        """Yield the paths of the fields that were not read, in this object and in those within."""
        yield from (f"{self._path}{name}" for name in self._values if name not in self._read)
        for section in filter(None, self._sections.values()):
            yield from section.unknown()

    def _within(self, values: _Object, path: str) -> Fields:
        return Fields(values, self.plausibility, self._response, path)

    def _decode(self, name: str, kind: _Kind[Value]) -> Value | None:
        self._read.add(name)
        decoder, fault = kind
        try:
            return decoder.decode(self._values.get(name, _NULL))
        except _JSON_ERRORS:
            self.refuse(name, fault)
            return None


def read_response(body: bytes, plausibility: Plausibility, parse: Callable[[Fields], Any]) -> ApiResponse[Any]:
    """Return an API response, whose content ``parse`` makes of the fields of its JSON object.

    Raises:
        ApiResponseError: the body is no JSON object, or ``parse`` does not find in it what it is about.
    """
    try:
        readable = _ESCAPE.sub(lambda escape: rb"\ufffd" if escape[1] else escape[0], body)
        values = msgspec.json.decode(readable, type=_Object)
    except _JSON_ERRORS as error:
        if is_web_page(body):
            raise ApiResponseError(
                "a web page came instead of the API response, from a proxy or gateway in between; "
                "check api.url and the network"
            ) from None
        # Not chained: a UnicodeDecodeError holds the whole body.
        fault = "it is nested too deeply" if isinstance(error, RecursionError) else error
        raise ApiResponseError(f"the API response is not what the API documents: {fault}") from None
    response: ApiResponse[Any] = ApiResponse(None)
    fields = Fields(values, plausibility, response)
    response.content = parse(fields)
    response.unknown_fields.update(fields.unknown())
    return response


def is_web_page(body: bytes) -> bool:
    """Return whether a body is HTML; the content type does not tell, since gateways mix up HTML and JSON."""
    return body[:64].lstrip().startswith(b"<")


def unix_seconds(text: str) -> float:
    """Return the Unix time of an ISO 8601 timestamp; anything else is a ``ValueError``.

    A timestamp without offset is UTC, as all of the API's times are. RFC 3339 allows ``t`` and ``z``.
    """
    if _TIMESTAMP.fullmatch(text):
        with contextlib.suppress(ValueError, OverflowError):
            moment = datetime.fromisoformat(text.upper())
            return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    raise ValueError("no ISO 8601 timestamp")
