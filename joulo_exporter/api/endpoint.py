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
    known: frozenset[str] = frozenset()
    """Names of the fields that its answers are known to have; those of a list's records as ``months[].kwh``."""
    public: bool = False
    """Whether it is asked without a token, always and whoever asks."""


def _known(top: str, **sections: str) -> frozenset[str]:
    """Return the names of the answer's fields and of those within; a section in capitals is a list."""
    within = (
        f"{section.lower()}{'[]' if section.isupper() else ''}.{name}"
        for section, names in sections.items()
        for name in names.split()
    )
    return frozenset((*top.split(), *within))


_CHARGERS_KNOWN = _known(
    "chargers error",
    CHARGERS="id slug nickname name connection_type status mid_certified mid_eligible is_charging current_session "
    "latest_meter_wh meter_updated_at",
)
_SESSIONS_KNOWN = _known(
    "sessions limit offset estimate_basis",
    SESSIONS="id charger_id charger_nickname started_at ended_at kwh status ere_credits counts_for_ere id_tag",
    estimate_basis="price_per_ere effective_fee_pct",
)
_ENERGY_KNOWN = _known(
    "total_kwh total_ere_credits total_sessions total_kwh_all total_sessions_all months",
    MONTHS="month kwh ere_credits sessions kwh_all sessions_all",
)
_SETTLED = "ere net_eur price_per_ere"
_ERE_POSITION_KNOWN = _known(
    "compliance_year effective_fee_pct indicative_price_per_ere realized_avg_price paid payable reserved unsold "
    "pending_ere pending_forecast_net_eur allocatable_ere ytd_expected_eur total_expected_eur forecast_confidence "
    "forecast_is_projected forecast_history_days quarters",
    paid=_SETTLED,
    payable=_SETTLED,
    reserved=_SETTLED,
    unsold="ere ytd_ere future_ere forecast_net_eur ytd_forecast_net_eur future_forecast_net_eur",
    QUARTERS="quarter final ere price_per_ere sold_ere unsold_ere realized_net_eur net_eur_by_status",
)
_ERE_PRICE_KNOWN = _known("ok current", current="mid_eur week_number updated_at")

CHARGERS: Endpoint[Answer[Charger]] = Endpoint("chargers", "/chargers", parse_chargers, _CHARGERS_KNOWN)
SESSIONS: Endpoint[Answer[Session]] = Endpoint("sessions", "/sessions", parse_sessions, _SESSIONS_KNOWN)
ENERGY: Endpoint[Energy] = Endpoint("energy", "/energy", parse_energy, _ENERGY_KNOWN)

ERE_POSITION: Endpoint[ErePosition] = Endpoint(
    "ere_position", "/ere-position", parse_ere_position, _ERE_POSITION_KNOWN
)
ERE_PRICE: Endpoint[ErePrice] = Endpoint("ere_price", "/ere-price", parse_ere_price, _ERE_PRICE_KNOWN, public=True)
