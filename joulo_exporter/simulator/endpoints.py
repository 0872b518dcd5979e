"""What the simulated API serves: one entry per path."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from joulo_exporter.simulator.ere import position_json, price_json
from joulo_exporter.simulator.query import read_session_query
from joulo_exporter.simulator.wire import Json, charger_json, energy_json, session_json

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from collections.abc import Set as AbstractSet

    from joulo_exporter.simulator.household import Household

BASE_PATH: Final = "/functions/v1/api"


class Endpoint(msgspec.Struct, frozen=True):
    """How a path is answered."""

    scope: str | None
    """What the token must be allowed to do; ``None`` for a public path, which needs no token."""
    answer: Callable[[Household, float, Mapping[str, str]], Json]
    """Makes the JSON body from household, moment (Unix seconds) and query."""


def _chargers(household: Household, moment_seconds: float, _: Mapping[str, str]) -> Json:
    return {"chargers": [charger_json(charger) for charger in household.chargers_at(moment_seconds)]}


def _sessions(household: Household, moment_seconds: float, parameters: Mapping[str, str]) -> Json:
    query = read_session_query(parameters)
    page = household.page_at(moment_seconds, query)
    return {
        "sessions": [session_json(session) for session in page],
        "limit": query.limit,
        "offset": query.offset,
    }


def _energy(household: Household, moment_seconds: float, _: Mapping[str, str]) -> Json:
    return energy_json(household.energy_at(moment_seconds))


def _ere_position(household: Household, moment_seconds: float, _: Mapping[str, str]) -> Json:
    return position_json(household.sessions_at(moment_seconds), moment_seconds)


def _ere_price(_household: Household, moment_seconds: float, _: Mapping[str, str]) -> Json:
    return price_json(moment_seconds)


ENDPOINTS: Final[Mapping[str, Endpoint]] = {
    f"{BASE_PATH}/chargers": Endpoint("chargers:read", _chargers),
    f"{BASE_PATH}/sessions": Endpoint("sessions:read", _sessions),
    f"{BASE_PATH}/energy": Endpoint("energy:read", _energy),
    f"{BASE_PATH}/ere-position": Endpoint("ere:read", _ere_position),
    "/api/ere-price": Endpoint(None, _ere_price),
}
"""All paths of the simulated API, in full: the public price feed lies outside of ``BASE_PATH``."""

ALL_SCOPES: Final[AbstractSet[str]] = frozenset(
    endpoint.scope for endpoint in ENDPOINTS.values() if endpoint.scope
)
"""The scopes of a token that may read everything."""


def full_path(path: str) -> str:
    """Return the full path for one that may be given below ``BASE_PATH``, such as ``/chargers``."""
    return path if path in ENDPOINTS or path.startswith(BASE_PATH) else BASE_PATH + path
