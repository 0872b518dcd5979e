"""What the page for people on ``/`` shows, as frozen records; ``landing_html`` makes the page of them.

There is no field for a token or a tag, on purpose.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class EndpointRow:
    """How fresh the answers of one endpoint of the API are."""

    endpoint: str
    up: bool | None
    """Whether the last refresh succeeded; ``None`` before the first one."""
    last_success_seconds: float | None
    interval_s: float
    error: str | None = None
    """One line on the last failure; shown while the endpoint is down."""


@dataclass(frozen=True, slots=True)
class ChargerRow:
    """A charger; ``None`` is what the API did not say, or what is too old to be shown."""

    label: str
    nickname: str | None
    status: str | None
    charging: bool | None
    session_kwh_hundredths: int | None
    """Energy of the session in progress; ``None`` also when there is no session."""


@dataclass(frozen=True, slots=True)
class AccountRow:
    """An account with its chargers and endpoints, in the order in which they are shown."""

    name: str | None
    chargers: tuple[ChargerRow, ...]
    endpoints: tuple[EndpointRow, ...]
    history_complete: bool
    history_sessions: int
    """Sessions in the ledger."""
    history_back_to_seconds: float | None
    """Start of the earliest of them."""

    @property
    def down(self) -> tuple[str, ...]:
        """Return the endpoints whose last refresh failed."""
        return tuple(row.endpoint for row in self.endpoints if row.up is False)

    @property
    def untried(self) -> tuple[str, ...]:
        """Return the endpoints that have not been asked yet."""
        return tuple(row.endpoint for row in self.endpoints if row.up is None)


@dataclass(frozen=True, slots=True)
class LandingPage:
    """The exporter at a moment, with all of its accounts; how many of them are shown is the page's affair."""

    version: str
    now_seconds: float
    accounts: tuple[AccountRow, ...]
    ledger_persistent: bool
    documentation_url: str | None = None
    public: tuple[EndpointRow, ...] = ()
    """The endpoints that belong to no account."""
