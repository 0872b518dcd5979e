"""JSON of the Joulo API, read field by field: a field that cannot be used does not affect the others.

The wire format is described by the vendor's developer pages; where those and the payloads that real
clients handle disagree, both forms are accepted.
"""

from __future__ import annotations

import contextlib
import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from operator import attrgetter
from typing import Annotated, Any, Generic, TypeVar
from zlib import crc32

import msgspec

from joulo_exporter.errors import ApiResponseError

Record = TypeVar("Record")
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
_LONGEST_ID = 128
_LONGEST_TEXT = 1024
_NULL = b"null"
_ESCAPE = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(u[dD][89a-fA-F][0-9a-fA-F]{2})|.)",
    re.DOTALL,
)
_TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d.*", re.ASCII)
_DECIMAL = re.compile(r"-?\d{1,15}(\.\d{1,15})?", re.ASCII)
# Reading each record on its own costs more than skipping it: a limit while decoding keeps the event loop free.
_RawRecords = Annotated[list[msgspec.Raw], msgspec.Meta(max_length=_MOST_RECORDS)]
_Object = dict[str, msgspec.Raw]
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
    """A checksum of each record that cannot be read, which identifies it in place of a usable id."""


class MalformedRecordError(ValueError):
    """A record cannot be used at all."""


@dataclass(slots=True)
class _Faults:
    """Parts of one API response that so far could not be used, or that this version does not read."""

    records: list[str] = field(default_factory=list)
    lost: list[int] = field(default_factory=list)
    fields: list[MalformedField] = field(default_factory=list)
    unknown: set[str] = field(default_factory=set)


