"""What all records share when they are read from the wire: bounds, times, and lists with bad records.

The wire format is described by the vendor's developer pages; where those and the payloads that real
clients handle disagree, both forms are accepted.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Generic, TypeVar

import msgspec

from joulo_exporter.errors import ApiResponseError

if TYPE_CHECKING:
    from collections.abc import Callable

Wire = TypeVar("Wire")
Record = TypeVar("Record")

# Bounds beyond which a number is a fault of the sender, not a measurement: a session of 100 MWh would
# take a year at 11 kW. msgspec itself refuses NaN and infinities, which JSON does not have.
SessionKwh = Annotated[float, msgspec.Meta(ge=0, le=100_000)]
TotalKwh = Annotated[float, msgspec.Meta(ge=0, le=1e9)]
Credits = Annotated[float, msgspec.Meta(ge=0, le=1e9)]
MeterWh = Annotated[float, msgspec.Meta(ge=0, le=1e12)]
# JSON has one kind of number: 12.0 is a count of 12 (RFC 8259, section 6), and 12.5 is none.
Count = Annotated[float, msgspec.Meta(ge=0, le=1e9, multiple_of=1)]
Identifier = Annotated[str, msgspec.Meta(min_length=1, max_length=128)]
Text = Annotated[str, msgspec.Meta(max_length=1024)]
# A page has at most 100 sessions. Reading each record on its own costs far more than skipping over it, and
# holds the loop: millions of empty ones fit into an answer of a few MiB.
Records = Annotated[list[msgspec.Raw], msgspec.Meta(max_length=10_000)]

_EARLIEST_S = datetime(2000, 1, 1, tzinfo=UTC).timestamp()
_LATEST_S = datetime(2100, 1, 1, tzinfo=UTC).timestamp()
_ESCAPE = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(u[dD][89a-fA-F][0-9a-fA-F]{2})|.)",
    re.DOTALL,
)
_HAS_TIME_OF_DAY = re.compile(r"^\d{4}-\d\d-\d\d[T ]\d\d:\d\d")


class Answer(msgspec.Struct, Generic[Record], frozen=True, gc=False):
    """The records of one answer, and why others of it were left out."""

    records: tuple[Record, ...]
    malformed: tuple[str, ...] = ()
    """One line for each record that could not be read, without any value from the answer."""
    page_limit: int | None = None
    """For an answer in pages: how many records a full page has, if the answer says so."""

    @property
    def size(self) -> int:
        """Return how many records the answer had, malformed ones included."""
        return len(self.records) + len(self.malformed)


def hundredths(value: float) -> int:
    """Return kWh or credits as integer hundredths, the precision in which the API rounds them."""
    return round(value * 100)


def optional_hundredths(value: float | None) -> int | None:
    """Return integer hundredths, or ``None`` for a value that was not given."""
    return None if value is None else hundredths(value)


def optional_count(value: float | None) -> int | None:
    """Return a count as an integer, or ``None`` for one that was not given."""
    return None if value is None else int(value)


def cleaned(text: str | None) -> str | None:
    """Return the text without surrounding blanks; ``None`` when nothing remains."""
    return (text or "").strip() or None


def unix_seconds(text: str) -> float:
    """Return the Unix time of an ISO 8601 timestamp with seconds fraction and offset as given.

    A timestamp without offset is UTC, as all of the API's times are.

    Raises:
        ValueError: it is no timestamp, or one outside 2000-2100.
    """
    if not _HAS_TIME_OF_DAY.match(text):
        raise ValueError("not an ISO 8601 timestamp")
    try:
        moment = datetime.fromisoformat(text)
        seconds = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        raise ValueError("not an ISO 8601 timestamp") from None
    if not _EARLIEST_S <= seconds < _LATEST_S:
        raise ValueError("a timestamp outside 2000-2100")
    return seconds


def optional_unix_seconds(text: str | None) -> float | None:
    """Return the Unix time of a timestamp that may be null, absent or empty."""
    return unix_seconds(text) if text else None


def decode_object(body: bytes, wire_type: type[Wire]) -> Wire:
    """Decode a JSON object into ``wire_type``.

    Raises:
        ApiResponseError: it is no JSON, or no such object.
    """
    try:
        return msgspec.json.decode(_without_lone_surrogates(body), type=wire_type)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        # Not chained: a UnicodeDecodeError holds the whole body.
        raise ApiResponseError(f"the answer is not what the API documents: {error}") from None


def _without_lone_surrogates(body: bytes) -> bytes:
    """Replace halves of surrogate pairs by U+FFFD, the replacement character.

    JavaScript writes one where a text was cut in the middle of an emoji. JSON's grammar allows it, msgspec
    does not; and as it stands in one nickname, it must not cost the whole answer.
    """
    if b"\\ud" not in body and b"\\uD" not in body:
        return body
    return _ESCAPE.sub(lambda escape: b"\\ufffd" if escape[1] else escape[0], body)


def read_records(
    raw: list[msgspec.Raw],
    wire_type: type[Wire],
    convert: Callable[[Wire], Record],
    key: Callable[[Record], str],
    memory: dict[int, Record] | None = None,
) -> Answer[Record]:
    """Read each record on its own, so that a malformed one costs only itself.

    Args:
        raw: the undecoded records.
        wire_type: the shape of one on the wire.
        convert: makes our record; raises ``ValueError`` for a value that cannot be.
        key: what must be unique; of two records with one key the first counts.
        memory: the records of the answer before, by a digest of 64 bits of what they were made of: one that
            comes as it was is not read again. It is given those of this answer.

    Raises:
        ApiResponseError: there are records and every one of them is malformed.
    """
    records: dict[str, Record] = {}
    malformed: list[str] = []
    former, read = memory or {}, {}
    for position, item in enumerate(raw):
        digest = hash(bytes(item))
        record = former.get(digest)
        if record is None:
            try:
                record = convert(msgspec.json.decode(item, type=wire_type))
            except (msgspec.MsgspecError, ValueError, RecursionError) as error:
                malformed.append(f"record {position}: {error}")
                continue
        read[digest] = record
        if key(record) in records:
            malformed.append(f"record {position}: its key stands twice in the answer")
        else:
            records[key(record)] = record
    if memory is not None:
        memory.clear()
        memory.update(read)
    if malformed and not records:
        raise ApiResponseError(f"every record of the answer is malformed; {malformed[0]}")
    return Answer(tuple(records.values()), tuple(malformed))
