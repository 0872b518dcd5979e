"""The RFID tags of the ledger, with the energy charged by each: as a table, or as vehicles for EVCC.

The YAML has the form of https://docs.evcc.io/en/reference/configuration/vehicles: a list under ``vehicles:`` with
``name``, ``title``, ``type`` and ``identifiers``; and, for a car without an online account, the template
``offline`` of https://docs.evcc.io/en/features/vehicle.
"""

import json
from collections.abc import Iterable
from operator import attrgetter

import msgspec

from joulo_exporter.clock import local_time
from joulo_exporter.errors import ConfigError
from joulo_exporter.models.charger import UNKNOWN_VEHICLE, Tags, normal_tag
from joulo_exporter.reports.sessions import SessionRow
from joulo_exporter.reports.text import EMPTY, Fields, count_text, figure, moment, table

_NO_TAG = "(none)"
_HIDDEN = "(hidden)"

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


class TagReport(msgspec.Struct):
    """One tag in one account; spellings that differ in case, blanks, colons and dashes are one tag."""

    account: str
    vehicle: str
    spellings: list[str] = []
    """As the API gave them, the latest first; none for sessions without a tag."""
    sessions: int = 0
    """Number of finished sessions."""
    kwh_hundredths: int = 0
    last_use_seconds: float = 0.0


def tags_of(rows: Iterable[SessionRow]) -> list[TagReport]:
    """Return the tags of each account, the most recently used first; the sessions without a tag come last."""
    found: dict[tuple[str, str], TagReport] = {}
    for row in rows:
        session, tag = row.session, row.session.id_tag
        report = found.setdefault((row.account, normal_tag(tag or "")), TagReport(row.account, row.vehicle))
        report.sessions += session.ended_at_seconds is not None
        report.kwh_hundredths += session.kwh_hundredths or 0
        used_seconds = session.last_known_end_seconds or session.began_seconds
        report.last_use_seconds = max(report.last_use_seconds, used_seconds)
        if tag:
            report.spellings = [tag, *(each for each in report.spellings if each != tag)]
    return sorted(found.values(), key=lambda each: (each.account, not each.spellings, -each.last_use_seconds))


def tag_table(reports: list[TagReport], tags: Tags, *, named: bool) -> str:
    """Return a table, with the accounts if they are named; tags are shown as the configuration allows."""
    columns: Fields[TagReport] = {
        "account": lambda each: each.account or EMPTY,
        "tag": lambda each: (tags.shown(each.spellings[0]) or _HIDDEN) if each.spellings else _NO_TAG,
        "vehicle": attrgetter("vehicle"),
        "sessions": attrgetter("sessions"),
        "kwh": lambda each: figure(each.kwh_hundredths),
        "last use": lambda each: moment(each.last_use_seconds or None, " "),
    }
    shown = {name: value for name, value in columns.items() if named or name != "account"}
    return table(shown, ([value(each) for value in shown.values()] for each in reports))


def evcc_yaml(reports: list[TagReport], tags: Tags) -> str:
    """Return the YAML, an entry for each vehicle that has charged with a tag, with each spelling once.

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
        day = f", last used {local_time(report.last_use_seconds).date()}" if report.last_use_seconds else ""
        for spelling in report.spellings:
            name = f"tag-{normal_tag(spelling).lower()}" if nameless else report.vehicle
            entry = _NAMELESS * nameless + _EVCC_ENTRY.format(name=_quoted(name))
            line = f"      - {_quoted(spelling)} # {count_text(report.sessions)}{day}\n"
            vehicles.setdefault(name, {"": entry}).setdefault(spelling.casefold(), line)
    if not vehicles:
        return "# No session in the ledger has an RFID tag yet.\nvehicles: []\n"
    return _EVCC_HEAD + "".join(line for lines in vehicles.values() for line in lines.values())


def _quoted(text: str) -> str:
    """Return the text in double quotes, whose rules YAML shares with JSON: 123E4 stays a text."""
    return json.dumps(text, ensure_ascii=False)
