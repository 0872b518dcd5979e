"""The RFID tags that have charged, with what they charged: as a table, or as vehicles for EVCC.

The YAML has the form of https://docs.evcc.io/en/reference/configuration/vehicles: a list under ``vehicles:`` with
``name``, ``title``, ``type`` and ``identifiers``; and, for a car without an online account, the template
``offline`` of https://docs.evcc.io/en/features/vehicle.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import msgspec

from joulo_exporter.errors import ConfigError
from joulo_exporter.models.tag import UNKNOWN_VEHICLE, normal_tag
from joulo_exporter.reports.text import (
    UNKNOWN,
    count_text,
    hundredths_text,
    local_day,
    local_text,
    table,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from joulo_exporter.ledger.reader import LedgerReader, TagUse
    from joulo_exporter.models.tag import Tags

_NO_TAG = "(none)"
_HIDDEN = "(hidden)"

_COLUMNS = ("ACCOUNT", "TAG", "VEHICLE", "SESSIONS", "KWH", "LAST USE")

_EVCC_HEAD = """\
# For evcc.yaml. To be completed: `template`, where it says offline, is a car without an online account;
# others are on https://docs.evcc.io/en/vehicles, with what they need. `title` is free.
vehicles:
"""
_EVCC_ENTRY = """\
  - name: {name}
    title: {name}
    type: template
    template: offline # to be completed
    identifiers:
"""
_NAMELESS = "  # No vehicle of the exporter's configuration has this tag: give it a name of its own.\n"


class TagReport(msgspec.Struct, frozen=True):
    """One tag in one account; spellings that differ in case, blanks, colons and dashes are one tag."""

    account: str
    spellings: tuple[str, ...]
    """As the API gave them, the latest first; none for sessions without a tag."""
    vehicle: str
    sessions: int
    """Finished ones."""
    kwh_hundredths: int
    last_use_seconds: float | None


def tags_of(reader: LedgerReader, tags: Tags) -> list[TagReport]:
    """Return the tags of each account, the latest used first; the sessions without a tag come last."""
    reports = []
    for account in reader.accounts:
        groups: dict[str, list[TagUse]] = {}
        for use in sorted(reader.tag_uses(account), key=lambda use: use.last_use_seconds or 0.0, reverse=True):
            groups.setdefault(normal_tag(use.tag or ""), []).append(use)
        without = groups.pop("", [])
        reports += [_report(account, tags.vehicle(uses[0].tag), uses) for uses in groups.values()]
        reports += [_report(account, UNKNOWN_VEHICLE, without)] if without else []
    return reports


def _report(account: str, vehicle: str, uses: list[TagUse]) -> TagReport:
    spellings: dict[str, str] = {}  # one of each, whatever their case
    for use in uses:
        if use.tag:
            spellings.setdefault(use.tag.casefold(), use.tag)
    return TagReport(
        account=account,
        spellings=tuple(spellings.values()),
        vehicle=vehicle,
        sessions=sum(use.sessions for use in uses),
        kwh_hundredths=sum(use.kwh_hundredths for use in uses),
        last_use_seconds=uses[0].last_use_seconds,
    )


def tag_table(reports: list[TagReport], tags: Tags, *, named: bool) -> Iterator[str]:
    """Yield a table; tags are shown as the configuration lets them be.

    Args:
        reports: a line each.
        tags: how tags are shown.
        named: whether accounts have names, which are shown then.
    """
    lines = [
        (
            report.account,
            (tags.shown(report.spellings[0]) or _HIDDEN) if report.spellings else _NO_TAG,
            report.vehicle,
            str(report.sessions),
            hundredths_text(report.kwh_hundredths),
            UNKNOWN if report.last_use_seconds is None else local_text(report.last_use_seconds),
        )
        for report in reports
    ]
    return table(_COLUMNS, lambda: lines) if named else table(_COLUMNS[1:], lambda: [line[1:] for line in lines])


def evcc_yaml(reports: list[TagReport], tags: Tags) -> Iterator[str]:
    """Yield the YAML, an entry for each vehicle that has charged with a tag.

    Raises:
        ConfigError: tags are not to be shown.
    """
    if tags.mode != "show":
        raise ConfigError(
            f"id_tags is {tags.mode}: EVCC needs the tags themselves; set id_tags: show for this command"
        )
    vehicles: dict[str, list[TagReport]] = {}
    for report in reports:
        if report.spellings:
            vehicles.setdefault(_evcc_name(report), []).append(report)
    if not vehicles:
        yield "# No session in the ledger has an RFID tag yet.\nvehicles: []\n"
        return
    yield _EVCC_HEAD
    for name, of_vehicle in vehicles.items():
        yield _evcc_entry(name, of_vehicle)


def _evcc_name(report: TagReport) -> str:
    if report.vehicle != UNKNOWN_VEHICLE:
        return report.vehicle
    return f"tag-{normal_tag(report.spellings[0]).lower()}"


def _evcc_entry(name: str, reports: list[TagReport]) -> str:
    known = reports[0].vehicle != UNKNOWN_VEHICLE
    spellings: dict[str, str] = {}
    for report in reports:
        day = "" if report.last_use_seconds is None else f", last used {local_day(report.last_use_seconds)}"
        for spelling in report.spellings:
            line = f"      - {_quoted(spelling)} # {count_text(report.sessions)}{day}\n"
            spellings.setdefault(spelling.casefold(), line)
    return ("" if known else _NAMELESS) + _EVCC_ENTRY.format(name=_quoted(name)) + "".join(spellings.values())


def _quoted(text: str) -> str:
    """Return the text in double quotes, whose rules YAML shares with JSON: 123E4 stays a text."""
    return json.dumps(text, ensure_ascii=False)
