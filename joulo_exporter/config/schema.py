"""The configuration: its keys, with defaults and bounds, and its loading from a YAML file and the environment."""

from __future__ import annotations

from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, TypeVar
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta, field

from joulo_exporter.config import values
from joulo_exporter.config.files import Authorities, Where, read_authorities
from joulo_exporter.config.tokens import Secret, TokenSource
from joulo_exporter.config.values import DEFAULT_API_URL, Duration, Power, Switch, Text
from joulo_exporter.models.charger import UNKNOWN_VEHICLE, IdTagMode, normal_tag
from joulo_exporter.models.tariffs import Tariff, Tariffs, parse_day, parse_price
from joulo_exporter.sharding import ALONE, Shard

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping
    from datetime import date

Value = TypeVar("Value")

DEFAULT_ERE_PRICE_URL = "https://joulo.nl/api/ere-price"
DEFAULT_STORAGE_PATH = Path("/var/lib/joulo-exporter")

_DOCUMENTED = "the API documents no faster polling, and it has no newer data"
_SLOW = "it is not in the vendor's guide, and changes a few times a day at most"
_PAGED = "it is the pause between two requests to the API"
_REPEATED = "it is the time between two fetches of the whole history from the API"


def _like(example: str, fault: Callable[[str], str | None] = lambda _: None) -> Meta:
    """Return an example for messages, and the function that checks a text."""
    return Meta(examples=[example], extra={"fault": fault})


def _floor(seconds: float, why: str) -> Meta:
    """Return the shortest duration, which does not bind an API on a loopback address."""
    return Meta(extra={"floor_s": seconds, "why": why})


# The file -----------------------------------------------------------------------------------


