"""Sessions of the ledger, selected, labelled and priced: as a table for people, as CSV and JSON for machines."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from datetime import datetime
from operator import attrgetter

import msgspec

from joulo_exporter.clock import local_month, local_time
from joulo_exporter.config.schema import Tariff, Tariffs
from joulo_exporter.errors import ConfigError
from joulo_exporter.ledger.reader import LedgerReader, RecordedSession
from joulo_exporter.models.charger import UNKNOWN_VEHICLE, Charger, Tags
from joulo_exporter.reports.text import (
    EMPTY,
    Fields,
    Record,
    count_text,
    csv_text,
    duration_text,
    figure,
    json_text,
    moment,
    table,
)


class Selection(msgspec.Struct, frozen=True):
    """Conditions on sessions; ``None`` is no condition."""

    from_seconds: float | None = None
    to_seconds: float | None = None
    """The first moment that is too late; both bounds are for the start of a session."""
    charger: str | None = None
    """A ``charger`` label."""
    vehicle: str | None = None


class SessionRow(msgspec.Struct, frozen=True):
    """A session with its labels and its price."""

    account: str
    session: RecordedSession
    charger: str
    """Its label."""
    described: Charger
    """The charger as ``/chargers`` described it last; with its id alone if that does not list it any more."""
    vehicle: str
    id_tag: str
    """As the configuration allows it to be shown."""
    tariff: Tariff | None
    """The tariff of the day on which the session began, local time."""

    @property
    def began(self) -> datetime:
        """Return when it began, or the nearest time that is known, in this machine's time zone."""
        return local_time(self.session.began_seconds)

    @property
    def nickname(self) -> str:
        """Return the present name of its charger, or else the one at the time."""
        return self.described.nickname or self.session.charger_nickname or ""

    @property
    def in_progress(self) -> bool:
        """Return whether it has not ended, as far as is known."""
        return self.session.over_seconds is None

    @property
    def cost_cents(self) -> int | None:
        """Return the cost of its energy; ``None`` where there is no tariff, or no energy is known."""
        if self.tariff is None or self.session.kwh_hundredths is None:
            return None
        return self.tariff.cost_cents(self.session.kwh_hundredths)


def session_rows(reader: LedgerReader, tags: Tags, tariffs: Tariffs, selection: Selection) -> list[SessionRow]:
    """Return the selected sessions of all accounts, in the order in which they began.

    A session that several accounts have is that of one of them.
    """
    rows = []
    for account in reader.accounts:
        labels = reader.labels(account)
        chargers = {charger.id: charger for charger in reader.last_chargers(account)}
        for session in reader.sessions(account):
            vehicle = tags.vehicle(session.id_tag)
            if (
                reader.shared.get(session.id, account) == account
                and (selection.from_seconds is None or session.began_seconds >= selection.from_seconds)
                and (selection.to_seconds is None or session.began_seconds < selection.to_seconds)
                and selection.charger in {None, labels.get(session.charger_id)}
                and selection.vehicle in {None, vehicle}
            ):
                label = labels.get(session.charger_id, session.charger_id[:8])  # until it has a label
                charger = chargers.get(session.charger_id, Charger(session.charger_id))
                tariff = tariffs.of(vehicle, local_time(session.began_seconds).date())
                rows.append(
                    SessionRow(account, session, label, charger, vehicle, tags.shown(session.id_tag), tariff)
                )
    rows.sort(key=attrgetter("session.began_seconds"))
    return rows


def refuse_unknown(reader: LedgerReader, tags: Tags, selection: Selection) -> None:
    """Raise a ``ConfigError`` for a charger or vehicle that does not exist; the message lists those that do."""
    labels = {label for account in reader.accounts for label in reader.labels(account).values()}
    vehicles = {UNKNOWN_VEHICLE, *tags.vehicles.values()}
    for flag, wanted, known, where in (
        ("--charger", selection.charger, labels, "the ledger"),
        ("--vehicle", selection.vehicle, vehicles, "the configuration"),
    ):
        if wanted is not None and wanted not in known:
            names = ", ".join(sorted(known)) or "none yet"
            raise ConfigError(f"{flag}: {wanted!r} is not in {where}; it has {names}")


# Totals -------------------------------------------------------------------------------------------


class Total(msgspec.Struct, frozen=True):
    """Totals over sessions."""

    name: str
    sessions: int
    kwh_hundredths: int
    credits_hundredths: int
    cost_cents: int
    unpriced: int
    """Number of sessions without a cost."""


def total_of(rows: Collection[SessionRow], name: str = "total") -> Total:
    """Return the totals of sessions."""
    costs = [row.cost_cents for row in rows]
    return Total(
        name,
        sessions=len(rows),
        kwh_hundredths=sum(row.session.kwh_hundredths or 0 for row in rows),
        credits_hundredths=sum(row.session.credits_hundredths or 0 for row in rows),
        cost_cents=sum(cost or 0 for cost in costs),
        unpriced=costs.count(None),
    )


