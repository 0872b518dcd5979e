"""The configuration as the rest of the exporter sees it: frozen, complete and checked."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from joulo_exporter.config.urls import DEFAULT_ERE_PRICE_URL

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from joulo_exporter.config.authorities import Authorities
    from joulo_exporter.config.secret import Secret
    from joulo_exporter.config.tokens import TokenSource
    from joulo_exporter.models.tag import IdTagMode


class AccountConfig(msgspec.Struct, frozen=True):
    """An account of the API."""

    name: str | None
    """The ``account`` label; ``None`` for a single account without one."""
    token: TokenSource


class ApiConfig(msgspec.Struct, frozen=True):
    """How the API is reached."""

    url: str
    """The base, without a slash at its end."""
    timeout_s: float
    proxy_url: Secret | None = None
    """A secret, since a proxy's password can stand in it."""
    ere_price_url: str = DEFAULT_ERE_PRICE_URL
    """The public price feed, in full; no token is sent there."""
    authorities: Authorities | None = None
    """Who may vouch for the API and a proxy; ``None`` for those whom this machine trusts."""


class HistoryConfig(msgspec.Struct, frozen=True):
    """How the pages of ``/sessions`` are fetched."""

    page_interval_s: float
    """The least time between two pages."""
    resync_interval_s: float
    """The time after which the whole history is fetched again, for corrections."""


class Config(msgspec.Struct, frozen=True):
    """Everything that the configuration says, defaults filled in."""

    accounts: tuple[AccountConfig, ...]
    api: ApiConfig
    intervals: Mapping[str, float]
    """Seconds between two requests, by endpoint."""
    stale_after_s: float
    history: HistoryConfig
    vehicles: Mapping[str, str]
    """The vehicle of each RFID tag; the tags as ``models.tag.normal_tag`` spells them."""
    chargers: Mapping[str, str]
    """The ``charger`` label of each charger id that has one of its own."""
    id_tags: IdTagMode
    storage_path: Path
    collectors: frozenset[str] = frozenset()
    """The optional endpoints that are asked."""
