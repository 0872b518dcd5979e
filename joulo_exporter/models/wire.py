"""JSON of the Joulo API, read field by field: a field that cannot be used costs only itself.

The wire format is described by the vendor's developer pages; where those and the payloads that real
clients handle disagree, both forms are accepted.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from operator import attrgetter
from typing import TYPE_CHECKING, Annotated, Any, Generic, TypeVar
from zlib import crc32

import msgspec

from joulo_exporter.errors import ApiResponseError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

Record = TypeVar("Record")
Content_co = TypeVar("Content_co", covariant=True)

FUTURE_ALLOWANCE_S = 3600.0
"""A moment further ahead than this is a fault of some clock, and treated as not given."""

ENERGY_ALLOWANCE_KWH = 1.0
"""Added to the energy that fits a duration: clocks differ, and the API is minutes behind the charger."""

UNKNOWN_DURATION_S = 20 * 3600.0
"""Duration that bounds the energy of a session without a usable start: 1,000 kWh at 50 kW."""

_EARLIEST_S = datetime(2015, 1, 1, tzinfo=UTC).timestamp()
_MOST_RECORDS = 10_000  # a page has at most 100, but millions of empty ones fit into a few MiB
_MOST_KWH = 1e6
_LONGEST_ID = 128
_LONGEST_TEXT = 1024
_ESCAPE = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(u[dD][89a-fA-F][0-9a-fA-F]{2})|.)",
    re.DOTALL,
)
_TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d.*", re.ASCII)
_LEAP_SECOND = re.compile(r"(:\d\d):60")
_DECIMAL = re.compile(r"-?\d{1,15}(\.\d{1,15})?", re.ASCII)
# Reading each record on its own costs more than skipping it: a limit while decoding keeps the event loop free.
_RawRecords = Annotated[list[msgspec.Raw], msgspec.Meta(max_length=_MOST_RECORDS)]
_JSON_ERRORS = (msgspec.MsgspecError, RecursionError, UnicodeDecodeError)
_BOOLEANS: Mapping[object, bool] = {0: False, 1: True, "0": False, "1": True, "false": False, "true": True}


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
        """Return the field and the reason as a log line shows them."""
        return f"{self.field} {self.reason}"


class ApiResponse(msgspec.Struct, Generic[Content_co], frozen=True):
    """Content of an API response, and the parts of it that could not be used."""

    content: Content_co
    malformed: tuple[str, ...] = ()
    """One line for each record that was left out, without any value from the response."""
    malformed_fields: tuple[MalformedField, ...] = ()
    """Each field that was treated as not given, once for each record that has it."""
    unknown_fields: frozenset[str] = frozenset()
    """Paths of fields that this version does not read."""
    lost: tuple[int, ...] = ()
    """A checksum of each record that cannot be read, which tells it from others: it has no usable id."""


class MalformedRecordError(ValueError):
    """A record cannot be used at all."""


class _Reading:
    """State shared by all objects of one API response."""

    def __init__(self, plausibility: Plausibility) -> None:
        self.plausibility = plausibility
        self.malformed: list[str] = []
        self.lost: list[int] = []
        self.malformed_fields: list[MalformedField] = []
        self.unknown_fields: set[str] = set()


class Fields:
    """The fields of one JSON object.

    Each method reads one field and returns ``None`` where it is absent, null or unusable; an unusable one is
    noted. Names that no method has read are the object's unknown fields. ``path`` has the names that lead to the
    object, each with a dot behind it.
    """

    def __init__(self, values: Mapping[str, Any], reading: _Reading, path: str = "") -> None:
        self._values = values
        self._reading = reading
        self._path = path
        self._read: set[str] = set()
        self._sections: dict[str, Fields] = {}

    @property
    def plausibility(self) -> Plausibility:
        """Return the bounds of what is believed."""
        return self._reading.plausibility

    def refuse(self, name: str, reason: str) -> None:
        """Note that a field cannot be used."""
        self._reading.malformed_fields.append(MalformedField(f"{self._path}{name}", reason))

    def ignore(self, *names: str) -> None:
        """Mark fields as known that nothing is made of."""
        self._read.update(names)

    def has(self, name: str) -> bool:
        """Return whether the object has the field, null or not."""
        return name in self._values

    def has_value(self, name: str) -> bool:
        """Return whether the object has the field, and it is not null."""
        value = self._values.get(name)
        return value is not None and (not isinstance(value, msgspec.Raw) or bytes(value) != b"null")

    @property
    def empty(self) -> bool:
        """Return whether the object has no field."""
        return not self._values

    @property
    def flawed(self) -> bool:
        """Return whether anything of the whole API response could not be used so far."""
        return bool(self._reading.malformed or self._reading.malformed_fields)

    def text(self, name: str) -> str | None:
        """Return a text of at most 1,024 characters without blanks around it; ``None`` for an empty one."""
        value = self._value(name)
        if isinstance(value, str) and len(value) <= _LONGEST_TEXT:
            return value.strip() or None
        if value is not None:
            self.refuse(name, f"is no text of at most {_LONGEST_TEXT} characters")
        return None

    def identifier(self, name: str) -> str | None:
        """Return a text of 1 to 128 characters."""
        value = self._value(name)
        if value is None or (isinstance(value, str) and 0 < len(value) <= _LONGEST_ID):
            return value
        self.refuse(name, f"is no text of 1 to {_LONGEST_ID} characters")
        return None

    def number(self, name: str, *, least: float, most: float) -> float | None:
        """Return a number within the bounds; one that is written as text is read, too."""
        value = self._value(name)
        if value is None:
            return None
        if isinstance(value, str) and _DECIMAL.fullmatch(value):
            value = float(value)
        if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
            self.refuse(name, f"is no number from {least:g} to {most:g}")
            return None
        return float(value)

    def hundredths(self, name: str, *, most: float) -> int | None:
        """Return kWh or credits, at least 0, as integer hundredths: the precision in which the API rounds them."""
        value = self.number(name, least=0, most=most)
        return None if value is None else round(value * 100)

    def energy(
        self, name: str, started_at_seconds: float | None, ended_at_seconds: float | None = None
    ) -> int | None:
        """Return a session's energy as integer hundredths of a kWh; more than fits its duration is unusable.

        ``None`` is a start that is not known, and the end of a session that goes on.
        """
        value = self.hundredths(name, most=_MOST_KWH)
        if value is not None and value / 100 > self.plausibility.max_kwh(started_at_seconds, ended_at_seconds):
            self.refuse(name, "does not fit the duration of the session")
            return None
        return value

    def count(self, name: str, *, most: float = 1e9) -> int | None:
        """Return an integer from 0; JSON has one kind of number, so 12.0 is one (RFC 8259, section 6)."""
        value = self.number(name, least=0, most=most)
        if value is not None and not value.is_integer():
            self.refuse(name, "is no whole number")
            return None
        return None if value is None else int(value)

    def boolean(self, name: str) -> bool | None:
        """Return a truth value; 0 and 1 are read as such, and so are their texts."""
        value = self._value(name)
        if value is None or isinstance(value, bool):
            return value
        read = _BOOLEANS.get(value) if isinstance(value, int | str) else None
        if read is None:
            self.refuse(name, "is neither true nor false")
        return read

    def moment(self, name: str) -> float | None:
        """Return the Unix time of a timestamp from 2015 to an hour after now; ``None`` for an empty text."""
        text = self.text(name)
        if text is None:
            return None
        try:
            seconds = unix_seconds(text)
        except ValueError as error:
            self.refuse(name, f"is {error}")
            return None
        if not _EARLIEST_S <= seconds <= self.plausibility.now_seconds + FUTURE_ALLOWANCE_S:
            self.refuse(name, "is before 2015, or in the future")
            return None
        return seconds

    def is_ahead(self, name: str, allowance_s: float) -> bool:
        """Return whether a timestamp lies more than so many seconds after now."""
        value = self._value(name)
        try:
            return isinstance(value, str) and unix_seconds(value) > self.plausibility.now_seconds + allowance_s
        except ValueError:
            return False

    def section(self, name: str) -> Fields | None:
        """Return an object within this one."""
        value = self._value(name)
        if value is None:
            return None
        if not isinstance(value, dict):
            self.refuse(name, "is no object")
            return None
        if name not in self._sections:
            self._sections[name] = Fields(value, self._reading, f"{self._path}{name}.")
        return self._sections[name]

    def records(
        self,
        name: str,
        convert: Callable[[Fields], Record],
        key_name: str = "id",
        memory: dict[int, Record] | None = None,
        path: str | None = None,
    ) -> tuple[Record, ...]:
        """Return the records of a list, each read on its own; those that cannot be used are left out, and noted.

        Args:
            name: of the list.
            convert: makes a record; raises ``MalformedRecordError`` for one that cannot be used.
            key_name: attribute that is unique; of two records with one key the first counts.
            memory: flawless records of the API response before, by a digest of 64 bits of their JSON: one that
                comes as it was is not read again. It is given those of this response.
            path: put before the names of the records' fields; that of the list if ``None``.
        """
        reading = self._reading
        path = f"{self._path}{name}." if path is None else path
        key = attrgetter(key_name)
        found: dict[str, Record] = {}
        flawless: dict[int, Record] = {}
        for position, item in enumerate(self._items(name)):
            digest = hash(bytes(item)) if memory is not None else 0
            record = memory.get(digest) if memory is not None else None
            flaws = len(reading.malformed_fields)
            if record is None:
                try:
                    fields = Fields(_object(item), reading, path)
                    record = convert(fields)
                except MalformedRecordError as error:
                    reading.malformed.append(f"record {position}: {error}")
                    reading.lost.append(crc32(item))
                    continue
                if position == 0:  # others have the same fields
                    reading.unknown_fields.update(fields.unknown())
            if len(reading.malformed_fields) == flaws:
                flawless[digest] = record
            if found.setdefault(key(record), record) is not record:
                reading.malformed.append(f"record {position}: there is another one with its {key_name}")
        if memory is not None:
            memory.clear()
            memory.update(flawless)
        return tuple(found.values())

    def required_records(
        self,
        name: str,
        convert: Callable[[Fields], Record],
        memory: dict[int, Record] | None = None,
    ) -> tuple[Record, ...]:
        """Return the records that the API response is about.

        Raises:
            ApiResponseError: it is no list, is too long, or has records and none of them can be used.
        """
        records = self.records(name, convert, memory=memory, path="")
        if self._reading.malformed and not records:
            raise ApiResponseError(f"no record of the API response can be used; {self._reading.malformed[0]}")
        if self._reading.malformed_fields and not records:
            raise ApiResponseError(f"not what the API documents: {self._reading.malformed_fields[0]}")
        return records

    def response(self, content: Record) -> ApiResponse[Record]:
        """Return the whole API response, with ``content`` read from it."""
        return ApiResponse(
            content,
            tuple(self._reading.malformed),
            tuple(self._reading.malformed_fields),
            frozenset((*self._reading.unknown_fields, *self.unknown())),
            tuple(self._reading.lost),
        )

    def unknown(self) -> Iterator[str]:
        """Yield the paths of the fields that were not read, in this object and in those within."""
        yield from (f"{self._path}{name}" for name in self._values if name not in self._read)
        for section in self._sections.values():
            yield from section.unknown()

    def _value(self, name: str) -> Any:  # noqa: ANN401 -- JSON
        self._read.add(name)
        value = self._values.get(name)
        if not isinstance(value, msgspec.Raw):
            return value
        try:
            return msgspec.json.decode(value)
        except _JSON_ERRORS:
            self.refuse(name, "is no JSON")
            return None

    def _items(self, name: str) -> list[msgspec.Raw]:
        """Return the undecoded records of a list of the API response itself."""
        self._read.add(name)
        value = self._values.get(name)
        try:
            return [] if value is None else msgspec.json.decode(value, type=_RawRecords | None) or []
        except _JSON_ERRORS:
            self.refuse(name, f"is no list of at most {_MOST_RECORDS:,} records")
            return []


def read_object(body: bytes, plausibility: Plausibility) -> Fields:
    """Decode the JSON object of an API response.

    Raises:
        ApiResponseError: it is no JSON, or no object.
    """
    try:
        values = msgspec.json.decode(_without_lone_surrogates(body), type=dict[str, msgspec.Raw])
    except _JSON_ERRORS as error:
        # Not chained: a UnicodeDecodeError holds the whole body.
        fault = "it is nested too deeply" if isinstance(error, RecursionError) else error
        raise ApiResponseError(f"the API response is not what the API documents: {fault}") from None
    return Fields(values, _Reading(plausibility))


def unix_seconds(text: str) -> float:
    """Return the Unix time of an ISO 8601 timestamp with seconds, fraction and offset as given.

    A timestamp without offset is UTC, as all of the API's times are. RFC 3339 allows ``t``, ``z`` and second 60.

    Raises:
        ValueError: it is no timestamp.
    """
    text = text.upper()
    if not _TIMESTAMP.fullmatch(text):
        raise ValueError("no ISO 8601 timestamp")
    leap = ":60" in text
    try:
        moment = datetime.fromisoformat(_LEAP_SECOND.sub(r"\1:59", text) if leap else text)
        seconds = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        raise ValueError("no ISO 8601 timestamp") from None
    return seconds + 1 if leap else seconds


def _object(item: msgspec.Raw) -> dict[str, Any]:
    try:
        return msgspec.json.decode(item, type=dict[str, Any])
    except _JSON_ERRORS as error:
        raise MalformedRecordError(f"no JSON object: {error}") from None


def _without_lone_surrogates(body: bytes) -> bytes:
    """Replace halves of surrogate pairs by U+FFFD, the replacement character.

    JavaScript writes one where a text was cut in the middle of an emoji. JSON's grammar allows it, msgspec
    does not; and as it stands in one nickname, it must not cost the whole API response.
    """
    if b"\\ud" not in body and b"\\uD" not in body:
        return body
    return _ESCAPE.sub(lambda escape: b"\\ufffd" if escape[1] else escape[0], body)
