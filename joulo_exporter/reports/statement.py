"""Statement of home charging for an employer or the tax office: sessions and their cost, as CSV or JSON.

Both are for machines, and the same in every language. ``statement_page`` makes the HTML.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from decimal import Decimal
from operator import itemgetter

import msgspec

from joulo_exporter.ledger.reader import Completeness, LedgerReader
from joulo_exporter.models.charger import Charger
from joulo_exporter.models.tariffs import Tariff, Tariffs
from joulo_exporter.reports.sessions import FIELDS, Selection, SessionRow, Total, total_of, totals_by
from joulo_exporter.reports.text import Fields, count_text, csv_text, hundredths_text, moment

_REMARKS = {
    "in_progress": "still in progress: not on it",
    "without_energy": "without a known energy: no kWh and no cost",
    "without_tariff": "without a tariff: no price and no cost",
    "corrected": "corrected by Joulo after the end: marked",
}


class StatementCharger(msgspec.Struct, frozen=True):
    """A charger of the statement, as ``/chargers`` described it last."""

    account: str
    charger: str
    charger_id: str
    nickname: str
    mid_certified: bool | None
    """``None`` where Joulo does not say it, or lists the charger no more."""


class LedgerState(msgspec.Struct, frozen=True):
    """Extent of the ledger for an account."""

    account: str
    completeness: Completeness
    sessions_at_seconds: float | None
    """When Joulo was last asked for sessions, with success."""
    chargers_at_seconds: float | None


class Statement(msgspec.Struct, frozen=True):
    """Sessions of a period with all that is stated about them."""

    rows: tuple[SessionRow, ...]
    """Sessions that are over, by their beginning."""
    in_progress: int
    """Number of sessions that are left out, since they are not over."""
    chargers: Mapping[tuple[str, str], StatementCharger]
    """Those of the sessions, by account and id, in the order of their labels."""
    tariffs: Tariffs
    agreed_price: bool
    """Whether the only tariff is a price of the command line."""
    ledgers: tuple[LedgerState, ...]
    selection: Selection
    made_at_seconds: float

    @property
    def from_seconds(self) -> float:
        """Return the beginning of the period; that of the first session where none was asked for."""
        if self.selection.from_seconds is not None:
            return self.selection.from_seconds
        return self.rows[0].session.began_seconds if self.rows else self.to_seconds

    @property
    def to_seconds(self) -> float:
        """Return the first moment after the period; the present where none was asked for."""
        return self.made_at_seconds if self.selection.to_seconds is None else self.selection.to_seconds

    @property
    def named(self) -> bool:
        """Whether accounts have names, which are shown then."""
        return any(ledger.account for ledger in self.ledgers)

    @property
    def used_tariffs(self) -> list[tuple[Tariff, Total]]:
        """Return the tariffs of the sessions by their first day, each with the totals of its sessions."""
        totals: dict[Tariff, Total] = {}
        for row in self.rows:
            if row.tariff is not None:
                totals.setdefault(row.tariff, Total("tariff")).add(row)
        return sorted(totals.items(), key=lambda item: (item[0].from_day, item[0].vehicle or ""))

    @property
    def corrected(self) -> list[SessionRow]:
        """Return the sessions that were corrected after they were final."""
        return [row for row in self.rows if row.session.corrected_at_seconds is not None]

    def mid_certified(self, row: SessionRow) -> bool | None:
        """Return whether the meter of a session's charger has an MID certificate."""
        return self.chargers[row.account, row.session.charger_id].mid_certified

    @property
    def remarkable(self) -> dict[str, int]:
        """Return the number of sessions to look at, by the reason."""
        return {
            "in_progress": self.in_progress,
            "without_energy": sum(row.session.kwh_hundredths is None for row in self.rows),
            "without_tariff": sum(row.tariff is None for row in self.rows),
            "corrected": len(self.corrected),
        }

    def summary(self) -> Iterator[str]:
        """Yield a line with the totals, and one for each kind of session to look at."""
        total = total_of(self.rows)
        kwh, euros = hundredths_text(total.kwh_hundredths), hundredths_text(total.cost_cents)
        yield f"statement: {count_text(total.sessions)}, {kwh} kWh, {euros} euros"
        for reason, count in self.remarkable.items():
            if count:
                yield f"statement: {count_text(count)} {_REMARKS[reason]}"


def make_statement(
    reader: LedgerReader,
    rows: Iterable[SessionRow],
    tariffs: Tariffs,
    selection: Selection,
    *,
    agreed_price: bool,
    now_seconds: float,
) -> Statement:
    """Return the statement of sessions, by the tariffs that have priced them."""
    all_rows = list(rows)
    over = tuple(row for row in all_rows if not row.in_progress)
    return Statement(
        rows=over,
        in_progress=len(all_rows) - len(over),
        chargers=_chargers(reader, over),
        tariffs=tariffs,
        agreed_price=agreed_price,
        ledgers=tuple(_ledger(reader, account) for account in reader.accounts),
        selection=selection,
        made_at_seconds=now_seconds,
    )