class Fields:
    """The fields of one JSON object.

    Each method reads one field and returns ``None`` where it is absent, null or unusable; an unusable one is
    noted. Names that no method has read are the object's unknown fields. ``path`` has the names that lead to the
    object, each followed by a dot.
    """

    def __init__(
        self, values: Mapping[str, msgspec.Raw], plausibility: Plausibility, faults: _Faults, path: str = ""
    ) -> None:
        self.names = values.keys()
        self.plausibility = plausibility
        self._values = values
        self._faults = faults
        self._path = path
        self._read: set[str] = set()
        self._sections: dict[str, Fields | None] = {}

    @property
    def flawed(self) -> bool:
        """Return whether any part of the whole API response could not be used so far."""
        return bool(self._faults.records or self._faults.fields)

    def refuse(self, name: str, reason: str) -> None:
        """Note that a field cannot be used."""
        self._faults.fields.append(MalformedField(f"{self._path}{name}", reason))

    def ignore(self, *names: str) -> None:
        """Mark fields as known, although nothing uses them."""
        self._read.update(names)

    def has_value(self, name: str) -> bool:
        """Return whether the object has the field, and it is not null."""
        return bytes(self._values.get(name, _NULL)) != _NULL

    def text(self, name: str) -> str | None:
        """Return a text of at most 1,024 characters, without surrounding blanks; ``None`` for an empty one."""
        value = self._decode(name)
        if isinstance(value, str) and len(value) <= _LONGEST_TEXT:
            return value.strip() or None
        if value is not None:
            self.refuse(name, f"is no text of at most {_LONGEST_TEXT} characters")
        return None

    def identifier(self, name: str) -> str | None:
        """Return a text of 1 to 128 characters, as it is."""
        value = self._decode(name)
        if value is None or (isinstance(value, str) and 0 < len(value) <= _LONGEST_ID):
            return value
        self.refuse(name, f"is no text of 1 to {_LONGEST_ID} characters")
        return None

    def number(self, name: str, *, least: float = 0.0, most: float = 1e9) -> float | None:
        """Return a number within the bounds, also one that is written as text."""
        value = self._decode(name)
        if isinstance(value, str) and _DECIMAL.fullmatch(value):
            value = float(value)
        if isinstance(value, int | float) and not isinstance(value, bool) and least <= value <= most:
            return float(value)
        if value is not None:
            self.refuse(name, f"is no number from {least:g} to {most:g}")
        return None

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
        value = self.number(name)
        if value is not None and not value.is_integer():
            self.refuse(name, "is no whole number")
            return None
        return None if value is None else int(value)

    def boolean(self, name: str) -> bool | None:
        """Return a truth value, also one that is written as 0 or 1, or as text."""
        value = self._decode(name)
        if value is None or isinstance(value, bool):
            return value
        read = _BOOLEANS.get(value) if isinstance(value, int | str) else None
        if read is None:
            self.refuse(name, "is neither true nor false")
        return read

    def moment(self, name: str, *, ahead_s: float = FUTURE_ALLOWANCE_S) -> float | None:
        """Return the Unix time of a timestamp from 2015 to ``ahead_s`` after now; ``None`` for an empty text."""
        text = self.text(name)
        if text is None:
            return None
        try:
            seconds = unix_seconds(text)
        except ValueError as error:
            self.refuse(name, f"is {error}")
            return None
        if not _EARLIEST_S <= seconds <= self.plausibility.now_seconds + ahead_s:
            self.refuse(name, "is before 2015, or in the future")
            return None
        return seconds

    def section(self, name: str) -> Fields | None:
        """Return an object within this one."""
        if name not in self._sections:
            values = self._decode(name, _Object | None, "is no object")
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
        faults = self._faults
        path = "" if main else f"{self._path}{name}."
        key = attrgetter(key_name)
        found: dict[str, Record] = {}
        flawless: dict[int, Record] = {}
        items = self._decode(name, _RawRecords | None, f"is no list of at most {_MOST_RECORDS:,} records") or ()
        for position, item in enumerate(items):
            digest = hash(bytes(item)) if memory is not None else 0
            record = memory.get(digest) if memory is not None else None
            flaws = len(faults.fields)
            if record is None:
                try:
                    fields = self._within(msgspec.json.decode(item, type=_Object), path)
                    record = convert(fields)
                except (MalformedRecordError, *_JSON_ERRORS) as error:
                    no_object = "" if isinstance(error, MalformedRecordError) else "no JSON object: "
                    faults.records.append(f"record {position}: {no_object}{error}")
                    faults.lost.append(crc32(item))
                    continue
                if position == 0:  # others have the same fields
                    faults.unknown.update(fields.unknown())
            if len(faults.fields) == flaws:
                flawless[digest] = record
            if found.setdefault(key(record), record) is not record:
                faults.records.append(f"record {position}: there is another one with its {key_name}")
        if memory is not None:
            memory.clear()
            memory.update(flawless)
        if main and self.flawed and not found:
            fault = [*faults.records, *faults.fields][0]
            raise ApiResponseError(f"no record of the API response can be used; {fault}")
        return tuple(found.values())

    def response(self, content: Record) -> ApiResponse[Record]:
        """Return the whole API response, with ``content`` read from it."""
        return ApiResponse(
            content,
            tuple(self._faults.records),
            tuple(self._faults.fields),
            frozenset((*self._faults.unknown, *self.unknown())),
            tuple(self._faults.lost),
        )

    def unknown(self) -> Iterator[str]:
        """Yield the paths of the fields that were not read, in this object and in those within."""
        yield from (f"{self._path}{name}" for name in self._values if name not in self._read)
        for section in filter(None, self._sections.values()):
            yield from section.unknown()

    def _within(self, values: Mapping[str, msgspec.Raw], path: str) -> Fields:
        return Fields(values, self.plausibility, self._faults, path)

    def _decode(self, name: str, kind: Any = Any, reason: str = "is no JSON") -> Any:  # noqa: ANN401
        self._read.add(name)
        try:
            return msgspec.json.decode(self._values.get(name, _NULL), type=kind)
        except _JSON_ERRORS:
            self.refuse(name, reason)
            return None


def read_object(body: bytes, plausibility: Plausibility) -> Fields:
    """Decode the JSON object of an API response; anything else is an ``ApiResponseError``."""
    try:
        values = msgspec.json.decode(_without_lone_surrogates(body), type=_Object)
    except _JSON_ERRORS as error:
        # Not chained: a UnicodeDecodeError holds the whole body.
        fault = "it is nested too deeply" if isinstance(error, RecursionError) else error
        raise ApiResponseError(f"the API response is not what the API documents: {fault}") from None
    return Fields(values, plausibility, _Faults())


def unix_seconds(text: str) -> float:
    """Return the Unix time of an ISO 8601 timestamp; anything else is a ``ValueError``.

    A timestamp without offset is UTC, as all of the API's times are. RFC 3339 allows ``t`` and ``z``.
    """
    if _TIMESTAMP.fullmatch(text):
        with contextlib.suppress(ValueError, OverflowError):
            moment = datetime.fromisoformat(text.upper())
            return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    raise ValueError("no ISO 8601 timestamp")


def _without_lone_surrogates(body: bytes) -> bytes:
    """Replace halves of surrogate pairs by U+FFFD, the replacement character.

    JavaScript writes such a half where a text was cut in the middle of an emoji. JSON's grammar allows it, msgspec
    does not; and a half in one nickname must not cost the whole API response.
    """
    if b"\\ud" not in body and b"\\uD" not in body:
        return body
    return _ESCAPE.sub(lambda escape: b"\\ufffd" if escape[1] else escape[0], body)
