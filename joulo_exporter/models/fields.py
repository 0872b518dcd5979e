"""Reading of an object whose every field may be absent, null or wrong: each costs only itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from joulo_exporter.models.wire import cleaned, unix_seconds

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_MOST = 1e9
_LONGEST_TEXT = 64
_LONGEST_LIST = 100


class Fields:
    """The fields of one object of an answer.

    Args:
        values: the object, decoded.
        path: where it stands in the answer, with a dot behind it; empty for the answer itself.
        malformed: takes a line for each field that is neither absent nor null nor of its type, without its value.
    """

    def __init__(self, values: Mapping[str, object], path: str, malformed: list[str]) -> None:
        self._values = values
        self._path = path
        self._malformed = malformed

    def number(self, name: str, *, least: float = -_MOST, most: float = _MOST) -> float | None:
        """Return a number within the bounds."""
        value = self._values.get(name)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
            self._fault(name, f"is no number from {least:g} to {most:g}")
            return None
        return float(value)

    def truth(self, name: str) -> bool | None:
        """Return true or false."""
        value = self._values.get(name)
        if value is None or isinstance(value, bool):
            return value
        self._fault(name, "is not true or false")
        return None

    def text(self, name: str) -> str | None:
        """Return a short text without blanks around it; ``None`` for an empty one."""
        value = self._values.get(name)
        if value is None:
            return None
        if not isinstance(value, str) or len(value) > _LONGEST_TEXT:
            self._fault(name, f"is no text of at most {_LONGEST_TEXT} characters")
            return None
        return cleaned(value)

    def moment(self, name: str) -> float | None:
        """Return the Unix time of a timestamp."""
        text = self.text(name)
        try:
            return None if text is None else unix_seconds(text)
        except ValueError as error:
            self._fault(name, f"is {error}")
            return None

    def section(self, name: str) -> Fields:
        """Return an object within this one; an empty one where there is none."""
        value = self._values.get(name)
        if value is not None and not isinstance(value, dict):
            self._fault(name, "is no object")
        return Fields(value if isinstance(value, dict) else {}, f"{self._path}{name}.", self._malformed)

    def sections(self, name: str) -> Iterator[Fields]:
        """Yield the objects of a list within this one, of a long one the first hundred."""
        value = self._values.get(name)
        if value is not None and not isinstance(value, list):
            self._fault(name, "is no list")
        for item in value[:_LONGEST_LIST] if isinstance(value, list) else ():
            if isinstance(item, dict):
                yield Fields(item, f"{self._path}{name}[].", self._malformed)
            else:
                self._fault(f"{name}[]", "is no object")

    def refuse(self, name: str, why: str) -> None:
        """Note that a field cannot be used for another reason than its type."""
        self._fault(name, why)

    def _fault(self, name: str, why: str) -> None:
        self._malformed.append(f"{self._path}{name} {why}")
