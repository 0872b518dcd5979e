"""What can be asked of the API; the paths are those of the vendor's developer pages."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from joulo_exporter.models import (
    Answer,
    Charger,
    Energy,
    ErePosition,
    ErePrice,
    Session,
    parse_chargers,
    parse_energy,
    parse_ere_position,
    parse_ere_price,
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
    public: bool = False
    """Whether it is asked without a token, always and whoever asks."""


CHARGERS: Endpoint[Answer[Charger]] = Endpoint("chargers", "/chargers", parse_chargers)
SESSIONS: Endpoint[Answer[Session]] = Endpoint("sessions", "/sessions", parse_sessions)
ENERGY: Endpoint[Energy] = Endpoint("energy", "/energy", parse_energy)

ERE_POSITION: Endpoint[ErePosition] = Endpoint("ere_position", "/ere-position", parse_ere_position)
ERE_PRICE: Endpoint[ErePrice] = Endpoint("ere_price", "/ere-price", parse_ere_price, public=True)

ENDPOINTS: tuple[Endpoint[object], ...] = (CHARGERS, SESSIONS, ENERGY)
"""What every account is asked for."""

COLLECTORS: dict[str, Endpoint[object]] = {endpoint.name: endpoint for endpoint in (ERE_POSITION, ERE_PRICE)}
"""What is asked for only where the configuration says so, by name."""
