"""Which sessions a request asks for: ``limit``, ``offset``, ``charger_id``, ``from`` and ``to``."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping

_DIGITS = re.compile(r"\d{1,9}", re.ASCII)
_MOST = 100
_USUAL = 20


class InvalidQueryError(ValueError):
    """A parameter that the API answers with 400; the message is for its body."""


class SessionQuery(msgspec.Struct, frozen=True, kw_only=True):
    """One page of the sessions that lie within the bounds; both bounds belong to it."""

    limit: int = _USUAL
    offset: int = 0
    charger_id: str | None = None
    from_seconds: float = float("-inf")
    to_seconds: float = float("inf")

    @property
    def takes_all(self) -> bool:
        """Whether no session is left out, but for the page's own bounds."""
        return self.charger_id is None and self.to_seconds - self.from_seconds == float("inf")

    def takes(self, charger_id: str, started_at_seconds: float) -> bool:
        """Return whether a session of that charger and start belongs to the answer."""
        if self.charger_id not in (None, charger_id):
            return False
        return self.from_seconds <= started_at_seconds <= self.to_seconds


def read_session_query(parameters: Mapping[str, str]) -> SessionQuery:
    """Read the parameters of ``GET /sessions``; unknown ones are ignored.

    Raises:
        InvalidQueryError: a parameter is no such number or time.
    """
    return SessionQuery(
        limit=_number(parameters, "limit", _USUAL, 1, _MOST),
        offset=_number(parameters, "offset", 0, 0, 999_999_999),
        charger_id=parameters.get("charger_id"),
        from_seconds=_moment(parameters, "from", float("-inf")),
        to_seconds=_moment(parameters, "to", float("inf")),
    )


def _number(parameters: Mapping[str, str], name: str, usual: int, least: int, most: int) -> int:
    text = parameters.get(name)
    if text is None:
        return usual
    if not _DIGITS.fullmatch(text) or not least <= int(text) <= most:
        raise InvalidQueryError(f"{name} must be a whole number from {least} to {most}")
    return int(text)


def _moment(parameters: Mapping[str, str], name: str, usual: float) -> float:
    text = parameters.get(name)
    if text is None:
        return usual
    try:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        raise InvalidQueryError(f"{name} must be an ISO 8601 timestamp") from None
