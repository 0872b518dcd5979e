"""The vehicles for EVCC's configuration, with the tags by which it recognises them.

The form is that of https://docs.evcc.io/en/reference/configuration/vehicles: a list under ``vehicles:`` with
``name``, ``title``, ``type`` and ``identifiers``; and, for a car without an online account, the template
``offline`` of https://docs.evcc.io/en/features/vehicle.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from joulo_exporter.errors import ConfigError
from joulo_exporter.models.tag import UNKNOWN_VEHICLE, normal_tag
from joulo_exporter.reports.moments import local_day

if TYPE_CHECKING:
    from collections.abc import Iterator

    from joulo_exporter.reports.tags import TagReport
    from joulo_exporter.snapshot import Tags

_HEAD = """\
# For evcc.yaml. To be completed: `template`, where it says offline, is a car without an online account;
# others are on https://docs.evcc.io/en/vehicles, with what they need. `title` is free.
vehicles:
"""


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
            vehicles.setdefault(_name(report), []).append(report)
    if not vehicles:
        yield "# No session in the ledger has an RFID tag yet.\nvehicles: []\n"
        return
    yield _HEAD
    for name, of_vehicle in vehicles.items():
        yield _entry(name, of_vehicle)


def _name(report: TagReport) -> str:
    if report.vehicle != UNKNOWN_VEHICLE:
        return report.vehicle
    return f"tag-{normal_tag(report.spellings[0]).lower()}"


def _entry(name: str, reports: list[TagReport]) -> str:
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
    return f"{report.sessions} session{'' if report.sessions == 1 else 's'}{last}"


def _quoted(text: str) -> str:
    """Return the text in double quotes, whose rules YAML shares with JSON: 123E4 stays a text."""
    return json.dumps(text, ensure_ascii=False)
