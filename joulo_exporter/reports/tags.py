"""The RFID tags of the ledger, with the energy charged by each: as a table, or as vehicles for EVCC.

The YAML has the form of https://docs.evcc.io/en/reference/configuration/vehicles: a list under ``vehicles:`` with
``name``, ``title``, ``type`` and ``identifiers``; and, for a car without an online account, the template
``offline`` of https://docs.evcc.io/en/features/vehicle.
"""

import json
from collections.abc import Iterable

from joulo_exporter.clock import local_time
from joulo_exporter.errors import ConfigError
from joulo_exporter.models.charger import UNKNOWN_VEHICLE, IdTagMode, normal_tag
from joulo_exporter.reports.sessions import SessionRow, total_of
from joulo_exporter.reports.text import EMPTY, Fields, count_text, figure, moment, table

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


def tags_of(rows: Iterable[SessionRow]) -> list[list[SessionRow]]:
    """Return the sessions of each tag in each account, the most recently used tag first, those without one last.

    Spellings that differ in case, blanks, colons and dashes are one tag.
    """
    by_tag: dict[tuple[str, str], list[SessionRow]] = {}
    for row in rows:
        by_tag.setdefault((row.account, normal_tag(row.session.id_tag or "")), []).append(row)
    return sorted(
        by_tag.values(), key=lambda rows: (rows[0].account, not rows[-1].session.id_tag, -_last_use_seconds(rows))
    )


def _last_use_seconds(rows: list[SessionRow]) -> float:
    return max(row.session.last_known_end_seconds or row.session.began_seconds for row in rows)


def tag_table(tags: list[list[SessionRow]], *, named: bool) -> str:
    """Return a table, with the accounts if they are named; tags are shown as the configuration allows."""
    columns: Fields[list[SessionRow]] = {
        "account": lambda rows: rows[0].account or EMPTY,
        "tag": lambda rows: rows[-1].id_tag or ("(hidden)" if rows[-1].session.id_tag else "(none)"),
        "vehicle": lambda rows: rows[0].vehicle,
        "sessions": len,
        "kwh": lambda rows: figure(total_of(rows).kwh_hundredths),
        "last use": lambda rows: moment(_last_use_seconds(rows) or None, " "),
    }
    shown = {name: value for name, value in columns.items() if named or name != "account"}
    return table(shown, ([value(rows) for value in shown.values()] for rows in tags))


def evcc_yaml(tags: list[list[SessionRow]], mode: IdTagMode) -> str:
    """Return the YAML, an entry for each vehicle that has charged with a tag, with each spelling once.

    A configuration that does not allow tags to be shown is a ``ConfigError``.
    """
    if mode != "show":
        raise ConfigError(f"id_tags is {mode}: EVCC needs the tags themselves; set id_tags: show for this command")
    vehicles: dict[str, dict[str, str]] = {}
    for rows in tags:
        nameless, used_seconds = rows[0].vehicle == UNKNOWN_VEHICLE, _last_use_seconds(rows)
        day = f", last used {local_time(used_seconds).date()}" if used_seconds else ""
        for spelling in filter(None, (row.session.id_tag for row in reversed(rows))):
            name = f"tag-{normal_tag(spelling).lower()}" if nameless else rows[0].vehicle
            entry = _NAMELESS * nameless + _EVCC_ENTRY.format(name=_quoted(name))
            line = f"      - {_quoted(spelling)} # {count_text(len(rows))}{day}\n"
            vehicles.setdefault(name, {"": entry}).setdefault(spelling.casefold(), line)
    if not vehicles:
        return "# No session in the ledger has an RFID tag yet.\nvehicles: []\n"
    return _EVCC_HEAD + "".join(line for lines in vehicles.values() for line in lines.values())


def _quoted(text: str) -> str:
    """Return the text in double quotes, whose rules YAML shares with JSON: 123E4 stays a text."""
    return json.dumps(text, ensure_ascii=False)
