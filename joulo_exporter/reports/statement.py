"""Statement of home charging for an employer or the tax office: sessions and their cost, as HTML, CSV or JSON.

The HTML is one file that a browser prints on A4. CSV and JSON are for machines: the same in every language.
"""

from __future__ import annotations

from datetime import date, time, timedelta
from decimal import Decimal
from html import escape
from itertools import groupby
from operator import attrgetter
from typing import TYPE_CHECKING

import msgspec

from joulo_exporter import __version__
from joulo_exporter.models import Charger
from joulo_exporter.models.tag import UNKNOWN_VEHICLE
from joulo_exporter.reports.sessions import GROUPS, SessionRow, Total, csv_text, figure, moment, totals_by
from joulo_exporter.reports.text import count_text, hundredths_text, local_time, printable

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

    from joulo_exporter.ledger.reader import Completeness, LedgerReader
    from joulo_exporter.models.tariffs import Tariff, Tariffs
    from joulo_exporter.reports.sessions import Selection

_DASH = "\N{EN DASH}"


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
    chargers: tuple[StatementCharger, ...]
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
        return self.rows[0].began_seconds if self.rows else self.to_seconds

    @property
    def to_seconds(self) -> float:
        """Return the first moment after the period; the present where none was asked for."""
        return self.made_at_seconds if self.selection.to_seconds is None else self.selection.to_seconds

    @property
    def named(self) -> bool:
        """Whether accounts have names, which are shown then."""
        return any(ledger.account for ledger in self.ledgers)

    @property
    def total(self) -> Total:
        """Return the totals of all sessions."""
        total = Total("total")
        for row in self.rows:
            total.add(row)
        return total

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
        return [row for row in self.rows if row.corrected_at_seconds is not None]

    def mid_certified(self, row: SessionRow) -> bool | None:
        """Return whether the meter of a session's charger has an MID certificate."""
        mine = (row.account, row.charger_id)
        return next(
            (each.mid_certified for each in self.chargers if mine == (each.account, each.charger_id)), None
        )

    def summary(self) -> Iterator[str]:
        """Yield a line with the totals, and one for each kind of session to look at."""
        total = self.total
        kwh, euros = hundredths_text(total.kwh_hundredths), hundredths_text(total.cost_cents)
        yield f"statement: {count_text(total.sessions)}, {kwh} kWh, {euros} euros"
        for count, why in (
            (self.in_progress, "still in progress: not on it"),
            (_without_energy(self), "without a known energy: no kWh and no cost"),
            (_without_tariff(self), "without a tariff: no price and no cost"),
            (len(self.corrected), "corrected by Joulo after the end: marked"),
        ):
            if count:
                yield f"statement: {count_text(count)} {why}"


def make_statement(
    reader: LedgerReader,
    accounts: Collection[str],
    rows: Iterable[SessionRow],
    tariffs: Tariffs,
    selection: Selection,
    *,
    agreed_price: bool,
    now_seconds: float,
) -> Statement:
    """Return the statement of the sessions of accounts.

    Args:
        reader: the ledger.
        accounts: names of accounts in it. It keeps those that have left the configuration too: an account that
            got another name is there twice, with the same sessions.
        rows: the sessions, as ``session_rows`` gives them.
        tariffs: those by which the sessions are priced.
        selection: the sessions that were asked for.
        agreed_price: whether the only tariff is a price of the command line.
        now_seconds: the present.
    """
    all_rows = [row for row in rows if row.account in accounts]
    over = tuple(row for row in all_rows if not row.in_progress)
    return Statement(
        rows=over,
        in_progress=len(all_rows) - len(over),
        chargers=tuple(_chargers(reader, over)),
        tariffs=tariffs,
        agreed_price=agreed_price,
        ledgers=tuple(_ledger(reader, account) for account in accounts),
        selection=selection,
        made_at_seconds=now_seconds,
    )