class Section(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A mapping of the file. Its fields are the keys, each with its default; durations are in seconds."""


class AccountSection(Section, frozen=True):
    """An account of the API, with one of the three ways to a token."""

    name: Annotated[Text, _like("home", values.name_fault)] | None = None
    """The ``account`` label; a single account can do without."""
    token_file: Annotated[Text, _like("/run/secrets/joulo", values.path_fault)] | None = None
    """A file with the token, next to the configuration file if the path is relative."""
    token_env: Annotated[Text, _like("JOULO_TOKEN", values.variable_fault)] | None = None
    """The name of the environment variable that holds the token."""
    token: Annotated[Secret, _like('"joulo_…", the token in quotes')] | None = None
    """The token itself."""


class ApiSection(Section, frozen=True):
    """Access to the API."""

    url: Annotated[Text, _like(DEFAULT_API_URL, values.api_url_fault)] = Text(DEFAULT_API_URL)
    """The base URL; ``https``, but for a loopback address."""
    timeout: Annotated[Duration, _like("10s", values.timeout_fault)] = Duration(10)
    """Time for one request as a whole."""
    proxy_url: Annotated[Secret, _like("http://proxy.example:3128", values.proxy_url_fault)] | None = None
    """A proxy for the API; a secret, since a password can stand in it."""
    ca_file: Annotated[Text, _like("/etc/ssl/our-ca.pem", values.path_fault)] | None = None
    """Certificates in PEM that are trusted in the place of those of this machine."""


class Collectors(Section, frozen=True):
    """Optional endpoints, by name."""

    ere_position: Switch = Switch("false")
    ere_price: Switch = Switch("false")


class Intervals(Section, frozen=True):
    """Time between two requests to an endpoint, by its name; the floors are those of the vendor's guide."""

    chargers: Annotated[Duration, _floor(60, _DOCUMENTED)] = Duration(60)
    sessions: Annotated[Duration, _floor(600, _DOCUMENTED)] = Duration(600)
    energy: Annotated[Duration, _floor(600, _DOCUMENTED)] = Duration(3600)
    ere_position: Annotated[Duration, _floor(3600, _SLOW)] = Duration(3600)
    ere_price: Annotated[Duration, _floor(3600, _SLOW)] = Duration(3600)


class HistoryConfig(Section, frozen=True):
    """Fetching of the pages of ``/sessions``."""

    page_interval_s: Annotated[Duration, _floor(1, _PAGED)] = field(name="page_interval", default=Duration(10))
    """The least time between two pages."""
    resync_interval_s: Annotated[Duration, _floor(3600, _REPEATED)] = field(
        name="resync_interval", default=Duration(7 * 86_400)
    )
    """The time after which the whole history is fetched again, for corrections."""


class PlausibilitySection(Section, frozen=True):
    """Bounds of what is believed of the API."""

    max_power: Power = Power("50")
    """Mean power of a session that no charger exceeds."""


class StorageSection(Section, frozen=True):
    """The ledger's place."""

    path: Annotated[Text, _like(str(DEFAULT_STORAGE_PATH), values.printed_fault)] = Text("/var/lib/joulo-exporter")
    """A folder, below the one of the configuration file if the path is relative."""


class TariffSection(Section, frozen=True):
    """A price of the electricity, by the day on which a session began, local time."""

    from_day: Annotated[Text, _like("2026-01-01")] | None = field(name="from", default=None)
    """The first day."""
    euro_per_kwh: Annotated[Text, _like("0.2534")] | None = None
    vehicle: Annotated[Text, _like("tesla")] | None = None
    """A vehicle whose sessions have this price; by default all that have none of their own."""


class ConfigFile(Section, frozen=True):
    """The whole file."""

    accounts: Annotated[tuple[AccountSection, ...], _like("`- token_file: /run/secrets/joulo`")] = ()
    """Without any, the environment gives the token of one unnamed account."""
    api: ApiSection = ApiSection()
    collectors: Collectors = Collectors()
    intervals: Intervals = Intervals()
    stale_after: Duration = Duration(900)
    """Age at which values of an endpoint that fails disappear from the scrape."""
    history: HistoryConfig = HistoryConfig()
    plausibility: PlausibilitySection = PlausibilitySection()
    vehicles: Annotated[dict[str, Text], _like("{DEADBEEF12345678: tesla}", values.vehicle_fault)] = field(
        default_factory=dict
    )
    """The vehicle of an RFID tag."""
    chargers: Annotated[
        dict[str, Text], _like("{6f1d2c0a-7b1e-4c55-9d0e-1a2b3c4d5e6f: oprit}", values.name_fault)
    ] = field(default_factory=dict)
    """The ``charger`` label of a charger id, in place of the slug that the API gives."""
    tariffs: Annotated[tuple[TariffSection, ...], _like("`- {from: 2026-01-01, euro_per_kwh: 0.2534}`")] = ()
    """Prices of the electricity, for the cost of sessions."""
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
    ere_price_url: str = DEFAULT_ERE_PRICE_URL
    """The public price feed in full, where no token is sent; next to an API on this machine, a simulator's."""
    authorities: Authorities | None = None
    """Certificates that sign for the API and a proxy; ``None`` for those that this machine trusts."""
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
    """The vehicle of each RFID tag; the tags as ``models.charger.normal_tag`` spells them."""
    chargers: Mapping[str, str]
    """The ``charger`` label of each charger id that has one of its own."""
    id_tags: IdTagMode
    storage_path: Path
    collectors: frozenset[str] = frozenset()
    """The optional endpoints that are asked."""
    tariffs: Tariffs = Tariffs()
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


# Loading ------------------------------------------------------------------------------------


def load_config(
    path: Path | None,
    environ: Mapping[str, str],
    *,
    storage_path: Path | None = None,
    collectors: Mapping[str, bool] = MappingProxyType({}),
) -> Config:
    """Return the configuration, checked, with its defaults filled in.

    Tokens are not read here: see ``TokenSource.read``. The file of ``api.ca_file`` is.

    Args:
        path: the YAML file; ``None`` for a configuration from the environment alone.
        environ: the environment. ``JOULO_API_URL`` overrides the file's ``api.url``; ``JOULO_TOKEN`` or
            ``JOULO_TOKEN_FILE`` is the token of one unnamed account where the file lists no ``accounts``.
        storage_path: overrides the file's ``storage.path``.
        collectors: overrides the entries of the file's ``collectors``.

    Raises:
        ConfigError: one line that names the file, the key and the remedy, and shows no value of a key.
    """
    where = Where("environment" if path is None else str(path))
    folder = Path() if path is None else path.parent
    file = ConfigFile()
    if path is not None:
        from joulo_exporter.config.document import decode, read_yaml  # noqa: PLC0415 -- no file, no YAML in memory

        file = decode(where, read_yaml(path, "--config.file"), ConfigFile)
    api = _api(where.child("api"), file.api, folder, environ)
    api = msgspec.structs.replace(api, max_power_kw=float(file.plausibility.max_power))
    if not values.is_loopback(api.url):
        _require_floors(where.child("intervals"), file.intervals)
        _require_floors(where.child("history"), file.history)
    accounts = [
        AccountConfig(section.name, _token(where.child("accounts").item(position), section, folder, environ))
        for position, section in enumerate(file.accounts)
    ]
    _require_names(where.child("accounts"), [account.name for account in accounts])
    chargers = _names(where.child("chargers"), file.chargers, "charger", str.strip)
    for position, label in enumerate(labels := list(chargers.values())):
        first = labels.index(label)
        if first < position and len(accounts) <= 1:  # chargers of different accounts may have the same label
            fault = f"has the same label as chargers[{first}]; give each charger its own"
            raise where.child("chargers").item(position).fault(fault)
    return Config(
        accounts=tuple(accounts) or (AccountConfig(None, _environment_token(where, environ)),),
        api=api,
        intervals=MappingProxyType({name: float(s) for name, s in msgspec.structs.asdict(file.intervals).items()}),
        stale_after_s=float(file.stale_after),
        history=file.history,
        vehicles=_names(where.child("vehicles"), file.vehicles, "tag", normal_tag),
        tariffs=_tariffs(where.child("tariffs"), file.tariffs, file.vehicles.values()),
        chargers=chargers,
        id_tags=file.id_tags,
        storage_path=storage_path or folder / file.storage.path,
        collectors=frozenset(
            name for name in COLLECTORS if collectors.get(name, bool(getattr(file.collectors, name)))
        ),
    )


def _api(where: Where, section: ApiSection, folder: Path, environ: Mapping[str, str]) -> ApiConfig:
    url = section.url
    if environ.get("JOULO_API_URL"):
        text = environ["JOULO_API_URL"].strip()
        url = Where("environment", "JOULO_API_URL").read(Text, text, values.api_url_fault(text))
    ca_file, price_url = section.ca_file, urlsplit(DEFAULT_ERE_PRICE_URL)
    if values.is_loopback(url):
        price_url = urlsplit(url)._replace(path=price_url.path)
    return ApiConfig(
        url=url.rstrip("/"),
        timeout_s=float(section.timeout),
        proxy_url=section.proxy_url,
        ere_price_url=price_url.geturl(),
        authorities=None if ca_file is None else read_authorities(where.child("ca_file"), folder / ca_file),
    )


def _require_floors(where: Where, section: Intervals | HistoryConfig) -> None:
    for key in msgspec.structs.fields(section):
        bound = key.type.__metadata__[0].extra
        if getattr(section, key.name) < bound["floor_s"]:
            floor = values.format_duration(bound["floor_s"])
            raise where.child(key.encode_name).fault(
                f"is shorter than {floor}: {bound['why']}; write {floor} or more "
                "(only an API on a loopback address may be asked faster)"
            )


# Accounts -----------------------------------------------------------------------------------


def _token(where: Where, section: AccountSection, folder: Path, environ: Mapping[str, str]) -> TokenSource:
    given = [way for way in ("token_file", "token_env", "token") if getattr(section, way) is not None]
    if not given:
        raise where.fault("has no token; write one of token_file, token_env and token")
    if len(given) > 1:
        raise where.fault(f"has {' and '.join(given)}; keep one of them")
    where = where.child(given[0])
    if section.token_file is not None:
        return TokenSource(where, path=folder / section.token_file)
    if section.token_env is not None:
        return _variable(where, section.token_env, environ)
    source = TokenSource(where, value=section.token)
    source.read()  # unlike a file or a variable, it is here: its faults are faults of this file
    return source


def _variable(where: Where, name: str, environ: Mapping[str, str]) -> TokenSource:
    return TokenSource(where, variable=name, read_variable=lambda: environ.get(name))


def _require_names(where: Where, names: Iterable[str | None]) -> None:
    positions: dict[str | None, int] = {}
    for position, name in enumerate(names):
        if positions and None in (name, *positions):
            nameless = where.item(position if name is None else 0).child("name")
            raise nameless.fault(
                "is missing; with several accounts each needs a name, the account label that tells them apart"
            )
        if positions.setdefault(name, position) != position:
            fault = f"is the name of accounts[{positions[name]}] too; choose another account label"
            raise where.item(position).child("name").fault(fault)


def _environment_token(where: Where, environ: Mapping[str, str]) -> TokenSource:
    """Return the token that the environment gives; a variable without a value counts as not set."""
    token, file = environ.get("JOULO_TOKEN"), environ.get("JOULO_TOKEN_FILE")
    environment = Where("environment")
    if token and file:
        raise environment.child("JOULO_TOKEN").fault("is set, and JOULO_TOKEN_FILE too; unset one of them")
    if token:
        return _variable(environment.child("JOULO_TOKEN"), "JOULO_TOKEN", environ)
    if file:
        variable = environment.child("JOULO_TOKEN_FILE")
        return TokenSource(variable, path=variable.read(Path, file, values.path_fault(file)))
    raise where.child("accounts").fault(
        "there is no API token; set the environment variable JOULO_TOKEN or JOULO_TOKEN_FILE, or write "
        "accounts: with `- token_file: /run/secrets/joulo` into the configuration file"
    )


def _names(where: Where, given: Mapping[str, str], kind: str, compared: Callable[[str], str]) -> Mapping[str, str]:
    """Return the name of each id, as it is compared; places are numbers, since a tag can open a charger."""
    names: dict[str, str] = {}
    for position, (identifier, name) in enumerate(given.items()):
        key = compared(identifier)
        if not key or not values.is_printed(identifier):
            raise where.item(position).fault(
                f"its key is no id of a {kind}, or has a control character in it; correct it"
            )
        if key in names:
            raise where.item(position).fault(f"is the same {kind} as an entry above; keep one")
        names[key] = str(name)
    return MappingProxyType(names)


# Tariffs ------------------------------------------------------------------------------------


def _tariffs(where: Where, sections: Iterable[TariffSection], vehicles: Collection[str]) -> Tariffs:
    tariffs: dict[tuple[date, str | None], Tariff] = {}
    for position, section in enumerate(sections):
        here = where.item(position)
        vehicle = None if section.vehicle is None else str(section.vehicle)
        if vehicle not in {None, UNKNOWN_VEHICLE, *vehicles}:
            raise here.child("vehicle").fault(
                "is no vehicle of the configuration; write one of the names under vehicles, or unknown"
            )
        from_day = _parsed(here, "from", section.from_day, parse_day)
        if (from_day, vehicle) in tariffs:
            raise here.fault("begins on the same day as an entry above, for the same vehicle; keep one")
        price = _parsed(here, "euro_per_kwh", section.euro_per_kwh, parse_price)
        tariffs[from_day, vehicle] = Tariff(from_day, price, vehicle)
    return Tariffs(tuple(tariffs.values()))


def _parsed(where: Where, key: str, text: str | None, parse: Callable[[str], Value]) -> Value:
    if text is None:
        raise where.fault(f"has no {key}; write it as in {{from: 2026-01-01, euro_per_kwh: 0.2534}}")
    return where.child(key).read(parse, text)
