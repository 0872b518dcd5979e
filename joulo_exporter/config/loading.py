"""Loading of the configuration from a YAML file and the environment."""

from __future__ import annotations

from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, get_args

from joulo_exporter.config import limits
from joulo_exporter.config.accounts import environment_accounts, file_accounts
from joulo_exporter.config.authorities import Authorities, read_authorities
from joulo_exporter.config.faults import Where, is_printed, name_fault
from joulo_exporter.config.records import ApiConfig, Config, HistoryConfig
from joulo_exporter.config.secret import Secret
from joulo_exporter.config.section import Section, mapping, nearest
from joulo_exporter.config.tokens import path_fault
from joulo_exporter.config.urls import (
    DEFAULT_API_URL,
    DEFAULT_ERE_PRICE_URL,
    api_url_fault,
    ere_price_url,
    ere_price_url_fault,
    is_loopback,
    proxy_url_fault,
)
from joulo_exporter.models.tag import UNKNOWN_VEHICLE, IdTagMode, normal_tag

if TYPE_CHECKING:
    from collections.abc import Mapping

    from joulo_exporter.config.document import Node

DEFAULT_STORAGE_PATH = Path("/var/lib/joulo-exporter")

_KEYS = (
    "accounts",
    "api",
    "collectors",
    "intervals",
    "stale_after",
    "history",
    "vehicles",
    "chargers",
    "id_tags",
    "storage",
)
_ID_TAG_MODES: tuple[IdTagMode, ...] = get_args(IdTagMode)


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
    top = Section(where, "" if path is None else _document(path), _KEYS, "{stale_after: 15m}")
    api = _api(top, folder, environ)
    loopback = is_loopback(api.url)
    accounts = file_accounts(top.node("accounts"), where.child("accounts"), folder, environ)
    return Config(
        accounts=accounts or environment_accounts(where.source, environ),
        api=api,
        intervals=_intervals(top, loopback=loopback),
        stale_after_s=top.duration("stale_after", limits.STALE_AFTER, loopback=loopback),
        history=_history(top, loopback=loopback),
        vehicles=_vehicles(top),
        chargers=_chargers(top),
        id_tags=_id_tags(top),
        storage_path=_storage_path(top, folder, storage_path),
        collectors=_collectors(top, collectors),
    )


def _document(path: Path) -> Node:
    from joulo_exporter.config.document import read_document  # noqa: PLC0415 -- no file, no YAML in memory

    return read_document(path)


def _api(top: Section, folder: Path, environ: Mapping[str, str]) -> ApiConfig:
    section = top.section("api", ("url", "timeout", "proxy_url", "ca_file", "ere_price_url"), "{timeout: 10s}")
    url = _checked_api_url(section.where.child("url"), section.text("url", DEFAULT_API_URL) or DEFAULT_API_URL)
    if environ.get("JOULO_API_URL"):
        url = _checked_api_url(Where("environment", "JOULO_API_URL"), environ["JOULO_API_URL"].strip())
    return ApiConfig(
        url=url.rstrip("/"),
        timeout_s=section.duration("timeout", limits.TIMEOUT, loopback=False),
        proxy_url=_proxy_url(section),
        ere_price_url=_ere_price_url(section, url),
        authorities=_authorities(section, folder),
    )


def _checked_api_url(where: Where, url: str) -> str:
    fault = api_url_fault(url)
    if fault is not None:
        raise where.fault(fault)
    return url


def _ere_price_url(section: Section, api_url: str) -> str:
    url = section.text("ere_price_url", DEFAULT_ERE_PRICE_URL) or ere_price_url(api_url)
    fault = ere_price_url_fault(url)
    if fault is not None:
        raise section.where.child("ere_price_url").fault(fault)
    return url


def _proxy_url(section: Section) -> Secret | None:
    url = section.text("proxy_url", "http://proxy.example:3128")
    if url is None:
        return None
    fault = proxy_url_fault(url)
    if fault is not None:
        raise section.where.child("proxy_url").fault(fault)
    return Secret(url)