def _chargers(reader: LedgerReader, rows: Iterable[SessionRow]) -> Iterator[StatementCharger]:
    last = {account: {each.id: each for each in reader.last_chargers(account)} for account in reader.accounts}
    latest = {(row.account, row.charger, row.charger_id): row for row in rows}
    for (account, label, charger_id), row in sorted(latest.items()):
        charger = last[account].get(charger_id, Charger(charger_id))
        yield StatementCharger(account, label, charger_id, charger.nickname or row.nickname, charger.mid_certified)


def _ledger(reader: LedgerReader, account: str) -> LedgerState:
    endpoints = reader.endpoints(account)
    sessions, chargers = (
        endpoints[name].succeeded_at_seconds if name in endpoints else None for name in ("sessions", "chargers")
    )
    return LedgerState(account, reader.completeness(account), sessions, chargers)


def _without_tariff(statement: Statement) -> int:
    return sum(row.tariff is None for row in statement.rows)


def _without_energy(statement: Statement) -> int:
    return sum(row.kwh_hundredths is None for row in statement.rows)


# CSV and JSON -------------------------------------------------------------------------------------


def _fields(statement: Statement) -> dict[str, Callable[[SessionRow], object]]:
    fields: dict[str, Callable[[SessionRow], object]] = {
        "account": attrgetter("account"),
        "session_id": attrgetter("session_id"),
        "started_at": lambda row: moment(row.started_at_seconds),
        "ended_at": lambda row: moment(row.ended_at_seconds),
        "charger": attrgetter("charger"),
        "charger_id": attrgetter("charger_id"),
        "mid_certified": statement.mid_certified,
        "vehicle": attrgetter("vehicle"),
    }
    return {name: value for name, value in fields.items() if statement.named or name != "account"}


def _price(tariff: Tariff | None) -> str | None:
    """Return a price with two decimals or more, as it was written."""
    if tariff is None:
        return None
    cents = tariff.euro_per_kwh.quantize(Decimal("0.01"))
    return str(cents if cents == tariff.euro_per_kwh else tariff.euro_per_kwh)


def _as_csv(statement: Statement, _language: str) -> Iterator[str]:
    """Yield CSV as in RFC 4180, sessions alone, so that nobody adds totals to them."""
    fields = {
        **_fields(statement),
        "kwh": lambda row: figure(row.kwh_hundredths),
        "euro_per_kwh": lambda row: _price(row.tariff),
        "cost_euros": lambda row: figure(row.cost_cents),
        "corrected_at": lambda row: moment(row.corrected_at_seconds),
        "first_kwh": lambda row: figure(row.first_kwh_hundredths),
    }
    return csv_text(fields, statement.rows, line_end="\r\n")


def _as_json(statement: Statement, _language: str) -> Iterator[str]:
    """Yield a JSON object; energy and money are integers, so that sums over them are exact in any program."""
    fields: dict[str, Callable[[SessionRow], object]] = {
        **_fields(statement),
        "kwh_hundredths": attrgetter("kwh_hundredths"),
        "euro_per_kwh": lambda row: _price(row.tariff),
        "cost_cents": attrgetter("cost_cents"),
        "corrected_at": lambda row: moment(row.corrected_at_seconds),
        "first_kwh_hundredths": attrgetter("first_kwh_hundredths"),
    }
    content = {
        "made_at": moment(statement.made_at_seconds),
        "from": moment(statement.from_seconds),
        "to": moment(statement.to_seconds),
        "charger": statement.selection.charger,
        "vehicle": statement.selection.vehicle,
        "agreed_price": statement.agreed_price,
        "chargers": statement.chargers,
        "tariffs": [_tariff_record(statement, *used) for used in statement.used_tariffs],
        "sessions": [{name: value(row) for name, value in fields.items()} for row in statement.rows],
        "months": [{"month": each.name, **_sums(each)} for each in totals_by(statement.rows, "month")],
        "quarters": [{"quarter": each.name, **_sums(each)} for each in totals_by(statement.rows, "quarter")],
        "total": _sums(statement.total),
        "sessions_in_progress": statement.in_progress,
        "sessions_without_energy": _without_energy(statement),
        "sessions_without_tariff": _without_tariff(statement),
        "sessions_corrected": len(statement.corrected),
        "ledger": [_ledger_record(ledger) for ledger in statement.ledgers],
    }
    yield msgspec.json.format(msgspec.json.encode(content), indent=2).decode() + "\n"


