"""The keys of the configuration file, with defaults and bounds, and the checked configuration that they make."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar

import msgspec
from msgspec import Meta, field

from joulo_exporter.config.tokens import Secret  # noqa: TC001 -- msgspec reads the annotations
from joulo_exporter.config.values import (
    DEFAULT_API_URL,
    DEFAULT_ERE_PRICE_URL,
    Bounds,
    Duration,
    Power,
    Switch,
    Text,
)
from joulo_exporter.models.tag import IdTagMode  # noqa: TC001 -- as above
from joulo_exporter.sharding import ALONE, Shard

if TYPE_CHECKING:
    from collections.abc import Mapping

    from joulo_exporter.config.files import Authorities
    from joulo_exporter.config.tokens import TokenSource

DEFAULT_STORAGE_PATH = Path("/var/lib/joulo-exporter")

_DOCUMENTED = "the API documents no faster polling, and it has no newer data"
_SLOW = "it is not in the vendor's guide, and changes a few times a day at most"
_PAGED = "it is the pause between two requests to the API"
_REPEATED = "it is the time between two fetches of the whole history from the API"

# The file -----------------------------------------------------------------------------------


class Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A mapping of the file. Its fields are the keys, each with its default; durations are in seconds."""

    EXAMPLE: ClassVar[str]
    """Shown where something else stands in its place."""


class AccountSection(Section, frozen=True):
    """An account of the API, with one of the three ways to a token."""

    EXAMPLE = "{token_file: /run/secrets/joulo}"

    name: Annotated[Text, Meta(examples=["home"])] | None = None
    """The ``account`` label; a single account can do without."""
    token_file: Annotated[Text, Meta(examples=["/run/secrets/joulo"])] | None = None
    """A file with the token, next to the configuration file if the path is relative."""
    token_env: Annotated[Text, Meta(examples=["JOULO_TOKEN"])] | None = None
    """The name of the environment variable that holds the token."""
    token: Annotated[Secret, Meta(examples=['"joulo_…", the token in quotes'])] | None = None
    """The token itself."""


class ApiSection(Section, frozen=True):
    """Access to the API."""

    EXAMPLE = "{timeout: 10s}"

    url: Annotated[Text, Meta(examples=[DEFAULT_API_URL])] | None = None
    """The base URL; ``https``, but for a loopback address."""
    timeout: Annotated[Duration, Bounds(ceiling_s=300)] = Duration(10)
    """Time for one request as a whole."""
    proxy_url: Annotated[Text, Meta(examples=["http://proxy.example:3128"])] | None = None
    """A proxy for the API; never shown, since a password can stand in it."""
    ca_file: Annotated[Text, Meta(examples=["/etc/ssl/our-ca.pem"])] | None = None
    """Certificates in PEM that are trusted in the place of those of this machine."""
    ere_price_url: Annotated[Text, Meta(examples=[DEFAULT_ERE_PRICE_URL])] | None = None
    """The public price feed, for tests; by default the vendor's, or the one of a simulator at ``url``."""


class Collectors(Section, frozen=True):
    """Optional endpoints, by name."""

    EXAMPLE = "{ere_position: true}"

    ere_position: Switch = Switch.OFF
    ere_price: Switch = Switch.OFF


class Intervals(Section, frozen=True):
    """Time between two requests to an endpoint, by its name; the floors are those of the vendor's guide."""

    EXAMPLE = "{chargers: 60s}"

    chargers: Annotated[Duration, Bounds(floor_s=60, why=_DOCUMENTED)] = Duration(60)
    sessions: Annotated[Duration, Bounds(floor_s=600, why=_DOCUMENTED)] = Duration(600)
    energy: Annotated[Duration, Bounds(floor_s=600, why=_DOCUMENTED)] = Duration(3600)
    ere_position: Annotated[Duration, Bounds(floor_s=3600, why=_SLOW)] = Duration(3600)
    ere_price: Annotated[Duration, Bounds(floor_s=3600, why=_SLOW)] = Duration(3600)


