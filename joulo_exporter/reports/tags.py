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
    Cells,
    count_text,
    hundredths_text,
    local_day,
    local_text,
    table,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from joulo_exporter.ledger.reader import LedgerReader, TagUse
    from joulo_exporter.models.tag import Tags

_NO_TAG = "(none)"
_HIDDEN = "(hidden)"

_COLUMNS = ("TAG", "VEHICLE", "SESSIONS", "KWH", "LAST USE")

_EVCC_HEAD = """\
# For evcc.yaml. To be completed: `template`, where it says offline, is a car without an online account;
# others are on https://docs.evcc.io/en/vehicles, with what they need. `title` is free.
vehicles:
"""


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
    return [report for account in reader.accounts for report in _account_tags(reader, account, tags)]


def _account_tags(reader: LedgerReader, account: str, tags: Tags) -> list[TagReport]:
    groups: dict[str, list[TagUse]] = {}
    for use in sorted(reader.tag_uses(account), key=_last_use, reverse=True):
        groups.setdefault(normal_tag(use.tag or ""), []).append(use)
    without = groups.pop("", [])
    reports = [_report(account, tags.vehicle(uses[0].tag), uses) for uses in groups.values()]
    return reports + ([_report(account, UNKNOWN_VEHICLE, without)] if without else [])


def _report(account: str, vehicle: str, uses: list[TagUse]) -> TagReport:
    return TagReport(
        account=account,
        spellings=tuple(_distinct(use.tag for use in uses if use.tag)),
        vehicle=vehicle,
        sessions=sum(use.sessions for use in uses),
        kwh_hundredths=sum(use.kwh_hundredths for use in uses),
        last_use_seconds=uses[0].last_use_seconds,
    )


def _distinct(spellings: Iterable[str]) -> Iterable[str]:
    """Return one of each, whatever their case."""
    found: dict[str, str] = {}
    for spelling in spellings:
        found.setdefault(spelling.casefold(), spelling)
    return found.values()


def _last_use(use: TagUse) -> float:
    return use.last_use_seconds or 0.0


def tag_table(reports: list[TagReport], tags: Tags, *, named: bool) -> Iterator[str]:
    """Yield a table; tags are shown as the configuration lets them be.

    Args:
        reports: a line each.
        tags: how tags are shown.
        named: whether accounts have names, which are shown then.
    """
    columns = ("ACCOUNT", *_COLUMNS) if named else _COLUMNS
    return table(columns, lambda: (_cells(report, tags, named=named) for report in reports))


def _cells(report: TagReport, tags: Tags, *, named: bool) -> Cells:
    shown = (tags.shown(report.spellings[0]) or _HIDDEN) if report.spellings else _NO_TAG
    return (
        *((report.account,) if named else ()),
        shown,
        report.vehicle,
        str(report.sessions),
        hundredths_text(report.kwh_hundredths),
        UNKNOWN if report.last_use_seconds is None else local_text(report.last_use_seconds),
    )


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
    lines = [
        f"  - name: {_quoted(name)}",
        f"    title: {_quoted(name)}",
        "    type: template",
        "    template: offline # to be completed",
        "    identifiers:",
    ]
    if reports[0].vehicle == UNKNOWN_VEHICLE:
        lines.insert(0, "  # No vehicle of the exporter's configuration has this tag: give it a name of its own.")
    spellings: dict[str, str] = {}
    for report in reports:
        for spelling in report.spellings:
            spellings.setdefault(spelling.casefold(), f"      - {_quoted(spelling)} # {_use(report)}")
    return "\n".join((*lines, *spellings.values())) + "\n"


def _use(report: TagReport) -> str:
    last = "" if report.last_use_seconds is None else f", last used {local_day(report.last_use_seconds)}"
    return f"{count_text(report.sessions)}{last}"


def _quoted(text: str) -> str:
    """Return the text in double quotes, whose rules YAML shares with JSON: 123E4 stays a text."""
    return json.dumps(text, ensure_ascii=False)