def _tariff_record(statement: Statement, tariff: Tariff, total: Total) -> dict[str, object]:
    return {
        "euro_per_kwh": _price(tariff),
        "from": None if tariff.from_day == date.min else tariff.from_day,
        "through": statement.tariffs.last_day(tariff),
        "vehicle": tariff.vehicle,
        **_sums(total),
    }


def _sums(total: Total) -> dict[str, object]:
    return {
        "sessions": total.sessions,
        "kwh_hundredths": total.kwh_hundredths,
        "cost_cents": total.cost_cents,
    }


def _ledger_record(ledger: LedgerState) -> dict[str, object]:
    known = ledger.completeness
    return {
        "account": ledger.account,
        "complete": known.complete,
        "sessions": known.sessions,
        "unreadable": known.unreadable,
        "since": moment(known.back_to_seconds),
        "compared_in_full_at": moment(known.read_in_full_at_seconds),
        "sessions_asked_at": moment(ledger.sessions_at_seconds),
        "chargers_asked_at": moment(ledger.chargers_at_seconds),
        "corrections_since": moment(known.corrections_since_seconds),
    }


# HTML ---------------------------------------------------------------------------------------------

LANGUAGES = ("en", "nl")
_WORDS = {
    "title": ("Home charging statement", "Overzicht thuisladen"),
    "months": (
        "January February March April May June July August September October November December",
        "januari februari maart april mei juni juli augustus september oktober november december",
    ),
    "time": ("%Y-%m-%d %H:%M %Z", "%d-%m-%Y %H:%M %Z"),
    "quarter": ("Q{} {}", "{}e kwartaal {}"),
    "sessions": ("1 session|{} sessions", "1 sessie|{} sessies"),
    "period": ("Period", "Periode"),
    "to": ("to and including", "tot en met"),
    "until": ("until", "tot"),
    "account": ("Account", "Account"),
    "made": ("Made", "Opgemaakt"),
    "chargers": ("Chargers", "Laadpalen"),
    "charger": ("Charger", "Laadpaal"),
    "nickname": ("Name", "Naam"),
    "id": ("Id at Joulo", "Id bij Joulo"),
    "mid": ("MID meter", "MID-meter"),
    "yes": ("yes", "ja"),
    "no": ("no", "nee"),
    "unknown": ("unknown", "onbekend"),
    "tariffs": ("Tariffs", "Tarieven"),
    "price": ("€ per kWh", "€ per kWh"),
    "valid": ("Valid", "Geldig"),
    "from": ("from", "vanaf"),
    "agreed": ("agreed price", "afgesproken prijs"),
    "vehicle": ("Vehicle", "Voertuig"),
    "every": ("all", "alle"),
    "list": ("Sessions", "Laadsessies"),
    "start": ("Start", "Begin"),
    "end": ("End", "Einde"),
    "kwh": ("kWh", "kWh"),
    "cost": ("Cost €", "Kosten €"),
    "total": ("Total", "Totaal"),
    "corrections": ("Corrected sessions", "Gecorrigeerde sessies"),
    "noticed": ("Correction seen", "Correctie gezien"),
    "first_kwh": ("kWh at first", "kWh eerst"),
    "corrected": (
        "* Changed by Joulo after the end of the session: {}.",
        "* Door Joulo gewijzigd na het einde van de sessie: {}.",
    ),
    "uncorrected": (
        "No session is known to have been changed by Joulo after its end.",
        "Van geen sessie is bekend dat Joulo die na het einde heeft gewijzigd.",
    ),
    "since": (" Changes are noted since {}.", " Wijzigingen worden bijgehouden sinds {}."),
    "none": ("No sessions in this period.", "Geen sessies in deze periode."),
    "notes": ("About this statement", "Over dit overzicht"),
    "complete": (
        "The ledger has the whole history of Joulo{}: {} since {}{}.",
        "De administratie bevat de hele historie van Joulo{}: {} sinds {}{}.",
    ),
    "unreadable": (" but for {} without an id or energy", ", op {} zonder id of energie na"),
    "compared": (", compared in full on {}", ", volledig vergeleken op {}"),
    "incomplete": (
        "The ledger is not complete yet: {} so far. Sums on this statement can be too low.",
        "De administratie is nog niet volledig: {} tot nu toe. Sommen op dit overzicht kunnen te laag zijn.",
    ),
    "asked": ("Joulo was last asked for sessions on {}.", "Joulo is voor het laatst om sessies gevraagd op {}."),
    "never": ("Joulo was never asked for sessions.", "Joulo is nog nooit om sessies gevraagd."),
    "later": (
        "Later sessions of this period are not on this statement.",
        "Latere sessies van deze periode staan niet op dit overzicht.",
    ),
    "mid_note": (
        "MID meter: certified by the Measuring Instruments Directive, as Joulo stated on {}.",
        "MID-meter: gecertificeerd volgens de richtlijn voor meetinstrumenten, zoals Joulo opgaf op {}.",
    ),
    "rounding": (
        "kWh as Joulo lists them. Cost is kWh times price, rounded once a session; totals are sums of the lines.",
        "kWh volgens Joulo. Kosten zijn kWh maal prijs, eenmaal per sessie afgerond; totalen zijn sommen daarvan.",
    ),
    "began": (
        "A session counts on the day on which it began, with the tariff of that day, local time.",
        "Een sessie telt op de dag waarop zij begon, met het tarief van die dag, in plaatselijke tijd.",
    ),
    "in_progress": (
        "Still in progress, and so not on this statement: {}.",
        "Nog bezig, en daarom niet op dit overzicht: {}.",
    ),
    "no_energy": (
        "Without a known energy, and so without a cost: {}.",
        "Zonder bekende energie, en daarom zonder kosten: {}.",
    ),
    "no_tariff": (
        "Without a tariff, and so without a price and a cost: {}.",
        "Zonder tarief, en daarom zonder prijs en kosten: {}.",
    ),
}
"""Each in the order of the languages."""