class HistoryConfig(Section, frozen=True):
    """Fetching of the pages of ``/sessions``."""

    EXAMPLE = "{page_interval: 10s}"

    page_interval_s: Annotated[Duration, Bounds(floor_s=1, why=_PAGED)] = field(
        name="page_interval", default=Duration(10)
    )
    """The least time between two pages."""
    resync_interval_s: Annotated[Duration, Bounds(floor_s=3600, why=_REPEATED)] = field(
        name="resync_interval", default=Duration(7 * 86_400)
    )
    """The time after which the whole history is fetched again, for corrections."""


class PlausibilitySection(Section, frozen=True):
    """Bounds of what is believed of the API."""

    EXAMPLE = "{max_power: 50kW}"

    max_power: Power = Power("50")
    """Mean power of a session that no charger exceeds."""


class StorageSection(Section, frozen=True):
    """The ledger's place."""

    EXAMPLE = "{path: /var/lib/joulo-exporter}"

    path: Annotated[Text, Meta(examples=[str(DEFAULT_STORAGE_PATH)])] | None = None
    """A folder, below the one of the configuration file if the path is relative."""


class ConfigFile(Section, frozen=True):
    """The whole file."""

    EXAMPLE = "{stale_after: 15m}"

    accounts: Annotated[tuple[AccountSection, ...], Meta(examples=["`- token_file: /run/secrets/joulo`"])] = ()
    """Without any, the environment gives the token of one unnamed account."""
    api: ApiSection = ApiSection()
    collectors: Collectors = Collectors()
    intervals: Intervals = Intervals()
    stale_after: Annotated[Duration, Bounds()] = Duration(900)
    """Age at which values of an endpoint that fails disappear from the scrape."""
    history: HistoryConfig = HistoryConfig()
    plausibility: PlausibilitySection = PlausibilitySection()
    vehicles: Annotated[dict[str, str], Meta(examples=["{DEADBEEF12345678: tesla}"])] = field(default_factory=dict)
    """The vehicle of an RFID tag."""
    chargers: Annotated[dict[str, str], Meta(examples=["{6f1d2c0a-7b1e-4c55-9d0e-1a2b3c4d5e6f: oprit}"])] = field(
        default_factory=dict
    )
    """The ``charger`` label of a charger id, in place of the slug that the API gives."""
    id_tags: IdTagMode = "show"
    """RFID tags in labels: as they are, as hashes, or not at all."""
    storage: StorageSection = StorageSection()


COLLECTORS = Collectors.__struct_fields__
"""Endpoints that are asked only where the configuration says so."""

PUBLIC_COLLECTORS = frozenset({"ere_price"})
"""Optional endpoints that belong to no account."""


# The configuration --------------------------------------------------------------------------


class AccountConfig(msgspec.Struct, frozen=True):
    """An account of the API."""

    name: str | None
    """The ``account`` label; ``None`` for a single account without one."""
    token: TokenSource


class ApiConfig(msgspec.Struct, frozen=True):
    """Access to the API."""

    url: str
    """The base, without a slash at its end."""
    timeout_s: float
    proxy_url: Secret | None = None
    """A secret, since a proxy's password can stand in it."""
    ere_price_url: str = DEFAULT_ERE_PRICE_URL
    """The public price feed, in full; no token is sent there."""
    authorities: Authorities | None = None
    """Certificates that vouch for the API and a proxy; ``None`` for those that this machine trusts."""
    max_power_kw: float = 50.0
    """Mean power of a charger's session that is believed at most."""


class Config(msgspec.Struct, frozen=True):
    """Everything that file, environment and command line say, defaults filled in."""

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
    shard: Shard = ALONE
    """The shard whose accounts these are: with several shards ``accounts`` can be empty."""


def of_shard(config: Config, shard: Shard) -> Config:
    """Return the configuration with the accounts of a shard, which can be none; no token is read.

    One shard alone has the endpoints that belong to no account.
    """
    return msgspec.structs.replace(
        config,
        accounts=tuple(account for account in config.accounts if shard.holds(account.name)),
        collectors=config.collectors if shard.holds_public else config.collectors - PUBLIC_COLLECTORS,
        shard=shard,
    )
