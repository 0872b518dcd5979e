"""The RFID tags that have charged, with what they charged."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from joulo_exporter.models.tag import UNKNOWN_VEHICLE, normal_tag
from joulo_exporter.reports.figures import hundredths_text
from joulo_exporter.reports.moments import local_text
from joulo_exporter.reports.table import Cells, Column, table

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from joulo_exporter.ledger.reader import LedgerReader, TagUse
    from joulo_exporter.snapshot import Tags

_NO_TAG = "(none)"
_HIDDEN = "(hidden)"

_COLUMNS = (
    Column("TAG"),
    Column("VEHICLE"),
    Column("SESSIONS", right=True),
    Column("KWH", right=True),
    Column("LAST USE"),
)


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


def tag_table(reports: list[TagReport], tags: Tags, *, named: bool) -> Iterator[str]:
    """Yield a table; tags are shown as the configuration lets them be.

    Args:
        reports: a line each.
        tags: how tags are shown.
        named: whether accounts have names, which are shown then.
    """
    columns = (Column("ACCOUNT"), *_COLUMNS) if named else _COLUMNS
    return table(columns, lambda: (_cells(report, tags, named=named) for report in reports))


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


def _cells(report: TagReport, tags: Tags, *, named: bool) -> Cells:
    shown = (tags.shown(report.spellings[0]) or _HIDDEN) if report.spellings else _NO_TAG
    return (
        *((report.account,) if named else ()),
        shown,
        report.vehicle,
        str(report.sessions),
        hundredths_text(report.kwh_hundredths),
        "-" if report.last_use_seconds is None else local_text(report.last_use_seconds),
    )