# A table's head is repeated on each page. Totals stay with the line before them, and no line breaks.
_STYLE = """
@page { size: A4; margin: 15mm 14mm 18mm;
  @bottom-right { content: counter(page) " / " counter(pages); font: 8pt sans-serif; } }
body { font: 9pt/1.35 sans-serif; color: #111; background: #fff; max-width: 182mm; margin: 1em auto; }
h1 { font-size: 17pt; margin: 0 0 .4em; } h2 { font-size: 11pt; margin: 1.4em 0 .3em; break-after: avoid; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .1em 1.2em; margin: 0; } dd { margin: 0; }
dt { color: #555; } ul { margin: 0; padding-left: 1.2em; } li { break-inside: avoid; }
.missing { font-weight: bold; }
table { border-collapse: collapse; width: 100%; } thead { display: table-header-group; }
tr { break-inside: avoid; }
th, td { text-align: left; vertical-align: top; line-height: 12pt; padding: 2pt 4pt 2pt 0; }
td { overflow-wrap: anywhere; border-top: .3pt solid #bbb; } thead th { border-bottom: 1.2pt solid #111; }
.name { min-width: 5em; } .time, .word, .figure { white-space: nowrap; } .time { font-size: 8pt; }
th.figure { padding-left: .8em; } .figure { text-align: right; font-variant-numeric: tabular-nums; }
.sum { break-before: avoid; font-weight: bold; } .sum > * { border-top: .8pt solid #111; }
.last { break-after: avoid; } .whole > * { border-bottom: 1.2pt solid #111; }
@media print { body { margin: 0; max-width: none; } }
"""