def _chargers(reader: LedgerReader, rows: Iterable[SessionRow]) -> dict[tuple[str, str], StatementCharger]:
    live = {(account, each.id): each for account in reader.accounts for each in reader.last_chargers(account)}
    latest = {(row.account, row.charger, row.session.charger_id): row.session for row in rows}
    chargers = {}
    for (account, label, charger_id), session in sorted(latest.items(), key=itemgetter(0)):
        charger = live.get((account, charger_id), Charger(charger_id))
        nickname = charger.nickname or session.charger_nickname or ""
        chargers[account, charger_id] = StatementCharger(
            account, label, charger_id, nickname, charger.mid_certified
        )
    return chargers


def _ledger(reader: LedgerReader, account: str) -> LedgerState:
    succeeded = {name: record.succeeded_at_seconds for name, record in reader.endpoints(account).items()}
    return LedgerState(account, reader.completeness(account), succeeded.get("sessions"), succeeded.get("chargers"))


def price_text(tariff: Tariff | None) -> str | None:
    """Return a price with two decimals or more, as it was written."""
    if tariff is None:
        return None
    cents = tariff.euro_per_kwh.quantize(Decimal("0.01"))
    return str(cents if cents == tariff.euro_per_kwh else tariff.euro_per_kwh)


# CSV and JSON -------------------------------------------------------------------------------------


def _fields(statement: Statement, *figures: str) -> Fields[SessionRow]:
    """Return the fields of a session, with those of its figures that are asked for."""
    known: Fields[SessionRow] = {
        **FIELDS,
        "mid_certified": statement.mid_certified,
        "kwh_hundredths": lambda row: row.session.kwh_hundredths,
        "first_kwh_hundredths": lambda row: row.session.first_kwh_hundredths,
        "euro_per_kwh": lambda row: price_text(row.tariff),
        "cost_cents": lambda row: row.cost_cents,
    }
    names = ("session_id", "started_at", "ended_at", "charger", "charger_id", "mid_certified", "vehicle", *figures)
    return {name: known[name] for name in (*(("account",) if statement.named else ()), *names)}


def as_csv(statement: Statement) -> Iterator[str]:
    """Yield CSV as in RFC 4180, sessions alone, so that nobody adds totals to them."""
    fields = _fields(statement, "kwh", "euro_per_kwh", "cost_euros", "corrected_at", "first_kwh")
    return csv_text(fields, statement.rows, line_end="\r\n")


def as_json(statement: Statement) -> Iterator[str]:
    """Yield a JSON object; energy and money are integers, so that sums over them are exact in any program."""
    fields = _fields(
        statement, "kwh_hundredths", "euro_per_kwh", "cost_cents", "corrected_at", "first_kwh_hundredths"
    )
    content = {
        "made_at": moment(statement.made_at_seconds),
        "from": moment(statement.from_seconds),
        "to": moment(statement.to_seconds),
        "charger": statement.selection.charger,
        "vehicle": statement.selection.vehicle,
        "agreed_price": statement.agreed_price,
        "chargers": list(statement.chargers.values()),
        "tariffs": [
            {
                "euro_per_kwh": price_text(tariff),
                "from": None if tariff.from_day == date.min else tariff.from_day,
                "through": statement.tariffs.last_day(tariff),
                "vehicle": tariff.vehicle,
                **_sums(total),
            }
            for tariff, total in statement.used_tariffs
        ],
        "sessions": [{name: value(row) for name, value in fields.items()} for row in statement.rows],
        "months": [{"month": each.name, **_sums(each)} for each in totals_by(statement.rows, "month")],
        "quarters": [{"quarter": each.name, **_sums(each)} for each in totals_by(statement.rows, "quarter")],
        "total": _sums(total_of(statement.rows)),
        **{f"sessions_{reason}": count for reason, count in statement.remarkable.items()},
        "ledger": [
            {
                "account": ledger.account,
                "complete": ledger.completeness.complete,
                "sessions": ledger.completeness.sessions,
                "unreadable": ledger.completeness.unreadable,
                "since": moment(ledger.completeness.back_to_seconds),
                "compared_in_full_at": moment(ledger.completeness.read_in_full_at_seconds),
                "sessions_asked_at": moment(ledger.sessions_at_seconds),
                "chargers_asked_at": moment(ledger.chargers_at_seconds),
                "corrections_since": moment(ledger.completeness.corrections_since_seconds),
            }
            for ledger in statement.ledgers
        ],
    }
    yield msgspec.json.format(msgspec.json.encode(content), indent=2).decode() + "\n"


def _sums(total: Total) -> dict[str, int]:
    return {name: getattr(total, name) for name in ("sessions", "kwh_hundredths", "cost_cents")}