GROUPS: Mapping[str, Callable[[SessionRow], str]] = {
    "month": lambda row: local_month(row.session.began_seconds),
    "quarter": lambda row: f"{row.began:%Y}-Q{(row.began.month + 2) // 3}",
    "year": lambda row: f"{row.began:%Y}",
    "vehicle": attrgetter("vehicle"),
    "charger": lambda row: f"{row.account}/{row.charger}" if row.account else row.charger,
}
"""By name, the function that returns the group of a session; groups are listed in its order."""


def grouped(rows: Iterable[SessionRow], by: str) -> list[tuple[str, list[SessionRow]]]:
    """Return each group with its sessions."""
    groups: dict[str, list[SessionRow]] = {}
    for row in rows:
        groups.setdefault(GROUPS[by](row), []).append(row)
    return sorted(groups.items())


def totals_by(rows: Iterable[SessionRow], by: str) -> list[Total]:
    """Return the totals of each group."""
    return [total_of(group, name) for name, group in grouped(rows, by)]


# Reports ------------------------------------------------------------------------------------------

FIELDS: Fields[SessionRow] = {
    "account": attrgetter("account"),
    "session_id": attrgetter("session.id"),
    "charger": attrgetter("charger"),
    "charger_id": attrgetter("session.charger_id"),
    "nickname": lambda row: row.session.charger_nickname or "",
    "vehicle": attrgetter("vehicle"),
    "id_tag": attrgetter("id_tag"),
    "started_at": lambda row: moment(row.session.started_at_seconds),
    "ended_at": lambda row: moment(row.session.ended_at_seconds),
    "in_progress": attrgetter("in_progress"),
    "duration_seconds": lambda row: None if row.session.duration_s is None else round(row.session.duration_s),
    "kwh": lambda row: figure(row.session.kwh_hundredths),
    "ere_credits": lambda row: figure(row.session.credits_hundredths),
    "counts_for_ere": lambda row: None if row.session.counts_for_ere is None else bool(row.session.counts_for_ere),
    "cost_euros": lambda row: figure(row.cost_cents),
    "corrected_at": lambda row: moment(row.session.corrected_at_seconds),
    "first_kwh": lambda row: figure(row.session.first_kwh_hundredths),
}
_TOTALS: Fields[Total] = {
    "sessions": attrgetter("sessions"),
    "kwh": lambda total: figure(total.kwh_hundredths),
    "ere_credits": lambda total: figure(total.credits_hundredths),
    "cost_euros": lambda total: figure(total.cost_cents),
}
_CELLS: Fields[SessionRow] = {
    **FIELDS,
    "start": lambda row: moment(row.session.started_at_seconds, " "),
    "end": lambda row: "in progress" if row.in_progress else moment(row.session.ended_at_seconds, " "),
    "duration": lambda row: None if row.session.duration_s is None else duration_text(row.session.duration_s),
}
_COLUMNS = (
    "account", "start", "end", "duration", "charger", "nickname", "vehicle", "id_tag", "counts_for_ere", "kwh",
    "ere_credits", "cost_euros",
)  # fmt: skip


def report(rows: list[SessionRow], form: str, *, by: str | None, named: bool, priced: bool) -> str:
    """Return the sessions, which are ordered by start, as a ``table``, ``csv`` or ``json``.

    With ``by``, one of ``GROUPS``, return the totals of groups. Accounts are shown if they are ``named``, costs if
    sessions can be ``priced``.
    """
    hidden = {*(() if named else ("account",)), *(() if priced else ("cost_euros",))}

    def shown(fields: Fields[Record]) -> Fields[Record]:
        return {name: value for name, value in fields.items() if name not in hidden}

    text_of = csv_text if form == "csv" else json_text
    if by is None:
        columns = shown({name: _CELLS[name] for name in _COLUMNS})
        return table(columns, _lines(rows, columns)) if form == "table" else text_of(shown(FIELDS), rows)
    fields: Fields[Total] = {by: attrgetter("name"), **shown(_TOTALS)}
    totals = totals_by(rows, by)
    if form != "table":
        return text_of(fields, totals)
    return table(fields, ([value(total) for value in fields.values()] for total in (*totals, total_of(rows))))


def _lines(rows: list[SessionRow], columns: Fields[SessionRow]) -> Iterator[list[object]]:
    """Yield the cells of each session, with a line of totals after each month, and one at the end."""

    def total_line(total: Total) -> list[object]:
        cells = {"start": total.name, "end": count_text(total.sessions)}
        return [_TOTALS[name](total) if name in _TOTALS else cells.get(name, EMPTY) for name in columns]

    for month, of_month in grouped(rows, "month"):
        yield from ([value(row) for value in columns.values()] for row in of_month)
        yield total_line(total_of(of_month, f"total {month}"))
        yield [EMPTY for _ in columns]
    yield total_line(total_of(rows))