def _authorities(section: Section, folder: Path) -> Authorities | None:
    path = section.text("ca_file", "/etc/ssl/our-ca.pem")
    if path is None:
        return None
    where = section.where.child("ca_file")
    fault = path_fault(path)
    if fault is not None:
        raise where.fault(fault)
    return read_authorities(where, folder / path)


def _collectors(top: Section, overrides: Mapping[str, bool]) -> frozenset[str]:
    section = top.section("collectors", limits.COLLECTORS, "{ere_position: true}")
    return frozenset(name for name in limits.COLLECTORS if overrides.get(name, section.switch(name)))


def _intervals(top: Section, *, loopback: bool) -> Mapping[str, float]:
    section = top.section("intervals", limits.INTERVALS, "{chargers: 60s}")
    return MappingProxyType(
        {
            endpoint: section.duration(endpoint, rule, loopback=loopback)
            for endpoint, rule in limits.INTERVALS.items()
        }
    )


def _history(top: Section, *, loopback: bool) -> HistoryConfig:
    section = top.section("history", ("page_interval", "resync_interval"), "{page_interval: 10s}")
    return HistoryConfig(
        page_interval_s=section.duration("page_interval", limits.PAGE_INTERVAL, loopback=loopback),
        resync_interval_s=section.duration("resync_interval", limits.RESYNC_INTERVAL, loopback=loopback),
    )


def _names(top: Section, key: str, example: str) -> list[tuple[Where, str, str]]:
    """Return (place, id, name) of each entry; the places are numbers, since a tag can open a charger."""
    where = top.where.child(key)
    names = []
    for position, (identifier, node) in enumerate(mapping(where, top.node(key), example).items()):
        entry = where.item(position)
        if not identifier.strip() or not is_printed(identifier):
            raise entry.fault(f"its key is empty or has a control character in it; write it as in {example}")
        if not isinstance(node, str):
            raise entry.fault(f"must be a name, as in {example}")
        fault = name_fault(node.strip())
        if fault is not None:
            raise entry.fault(fault)
        names.append((entry, identifier.strip(), node.strip()))
    return names


def _vehicles(top: Section) -> Mapping[str, str]:
    vehicles: dict[str, str] = {}
    for where, tag, vehicle in _names(top, "vehicles", "{DEADBEEF12345678: tesla}"):
        compared = normal_tag(tag)
        if not compared:
            raise where.fault("its key has no character of a tag; write it as in {DEADBEEF12345678: tesla}")
        if compared in vehicles:
            raise where.fault(
                "is the same tag as an entry above, apart from case, blanks, colons and dashes; keep one"
            )
        if vehicle == UNKNOWN_VEHICLE:
            raise where.fault(f"{UNKNOWN_VEHICLE} is the vehicle of tags that are not listed; choose another name")
        vehicles[compared] = vehicle
    return MappingProxyType(vehicles)


def _chargers(top: Section) -> Mapping[str, str]:
    example = "{6f1d2c0a-7b1e-4c55-9d0e-1a2b3c4d5e6f: oprit}"
    chargers: dict[str, str] = {}
    for where, identifier, label in _names(top, "chargers", example):
        if identifier in chargers:
            raise where.fault("is the same charger as an entry above; keep one")
        chargers[identifier] = label
    return MappingProxyType(chargers)


def _id_tags(top: Section) -> IdTagMode:
    text = top.text("id_tags", "show")
    for mode in _ID_TAG_MODES:
        if text in (mode, None):
            return mode
    meant = nearest(text or "", _ID_TAG_MODES)
    hint = f"did you mean {meant}?" if meant else "write one of them"
    raise top.where.child("id_tags").fault(
        f"must be {', '.join(_ID_TAG_MODES[:-1])} or {_ID_TAG_MODES[-1]}; {hint}"
    )


def _storage_path(top: Section, folder: Path, override: Path | None) -> Path:
    section = top.section("storage", ("path",), "{path: /var/lib/joulo-exporter}")
    text = section.text("path", str(DEFAULT_STORAGE_PATH))
    if text is not None and not is_printed(text):
        raise section.where.child("path").fault("has a control character in it; write the path of a folder")
    if override is not None:
        return override
    return DEFAULT_STORAGE_PATH if text is None else folder / text