class _Page:
    """The parts of the HTML in one language."""

    def __init__(self, statement: Statement, language: str) -> None:
        self._statement = statement
        self._language = language
        self._words = {name: words[LANGUAGES.index(language)] for name, words in _WORDS.items()}

    def parts(self) -> Iterator[str]:
        """Yield the whole document."""
        words = self._words
        period = _escaped(self._period())
        yield f'<!DOCTYPE html>\n<html lang="{self._language}">\n<head>\n<meta charset="utf-8">\n'
        yield f"<title>{words['title']}, {period}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n"
        yield f"<h1>{words['title']}</h1>\n<dl>\n"
        for name, value in self._head():
            yield f"<dt>{words[name]}</dt><dd>{_escaped(value)}</dd>\n"
        yield "</dl>\n"
        if self._statement.rows:
            yield from self._chargers()
            yield from self._tariffs()
        yield f"<h2>{words['list']}</h2>\n"
        yield from self._sessions() if self._statement.rows else (f"<p>{words['none']}</p>\n",)
        yield from self._corrections()
        yield f"<h2>{words['notes']}</h2>\n<ul>\n"
        for note, missing in self._notes():
            css = ' class="missing"' if missing else ""
            yield f"<li{css}>{_escaped(note)}</li>\n"
        yield "</ul>\n</body>\n</html>\n"

    def _head(self) -> Iterator[tuple[str, str]]:
        statement = self._statement
        yield "period", self._period()
        if statement.named:
            yield "account", ", ".join(ledger.account for ledger in statement.ledgers)
        if statement.selection.charger is not None:
            yield "charger", statement.selection.charger
        if statement.selection.vehicle is not None:
            yield "vehicle", self._vehicle(statement.selection.vehicle)
        yield "made", f"{self._moment(statement.made_at_seconds)}, joulo-exporter {__version__}"

    def _chargers(self) -> Iterator[str]:
        yield f"<h2>{self._words['chargers']}</h2>\n<table>\n"
        yield self._table_head("charger", "nickname", "id", "mid")
        for each in self._statement.chargers:
            mid = self._mid(each.mid_certified)
            label = self._label(each.account, each.charger)
            yield _row(_cell(label), _cell(each.nickname or _DASH), _cell(each.charger_id), _cell(mid))
        yield "</table>\n"

    def _tariffs(self) -> Iterator[str]:
        used = self._statement.used_tariffs
        if not used:
            return
        yield f"<h2>{self._words['tariffs']}</h2>\n<table>\n"
        yield self._table_head("valid", "vehicle", "price", "kwh", "cost")
        for tariff, total in used:
            vehicle = self._words["every"] if tariff.vehicle is None else self._vehicle(tariff.vehicle)
            price = _cell(self._price(tariff), "figure")
            yield _row(_cell(self._validity(tariff)), _cell(vehicle), price, *self._figures(total))
        yield "</table>\n"

    def _sessions(self) -> Iterator[str]:
        yield "<table>\n"
        yield self._table_head("start", "end", "charger", "mid", "vehicle", "kwh", "price", "cost")
        rows = self._statement.rows
        several = GROUPS["month"](rows[0]) != GROUPS["month"](rows[-1])
        for quarter, of_quarter in groupby(rows, key=GROUPS["quarter"]):
            quarter_total = Total(quarter)
            for month, of_month in groupby(of_quarter, key=GROUPS["month"]):
                month_total = Total(month)
                lines = []
                for row in of_month:
                    month_total.add(row)
                    quarter_total.add(row)
                    lines.append(self._line(row))
                lines[-1] = lines[-1].replace("<tr>", '<tr class="last">', 1)
                yield from lines
                year, number = month.split("-")
                yield self._sum(f"{self._month(int(number))} {year}", month_total)
            if several:
                year, number = quarter.split("-Q")
                yield self._sum(self._words["quarter"].format(number, year), quarter_total)
        yield self._sum("", self._statement.total, "sum whole")
        yield "</table>\n"

    def _corrections(self) -> Iterator[str]:
        if not self._statement.corrected:
            return
        yield f"<h2>{self._words['corrections']}</h2>\n<table>\n"
        yield self._table_head("start", "charger", "noticed", "first_kwh", "kwh")
        for row in self._statement.corrected:
            yield _row(
                _cell(self._time(row.started_at_seconds), "time"),
                _cell(self._label(row.account, row.charger)),
                _cell(self._time(row.corrected_at_seconds), "time"),
                _cell(self._figure(row.first_kwh_hundredths), "figure"),
                _cell(self._figure(row.kwh_hundredths), "figure"),
            )
        yield "</table>\n"

    def _line(self, row: SessionRow) -> str:
        return _row(
            _cell(self._time(row.started_at_seconds) + (" *" if row.corrected_at_seconds else ""), "time"),
            _cell(self._end(row), "time"),
            _cell(self._label(row.account, row.charger)),
            _cell(self._mid(self._statement.mid_certified(row)), "word"),
            _cell(self._vehicle(row.vehicle)),
            _cell(self._figure(row.kwh_hundredths), "figure"),
            _cell(self._price(row.tariff), "figure"),
            _cell(self._figure(row.cost_cents), "figure"),
        )

    def _sum(self, name: str, total: Total, css: str = "sum") -> str:
        title = _escaped(f"{self._words['total']} {name}".strip() + f": {self._count(total.sessions)}")
        kwh, cost = self._figures(total)
        return f'<tr class="{css}"><th colspan="5">{title}</th>{kwh}<td></td>{cost}</tr>\n'

    def _notes(self) -> Iterator[tuple[str, bool]]:
        """Yield (sentence, whether something is missing)."""
        statement, words = self._statement, self._words
        for ledger in statement.ledgers:
            account = f"{ledger.account}: " if statement.named else ""
            yield (
                account + self._completeness(ledger.completeness),
                bool(not ledger.completeness.complete or ledger.completeness.unreadable),
            )
            asked = ledger.sessions_at_seconds
            late = asked is None or asked < statement.to_seconds
            sentence = words["never"] if asked is None else words["asked"].format(self._moment(asked))
            yield account + sentence + (f" {words['later']}" if late else ""), late
            if ledger.chargers_at_seconds is not None:
                yield account + words["mid_note"].format(self._moment(ledger.chargers_at_seconds)), False
        for name, count in (
            ("in_progress", statement.in_progress),
            ("no_energy", _without_energy(statement)),
            ("no_tariff", _without_tariff(statement)),
        ):
            if count:
                yield words[name].format(self._count(count)), True
        yield self._correction_note(), bool(statement.corrected)
        yield words["rounding"], False
        yield words["began"], False

    def _correction_note(self) -> str:
        """Return how many sessions were corrected, and from when on that is known of every account."""
        corrected, words = self._statement.corrected, self._words
        note = words["corrected"].format(self._count(len(corrected))) if corrected else words["uncorrected"]
        since = [ledger.completeness.corrections_since_seconds for ledger in self._statement.ledgers]
        known = [moment for moment in since if moment is not None]
        return note + (words["since"].format(self._moment(max(known))) if known else "")

    def _completeness(self, known: Completeness) -> str:
        if not known.complete:
            return self._words["incomplete"].format(self._count(known.sessions))
        since = _DASH if known.back_to_seconds is None else self._day(local_time(known.back_to_seconds).date())
        read = known.read_in_full_at_seconds
        compared = "" if read is None else self._words["compared"].format(self._moment(read))
        unreadable = self._words["unreadable"].format(self._count(known.unreadable)) if known.unreadable else ""
        return self._words["complete"].format(unreadable, self._count(known.sessions), since, compared)

    # Words and figures

    def _table_head(self, *columns: str) -> str:
        figures = {"kwh", "first_kwh", "price", "cost"}
        cells = (f'<th class="{"figure" if name in figures else ""}">{self._words[name]}</th>' for name in columns)
        return f"<thead><tr>{''.join(cells)}</tr></thead>\n"

    def _figures(self, total: Total) -> tuple[str, str]:
        """Return the cells of energy and cost; a cost of which nothing is known is none."""
        cost = None if total.unpriced == total.sessions else total.cost_cents
        return _cell(self._figure(total.kwh_hundredths), "figure"), _cell(self._figure(cost), "figure")

    def _figure(self, hundredths: int | None) -> str:
        return _DASH if hundredths is None else self._decimal(hundredths_text(hundredths))

    def _price(self, tariff: Tariff | None) -> str:
        return self._decimal(_price(tariff) or _DASH)

    def _decimal(self, text: str) -> str:
        return text.replace(".", ",") if self._language == "nl" else text

    def _count(self, sessions: int) -> str:
        one, several = self._words["sessions"].split("|")
        return one if sessions == 1 else several.format(sessions)

    def _mid(self, certified: bool | None) -> str:  # noqa: FBT001 -- a value, not a switch
        return self._words["unknown" if certified is None else "yes" if certified else "no"]

    def _vehicle(self, vehicle: str) -> str:
        return self._words["unknown"] if vehicle == UNKNOWN_VEHICLE else vehicle

    def _label(self, account: str, charger: str) -> str:
        return f"{account}: {charger}" if len(self._statement.ledgers) > 1 else charger

    def _month(self, number: int) -> str:
        return self._words["months"].split()[number - 1]

    def _day(self, day: date) -> str:
        return f"{day.day} {self._month(day.month)} {day.year}"

    def _moment(self, seconds: float) -> str:
        return f"{self._day(local_time(seconds).date())} {local_time(seconds):%H:%M %Z}"

    def _time(self, seconds: float | None) -> str:
        return _DASH if seconds is None else local_time(seconds).strftime(self._words["time"])

    def _end(self, row: SessionRow) -> str:
        start, end = self._time(row.started_at_seconds), self._time(row.ended_at_seconds)
        same_day = start.partition(" ")[0] == end.partition(" ")[0] and row.ended_at_seconds is not None
        return end.partition(" ")[2] if same_day else end

    def _period(self) -> str:
        first, end = local_time(self._statement.from_seconds), local_time(self._statement.to_seconds)
        begin = self._day(first.date()) if first.time() == time.min else self._moment(first.timestamp())
        if end.time() == time.min:
            return f"{begin} {self._words['to']} {self._day(end.date() - timedelta(days=1))}"
        return f"{begin} {self._words['until']} {self._moment(end.timestamp())}"

    def _validity(self, tariff: Tariff) -> str:
        if self._statement.agreed_price:
            return self._words["agreed"]
        last_day = self._statement.tariffs.last_day(tariff)
        until = "" if last_day is None else f" {self._words['to']} {self._day(last_day)}"
        return f"{self._words['from']} {self._day(tariff.from_day)}{until}"


def _as_html(statement: Statement, language: str) -> Iterator[str]:
    return _Page(statement, language).parts()


STATEMENT_FORMATS: dict[str, Callable[[Statement, str], Iterator[str]]] = {
    "html": _as_html,
    "csv": _as_csv,
    "json": _as_json,
}
"""By name: makes the text of a statement in one of ``LANGUAGES``."""


def language_of(environ: Mapping[str, str]) -> str:
    """Return the language of the locale that the environment sets: Dutch for a Dutch one, else English."""
    names = (environ.get(name) for name in ("LC_ALL", "LC_MESSAGES", "LANG"))
    return "nl" if next(filter(None, names), "").lower().startswith("nl") else "en"


def _escaped(text: str) -> str:
    """Return the text without markup and control characters."""
    return escape(printable(text))


def _cell(text: str, css: str = "name") -> str:
    return f'<td class="{css}">{_escaped(text)}</td>'


def _row(*cells: str) -> str:
    return f"<tr>{''.join(cells)}</tr>\n"
