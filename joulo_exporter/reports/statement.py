"""Statement of home charging for an employer or the tax office: sessions and their cost.

CSV and JSON are for machines, and the same in every language. HTML is in Dutch or English, for a browser to print
on A4: every text in it is escaped, it has no script, and fetches nothing.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, time, timedelta
from decimal import Decimal
from functools import cache, partial
from operator import attrgetter

import msgspec

from joulo_exporter.clock import local_time
from joulo_exporter.config.schema import Tariff, Tariffs
from joulo_exporter.language import Language
from joulo_exporter.ledger.account import EndpointRecord
from joulo_exporter.ledger.book import Completeness
from joulo_exporter.ledger.reader import LedgerReader
from joulo_exporter.reports.sessions import FIELDS, Selection, SessionRow, Total, grouped, total_of, totals_by
from joulo_exporter.reports.text import Fields, count_text, csv_text, figure, moment, printable


class Statement:
    """Sessions of a period with all that is stated about them.

    The sessions are ordered by start, and priced by the tariffs; sessions in progress are counted, but left out.
    ``agreed_price`` says whether the only tariff is a price from the command line.
    """

    def __init__(
        self,
        reader: LedgerReader,
        rows: Sequence[SessionRow],
        tariffs: Tariffs,
        selection: Selection,
        *,
        agreed_price: bool,
        now_seconds: float,
    ) -> None:
        self.rows = [row for row in rows if not row.in_progress]
        self.tariffs, self.agreed_price, self.selection = tariffs, agreed_price, selection
        by_charger = sorted(self.rows, key=attrgetter("account", "charger"))
        self.chargers = {(row.account, row.described.id): row for row in by_charger}
        """The latest session of each charger, in the order of labels."""
        self.ledgers = [
            (account, reader.completeness(account), reader.endpoints(account)) for account in reader.accounts
        ]
        self.named = any(reader.accounts)
        self.made_at_seconds = now_seconds
        # Unless a period was asked for, it runs from the first session until now.
        self.to_seconds = now_seconds if selection.to_seconds is None else selection.to_seconds
        first_seconds = self.rows[0].session.began_seconds if self.rows else self.to_seconds
        self.from_seconds = first_seconds if selection.from_seconds is None else selection.from_seconds
        self.corrected = [row for row in self.rows if row.session.corrected_at_seconds is not None]
        self.remarkable = {
            "in_progress": len(rows) - len(self.rows),
            "without_energy": sum(row.session.kwh_hundredths is None for row in self.rows),
            "without_tariff": sum(row.tariff is None for row in self.rows),
            "corrected": len(self.corrected),
        }
        """Number of sessions to look at, by reason."""
        in_order = sorted(tariffs.entries, key=lambda each: (each.from_day, each.vehicle or ""))
        used = ((tariff, [row for row in self.rows if row.tariff == tariff]) for tariff in in_order)
        self.used_tariffs = [(tariff, total_of(of_tariff)) for tariff, of_tariff in used if of_tariff]
        """Each tariff with the totals of its sessions, ordered by first day."""

    def summary(self) -> Iterator[str]:
        """Yield a line with the totals, and one for each kind of session to look at."""
        total = total_of(self.rows)
        kwh, euros = figure(total.kwh_hundredths), figure(total.cost_cents)
        yield f"statement: {count_text(total.sessions)}, {kwh} kWh, {euros} euros"
        for reason, count in self.remarkable.items():
            if count:
                yield f"statement: {_language('en').words[reason].format(count_text(count))}"


def price_text(tariff: Tariff | None) -> str | None:
    """Return a price with two decimals or more, as it was written."""
    if tariff is None:
        return None
    cents = tariff.euro_per_kwh.quantize(Decimal("0.01"))
    return str(cents if cents == tariff.euro_per_kwh else tariff.euro_per_kwh)


# CSV and JSON -------------------------------------------------------------------------------------


_FIELDS: Fields[SessionRow] = {
    **FIELDS,
    "mid_certified": attrgetter("described.mid_certified"),
    "kwh_hundredths": attrgetter("session.kwh_hundredths"),
    "first_kwh_hundredths": attrgetter("session.first_kwh_hundredths"),
    "euro_per_kwh": lambda row: price_text(row.tariff),
    "cost_cents": attrgetter("cost_cents"),
}
_NAMES = ("session_id", "started_at", "ended_at", "charger", "charger_id", "mid_certified", "vehicle")


def _fields(statement: Statement, *figures: str) -> Fields[SessionRow]:
    """Return the fields of a session, with those of its figures that are asked for."""
    return {name: _FIELDS[name] for name in (*(("account",) if statement.named else ()), *_NAMES, *figures)}


def as_csv(statement: Statement, _language: str) -> str:
    """Return CSV as in RFC 4180, of sessions alone: sums over a column would count a line of totals too."""
    fields = _fields(statement, "kwh", "euro_per_kwh", "cost_euros", "corrected_at", "first_kwh")
    return csv_text(fields, statement.rows, line_end="\r\n")


def as_json(statement: Statement, _language: str) -> str:
    """Return a JSON object; energy and money are integers, so that sums over them are exact in any program."""
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
        "chargers": [
            {
                "account": row.account,
                "charger": row.charger,
                "charger_id": row.described.id,
                "nickname": row.nickname,
                "mid_certified": row.described.mid_certified,
            }
            for row in statement.chargers.values()
        ],
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
                "account": account,
                "complete": known.complete,
                "sessions": known.sessions,
                "unreadable": known.unreadable,
                "since": moment(known.back_to_seconds),
                "compared_in_full_at": moment(known.read_in_full_at_seconds),
                "sessions_asked_at": moment(endpoints["sessions"].succeeded_at_seconds),
                "chargers_asked_at": moment(endpoints["chargers"].succeeded_at_seconds),
                "corrections_since": moment(known.corrections_since_seconds),
            }
            for account, known, endpoints in statement.ledgers
        ],
    }
    return msgspec.json.format(msgspec.json.encode(content), indent=2).decode() + "\n"


def _sums(total: Total) -> dict[str, int]:
    return {name: getattr(total, name) for name in ("sessions", "kwh_hundredths", "cost_cents")}


# HTML -------------------------------------------------------------------------------------------

_DASH = "\N{EN DASH}"


def as_html(statement: Statement, language: str) -> str:
    """Return an HTML document: the template ``statement.html`` with the words in ``statement.toml``."""
    html = _language(language).render(statement=statement, dash=_DASH, grouped=grouped, sums=total_of)
    return "\n".join(map(printable, html.split("\n")))


class _Language(Language):
    """Figures, times and sentences of a statement in a language."""

    # Figures and times

    def hundredths(self, value: int | None) -> str:
        return _DASH if value is None else self.decimal(figure(value))

    def price(self, tariff: Tariff | None) -> str:
        return self.decimal(price_text(tariff) or _DASH)

    def cost(self, total: Total) -> str:
        """Return the cost; a dash if no session has one."""
        return self.hundredths(None if total.unpriced == total.sessions else total.cost_cents)

    def quarter(self, quarter: str) -> str:
        """Return the name of a quarter such as ``2026-Q2``."""
        year, number = quarter.split("-Q")
        return str(self.words["quarter"]).format(number, year)

    def day(self, day: date) -> str:
        return f"{day.day} {self.month_name(day.month)} {day.year}"

    def moment(self, seconds: float) -> str:
        return f"{self.day(local_time(seconds).date())} {local_time(seconds):%H:%M %Z}"

    def time(self, seconds: float | None, after: float | None = None) -> str:
        """Return a moment, without its day if that is the day of the other one; a dash for none."""
        if seconds is None:
            return _DASH
        at = local_time(seconds)
        same_day = after is not None and local_time(after).date() == at.date()
        return at.strftime("%H:%M %Z" if same_day else self.words["moment"])

    def period(self, statement: Statement) -> str:
        first, end = local_time(statement.from_seconds), local_time(statement.to_seconds)
        begin = self.day(first.date()) if first.time() == time.min else self.moment(first.timestamp())
        if end.time() == time.min:
            return f"{begin} {self.words['to']} {self.day(end.date() - timedelta(days=1))}"
        return f"{begin} {self.words['until']} {self.moment(end.timestamp())}"

    # Sentences about the statement

    def facts(self, statement: Statement) -> Iterator[tuple[str, bool]]:
        """Yield (sentence, whether something is missing)."""
        for account, known, endpoints in statement.ledgers:
            for fact, missing in self._ledger_facts(known, endpoints, statement.to_seconds):
                yield f"{account}: {fact}" if statement.named else fact, missing
        since = [at for _, known, _ in statement.ledgers if (at := known.corrections_since_seconds) is not None]
        noted = self.words["since"].format(self.moment(max(since))) if since else ""
        for reason, count in statement.remarkable.items():
            if count:
                yield self.words[reason].format(self.counted(count)) + noted * (reason == "corrected"), True
        if not statement.corrected:
            yield self.words["uncorrected"] + noted, False
        yield self.words["rounding"], False
        yield self.words["began"], False

    def _ledger_facts(
        self, known: Completeness, endpoints: Mapping[str, EndpointRecord], to_seconds: float
    ) -> Iterator[tuple[str, bool]]:
        asked, described = (endpoints[name].succeeded_at_seconds for name in ("sessions", "chargers"))
        since = _DASH if known.back_to_seconds is None else self.day(local_time(known.back_to_seconds).date())
        count, compared_at = self.counted(known.sessions), known.read_in_full_at_seconds
        unreadable = self.words["unreadable"].format(self.counted(known.unreadable)) if known.unreadable else ""
        compared = "" if compared_at is None else self.words["compared"].format(self.moment(compared_at))
        if known.complete:
            yield self.words["complete"].format(unreadable, count, since, compared), known.unreadable > 0
        else:
            yield self.words["incomplete"].format(count), True
        late = asked is None or asked < to_seconds
        sentence = self.words["never"] if asked is None else self.words["asked"].format(self.moment(asked))
        yield sentence + self.words["later"] * late, late
        if described is not None:
            yield self.words["mid_note"].format(self.moment(described)), False


_language = cache(partial(_Language, "joulo_exporter.reports", "statement"))


def language_of(environ: Mapping[str, str]) -> str:
    """Return the language of the locale that the environment sets: Dutch for a Dutch one, else English."""
    names = (environ.get(name) for name in ("LC_ALL", "LC_MESSAGES", "LANG"))
    return "nl" if next(filter(None, names), "").lower().startswith("nl") else "en"


STATEMENT_FORMATS = {"html": as_html, "csv": as_csv, "json": as_json}
"""By name, the function that returns the text of a statement in a language, ``en`` or ``nl``."""
