"""Loading of the configuration from a YAML file and the environment."""

from __future__ import annotations

import re
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

import msgspec

from joulo_exporter.config.files import Where, read_authorities
from joulo_exporter.config.schema import (
    COLLECTORS,
    DEFAULT_STORAGE_PATH,
    AccountConfig,
    ApiConfig,
    Config,
    ConfigFile,
    Section,
)
from joulo_exporter.config.tokens import (
    Secret,
    path_fault,
    token_from_environment,
    token_from_file,
    token_from_value,
)
from joulo_exporter.config.values import (
    DEFAULT_API_URL,
    Bounds,
    Switch,
    api_url_fault,
    ere_price_url,
    ere_price_url_fault,
    is_loopback,
    is_printed,
    name_fault,
    proxy_url_fault,
)
from joulo_exporter.models.tag import UNKNOWN_VEHICLE, normal_tag

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from joulo_exporter.config.schema import AccountSection, ApiSection
    from joulo_exporter.config.tokens import TokenSource

# Capitals only: a token that was pasted here by mistake has small letters, and would be shown as a name.
_VARIABLE = re.compile(r"[A-Z_][A-Z0-9_]{0,63}")


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
    file = ConfigFile() if path is None else _read(where, path)
    api = _api(where.child("api"), file.api, folder, environ)
    _check_durations(where, file, loopback=is_loopback(api.url))
    accounts = _accounts(where.child("accounts"), file.accounts, folder, environ)
    return Config(
        accounts=accounts or (_environment_account(where.source, environ),),
        api=api,
        intervals=MappingProxyType({name: float(s) for name, s in msgspec.structs.asdict(file.intervals).items()}),
        stale_after_s=float(file.stale_after),
        history=file.history,
        vehicles=_vehicles(where.child("vehicles"), file.vehicles),
        chargers=_chargers(where.child("chargers"), file.chargers, one_account=len(accounts) <= 1),
        id_tags=file.id_tags,
        storage_path=_storage_path(where.child("storage").child("path"), file.storage.path, folder, storage_path),
        collectors=frozenset(
            name for name in COLLECTORS if collectors.get(name, getattr(file.collectors, name) is Switch.ON)
        ),
    )


def _read(where: Where, path: Path) -> ConfigFile:
    from joulo_exporter.config.document import decode, read_yaml  # noqa: PLC0415 -- no file, no YAML in memory

    return decode(where, read_yaml(path, "--config.file"), ConfigFile)


def _check_durations(where: Where, section: Section, *, loopback: bool) -> None:
    for key in msgspec.structs.fields(section):
        value, place = getattr(section, key.name), where.child(key.encode_name)
        if isinstance(value, Section):
            _check_durations(place, value, loopback=loopback)
        for bounds in getattr(key.type, "__metadata__", ()):
            if isinstance(bounds, Bounds):
                place.require(bounds.fault(value, key.default, loopback=loopback))


def _api(where: Where, section: ApiSection, folder: Path, environ: Mapping[str, str]) -> ApiConfig:
    url = section.url or DEFAULT_API_URL
    where.child("url").require(api_url_fault(url))
    if environ.get("JOULO_API_URL"):
        url = environ["JOULO_API_URL"].strip()
        Where("environment", "JOULO_API_URL").require(api_url_fault(url))
    price_url = section.ere_price_url or ere_price_url(url)
    where.child("ere_price_url").require(ere_price_url_fault(price_url))
    if section.proxy_url is not None:
        where.child("proxy_url").require(proxy_url_fault(section.proxy_url))
    authorities = None
    if section.ca_file is not None:
        where.child("ca_file").require(path_fault(section.ca_file))
        authorities = read_authorities(where.child("ca_file"), folder / section.ca_file)
    return ApiConfig(
        url=url.rstrip("/"),
        timeout_s=float(section.timeout),
        proxy_url=None if section.proxy_url is None else Secret(str(section.proxy_url)),
        ere_price_url=str(price_url),
        authorities=authorities,
    )


def _storage_path(where: Where, text: str | None, folder: Path, override: Path | None) -> Path:
    if text is not None and not is_printed(text):
        raise where.fault("has a control character in it; write the path of a folder")
    if override is not None:
        return override
    return DEFAULT_STORAGE_PATH if text is None else folder / text


# Accounts -----------------------------------------------------------------------------------


