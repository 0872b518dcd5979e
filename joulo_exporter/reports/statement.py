"""Statement of home charging for an employer or the tax office: sessions and their cost, as CSV or JSON.

Both are for machines, and the same in every language. ``statement_page`` makes the HTML.
"""

from collections.abc import Iterable, Iterator
from datetime import date
from decimal import Decimal
from operator import attrgetter, itemgetter

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
    """Extent of the ledger for an account, and when Joulo was last asked with success."""

    account: str
    completeness: Completeness
    sessions_at_seconds: float | None
    chargers_at_seconds: float | None


class Statement:
    """Sessions of a period with all that is stated about them.

    The sessions are given by their beginning, priced by the tariffs; those in progress are left out, and counted.
    ``agreed_price`` says whether the only tariff is a price of the command line.
    """

    def __init__(
        self,
        reader: LedgerReader,
        rows: Iterable[SessionRow],
        tariffs: Tariffs,
        selection: Selection,
        *,
        agreed_price: bool,
        now_seconds: float,
    ) -> None:
        all_rows = list(rows)
        self.rows = [row for row in all_rows if not row.in_progress]
        self.tariffs, self.agreed_price, self.selection = tariffs, agreed_price, selection
        self.chargers = _chargers(reader, self.rows)
        self.ledgers = [_ledger(reader, account) for account in reader.accounts]
        self.named = any(reader.accounts)
        self.made_at_seconds = now_seconds
        # Where no period was asked for, it is that from the first session until now.
        self.to_seconds = now_seconds if selection.to_seconds is None else selection.to_seconds
        first_seconds = self.rows[0].session.began_seconds if self.rows else self.to_seconds
        self.from_seconds = first_seconds if selection.from_seconds is None else selection.from_seconds
        self.corrected = [row for row in self.rows if row.session.corrected_at_seconds is not None]
        self.remarkable = {
            "in_progress": len(all_rows) - len(self.rows),
            "without_energy": sum(row.session.kwh_hundredths is None for row in self.rows),
            "without_tariff": sum(row.tariff is None for row in self.rows),
            "corrected": len(self.corrected),
        }
        """Number of sessions to look at, by the reason."""
        used: dict[Tariff, Total] = {}
        for row in self.rows:
            if row.tariff is not None:
                used.setdefault(row.tariff, Total("tariff")).add(row)
        self.used_tariffs = sorted(used.items(), key=lambda item: (item[0].from_day, item[0].vehicle or ""))
        """With the totals of their sessions, by their first day."""

    def mid_certified(self, row: SessionRow) -> bool | None:
        """Return whether the meter of a session's charger has an MID certificate."""
        return self.chargers[row.account, row.session.charger_id].mid_certified

    def summary(self) -> Iterator[str]:
        """Yield a line with the totals, and one for each kind of session to look at."""
        total = total_of(self.rows)
        kwh, euros = hundredths_text(total.kwh_hundredths), hundredths_text(total.cost_cents)
        yield f"statement: {count_text(total.sessions)}, {kwh} kWh, {euros} euros"
        for reason, count in self.remarkable.items():
            if count:
                yield f"statement: {count_text(count)} {_REMARKS[reason]}"


def _chargers(reader: LedgerReader, rows: Iterable[SessionRow]) -> dict[tuple[str, str], StatementCharger]:
    """Return the chargers of sessions, by account and id, in the order of their labels."""
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
        "kwh_hundredths": attrgetter("session.kwh_hundredths"),
        "first_kwh_hundredths": attrgetter("session.first_kwh_hundredths"),
        "euro_per_kwh": lambda row: price_text(row.tariff),
        "cost_cents": attrgetter("cost_cents"),
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
