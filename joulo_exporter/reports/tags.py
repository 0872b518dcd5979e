"""The RFID tags of the ledger, with the energy charged by each: as a table, or as vehicles for EVCC.

The YAML has the form of https://docs.evcc.io/en/reference/configuration/vehicles: a list under ``vehicles:`` with
``name``, ``title``, ``type`` and ``identifiers``; and, for a car without an online account, the template
``offline`` of https://docs.evcc.io/en/features/vehicle.
"""

import json
from collections.abc import Iterator

import msgspec

from joulo_exporter.errors import ConfigError
from joulo_exporter.ledger.reader import LedgerReader, TagUse
from joulo_exporter.models.charger import UNKNOWN_VEHICLE, Tags, normal_tag
from joulo_exporter.reports.text import EMPTY, count_text, figure, local_day, moment, table

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
    """Number of finished sessions."""
    kwh_hundredths: int
    last_use_seconds: float | None


def tags_of(reader: LedgerReader, tags: Tags) -> list[TagReport]:
    """Return the tags of each account, the most recently used first; the sessions without a tag come last."""
    reports = []
    for account in reader.accounts:
        groups: dict[str, list[TagUse]] = {}
        for use in sorted(reader.tag_uses(account), key=lambda use: use.last_use_seconds or 0.0, reverse=True):
            groups.setdefault(normal_tag(use.tag or ""), []).append(use)
        for _, uses in sorted(groups.items(), key=lambda group: group[0] == ""):
            report = TagReport(
                account=account,
                spellings=tuple(use.tag for use in uses if use.tag),
                vehicle=tags.vehicle(uses[0].tag),
                sessions=sum(use.sessions for use in uses),
                kwh_hundredths=sum(use.kwh_hundredths for use in uses),
                last_use_seconds=uses[0].last_use_seconds,
            )
            reports.append(report)
    return reports


def tag_table(reports: list[TagReport], tags: Tags, *, named: bool) -> Iterator[str]:
    """Yield a table, with the accounts if they are named; tags are shown as the configuration allows."""
    lines = [
        (
            report.account or EMPTY,
            (tags.shown(report.spellings[0]) or _HIDDEN) if report.spellings else _NO_TAG,
            report.vehicle,
            report.sessions,
            figure(report.kwh_hundredths),
            moment(report.last_use_seconds, " "),
        )
        for report in reports
    ]
    first = 0 if named else 1
    return table(_COLUMNS[first:], lambda: (line[first:] for line in lines))


def evcc_yaml(reports: list[TagReport], tags: Tags) -> Iterator[str]:
    """Yield the YAML, an entry for each vehicle that has charged with a tag, with each spelling once.

    Raises:
        ConfigError: the configuration does not allow tags to be shown.
    """
    if tags.mode != "show":
        raise ConfigError(
            f"id_tags is {tags.mode}: EVCC needs the tags themselves; set id_tags: show for this command"
        )
    vehicles: dict[str, dict[str, str]] = {}
    for report in reports:
        nameless = report.vehicle == UNKNOWN_VEHICLE
        day = "" if report.last_use_seconds is None else f", last used {local_day(report.last_use_seconds)}"
        for spelling in report.spellings:
            name = f"tag-{normal_tag(spelling).lower()}" if nameless else report.vehicle
            entry = _NAMELESS * nameless + _EVCC_ENTRY.format(name=_quoted(name))
            line = f"      - {_quoted(spelling)} # {count_text(report.sessions)}{day}\n"
            vehicles.setdefault(name, {"": entry}).setdefault(spelling.casefold(), line)
    yield _EVCC_HEAD if vehicles else "# No session in the ledger has an RFID tag yet.\nvehicles: []\n"
    for lines in vehicles.values():
        yield from lines.values()


def _quoted(text: str) -> str:
    """Return the text in double quotes, whose rules YAML shares with JSON: 123E4 stays a text."""
    return json.dumps(text, ensure_ascii=False)
