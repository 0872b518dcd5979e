"""What can be asked of the API; the paths are those of the vendor's developer pages."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from joulo_exporter.models import (
    Answer,
    Charger,
    Energy,
    Session,
    parse_chargers,
    parse_energy,
    parse_sessions,
)

if TYPE_CHECKING:
    from collections.abc import Callable

Parsed_co = TypeVar("Parsed_co", covariant=True)


@dataclass(frozen=True, slots=True)
class Endpoint(Generic[Parsed_co]):
    """One thing to ask for, and how to read what comes back."""

    name: str
    """The ``endpoint`` label of metrics, and the key in the configuration."""
    path: str
    """What follows the API's base URL."""
    parse: Callable[[bytes], Parsed_co]
    """Reads the body of an answer with status 200; raises ``ApiResponseError``."""


CHARGERS: Endpoint[Answer[Charger]] = Endpoint("chargers", "/chargers", parse_chargers)
SESSIONS: Endpoint[Answer[Session]] = Endpoint("sessions", "/sessions", parse_sessions)
ENERGY: Endpoint[Energy] = Endpoint("energy", "/energy", parse_energy)

ENDPOINTS: tuple[Endpoint[object], ...] = (CHARGERS, SESSIONS, ENERGY)