def _accounts(
    where: Where, sections: tuple[AccountSection, ...], folder: Path, environ: Mapping[str, str]
) -> tuple[AccountConfig, ...]:
    accounts: list[AccountConfig] = []
    positions: dict[str, int] = {}
    for position, section in enumerate(sections):
        here = where.item(position)
        name = None if section.name is None else str(section.name)
        if name is not None:
            here.child("name").require(name_fault(name))
        accounts.append(AccountConfig(name, _token(here, section, folder, environ)))
        if name is None and len(sections) > 1:
            raise here.child("name").fault(
                "is missing; with several accounts each needs a name, the account label that tells them apart"
            )
        if name is not None and positions.setdefault(name, position) != position:
            raise here.child("name").fault(
                f"is the name of accounts[{positions[name]}] too; choose another account label"
            )
    return tuple(accounts)


def _token(where: Where, section: AccountSection, folder: Path, environ: Mapping[str, str]) -> TokenSource:
    given = [way for way in ("token_file", "token_env", "token") if getattr(section, way) is not None]
    if not given:
        raise where.fault("has no token; write one of token_file, token_env and token")
    if len(given) > 1:
        raise where.fault(f"has {' and '.join(given)}; keep one of them")
    where = where.child(given[0])
    if section.token is not None:
        source = token_from_value(where, section.token)
        source.read()  # unlike a file or a variable, it is here: its faults are faults of this file
        return source
    if section.token_file is not None:
        return _file_token(where, section.token_file, folder)
    name = str(section.token_env)
    if not _VARIABLE.fullmatch(name):
        raise where.fault(
            "must be the name of an environment variable, in capitals, such as JOULO_TOKEN; "
            "the token itself goes into that variable"
        )
    return token_from_environment(where, name, environ)


def _file_token(where: Where, text: str, folder: Path) -> TokenSource:
    where.require(path_fault(text))
    return token_from_file(where, folder / text)


def _environment_account(source: str, environ: Mapping[str, str]) -> AccountConfig:
    """Return the unnamed account whose token the environment gives.

    Args:
        source: the file that lists no accounts, or ``environment`` when there is none, for the error.
        environ: the environment; a variable without a value counts as not set.
    """
    token, file = environ.get("JOULO_TOKEN"), environ.get("JOULO_TOKEN_FILE")
    where = Where("environment")
    if token and file:
        raise where.child("JOULO_TOKEN").fault("is set, and JOULO_TOKEN_FILE too; unset one of them")
    if token:
        return AccountConfig(None, token_from_environment(where.child("JOULO_TOKEN"), "JOULO_TOKEN", environ))
    if file:
        return AccountConfig(None, _file_token(where.child("JOULO_TOKEN_FILE"), file, Path()))
    raise Where(source, "accounts").fault(
        "there is no API token; set the environment variable JOULO_TOKEN or JOULO_TOKEN_FILE, or write "
        "accounts: with `- token_file: /run/secrets/joulo` into the configuration file"
    )


# Names of vehicles and chargers -------------------------------------------------------------

_VEHICLE = "{DEADBEEF12345678: tesla}"
_CHARGER = "{6f1d2c0a-7b1e-4c55-9d0e-1a2b3c4d5e6f: oprit}"


def _names(where: Where, names: Mapping[str, str], example: str) -> Iterator[tuple[Where, str, str]]:
    """Yield (place, id, name) of each entry; the places are numbers, since a tag can open a charger."""
    for position, (identifier, name) in enumerate(names.items()):
        entry = where.item(position)
        if not identifier.strip() or not is_printed(identifier):
            raise entry.fault(f"its key is empty or has a control character in it; write it as in {example}")
        entry.require(name_fault(name.strip()))
        yield entry, identifier.strip(), name.strip()


def _vehicles(where: Where, names: Mapping[str, str]) -> Mapping[str, str]:
    vehicles: dict[str, str] = {}
    for entry, tag, vehicle in _names(where, names, _VEHICLE):
        compared = normal_tag(tag)
        if not compared:
            raise entry.fault(f"its key has no character of a tag; write it as in {_VEHICLE}")
        if compared in vehicles:
            raise entry.fault(
                "is the same tag as an entry above, apart from case, blanks, colons and dashes; keep one"
            )
        if vehicle == UNKNOWN_VEHICLE:
            raise entry.fault(f"{UNKNOWN_VEHICLE} is the vehicle of tags that are not listed; choose another name")
        vehicles[compared] = vehicle
    return MappingProxyType(vehicles)


def _chargers(where: Where, names: Mapping[str, str], *, one_account: bool) -> Mapping[str, str]:
    """Return the labels by charger id; chargers of different accounts may have the same one."""
    chargers: dict[str, str] = {}
    for entry, identifier, label in _names(where, names, _CHARGER):
        if identifier in chargers:
            raise entry.fault("is the same charger as an entry above; keep one")
        if one_account and label in chargers.values():
            other = where.item(list(chargers.values()).index(label))
            raise entry.fault(f"has the same label as {other.key}; give each charger its own")
        chargers[identifier] = label
    return MappingProxyType(chargers)
