"""The configuration: its keys, with defaults and bounds, and its loading from a YAML file and the environment."""

import ssl
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, ClassVar, get_args
from urllib.parse import urljoin, urlsplit

import msgspec
from msgspec import Meta, field

from joulo_exporter.config import values
from joulo_exporter.config.files import Secret, TokenSource, Where, parse_token, read_file, trusting
from joulo_exporter.config.values import DEFAULT_API_URL, like
from joulo_exporter.models.charger import UNKNOWN_VEHICLE, IdTagMode, Tags, normal_tag
from joulo_exporter.sharding import ALONE, Shard

DEFAULT_ERE_PRICE_URL = "https://joulo.nl/api"
DEFAULT_STORAGE_PATH = Path("/var/lib/joulo-exporter")


def _floor(least: str) -> Meta:
    """Return the lower bound of a duration, which does not apply to an API on a loopback address."""
    return Meta(extra={"least": least})


Duration = Annotated[float, like("10m", values.duration)]
Switch = Annotated[bool, like("true", values.switch)]


# The file -----------------------------------------------------------------------------------


class Section(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A mapping of the file. Its fields are the keys, each with its default; durations are in seconds."""


class WebSection(Section, frozen=True):
    """A mapping of the web configuration, where a key without a value counts as not given."""

    BLANK_IS_ABSENT: ClassVar = True


class AccountSection(Section, frozen=True):
    """An account of the API, with its token given in one of three ways."""

    name: Annotated[str, like("home", values.name)] | None = None
    token_file: Annotated[str, like("/run/secrets/joulo", values.path)] | None = None
    token_env: Annotated[str, like("JOULO_TOKEN", values.variable)] | None = None
    token: Annotated[Secret, like('"joulo_…", the token in quotes', parse_token)] | None = None


class ApiSection(Section, frozen=True):
    """Access to the API."""

    url: Annotated[str, like(DEFAULT_API_URL, values.api_url)] = DEFAULT_API_URL
    """The base URL, without a trailing slash; ``https``, except on a loopback address."""
    timeout_s: Duration = field(name="timeout", default=10.0)
    """Time for one request as a whole."""
    proxy_url: Annotated[Secret, like("http://proxy.example:3128", values.proxy_url)] | None = None
    ca_file: Annotated[str, like("/etc/ssl/our-ca.pem", values.path)] | None = None
    """Certificates in PEM that are trusted instead of those of this machine."""


class Collectors(Section, frozen=True):
    """Optional endpoints, by name."""

    ere_position: Switch = False
    ere_price: Switch = False


class Intervals(Section, frozen=True):
    """Time between two requests to an endpoint, by its name; the floors are those of the vendor's guide."""

    chargers: Annotated[Duration, _floor("1m")] = 60.0
    sessions: Annotated[Duration, _floor("10m")] = 600.0
    energy: Annotated[Duration, _floor("10m")] = 3600.0
    ere_position: Annotated[Duration, _floor("1h")] = 3600.0
    ere_price: Annotated[Duration, _floor("1h")] = 3600.0


class HistoryConfig(Section, frozen=True):
    """Pauses between two pages of ``/sessions``, and between two readings of the whole history."""

    page_interval_s: Annotated[Duration, _floor("1s")] = field(name="page_interval", default=10.0)
    resync_interval_s: Annotated[Duration, _floor("1h")] = field(name="resync_interval", default=7 * 86_400.0)


class PlausibilitySection(Section, frozen=True):
    """Bounds of plausible values of the API: the mean power in kW that no session of a charger exceeds."""

    max_power: Annotated[float, like("50kW", values.power_kw)] = 50.0


class StorageSection(Section, frozen=True):
    """The ledger's folder; a relative path begins at the folder of the configuration file."""

    path: Annotated[str, like(str(DEFAULT_STORAGE_PATH), values.folder)] = str(DEFAULT_STORAGE_PATH)


class Tariff(msgspec.Struct, frozen=True):
    """A price of electricity for sessions that begin from a day on, local time; as in the configuration."""

    from_day: Annotated[date, like("2026-01-01", values.day)] = field(name="from")
    euro_per_kwh: Annotated[Decimal, like("0.2534", values.price)]
    vehicle: Annotated[str, like("tesla", str)] | None = None
    """The vehicle that it is for; ``None`` for all vehicles without a tariff of their own."""

    def cost_cents(self, kwh_hundredths: int) -> int:
        """Return the cost of energy, rounded half up: hundredths of a kWh times euros a kWh are cents."""
        return int((kwh_hundredths * self.euro_per_kwh).quantize(Decimal(1), ROUND_HALF_UP))


class ConfigFile(Section, frozen=True):
    """The whole file."""

    accounts: Annotated[tuple[AccountSection, ...], like("`- token_file: /run/secrets/joulo`")] = ()
    """Without any, the environment gives the token of one unnamed account."""
    api: ApiSection = ApiSection()
    collectors: Collectors = Collectors()
    intervals: Intervals = Intervals()
    stale_after: Duration = 900.0
    """Age at which the values of a failing endpoint disappear from the scrape."""
    history: HistoryConfig = HistoryConfig()
    plausibility: PlausibilitySection = PlausibilitySection()
    vehicles: Annotated[dict[str, str], like("{DEADBEEF12345678: tesla}", values.vehicle)] = {}
    chargers: Annotated[dict[str, str], like("{6f1d2c0a-7b1e-4c55-9d0e-1a2b3c4d5e6f: oprit}", values.name)] = {}
    tariffs: Annotated[tuple[Tariff, ...], like("`- {from: 2026-01-01, euro_per_kwh: 0.2534}`")] = ()
    id_tags: Annotated[IdTagMode, values.one_of("show", get_args(IdTagMode))] = "show"
    storage: StorageSection = StorageSection()


COLLECTORS = Collectors.__struct_fields__
"""Endpoints that are requested only if the configuration enables them."""


# The configuration --------------------------------------------------------------------------


class Tariffs(msgspec.Struct, frozen=True):
    """All tariffs, in any order."""

    entries: tuple[Tariff, ...] = ()

    def of(self, vehicle: str, day: date) -> Tariff | None:
        """Return the tariff in force on a day, the latest that has begun; a vehicle's own takes precedence."""
        begun = [each for each in self.entries if each.vehicle in {vehicle, None} and each.from_day <= day]
        return max(begun, key=lambda each: (each.vehicle is not None, each.from_day), default=None)

    def last_day(self, tariff: Tariff) -> date | None:
        """Return the day before the next tariff for the same vehicle; ``None`` if there is none."""
        of_vehicle = (each.from_day for each in self.entries if each.vehicle == tariff.vehicle)
        following = min((day for day in of_vehicle if day > tariff.from_day), default=None)
        return following and following - timedelta(days=1)


class AccountConfig(msgspec.Struct, frozen=True):
    """An account of the API."""

    name: str | None
    """The ``account`` label; ``None`` for a single account without one."""
    token: TokenSource


class ApiConfig(ApiSection, frozen=True):
    """Access to the API, with what follows from other settings."""

    ere_price_url: str = DEFAULT_ERE_PRICE_URL
    """Base URL of the public price feed, which gets no token; a simulator's if the API is on this machine."""
    authorities: ssl.SSLContext | None = None
    """Certificates trusted for the API and a proxy; ``None`` for those that this machine trusts."""
    max_power_kw: float = 50.0
    """Highest mean power of a charger's session that is believed."""


class Config(msgspec.Struct, frozen=True):
    """Everything that file, environment and command line say, defaults filled in."""

    accounts: tuple[AccountConfig, ...]
    """With several shards, the accounts of this one, of which there may be none."""
    api: ApiConfig
    intervals: Mapping[str, float]
    """Seconds between two requests, by endpoint."""
    stale_after_s: float
    history: HistoryConfig
    tags: Tags
    chargers: Mapping[str, str]
    """The ``charger`` label by charger id, in place of the slug that the API gives."""
    storage_path: Path
    collectors: frozenset[str]
    """The optional endpoints that are requested."""
    tariffs: Tariffs
    shard: Shard = ALONE


# Loading ------------------------------------------------------------------------------------


def load_config(
    path: Path | None,
    environ: Mapping[str, str],
    *,
    storage_path: Path | None = None,
    collectors: Mapping[str, bool] = MappingProxyType({}),
    shard: Shard = ALONE,
) -> Config:
    """Return the configuration, checked, with its defaults filled in.

    Tokens are not read here: see ``TokenSource.read``. The file of ``api.ca_file`` is.

    Args:
        path: the YAML file; ``None`` for a configuration from the environment alone.
        environ: ``JOULO_API_URL`` overrides the file's ``api.url``; ``JOULO_TOKEN`` or ``JOULO_TOKEN_FILE`` is the
            token of one unnamed account where the file lists no ``accounts``.
        storage_path: overrides that of the file.
        collectors: overrides single entries of the file's.
        shard: has some of the accounts, or none; all of them are checked.

    Raises:
        ConfigError: one line that names the file, the key and the remedy, and shows no value of a key.
    """
    where = Where("environment" if path is None else str(path))
    folder = Path() if path is None else path.parent
    file = ConfigFile()
    if path is not None:
        from joulo_exporter.config.document import read_record  # noqa: PLC0415 -- no file, no YAML in memory

        file = read_record(path, "--config.file", ConfigFile)
    api = _api(where.child("api"), file, folder, environ)
    if not values.is_loopback(api.url):
        _require_floors(where.child("intervals"), file.intervals)
        _require_floors(where.child("history"), file.history)
        if file.plausibility.max_power > 1000:  # noqa: PLR2004 -- of a charger in watts, which would bound nothing
            raise where.child("plausibility.max_power").fault(
                "is more than 1000 kW, which no charger has; write kilowatts, not watts, such as 11kW"
            )
    accounts = _accounts(where.child("accounts"), file.accounts, folder, environ)
    chargers = _names(where.child("chargers"), file.chargers, "charger", str.strip)
    if len(accounts) == 1:  # chargers of different accounts may have the same label
        fault = "has the same label as {}; give each charger its own"
        _require_distinct(where.child("chargers"), chargers.values(), fault)
    enabled = frozenset(name for name in COLLECTORS if collectors.get(name, getattr(file.collectors, name)))
    return Config(
        accounts=tuple(account for account in accounts if shard.holds(account.name)),
        api=api,
        intervals=MappingProxyType(msgspec.structs.asdict(file.intervals)),
        stale_after_s=file.stale_after,
        history=file.history,
        tags=Tags(_names(where.child("vehicles"), file.vehicles, "tag", normal_tag), file.id_tags),
        chargers=chargers,
        storage_path=storage_path or folder / file.storage.path,
        collectors=enabled,
        tariffs=_tariffs(where.child("tariffs"), file.tariffs, file.vehicles.values()),
        shard=shard,
    )


def _api(where: Where, file: ConfigFile, folder: Path, environ: Mapping[str, str]) -> ApiConfig:
    url, authorities = file.api.url, None
    if environ.get("JOULO_API_URL"):
        url = Where("environment", "JOULO_API_URL").read(values.api_url, environ["JOULO_API_URL"].strip())
    if file.api.timeout_s > 300:  # noqa: PLR2004 -- as the message says
        raise where.child("timeout").fault("is longer than 5m; write 5m or less")
    proxy = file.api.proxy_url
    if urlsplit(url).scheme == "http" and proxy is not None and not values.is_loopback(proxy.reveal()):
        raise where.child("proxy_url").fault(
            "would get the token in plain http, as api.url is that; remove it, or write https:// in api.url"
        )
    if file.api.ca_file is not None:
        place = where.child("ca_file")
        pem = read_file(place, folder / file.api.ca_file, "certificates in PEM")
        authorities = trusting(place, pem)
    return ApiConfig(
        **msgspec.structs.asdict(file.api) | {"url": url},
        ere_price_url=urljoin(url, "/api") if values.is_loopback(url) else DEFAULT_ERE_PRICE_URL,
        authorities=authorities,
        max_power_kw=file.plausibility.max_power,
    )


def _require_floors(where: Where, section: Intervals | HistoryConfig) -> None:
    for key in msgspec.structs.fields(section):
        least = key.type.__metadata__[-1].extra["least"]
        if getattr(section, key.name) < values.duration(least):
            raise where.child(key.encode_name).fault(
                f"is shorter than {least}: the API is not to be asked more often; write {least} or more "
                "(only an API on a loopback address may be asked faster)"
            )


def _require_distinct(where: Where, items: Iterable[object], fault: str) -> None:
    """Raise the fault at the first item that equals an earlier one, whose place takes that of ``{}``."""
    positions: dict[object, int] = {}
    for position, item in enumerate(items):
        first = positions.setdefault(item, position)
        if first != position:
            raise where.item(position).fault(fault.format(f"{where.key}[{first}]"))


COUNTED_TWICE = "has the token of {}: its sessions would count twice; give each account its own"
"""Fault of an account that has the token of another one, whose place takes that of ``{}``."""


def _accounts(
    where: Where, sections: Sequence[AccountSection], folder: Path, environ: Mapping[str, str]
) -> tuple[AccountConfig, ...]:
    if not sections:
        return (AccountConfig(None, _environment_token(where, environ)),)
    tokens = [_token(where.item(place), section, folder, environ) for place, section in enumerate(sections)]
    names = [section.name for section in sections]
    if None in names and len(names) > 1:
        name = where.item(names.index(None)).child("name")
        raise name.fault(
            "is missing; with several accounts each needs a name, the account label that tells them apart"
        )
    _require_distinct(where, names, "has the name of {}; choose another account label")
    _require_distinct(where, tokens, COUNTED_TWICE)
    return tuple(map(AccountConfig, names, tokens))


def _token(where: Where, section: AccountSection, folder: Path, environ: Mapping[str, str]) -> TokenSource:
    given = [way for way in ("token_file", "token_env", "token") if getattr(section, way) is not None]
    if not given:
        raise where.fault("has no token; write one of token_file, token_env and token")
    if len(given) > 1:
        raise where.fault(f"has {' and '.join(given)}; keep one of them")
    where = where.child(given[0])
    if section.token_file is not None:
        path = folder / section.token_file
        return TokenSource(where, f"file {path}", path)
    if section.token_env is not None:
        value = Secret(environ.get(section.token_env, ""))  # if it is empty, a command that needs no token works
        return TokenSource(where, f"environment variable {section.token_env}", value=value)
    return TokenSource(where, where.source, value=section.token or Secret(""))


def _environment_token(where: Where, environ: Mapping[str, str]) -> TokenSource:
    """Return the token that the environment gives; a variable without a value counts as not set."""
    value, file = environ.get("JOULO_TOKEN"), environ.get("JOULO_TOKEN_FILE")
    variable = Where("environment", "JOULO_TOKEN" if value else "JOULO_TOKEN_FILE")
    if value and file:
        raise variable.fault("is set, and JOULO_TOKEN_FILE too; unset one of them")
    if value:
        return TokenSource(variable, "environment variable JOULO_TOKEN", value=Secret(value))
    if file:
        return TokenSource(variable, f"file {file}", Path(variable.read(values.path, file)))
    raise where.fault(
        "there is no API token; set the environment variable JOULO_TOKEN or JOULO_TOKEN_FILE, or write "
        "accounts: with `- token_file: /run/secrets/joulo` into the configuration file"
    )


def _names(where: Where, given: Mapping[str, str], kind: str, compared: Callable[[str], str]) -> Mapping[str, str]:
    """Return names by the ids as compared; faults give a position instead of a tag, which can open a charger."""
    ids = [compared(identifier) for identifier in given]
    for position, identifier in enumerate(given):
        where.item(position).read(values.printed, identifier)
        if not ids[position]:
            raise where.item(position).fault(f"its key is no id of a {kind}; correct it")
    _require_distinct(where, ids, f"is the same {kind} as an entry above; keep one")
    return MappingProxyType(dict(zip(ids, given.values(), strict=True)))


def _tariffs(where: Where, tariffs: tuple[Tariff, ...], vehicles: Collection[str]) -> Tariffs:
    for position, tariff in enumerate(tariffs):
        if tariff.vehicle not in {None, UNKNOWN_VEHICLE, *vehicles}:
            vehicle = where.item(position).child("vehicle")
            raise vehicle.fault(
                "is no vehicle of the configuration; write one of the names under vehicles, or unknown"
            )
    fault = "begins on the same day as an entry above, for the same vehicle; keep one"
    _require_distinct(where, ((tariff.from_day, tariff.vehicle) for tariff in tariffs), fault)
    return Tariffs(tariffs)
